"""Connectors in the console: filters, what a deletion would lose, certificates with their ways back."""

import re
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.urls import reverse

from chancery import catalog
from chancery.apps.accounts.models import Team
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Call, Connector, ConnectorVersion
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.core.errors import Problem
from chancery.doors.console import forms
from chancery.doors.console.tests.test_console import logged_in, text
from tests.cast import request_pem

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(cast):
    return logged_in("ada")


@pytest.fixture
def issued(cast, local):
    def make(host="www.example.com", **more):
        order = place(cast.rob, PlaceOrder("Internal", request_pem(host)))
        Order.objects.filter(pk=order.pk).update(state="issued", due_at=None)
        copied = {
            n: getattr(order, n) for n in ("connector_id", "profile_id", "team_id", "environment_id", "common_name")
        }
        about = {
            "der": b"\0", "serial": f"{order.pk.hex}", "issuer": "CN=x", "sha256": order.pk.hex, "spki_sha256": "0" * 64,
            "not_before": order.placed_at, "not_after": order.placed_at + timedelta(days=90), "stored_at": order.placed_at,
        }  # fmt: skip
        return Certificate.objects.create(order=order, names=order.names, **copied, **about, **more)

    return make


def free(cast):
    for name in ("Internal", "Careful"):
        profiles.delete(cast.ada, Profile.objects.get(name=name).pk)


def delete(client, row, **sent):
    return client.post(reverse("connector_delete", args=[row.pk]), sent)


def test_a_deletion_names_the_certificates_and_leads_to_all_of_them(cast, local, ada, issued):
    made = issued()
    issued("later.example.com")
    page = ada.get(reverse("connector_delete", args=[local.pk])).content.decode()
    assert "2 valid certificates could no longer be revoked" in page
    assert reverse("certificate", args=[made.pk]) in page
    assert made.serial in page
    listed = f"{reverse('certificates')}?status=valid&amp;connector={local.pk}"
    assert listed in page
    shown = text(ada.get(listed.replace("&amp;", "&")))
    assert "www.example.com" in shown
    assert "No certificate fits" in text(ada.get(reverse("certificates"), {"connector": str(made.pk)}))


def test_the_only_key_of_a_ca_is_erased_by_name_alone(cast, local, ada):
    free(cast)
    page = ada.get(reverse("connector_delete", args=[local.pk]))
    assert "Erased for good, since it exists nowhere else: Issuing CA key" in text(page)
    refused = delete(ada, local, confirm="local")
    assert refused.status_code == 422
    assert "Confirm it by the connector&#x27;s name" in refused.content.decode()
    assert delete(ada, local, confirm="Local").status_code == 302
    assert Connector.objects.get(pk=local.pk).deleted_at


def test_a_revocation_that_nobody_publishes_is_not_shown_as_one_that_is(cast, local, ada, issued):
    made = issued()
    page = text(ada.get(reverse("certificate", args=[made.pk])))
    assert "It is recorded here alone" in page
    Certificate.objects.update(revocation="confirmed", revocation_reason="superseded", revoked_at=made.stored_at)
    page = text(ada.get(reverse("certificate", args=[made.pk])))
    assert "Revoked: recorded here, not published" in page
    assert "still takes it for valid" in page


def test_a_certificate_leads_to_its_order_profile_and_connector(cast, local, ada, issued):
    made = issued()
    page = ada.get(reverse("certificate", args=[made.pk]))
    for name, row in (("order", made.order), ("profile", made.profile), ("connector", local)):
        assert f'href="{reverse(name, args=[row.pk])}"' in page.content.decode()
    assert str(made.order_id) not in text(page)
    order = ada.get(reverse("order", args=[made.order_id])).content.decode()
    assert reverse("profile", args=[made.profile_id]) in order
    free(cast)
    connectors.delete(cast.ada, local.pk, "Local")
    page = ada.get(reverse("certificate", args=[made.pk]))
    assert text(page).count("(deleted)") == 2
    assert reverse("connector", args=[local.pk]) not in page.content.decode()
    assert reverse("connector", args=[local.pk]) not in ada.get(reverse("order", args=[made.order_id])).content.decode()


def test_a_certificate_whose_ca_type_is_not_installed_is_shown_all_the_same(local, ada, issued, monkeypatch):
    made = issued()
    monkeypatch.setattr(catalog, "find", lambda slug: None)
    page = ada.get(reverse("certificate", args=[made.pk]))
    assert page.status_code == 200
    assert reverse("certificate_revoke", args=[made.pk]) not in page.content.decode()


def test_a_key_is_reported_on_the_page_of_its_certificate_which_asks_what_is_to_be_revoked(cast, local, ada, issued):
    made = issued()
    other = issued("b.example.com")
    path = reverse("certificate", args=[made.pk])
    page = ada.get(path).content.decode()
    assert reverse("certificate_report_key", args=[made.pk]) in page
    assert page.count('name="revoke-') == 2
    assert 'value="leave" selected' not in page
    assert 'value="keyCompromise" selected' not in page
    told = ada.post(
        reverse("certificate_report_key", args=[made.pk]),
        {"note": "Lost.", f"revoke-{made.pk}": "superseded", f"revoke-{other.pk}": "leave"},
        follow=True,
    )
    assert "by ada (Operations): Lost. By the certificate www.example.com" in text(told)
    assert "www.example.com: the CA is asked to revoke it." in text(told)
    assert "Valid with this key, and not revoked: b.example.com" in text(told)
    assert reverse("certificate_report_key", args=[made.pk]) not in told.content.decode()
    assert Certificate.objects.get(pk=other.pk).revocation == ""
    assert "Its key was reported as compromised at" in text(ada.get(path))
    Order.objects.filter(pk=other.order_id).update(spki_sha256=other.spki_sha256)
    order = text(ada.get(reverse("order", args=[other.order_id])))
    assert "Its certificate is neither deployed nor renewed with it. Have it revoked." in order
    assert "Its key was reported as compromised at" in order
    wrong = ada.post(reverse("certificate_report_key", args=[made.pk]), {"revoke-x": "superseded"}, follow=True)
    assert "with this key that you may see" in text(wrong)
    refused = ada.post(
        reverse("certificate_report_key", args=[made.pk]), {f"revoke-{made.pk}": "superseded"}, follow=True
    )
    assert "asked for already" in text(refused)


def test_a_report_of_a_key_is_confirmed_and_withdrawn_on_the_page_of_reported_keys(cast, local, ada, issued):
    made = issued()
    Order.objects.filter(pk=made.order_id).update(spki_sha256=made.spki_sha256)
    page, act = reverse("key_reports"), "key_report_act"
    assert "No key has been reported" in text(ada.get(page))
    other = Team.objects.get(name="Other")
    theirs = SimpleNamespace(team_id=other.pk, environment_id=made.environment_id)
    keys.record(
        made.spki_sha256, theirs, "olaf", made.stored_at, "We say so.", named="fake.example.com 1", for_everybody=False
    )
    row = KeyReport.objects.get()
    warned = text(ada.get(reverse("certificate", args=[made.pk])))
    assert "Another team reported its key as compromised at" in warned
    assert (
        reverse("certificate_report_key", args=[made.pk])
        in ada.get(reverse("certificate", args=[made.pk])).content.decode()
    )
    assert "so the order goes on" in text(ada.get(reverse("order", args=[made.order_id])))
    listed = text(ada.get(page))
    assert "by olaf (Other): We say so. By the certificate fake.example.com 1" in listed
    assert "its own team's alone" in listed
    confirmed = ada.post(reverse(act, args=[row.pk, "confirm"]), follow=True)
    assert "It is confirmed: it stops everybody" in text(confirmed)
    assert "Confirm it for everybody" not in text(confirmed)
    rob = logged_in("rob")
    seen = text(rob.get(reverse("certificate", args=[made.pk])))
    assert "nothing is certified, renewed or deployed with it any more" in seen
    assert "Reported by another team at" in seen
    assert "olaf" not in seen
    assert rob.post(reverse(act, args=[row.pk, "withdraw"]), {"reason": "No."}, follow=True).status_code == 200
    assert KeyReport.objects.get().stands
    assert "This is missing" in text(ada.post(reverse(act, args=[row.pk, "withdraw"]), {"reason": ""}, follow=True))
    assert ada.post(reverse(act, args=[row.pk, "erase"])).status_code == 404
    done = text(ada.post(reverse(act, args=[row.pk, "withdraw"]), {"reason": "A drill."}, follow=True))
    assert "nobody's: it was withdrawn" in done
    assert "by ada : A drill." in done
    after = text(rob.get(reverse("certificate", args=[made.pk])))
    assert "Its key was reported" not in after
    assert "Withdrawn at" in after
    assert "Nobody has reported this key" in text(ada.get(page, {"key": "1" * 64}))


def test_a_connector_whose_ca_type_is_not_installed_any_more_is_shown_as_broken_and_can_be_deleted(
    cast, local, ada, issued
):
    issued()
    Connector.objects.filter(pk=local.pk).update(authority="gone")
    version = local.versions.get().number
    pages = [
        reverse("ca_types"),
        reverse("connectors", args=["gone"]),
        reverse("connector", args=[local.pk]),
        reverse("connector_delete", args=[local.pk]),
    ]
    for path in pages:
        page = ada.get(path)
        assert page.status_code == 200, path
        assert "No package that is installed brings it." in text(page)
    listed = ada.get(pages[1]).content.decode()
    assert reverse("connector_delete", args=[local.pk]) in listed
    for name in ("connector_edit", "connector_test", "connector_copy"):
        assert reverse(name, args=[local.pk]) not in listed + ada.get(pages[2]).content.decode()
    for name in ("connector_health", "connector_impact"):
        assert ada.get(reverse(name, args=[local.pk])).status_code == 200
    assert local.name in ada.get(reverse("connector_export", args=["gone"])).content.decode()
    for path in (reverse("connector_edit", args=[local.pk]), reverse("connector_create", args=["gone"])):
        assert "Install its package where server and workers run" in text(ada.get(path))
    assert ada.get(reverse("connectors", args=["never"])).status_code == 404
    assert delete(ada, local, confirm=local.name).status_code == 409, "the usual guard"
    free(cast)
    page = text(ada.get(pages[3]))
    assert "One valid certificate could no longer be revoked" in page
    assert "it may exist nowhere else: issuing_key" in page
    assert delete(ada, local).status_code == 422
    gone = delete(ada, local, confirm=local.name)
    assert gone["Location"] == pages[0]
    assert Connector.objects.get(pk=local.pk).deleted_at is not None
    assert version == 1


def names(answer):
    return [row.name for row, _ in answer.context["rows"]]


def test_a_form_marks_what_belongs_to_another_choice_unless_it_is_wrong(cast, ada):
    path = reverse("connector_create", args=["emsign"])
    page = ada.get(path).content.decode()
    assert off(page, "eab_key_id")
    assert not off(page, "client_secret")
    assert "Only for Transport: ACME (EAB credential)." in page
    refused = ada.post(path, {"transport": "v1", "account_number": "1", "eab_key_id": "x" * 301, "how": "untested"})
    assert refused.status_code == 422
    page = refused.content.decode()
    assert not off(page, "eab_key_id")
    assert off(page, "eab_hmac_key")
    assert not off(page, "access_key")


def test_a_star_stands_where_the_chosen_transport_needs_a_field(cast, ada):
    path = reverse("connector_create", args=["emsign"])
    wanted = {
        "v2": {"account_number", "client_secret", "requestor_name", "requestor_email"},
        "v1": {"account_number", "access_key", "requestor_name", "requestor_email", "requestor_isd", "requestor_phone"},
        "acme": {"eab_key_id", "eab_hmac_key"},
    }
    always = {"name", "base_url", "team", "environment"}
    for transport, needed in wanted.items():
        refused = ada.post(path, {"transport": transport, "how": "untested"})
        inputs = [i for g in refused.context["groups"] for i in g.inputs]
        assert {i.name for i in inputs if i.required or (i.needed and not i.spared)} == needed | always
        assert {i.name for i in inputs if i.problems} >= needed, "what has a star is refused without"
        page = refused.content.decode()
        stars = re.findall(r'for="f-(\w+)">[^<]*<span class="text-red" aria-hidden="true"([^>]*)>', page)
        assert {name for name, more in stars if "data-off" not in more} == needed | always


def off(page, name):
    """Whether the part of the page that holds this field is marked as not wanted."""
    return "data-off" in page.rpartition(f'id="f-{name}"')[0].rpartition('<div class="col-md-6"')[2].partition(">")[0]


def test_the_listing_filters_by_what_it_offers(cast, local, ada):
    values = {"team": "Operations", "environment": "Production", "region": "EU"}
    connectors.create(cast.ada, "local", {"name": "europe", **values})
    Connector.objects.filter(name="europe").update(health="unreachable")
    where = reverse("connectors", args=["local"])
    assert names(ada.get(where)) == ["europe", "Local"]
    for asked in (
        {"region": "eu"},
        {"health": "unreachable"},
        {"search": "EUR"},
        {"environment": "Production", "region": "EU"},
    ):
        page = ada.get(where, asked)
        assert names(page) == ["europe"], asked
    assert names(ada.get(where, {"sort": "-name"})) == ["Local", "europe"]
    assert "No connector fits" in text(ada.get(where, {"region": "Mars"}))
    assert ada.get(where, {"environment": "Mars"}).status_code == 422


def test_one_connector_is_one(cast, local, ada):
    shown = text(ada.get(reverse("ca_types")))
    assert "1 connector :" in shown.replace("1 connector:", "1 connector :")
    assert "1 connectors" not in shown
    assert "No connector yet" in shown


def test_orders_of_one_profile(cast, local, ada, issued):
    made = issued()
    page = ada.get(reverse("orders"), {"profile": str(made.profile_id)})
    assert "Of one profile" in text(page)
    assert "www.example.com" in text(page)


# Tested before it is saved

BAD = {
    "stage": "login",
    "level": "failed",
    "code": "x",
    "message": "The key was refused.",
    "evidence": "401",
    "remedy": "Enter another.",
}
FORM = {
    "kind": "connector", "name": "Public CA", "base_url": "https://ca.example.com/v2", "api_key": "canary-1f9d-key",
    "team": "Operations", "environment": "Production",
}  # fmt: skip


def try_out(client, **sent):
    return client.post(reverse("connector_test_unsaved", args=["digicert"]), {**FORM, "then": "save", **sent})


def done(*findings):
    call = Call.objects.order_by("created_at").last()
    about = {"state": "done", "result": {"findings": list(findings)}, "finished_at": call.created_at}
    Call.objects.filter(pk=call.pk).update(**about)
    return call


def followed(client, call):
    return client.get(reverse("call", args=[call.pk]), {"save": "1"}, headers={"HX-Request": "true"})


def create(client, **sent):
    return client.post(reverse("connector_create", args=["digicert"]), {**FORM, **sent})


def test_the_form_offers_to_test_first(cast, local, ada):
    page = text(ada.get(reverse("connector_create", args=["digicert"])))
    assert page.index("Test and save") < page.index("Save without a test")
    # A CA inside has nothing outside to be tested.
    assert "Test and save" not in text(ada.get(reverse("connector_create", args=["local"])))


def test_what_passes_is_saved_by_the_page_that_follows(cast, ada):
    page = try_out(ada).content.decode()
    call = Call.objects.get()
    assert f"{reverse('call', args=[call.pk])}?save=1" in page
    assert "No worker is running" in page
    assert "does not wait for that" in page
    assert "data-save" not in page
    done()
    page = followed(ada, call).content.decode()
    assert 'data-save="connector"' in page
    assert f'name="tested" value="{call.pk}" form="connector"' in page
    assert create(ada, tested=str(call.pk)).status_code == 302
    row = Connector.objects.get(authority="digicert")
    assert "tested 2" in text(ada.get(reverse("connector", args=[row.pk])))


def test_faults_are_shown_and_saved_over_with_a_reason_alone(cast, ada):
    try_out(ada)
    page = followed(ada, done(BAD)).content.decode()
    assert "data-save" not in page
    assert "The key was refused." in page
    assert "Save anyway" in page
    refused = create(ada, how="untested")
    assert refused.status_code == 422
    assert "say why it is saved all the same" in text(refused)
    assert create(ada, how="untested", untested="The key comes tomorrow.").status_code == 302
    row = Connector.objects.get(authority="digicert")
    assert "not tested: The key comes tomorrow." in text(ada.get(reverse("connector", args=[row.pk])))


def test_a_form_that_was_changed_during_its_test_is_not_saved_as_tested(cast, ada):
    try_out(ada)
    call = done()
    refused = create(ada, tested=str(call.pk), api_key="another")
    assert refused.status_code == 422
    assert "not the ones that were tested" in text(refused)
    assert create(ada, tested=str(call.pk), api_key="another", how="untested").status_code == 302
    row = Connector.objects.get(authority="digicert")
    assert "not tested before it was saved" in text(ada.get(reverse("connector", args=[row.pk])))


def test_an_edit_of_nothing_that_is_tested_is_saved_at_once(cast, ada):
    create(ada)
    row = Connector.objects.get(authority="digicert")
    ConnectorVersion.objects.filter(connector=row).update(tested_at=row.created_at)
    same = {"connector": str(row.pk), "api_key": "", "description": "words"}
    stored = {"reference_field_id": "", "allowed_networks": "", "proxy": "", "trust_pem": ""}
    assert 'data-save="connector"' in try_out(ada, **same, **stored).content.decode()
    assert not Call.objects.exists()
    try_out(ada, **{**same, "api_key": "fresh"})
    assert Call.objects.count() == 1


def test_without_scripts_nothing_is_saved_as_if_it_had_been_tested(cast, ada):
    refused = create(ada, how="test")
    assert refused.status_code == 422
    assert "needs scripts" in text(refused)
    assert not Connector.objects.exists()


def test_what_cannot_be_used_is_said_before_it_is_tested(cast, ada):
    assert try_out(ada, base_url="nonsense").status_code == 422
    assert not Call.objects.exists()


@pytest.mark.parametrize(
    ("values", "secrets_set", "problem", "shown"),
    [
        ({}, (), "", False),
        ({"api_key_until": ""}, (), "", False),
        ({"rate_percent": "80"}, (), "", False),
        ({"rate_percent": "40"}, (), "", True),
        ({}, ("second_api_key",), "", True),
        ({}, (), "api_key_until", True),
        ({}, (), "api_key", False),
    ],
)
def test_what_is_rarely_needed_is_folded_away_unless_it_is_set_or_wrong(cast, values, secrets_set, problem, shown):
    problems = [Problem(problem, "It is wrong.", "")] if problem else []
    groups = forms.connector_form(catalog.get("digicert"), values, frozenset(secrets_set), problems)
    names = {g.title: ([i.name for i in g.usual], [i.name for i in g.more.inputs]) for g in groups}
    assert names["Credential"] == (["api_key"], ["second_api_key", "api_key_until"])
    assert names["Account"] == (["container_id", "reference_field_id", "skip_approval"], ["rate_percent"])
    assert names["Ownership"][1] == []
    assert any(g.more.telling for g in groups) is shown


def test_the_page_folds_by_itself_and_without_a_script(ada):
    page = ada.get(reverse("connector_create", args=["adcs"])).content.decode()
    certification = page[page.index("Certification authority") : page.index("Managing account")]
    folded = re.search(r"<details>\s*<summary[^>]*>Rarely needed</summary>(.*?)</details>", certification, re.DOTALL)
    assert all(f'name="{name}"' in folded[1] for name in ("path", "policy_path", "rpc_port", "ca_host"))
    assert 'name="ca_name"' not in folded[1]
