"""A key that somebody reports as compromised: what it means, for whom, and what is asked about its certificates."""

import importlib

import pytest
from django.apps import apps

from chancery.apps.accounts.models import Team
from chancery.apps.certificates import actions, keys, queries, reporting, revoking
from chancery.apps.certificates.models import Certificate, CompromisedKey
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.tests.looking import refused, said
from chancery.core.errors import NotPermitted
from chancery.core.order import RevocationReason

pytestmark = pytest.mark.django_db
WITHOUT = ["superseded", "cessationOfOperation"]


def again(made, **columns):
    """Store another certificate with the same key."""
    row = Certificate.objects.get(pk=made.pk)
    row.pk = row.order_id = None
    row.sha256, row.serial = made.sha256[::-1], made.serial[::-1]
    for name, value in columns.items():
        setattr(row, name, value)
    row.id = Certificate._meta.pk.get_default()
    row.save(force_insert=True)
    return row


def test_a_report_refuses_orders_for_everybody_and_stays_when_the_certificate_is_erased(cast, local, issued):
    made = issued()
    csr = bytes(made.order.csr)
    waits = place(cast.rob, PlaceOrder("Internal", csr))
    row = reporting.report_key(cast.ada, made.pk, "The laptop is gone.")
    assert (row.reported_by, row.reported_at, row.note) == ("ada", NOW, "The laptop is gone.")
    assert Order.objects.get(pk=waits.pk).state == "cancelled"
    entry = said("certificates.report_key")
    assert [e["target"]["kind"] for e in entry] == ["order", "certificate"]
    assert str(row) == made.spki_sha256
    assert (entry[-1]["detail"], entry[-1]["changed"]) == ({"spki_sha256": row.pk, "first": True}, ["key"])
    assert Certificate.objects.get(pk=made.pk).revocation == "", "it is not revoked unasked"
    Certificate.objects.all().delete()
    with refused("csr", code="key_compromised"):
        place(cast.rob, PlaceOrder("Internal", csr))


def test_the_first_report_stays_and_whoever_reports_again_changes_nothing(cast, local, issued):
    made = issued()
    reporting.report_key(cast.ada, made.pk, "First.")
    again = reporting.report_key(cast.ada, made.pk, "Second.")
    assert again.note == "First."
    assert said("certificates.report_key")[-1]["detail"]["first"] is False
    actions.revoke(cast.ada, made.pk, "keyCompromise", "Third.")
    assert CompromisedKey.objects.get().note == "First."


def test_a_revoked_certificates_key_can_be_reported_too(cast, local, issued):
    made = issued()
    actions.revoke(cast.ada, made.pk, "superseded")
    made_of_it = reporting.report_and_revoke(cast.ada, made.pk)
    assert (made_of_it.key.pk, made_of_it.left) == (made.spki_sha256, [])


@pytest.mark.parametrize(("who_asks", "error"), [("rob", NotPermitted), ("dan", NotPermitted), ("amy", NotPermitted)])
def test_whoever_may_not_revoke_it_may_not_report_it(cast, local, issued, who_asks, error):
    made = issued()
    with pytest.raises(error):
        reporting.report_key(getattr(cast, who_asks), made.pk)
    assert not CompromisedKey.objects.exists()


def test_a_revocation_for_that_reason_records_it_in_the_same_commit(cast, local, issued):
    made = issued()
    actions.revoke(cast.ada, made.pk, "keyCompromise", "Lost.")
    row = keys.of(made.spki_sha256)
    assert (row.reported_by, row.reported_at, row.note, row.team_id) == ("ada", NOW, "Lost.", made.team_id)


def test_what_is_chosen_is_revoked_each_for_its_own_reason_and_what_is_left_is_said(cast, local, issued):
    made = issued()
    second, third = again(made), again(made, sha256="1" * 64, serial="11")
    again(made, sha256="2" * 64, serial="22", not_after=NOW)
    done = reporting.report_and_revoke(
        cast.ada, made.pk, "Lost.", [(made.pk, "keyCompromise"), (second.pk, "superseded"), (str(third.pk), "nonsense")]
    )
    assert [(row.pk, refusal and refusal.code) for row, refusal in done.revocations] == [
        (made.pk, None),
        (second.pk, None),
        (third.pk, "invalid"),
    ]
    reasons = {c.pk: (c.revocation_reason, c.revocation_comment) for c in Certificate.objects.exclude(revocation="")}
    assert reasons == {made.pk: ("keyCompromise", "Lost."), second.pk: ("superseded", "Lost.")}
    assert [o.certificate.pk for o in done.left] == [third.pk]
    assert set(done.left[0].reasons) == {str(r) for r in RevocationReason} - {"privilegeWithdrawn"}


def test_where_the_ca_does_not_know_the_reason_none_is_put_in_its_place(cast, local, issued, monkeypatch):
    made = issued()
    facts = revoking.descriptor_of("local", local.current_id).facts
    monkeypatch.setattr(
        revoking,
        "descriptor_of",
        lambda *_: type(
            "Other",
            (),
            {"title": "Other", "powers": {"revokes"}, "facts": type("F", (), {"revocation_reasons": WITHOUT})},
        ),
    )
    assert facts.revocation_reasons != WITHOUT
    done = reporting.report_and_revoke(cast.ada, made.pk, "", [(made.pk, "keyCompromise")])
    assert done.revocations[0][1].problems[0].remedy == "Choose one of: superseded, cessationOfOperation."
    assert [o.reasons for o in done.left] == [WITHOUT]
    assert Certificate.objects.get(pk=made.pk).revocation == ""
    assert keys.of(made.spki_sha256) is not None, "the report stands"


def test_what_has_another_key_or_is_not_seen_is_refused_before_anything_is_reported(cast, local, issued):
    made, other = issued(), issued("b.example.com")
    for one in (other.pk, "nonsense", "019a0000-0000-7000-8000-000000000001"):
        with refused("revoke"):
            reporting.report_and_revoke(cast.ada, made.pk, "", [(one, "keyCompromise")])
    assert not CompromisedKey.objects.exists()


def test_other_teams_certificates_with_the_key_are_neither_shown_nor_touched(cast, local, issued):
    made = issued()
    theirs = again(made, team_id=Team.objects.get(name="Other").pk)
    assert [c.pk for c in queries.alive_with_key(cast.rob, made.spki_sha256)] == [made.pk]
    row = reporting.report_key(cast.ada, made.pk, "Ours was lost.")
    assert (keys.tells(cast.rob, row), keys.tells(cast.cleo, row)) == (True, False)
    assert Certificate.objects.get(pk=theirs.pk).revocation == ""
    CompromisedKey.objects.update(team=None)
    assert not keys.tells(cast.rob, CompromisedKey.objects.get())


@pytest.mark.parametrize("wrong", ["imported", "deleted", "not installed"])
def test_what_cannot_be_revoked_from_here_is_offered_without_reasons(cast, local, issued, wrong):
    made = issued(**({"connector": None, "connector_id": None} if wrong == "imported" else {}))
    if wrong == "deleted":
        Connector.objects.update(deleted_at=NOW)
    elif wrong == "not installed":
        Connector.objects.update(authority="gone")
    (offer,) = reporting.report_and_revoke(cast.ada, made.pk).left
    assert (offer.certificate.pk, offer.reasons) == (made.pk, [])


def test_an_upgrade_carries_over_what_revocations_said_of_keys(cast, local, issued):
    lost = issued(revocation="refused", revocation_reason="keyCompromise", revocation_asked_at=NOW, revocation_by="ada")
    issued("b.example.com", revocation="requested", revocation_reason="superseded", revocation_asked_at=NOW)
    again(lost)
    migration = importlib.import_module("chancery.apps.certificates.migrations.0009_compromised_keys")
    migration.carry_over(apps, None)
    row = CompromisedKey.objects.get()
    assert (row.pk, row.reported_by, row.reported_at, row.team_id) == (lost.spki_sha256, "ada", NOW, lost.team_id)
