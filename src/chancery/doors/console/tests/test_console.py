"""Pages under clumsy, hurried and hostile hands: nothing typed is lost, nothing happens that was not meant."""

import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from chancery import catalog
from chancery.apps.accounts.models import ApiToken, Environment, Team, User
from chancery.apps.audit.models import Entry
from chancery.apps.changes.holding import Proposed
from chancery.apps.changes.models import Kind, Rule
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Call, Connector, WorkerBeat
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.doors.console.views import profiles as profile_views
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db


def logged_in(name, **more):
    client = Client(**more)
    client.force_login(User.objects.get(username=name))
    return client


@pytest.fixture
def ada(cast):
    return logged_in("ada")


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.content.decode()))


def form_of(row, **changes):
    values = {
        "kind": "connector", "revision": row.revision, "connector": row.pk, "name": row.name, "team": "Operations",
        "environment": "Production", "subject": "Chancery Local CA", "years": "10", "key_type": "EC-P256",
    }  # fmt: skip
    return {**values, **changes}


def edit(client, row, **changes):
    return client.post(reverse("connector_edit", args=[row.pk]), form_of(row, **changes))


def test_the_second_editor_sees_the_difference_and_saves_only_on_purpose(cast, local, ada):
    first = Connector.objects.get(pk=local.pk)
    connectors.edit(cast.ada, local.pk, local.revision, {"name": "Local", "team": "Operations", "environment": "Production", "region": "Pune"})  # fmt: skip
    refused = edit(ada, first, region="Oslo", owner="Platform")
    assert refused.status_code == 409
    assert "Stored now" in text(refused)
    assert "was changed by ada while you were editing" in text(refused)
    assert "name: Local was changed" not in text(refused)
    hint = re.search(r'id="h-name">(.*?)</div>', refused.content.decode(), re.DOTALL).group(1)
    assert "was changed" not in hint, "it is about no field"
    assert "Pune" in text(refused)
    assert 'value="Oslo"' in refused.content.decode()
    again = edit(ada, first, region="Oslo", owner="Platform")
    assert again.status_code == 409
    assert Connector.objects.get(pk=local.pk).region == "Pune"
    meant = edit(ada, first, region="Oslo", owner="Platform", seen=first.revision + 1)
    assert meant.status_code == 302
    assert Connector.objects.get(pk=local.pk).region == "Oslo"


@pytest.mark.parametrize("revision", ["x", "", "-1", "9" * 40, "1.5"])
def test_a_revision_that_is_no_number_is_refused_by_field(local, ada, revision):
    answer = edit(ada, local, revision=revision)
    assert answer.status_code == 422
    assert "revision" in text(answer)


def test_only_the_two_switches_switch(local, ada):
    assert ada.post(reverse("connector_switch", args=[local.pk, "nonsense"])).status_code == 404
    assert Connector.objects.get(pk=local.pk).status == "active"
    ada.post(reverse("connector_switch", args=[local.pk, "deactivate"]))
    assert Connector.objects.get(pk=local.pk).status == "inactive"
    ada.post(reverse("connector_switch", args=[local.pk, "activate"]))
    assert Connector.objects.get(pk=local.pk).status == "active"


@pytest.mark.parametrize(
    ("number", "said"), [(0, "Nothing was revoked"), (1, "1 submission was"), (2, "2 submissions were")]
)
def test_deactivation_says_what_is_on_its_way(cast, local, ada, number, said):
    for n in range(number):
        order = place(cast.rob, PlaceOrder("Internal", request_pem(f"h{n}.example.com")))
        Order.objects.filter(pk=order.pk).update(state="submitting")
    answer = ada.post(reverse("connector_switch", args=[local.pk, "deactivate"]), follow=True)
    assert said in text(answer)


def test_whoever_switches_a_connector_on_its_page_stays_there(local, ada):
    there = reverse("connector", args=[local.pk])
    assert ada.post(reverse("connector_switch", args=[local.pk, "deactivate"]), {"stay": "1"}).url == there
    assert reverse("connector_switch", args=[local.pk, "activate"]) in ada.get(there).content.decode()


def bulk(client, idents, to="inactive", slug="local"):
    return client.post(reverse("connector_bulk", args=[slug]), {"id": idents, "to": to}, follow=True)


def test_bulk_switches_say_each_result_by_name(cast, local, ada):
    other = connectors.create(cast.ada, "local", {"name": "Second", "team": "Operations", "environment": "Production"})
    twin = connectors.copy(cast.ada, other.pk, "No secrets")
    said = text(bulk(ada, [local.pk, twin.pk], to="active"))
    assert "Local: active" in said
    assert "No secrets: " in said
    assert "secret has not been given" in said
    assert Connector.objects.get(pk=twin.pk).status == "inactive"


def test_bulk_switches_touch_no_other_ca_type_and_nothing_by_accident(local, ada):
    assert "Nothing was selected" in text(bulk(ada, [local.pk], slug="digicert"))
    assert "Nothing was selected" in text(bulk(ada, []))
    assert "Nothing was selected" in text(bulk(ada, ["x", "\ud800"[:0]]))
    assert bulk(ada, [local.pk], to="off").status_code == 422
    assert Connector.objects.get(pk=local.pk).status == "active"


def test_delete_shows_what_stands_in_the_way_with_links_and_no_button(cast, local, ada):
    order = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    page = ada.get(reverse("connector_delete", args=[local.pk]))
    assert reverse("order", args=[order.pk]) in page.content.decode()
    assert "btn-danger" not in page.content.decode()
    refused = ada.post(reverse("connector_delete", args=[local.pk]))
    assert refused.status_code == 409
    assert "in use" in text(refused)


def test_a_copy_without_a_name_keeps_the_page_and_says_so(local, ada):
    answer = ada.post(reverse("connector_copy", args=[local.pk]), {"name": "Local"})
    assert answer.status_code == 422
    assert "already a connector" in text(answer)
    assert 'value="Local"' in answer.content.decode()


PROFILE = {
    "revision": "0", "name": "Web", "description": "of the shop", "validity_days": "30", "validity_days_max": "90",
    "max_names": "5", "name_suffixes": "shop.example.com", "name_kinds": "dns", "key_types": "", "wildcard": "on",
    "server": "on",
}  # fmt: skip


def profile(client, local, ident="", **changes):
    where = reverse("profile_edit", args=[ident]) if ident else reverse("profile_create")
    return client.post(where, {**PROFILE, "connector": str(local.pk), **changes})


def test_a_refused_profile_keeps_what_was_typed(local, ada):
    answer = profile(ada, local, validity_days="many")
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "validity_days" in page
    for typed in ("of the shop", "shop.example.com", 'value="many"', 'value="5"'):
        assert typed in page
    assert profile(ada, local).status_code == 302
    assert Profile.objects.get(name="Web").max_names == 5


def test_a_profile_that_somebody_else_changed_is_not_overwritten(cast, local, ada):
    profile(ada, local)
    row = Profile.objects.get(name="Web")
    profiles.edit(cast.ada, row.pk, row.revision, {"name": "Web", "connector": "Local", "description": "of the bank"})
    answer = profile(ada, local, str(row.pk), revision=str(row.revision), description="of the shop")
    assert answer.status_code == 409
    assert Profile.objects.get(pk=row.pk).description == "of the bank"
    assert 'value="of the shop"' in answer.content.decode()
    assert profile(ada, local, str(row.pk), revision="x").status_code == 422


@pytest.mark.parametrize("page", ["orders", "certificates", "audit", "connectors"])
def test_nul_in_a_query_is_refused_by_its_name(local, ada, page):
    where = reverse(page, args=["local"] if page == "connectors" else [])
    name = "by" if page == "audit" else "search"
    answer = ada.get(where, {name: "a\x00b"})
    assert answer.status_code == 422
    assert name in text(answer)


@pytest.mark.parametrize("field", ["name", "region", "description"])
def test_nul_in_a_form_is_refused_by_its_field(local, ada, field):
    answer = edit(ada, local, **{field: "a\x00b"})
    assert answer.status_code == 422
    assert field in text(answer)


@pytest.mark.parametrize("query", ["?state=nonsense", "?cursor=!", "?connector=x", "?sort=x"])
def test_what_a_listing_does_not_offer_is_a_clear_refusal(local, ada, query):
    answer = ada.get(reverse("orders") + query)
    assert answer.status_code == (200 if "sort" in query else 422)


def test_the_order_page_renews_itself_without_touching_what_is_typed(cast, local, ada):
    order = place(cast.rob, PlaceOrder("Careful", request_pem("www.example.com")))
    page = ada.get(reverse("order", args=[order.pk])).content.decode()
    live = page[page.index("hx-get=") :]
    assert "<form" not in live
    assert "?seen=awaiting_approval" in live
    part = ada.get(reverse("order", args=[order.pk]), {"seen": "awaiting_approval"}, headers={"HX-Request": "true"})
    assert "HX-Refresh" not in part.headers
    ada.post(reverse("order_act", args=[order.pk, "approve"]))
    part = ada.get(reverse("order", args=[order.pk]), {"seen": "awaiting_approval"}, headers={"HX-Request": "true"})
    assert part.headers["HX-Refresh"] == "true"
    assert ada.post(reverse("order_act", args=[order.pk, "nonsense"])).status_code == 404


def test_why_an_order_waits_is_said_in_the_list(cast, local, ada):
    place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    place(cast.rob, PlaceOrder("Careful", request_pem("www.example.com")))
    said = text(ada.get(reverse("orders")))
    assert "The next free seat takes it." in said
    assert "A second person must approve it." in said
    connectors.deactivate(cast.ada, local.pk)
    assert "Local is inactive; the order goes out when it is activated." in text(ada.get(reverse("orders")))
    now = local.created_at
    Connector.objects.update(status="active", breaker_until=now, health="unreachable", health_text="Nobody answers.")
    assert "Local is unreachable (Nobody answers.); looked at again at" in text(ada.get(reverse("orders")))


def test_the_audit_export_is_what_the_page_shows(cast, local):
    dan = logged_in("dan")
    page = dan.get(reverse("audit"), {"action": "connectors.create"}).content.decode()
    where = re.search(r'href="(/audit/export[^"]*)"', page).group(1).replace("&amp;", "&")
    lines = b"".join(dan.get(where).streaming_content).splitlines()
    assert lines == [bytes(e.body) for e in Entry.objects.filter(action="connectors.create").order_by("id")]
    assert 'data-label="Changed"' not in dan.get(reverse("audit"), {"action": "users.create"}).content.decode()


def test_tokens_are_revoked_by_number_only(cast, ada):
    ada.post(reverse("tokens"), {"name": "ci", "days": "90"})
    answer = ada.post(reverse("tokens"), {"revoke": "x"}, follow=True)
    assert "no whole number" in text(answer)
    assert ApiToken.objects.get().revoked_at is None
    ada.post(reverse("tokens"), {"revoke": ApiToken.objects.get().pk})
    assert ApiToken.objects.get().revoked_at is not None


@pytest.mark.parametrize("wrong", [{"name": ""}, {"days": "0"}, {"days": "x"}, {"days": ""}, {"name": "a" * 500}])
def test_a_refused_token_is_said_on_the_page(cast, ada, wrong):
    answer = ada.post(reverse("tokens"), {"name": "ci", "days": "90", **wrong})
    assert answer.status_code == 422
    assert next(iter(wrong)) in text(answer)
    assert not ApiToken.objects.exists()


def test_a_token_says_that_it_is_over(cast, ada):
    ada.post(reverse("tokens"), {"name": "ci", "days": "1"})
    ApiToken.objects.update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    answer = ada.get(reverse("tokens"))
    assert "(expired)" in text(answer)
    assert 'name="revoke"' not in answer.content.decode()


def test_people_are_found_by_how_their_name_begins(cast, ada):
    assert "rob" in text(ada.get(reverse("people")))
    assert "data-label" in (found := ada.get(reverse("people"), {"search": "ro"}).content.decode())
    assert (">rob<" in found, ">amy<" in found) == (True, False)
    assert "Empty the field" in text(ada.get(reverse("people"), {"search": "zzz"}))


def test_a_role_is_added_beside_the_others_or_takes_their_place(cast, ada):
    where, team = Environment.objects.first(), Team.objects.get(name="Operations")
    rob = User.objects.get(username="rob")
    had = set(rob.grants.values_list("role", "team_id", "environment_id"))
    assert had
    person(ada, "rob", "grant", role="approver", team=team.pk, environment=where.pk, how="add")
    more = ("approver", team.pk, where.pk)
    assert set(rob.grants.values_list("role", "team_id", "environment_id")) == {*had, more}
    person(ada, "rob", "grant", role="auditor", how="replace")
    assert set(rob.grants.values_list("role", "team_id", "environment_id")) == {("auditor", None, None)}


def person(client, name, what, **values):
    ident = User.objects.get(username=name).pk
    return client.post(reverse("person", args=[ident, what]), values, follow=True)


def test_people_are_added_with_a_role_that_somebody_chose(cast, ada):
    where, team = reverse("people"), Team.objects.get(name="Operations")
    values = {"username": "zoe", "password": "a long enough password"}
    missing = ada.post(where, values)
    assert missing.status_code == 422
    assert 'value="zoe"' in missing.content.decode()
    assert "a long enough password" not in missing.content.decode()
    ada.post(where, {**values, "role": "requester", "team": team.pk})
    grant = User.objects.get(username="zoe").grants.get()
    assert (grant.role, grant.team_id) == ("requester", team.pk)


def test_roles_passwords_and_access_are_changed_on_the_page(cast, ada):
    person(ada, "rob", "grant", role="approver", team="")
    assert [g.role for g in User.objects.get(username="rob").grants.all()] == ["approver"]
    person(ada, "rob", "password", password="another long password")
    assert User.objects.get(username="rob").check_password("another long password")
    person(ada, "rob", "disable")
    assert not User.objects.get(username="rob").is_active
    assert "kept out" in text(person(ada, "rob", "grant", role="auditor"))
    assert "Give the access back" in text(ada.get(reverse("people")))
    person(ada, "rob", "enable", password="yet another password")
    rob = User.objects.get(username="rob")
    assert (rob.is_active, rob.must_change_password) == (True, True)
    assert person(ada, "amy", "nonsense").status_code == 404
    assert "There is no team &#x27;x&#x27;" in text(person(ada, "amy", "grant", role="approver", team="x"))
    rob = logged_in("amy")
    assert person(rob, "ada", "disable").status_code in {200, 403}
    assert User.objects.get(username="ada").is_active


def test_pages_of_our_own_say_what_went_wrong(cast, ada, caplog):
    missing = ada.get("/nowhere")
    assert missing.status_code == 404
    assert "There is nothing at this address" in text(missing)
    strict = logged_in("ada", enforce_csrf_checks=True)
    stale = strict.post(reverse("tokens"), {"name": "ci"})
    assert stale.status_code == 403
    assert "open for too long" in text(stale)
    assert not ApiToken.objects.exists()
    caplog.clear()


def test_a_fault_of_ours_has_a_reference_and_no_insides(cast, ada, monkeypatch, caplog):
    from chancery.doors.console.views import orders

    def fail(*_):
        raise RuntimeError("hunter2")

    monkeypatch.setattr(orders.queries, "waiting_for_people", fail)
    ada.raise_request_exception = False
    answer = ada.get("/")
    assert answer.status_code == 500
    assert "hunter2" not in text(answer)
    reference = re.search(r"log is (\w+)", text(answer)).group(1)
    assert reference in caplog.text
    caplog.clear()


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/v2/orders"])
def test_programs_get_problem_details_there_too(cast, path):
    answer = Client().get(path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["remedy"]


def test_a_pick_list_becomes_suggestions(cast, digicert, ada):
    where = reverse("connector_choices", args=["digicert", "product"])
    answer = ada.post(where, {"connector": str(digicert.pk)})
    assert answer.status_code == 200
    call = Call.objects.get(kind="choices")
    assert reverse("call", args=[call.pk]) in answer.content.decode()
    choices = [
        {"value": "a&b", "label": "A <b>", "detail": {}},
        {"value": "Agent", "label": "Agent (It wants an agent.)", "detail": {"usable": False}},
    ]
    Call.objects.filter(pk=call.pk).update(state="done", result={"choices": choices})
    done = ada.get(reverse("call", args=[call.pk]), headers={"HX-Request": "true"}).content.decode()
    assert '<option value="a&amp;b">A &lt;b&gt;</option>' in done
    assert 'data-value="a&amp;b"' in done
    assert 'data-value="Agent"' not in done, "what cannot be used is not offered at a click"
    assert "<li>Agent (It wants an agent.)</li>" in done
    unsaved = ada.post(where, {"kind": "connector", "name": "New"})
    assert unsaved.status_code == 422
    assert "environment" in text(unsaved)


def test_where_one_is_is_marked(cast, ada):
    page = ada.get(reverse("orders")).content.decode()
    assert page.count('aria-current="page"') == 1


def test_team_and_environment_are_chosen_and_not_guessed(cast, ada):
    page = ada.get(reverse("connector_create", args=["local"])).content.decode()
    assert page.count("Choose…") == 1, "there are two teams to choose from, and one environment"
    assert '<option value="Production" selected>' in page
    answer = ada.post(reverse("connector_create", args=["local"]), {"name": "New", "team": "", "environment": ""})
    assert answer.status_code == 422
    assert PASSWORD not in answer.content.decode()


def test_a_connector_is_shown_in_the_words_of_its_form(cast, ada, digicert):
    page = text(ada.get(reverse("connector", args=[digicert.pk])))
    assert "API key set" in page
    assert not {"True", "False", "None", "api_key", "skip_approval"} & set(page.split())


def test_no_setting_of_an_authority_is_called_as_an_input_of_the_profile_form_is():
    for descriptor in catalog.descriptors():
        named = set(descriptor.profile.model_fields) if descriptor.profile else set()
        assert not named & profile_views.OWN, descriptor.slug


def test_an_order_at_the_ca_is_cancelled_where_its_interface_can(cast, local, ada):
    """A button that only ever says no is none; who waits is told where it can be done."""
    order = place(cast.ada, PlaceOrder("Internal", request_pem("www.example.com")))
    where = reverse("order", args=[order.pk])
    assert "Cancel the order" in text(ada.get(where))
    Order.objects.filter(pk=order.pk).update(state="pending", pending_kind="approval", reason="Request 5 waits.")
    waiting = text(ada.get(where))
    assert "Cancel the order" not in waiting
    assert "Chancery cannot withdraw it there: if no answer will come, it is given up." in waiting
    assert "The CA has it and may still issue it" in ada.get(where).content.decode()
    assert "waits for an approver at the CA · Request 5 waits." in waiting
    Connector.objects.filter(pk=local.pk).update(authority="digicert")
    assert "Cancel the order" in text(page := ada.get(where))
    assert "The CA has it and may still issue it" not in page.content.decode()
    Connector.objects.filter(pk=local.pk).update(authority="gone")
    assert "Cancel the order" not in text(ada.get(where))


def test_home_says_nothing_only_where_nothing_waits_for_a_second_person(cast, local, ada):
    now = current_clock().now()
    WorkerBeat.objects.create(host="x", pid=1, started_at=now, seen_at=now)
    assert "Nothing. Everything runs by itself." in text(ada.get(reverse("home")))
    Rule.objects.create(environment_id=local.environment_id, kind=Kind.DEACTIVATE, needed=1)
    with pytest.raises(Proposed):
        connectors.deactivate(cast.ada, local.pk)
    page = text(ada.get(reverse("home")))
    assert "1 changes: they wait for the approval of somebody else" in page
    assert "Nothing." not in page
