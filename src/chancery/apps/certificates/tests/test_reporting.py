"""A key that somebody reports as compromised: what it means, for whom, and what is asked about its certificates."""

from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps.registry import Apps
from django.db import connection, models

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Team
from chancery.apps.certificates import actions, keys, queries, reporting, revoking
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.orders.stopping import report
from chancery.apps.shared.action import Act, current_clock
from chancery.apps.shared.actor import engine_actor
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import Absent, NotPermitted
from chancery.core.order import RevocationReason
from tests.cast import PASSWORD

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
    assert (row.certificate, row.for_everybody, row.confirmed_by) == (f"a.example.com {made.serial}", True, "")
    assert (entry[-1]["detail"], entry[-1]["changed"]) == ({"spki_sha256": str(row), "first": True}, ["key"])
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
    assert KeyReport.objects.get().note == "First."


def test_a_revoked_certificates_key_can_be_reported_too(cast, local, issued):
    made = issued()
    actions.revoke(cast.ada, made.pk, "superseded")
    made_of_it = reporting.report_and_revoke(cast.ada, made.pk)
    assert (made_of_it.report.spki_sha256, made_of_it.left) == (made.spki_sha256, [])


@pytest.mark.parametrize(("who_asks", "error"), [("rob", NotPermitted), ("dan", NotPermitted), ("amy", NotPermitted)])
def test_whoever_may_not_revoke_it_may_not_report_it(cast, local, issued, who_asks, error):
    made = issued()
    with pytest.raises(error):
        reporting.report_key(getattr(cast, who_asks), made.pk)
    assert not KeyReport.objects.exists()


def test_a_revocation_for_that_reason_records_it_in_the_same_commit(cast, local, issued):
    made = issued()
    actions.revoke(cast.ada, made.pk, "keyCompromise", "Lost.")
    (row,) = keys.about(made)
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
    assert keys.bars(made), "the report stands"


def test_what_has_another_key_or_is_not_seen_is_refused_before_anything_is_reported(cast, local, issued):
    made, other = issued(), issued("b.example.com")
    for one in (other.pk, "nonsense", "019a0000-0000-7000-8000-000000000001"):
        with refused("revoke"):
            reporting.report_and_revoke(cast.ada, made.pk, "", [(one, "keyCompromise")])
    assert not KeyReport.objects.exists()


def test_other_teams_certificates_with_the_key_are_neither_shown_nor_touched(cast, local, issued):
    made = issued()
    theirs = again(made, team_id=Team.objects.get(name="Other").pk)
    assert [c.pk for c in queries.alive_with_key(cast.rob, made.spki_sha256)] == [made.pk]
    row = reporting.report_key(cast.ada, made.pk, "Ours was lost.")
    assert [queries.key_reports(who, key=str(row)).items for who in (cast.rob, cast.cleo)] == [[row], []]
    assert Certificate.objects.get(pk=theirs.pk).revocation == ""


@pytest.mark.parametrize("wrong", ["imported", "deleted", "not installed"])
def test_what_cannot_be_revoked_from_here_is_offered_without_reasons(cast, local, issued, wrong):
    made = issued(**({"connector": None, "connector_id": None} if wrong == "imported" else {}))
    if wrong == "deleted":
        Connector.objects.update(deleted_at=NOW)
    elif wrong == "not installed":
        Connector.objects.update(authority="gone")
    (offer,) = reporting.report_and_revoke(cast.ada, made.pk).left
    assert (offer.certificate.pk, offer.reasons) == (made.pk, [])


def test_an_upgrade_keeps_what_was_reported_and_what_revocations_said_of_keys(cast, local, issued):
    class CompromisedKey(models.Model):
        """The table as it was between the two migrations."""

        spki_sha256 = models.CharField(max_length=64, primary_key=True)
        reported_by, note = models.CharField(max_length=200), models.CharField(max_length=500)
        reported_at = models.DateTimeField()
        team_id, environment_id = models.IntegerField(), models.IntegerField()

        class Meta:
            apps, app_label = Apps(), "certificates"

    lost = issued(revocation="refused", revocation_reason="keyCompromise", revocation_asked_at=NOW, revocation_by="ada")
    issued("b.example.com", revocation="requested", revocation_reason="superseded", revocation_asked_at=NOW)
    again(lost)
    columns = "spki_sha256 text, reported_by text, note text, reported_at timestamp with time zone"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE certificates_compromisedkey ({columns}, team_id int, environment_id int)")
    kinds = {"Certificate": Certificate, "CompromisedKey": CompromisedKey, "KeyReport": KeyReport}
    for name in ("0009_compromised_keys", "0010_key_reports"):
        apps = SimpleNamespace(get_model=lambda _room, kind: kinds[kind])
        import_module(f"chancery.apps.certificates.migrations.{name}").carry_over(apps, None)
    row = KeyReport.objects.get()
    assert (str(row), row.reported_by, row.reported_at, row.team_id) == (lost.spki_sha256, "ada", NOW, lost.team_id)
    assert (row.for_everybody, row.stands, row.name) == (True, True, lost.spki_sha256)


# Who may block a key, and how that ends -------------------------------------------------------------------


@pytest.fixture
def olaf(cast):
    """Return a CA operator of the other team."""
    team = Team.objects.get(name="Other").pk
    return who.actor_of(
        people.create_user(cast.host, "olaf", PASSWORD, grants=[("ca_operator", team, None)]), how="test"
    )


@pytest.fixture
def theirs(issued):
    """Return a certificate of Operations, and another with its key that the other team has imported."""
    made = issued()
    return made, again(made, team_id=Team.objects.get(name="Other").pk, connector=None, profile=None, origin="imported")


def test_who_only_imported_a_certificate_stops_nobody_else_and_the_others_hear_of_it_at_once(cast, olaf, theirs):
    ours, imported = theirs
    csr = bytes(ours.order.csr)
    waits, sent = (place(cast.rob, PlaceOrder("Internal", csr)) for _ in range(2))
    Order.objects.filter(pk=sent.pk).update(state="submitting")
    row = reporting.report_key(olaf, imported.pk, "We say so.")
    assert (row.for_everybody, row.certificate) == (False, f"a.example.com {imported.serial}")
    assert (keys.bars(ours), keys.bars(imported)) == (False, True)
    assert Order.objects.get(pk=waits.pk).state == "queued"
    for order in (waits, sent):
        heard = order.events.get(kind="order.key_reported")
        assert (
            heard.text
            == "Another team reported its key as compromised. Nobody has confirmed that, so the order goes on."
        )
    reporting.report_key(olaf, imported.pk, "We say so again.")
    assert waits.events.filter(kind="order.key_reported").count() == 1
    assert place(cast.rob, PlaceOrder("Internal", csr)).state == "queued"


def test_an_administrator_confirms_it_and_then_it_stops_everybody(cast, olaf, theirs):
    ours, imported = theirs
    waits = place(cast.rob, PlaceOrder("Internal", bytes(ours.order.csr)))
    row = reporting.report_key(olaf, imported.pk)
    for nobody in (olaf, cast.rob, cast.amy, cast.dan):
        with pytest.raises(NotPermitted):
            reporting.confirm(nobody, row.pk)
    done = reporting.confirm(cast.ada, row.pk)
    assert (done.for_everybody, done.confirmed_by, done.confirmed_at) == (True, "ada", NOW)
    assert Order.objects.get(pk=waits.pk).state == "cancelled"
    entry = said("key_reports.confirm")[-1]
    assert (entry["target"], entry["changed"]) == (
        {"kind": "key_report", "id": str(row.pk), "name": f"a.example.com {imported.serial}"},
        ["for_everybody"],
    )
    with refused("csr", code="key_compromised"):
        place(cast.rob, PlaceOrder("Internal", bytes(ours.order.csr)))
    with conflict("wrong_state"):
        reporting.confirm(cast.ada, row.pk)


def test_what_an_administrator_reports_is_confirmed_and_what_the_engine_says_for_somebody_is_not(cast, olaf, theirs):
    ours, imported = theirs
    act = Act("engine.record", None, engine_actor(), current_clock(), NOW)
    assert report(act, ours.spki_sha256, imported, "olaf")[1]
    assert not keys.bars(ours)
    row = reporting.report_key(cast.ada, imported.pk)
    assert (row.reported_by, row.for_everybody, row.confirmed_by, row.confirmed_at) == ("olaf", True, "ada", NOW)
    assert keys.bars(ours)


def test_a_request_that_the_key_has_signed_gives_a_team_a_say_for_everybody(cast, olaf, theirs):
    ours, imported = theirs
    reporting.report_key(cast.ada, ours.pk)
    assert (keys.bars(imported), keys.bars(ours)) == (True, True)
    reporting.report_key(olaf, imported.pk)
    assert [(r.team.name, r.for_everybody) for r in keys.about(ours)] == [("Operations", True), ("Other", False)]


def test_a_report_is_withdrawn_and_the_key_is_certified_again_while_the_evidence_stays(cast, local, issued):
    made = issued()
    csr = bytes(made.order.csr)
    ended = place(cast.rob, PlaceOrder("Internal", csr))
    row = reporting.report_key(cast.ada, made.pk, "The laptop is gone.")
    with refused("reason"):
        reporting.withdraw(cast.ada, row.pk, "  ")
    for nobody in (cast.rob, cast.amy, cast.dan, cast.cleo):
        with pytest.raises(NotPermitted):
            reporting.withdraw(nobody, row.pk, "It was found.")
    with pytest.raises(Absent):
        reporting.withdraw(cast.ada, made.pk, "It was found.")
    reporting.withdraw(cast.ada, row.pk, "It was found.")
    (kept,) = keys.about(made)
    assert (kept.reported_by, kept.note, kept.certificate) == (
        "ada",
        "The laptop is gone.",
        f"a.example.com {made.serial}",
    )
    assert (kept.withdrawn_by, kept.withdrawn_at, kept.withdrawn_why, kept.stands) == (
        "ada",
        NOW,
        "It was found.",
        False,
    )
    entry = said("key_reports.withdraw")[-1]
    assert (entry["target"]["kind"], entry["changed"], entry["detail"]) == (
        "key_report",
        ["withdrawn"],
        {"spki_sha256": made.spki_sha256},
    )
    assert place(cast.rob, PlaceOrder("Internal", csr)).state == "queued"
    assert Order.objects.get(pk=ended.pk).state == "cancelled", "what was ended stays ended"
    with conflict("wrong_state"):
        reporting.withdraw(cast.ada, row.pk, "It was found.")
    second = reporting.report_key(cast.ada, made.pk, "It was not ours that was found.")
    assert [r.pk for r in keys.about(made)] == [row.pk, second.pk]
    assert keys.bars(made)


def test_where_two_teams_reported_a_key_it_stays_stopped_until_both_reports_are_withdrawn(cast, olaf, theirs):
    ours, imported = theirs
    first, second = reporting.report_key(cast.ada, ours.pk), reporting.report_key(olaf, imported.pk)
    reporting.confirm(cast.ada, second.pk)
    for row, left in ((first, True), (second, False)):
        reporting.withdraw(cast.ada, row.pk, "It was a drill.")
        assert keys.bars(ours) is left
