"""What people are told of: each condition, just before it holds and just when it does."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from chancery.apps.accounts.models import Team
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates import keys, reporting
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.connectors.models import Connector, ConnectorVersion
from chancery.apps.health import record
from chancery.apps.notices import conditions
from chancery.apps.notices.conditions import CONDITIONS, Found, _capped
from chancery.apps.notices.models import Kind
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.renewals import planning
from chancery.apps.renewals.models import Plan
from tests.cast import request_pem

pytestmark = pytest.mark.django_db


def titles(kind, now=NOW):
    return [one.title for one in CONDITIONS[kind](now).found]


def ordered(cast, name="www.example.com", **columns):
    made = place(cast.rob, PlaceOrder("Internal", request_pem(name)))
    Order.objects.filter(pk=made.pk).update(**columns)
    return Order.objects.get(pk=made.pk)


def test_every_kind_is_watched_and_nothing_is_wrong_at_first(cast, local):
    assert set(CONDITIONS) == set(Kind)
    assert [kind for kind in CONDITIONS if titles(kind)] == []


def test_a_connector_is_sick_after_two_failures_and_at_once_without_a_login(local):
    rows = Connector.objects.filter(pk=local.pk)
    rows.update(health="unreachable", health_text="No connection could be made.", failures=1)
    assert titles(Kind.CONNECTOR_SICK) == []
    rows.update(failures=2)
    (one,) = CONDITIONS[Kind.CONNECTOR_SICK](NOW).found
    assert (one.title, one.text) == ("Local: unreachable", "No connection could be made.")
    assert one.link == f"/integrations/ca-connectors/{local.pk}"
    rows.update(failures=1, health="login_refused")
    assert titles(Kind.CONNECTOR_SICK) == ["Local: login refused"]
    rows.update(status="inactive")
    assert titles(Kind.CONNECTOR_SICK) == []


def test_nothing_is_issued_though_an_order_waits_for_an_hour(cast, local):
    ordered(cast)
    assert titles(Kind.NOTHING_ISSUED, NOW + timedelta(minutes=59)) == []
    (one,) = CONDITIONS[Kind.NOTHING_ISSUED](NOW + timedelta(hours=1)).found
    assert one.title == "Local issues nothing though orders are due"
    assert "2030-01-01 00:00 UTC. The last certificate came: never." in one.text
    Connector.objects.update(last_issue_at=NOW + timedelta(minutes=30))
    assert titles(Kind.NOTHING_ISSUED, NOW + timedelta(hours=1)) == []
    (one,) = CONDITIONS[Kind.NOTHING_ISSUED](NOW + timedelta(hours=2)).found
    assert "The last certificate came: 2030-01-01 00:30 UTC." in one.text


def test_orders_with_less_than_a_quarter_of_their_time_left_are_at_risk(cast, local):
    ordered(cast)
    ordered(cast, "a.example.com", state="pending")
    ordered(cast, "b.example.com", state="issued")
    assert titles(Kind.DEADLINE_AT_RISK, NOW + timedelta(hours=18)) == []
    (one,) = CONDITIONS[Kind.DEADLINE_AT_RISK](NOW + timedelta(hours=18, minutes=1)).found
    assert one.title == "Local: 2 orders close to the deadline"
    assert "wanted by 2030-01-02 00:00 UTC" in one.text
    Order.objects.filter(common_name="a.example.com").update(state="issued")
    ordered(cast, "c.example.com", state="awaiting_approval", requested_via="acme")
    assert titles(Kind.DEADLINE_AT_RISK, NOW + timedelta(hours=20)) == ["Local: 1 order close to the deadline"]
    Order.objects.filter(common_name="c.example.com").update(requested_via="api")
    assert titles(Kind.DEADLINE_AT_RISK, NOW + timedelta(hours=20)) == ["Local: 2 orders close to the deadline"]


def test_an_unknown_outcome_is_told_once_the_engine_has_done_what_it_can(cast, local):
    made = ordered(cast, state="outcome_unknown")
    assert titles(Kind.OUTCOME_UNKNOWN) == []
    Order.objects.filter(pk=made.pk).update(due_at=None, reason="The search knows nothing.")
    (one,) = CONDITIONS[Kind.OUTCOME_UNKNOWN](NOW).found
    assert (one.key, one.title) == (str(made.pk), "www.example.com: outcome unknown")
    assert one.text.startswith("The search knows nothing. A person decides")
    Order.objects.filter(pk=made.pk).update(state="quarantined")
    assert titles(Kind.OUTCOME_UNKNOWN) == ["www.example.com: quarantined"]


def test_a_certificate_that_was_not_renewed_for_long_is_told_of(issued):
    row = issued(not_before=NOW - timedelta(days=80), not_after=NOW + timedelta(days=10))
    planning.cover(NOW, {})
    assert titles(Kind.CERTIFICATE_EXPIRING) == ["a.example.com expires on 2030-01-11 00:00 UTC"]
    assert titles(Kind.CERTIFICATE_EXPIRING, NOW - timedelta(days=5)) == []
    Plan.objects.filter(pk=row.pk).update(state="replaced")
    assert titles(Kind.CERTIFICATE_EXPIRING) == []
    # Ended as expired, by a clock that was ahead: nothing else would tell of it.
    Plan.objects.filter(pk=row.pk).update(state="ended")
    assert len(titles(Kind.CERTIFICATE_EXPIRING)) == 1
    Certificate.objects.filter(pk=row.pk).update(revocation="requested")
    assert titles(Kind.CERTIFICATE_EXPIRING) == []
    Plan.objects.all().delete()
    assert len(titles(Kind.CERTIFICATE_EXPIRING)) == 1


def test_an_imported_certificate_that_nothing_renews_is_told_of_as_such(issued):
    issued(not_before=NOW - timedelta(days=80), not_after=NOW + timedelta(days=10), profile_id=None, order=None)
    (one,) = CONDITIONS[Kind.CERTIFICATE_EXPIRING](NOW).found
    assert one.text == "It was imported, and no profile says how it is renewed."


def test_more_than_is_looked_at_is_not_the_whole(issued, monkeypatch):
    monkeypatch.setattr(conditions, "MOST", 0)
    assert CONDITIONS[Kind.CERTIFICATE_EXPIRING](NOW).whole is False
    some = (Found(str(n), "", "", "", None) for n in range(3))
    monkeypatch.setattr(conditions, "MOST", 2)
    look = _capped(some)
    assert ([one.key for one in look.found], look.whole) == (["0", "1"], False)


def test_a_renewal_that_waits_or_failed_needs_a_person(issued):
    row = issued()
    planning.cover(NOW, {})
    assert titles(Kind.RENEWAL_NEEDS_PERSON) == []
    Plan.objects.update(state="waiting", text="Send a request.")
    (one,) = CONDITIONS[Kind.RENEWAL_NEEDS_PERSON](NOW).found
    assert (one.title, one.text) == ("a.example.com: its renewal needs you", "Send a request.")
    assert one.link == f"/certificates/{row.pk}"
    Plan.objects.update(state="retrying")
    assert titles(Kind.RENEWAL_NEEDS_PERSON) == ["a.example.com: its renewal failed"]


def test_a_credential_grows_old_and_a_cas_own_key_does_not(cast, local, digicert, settings):
    ConnectorVersion.objects.update(created_at=NOW)
    settings.CREDENTIAL_DAYS = 365
    assert titles(Kind.CREDENTIAL_OLD, NOW + timedelta(days=365)) == []
    assert titles(Kind.CREDENTIAL_OLD, NOW + timedelta(days=366)) == ["DigiCert: its credential is old"]
    settings.CREDENTIAL_DAYS = 0
    assert titles(Kind.CREDENTIAL_OLD, NOW + timedelta(days=999)) == []


def test_what_runs_out_at_a_ca_is_told_in_time(local):
    record.vital(local.pk, "ca_certificate", NOW, "CN=Root", until=NOW + timedelta(days=60), text="Issued by CN=Root.")
    record.vital(local.pk, "crl", NOW, "http://a", until=NOW + timedelta(minutes=1))
    record.vital(local.pk, "server_certificate", NOW, until=NOW + timedelta(days=11))
    record.vital(local.pk, "clock_skew", NOW, seconds=-300.0)
    record.vital(local.pk, "crl", NOW, "http://b", error="It cannot be fetched.")
    (one,) = CONDITIONS[Kind.CA_STALE](NOW).found
    assert one.title == "Local: CA certificate runs out on 2030-03-02 00:00 UTC"
    assert (one.text, one.link.endswith("/health")) == ("CN=Root Issued by CN=Root.", True)
    record.vital(local.pk, "clock_skew", NOW, seconds=-301.0)
    assert titles(Kind.CA_STALE, NOW + timedelta(days=2)) == [
        "Local: CA certificate runs out on 2030-03-02 00:00 UTC",
        "Local: the CA's clock and this machine's are 301 s apart",
        "Local: revocation list ran out on 2030-01-01 00:01 UTC",
        "Local: server certificate runs out on 2030-01-12 00:00 UTC",
    ]


MINUTE = timedelta(minutes=1)
LIMITS = {
    "keyCompromise": 24,
    "unspecified": 24,
    "superseded": 120,
    "cessationOfOperation": 120,
    "affiliationChanged": 120,
    "privilegeWithdrawn": 120,
}
"""Reason → hours within which a CA has to revoke (Baseline Requirements 4.9.1.1)."""


def test_a_refused_revocation_is_told_of_while_the_certificate_is_valid(issued):
    row = issued("www.example.com", revocation_reason="superseded", revocation_text="Not by this account.")
    rows = Certificate.objects.filter(pk=row.pk)
    rows.update(revocation="refused")
    (one,) = CONDITIONS[Kind.REVOCATION_REFUSED](NOW).found
    assert one.title == "www.example.com: the CA refused to revoke it (superseded), and it is valid"
    assert one.text.startswith("Not by this account. Ask again from its page")
    assert titles(Kind.REVOCATION_REFUSED, row.not_after) == []
    rows.update(revocation="requested")
    assert titles(Kind.REVOCATION_REFUSED) == []


@pytest.mark.parametrize("state", ["requested", "waiting_at_ca"])
def test_a_revocation_is_told_of_at_half_and_at_four_fifths_of_its_time(issued, state, result):
    asked = {"revocation": state, "revocation_asked_at": NOW, "due_at": NOW, "revocation_text": "A person looks at it."}
    rows = {reason: issued(f"{reason.lower()}.example.com", revocation_reason=reason, **asked) for reason in LIMITS}
    wrong, number = 0, 0
    for share, words in ((0.5, "half is gone"), (0.8, "four fifths are gone")):
        for reason, hours in LIMITS.items():
            at = NOW + timedelta(hours=hours) * share
            title = f"{rows[reason].common_name}: its revocation is not through, and {words} of its time"
            told = [
                title in titles(Kind.REVOCATION_LATE, moment) for moment in (at - MINUTE, at, at + timedelta(days=30))
            ]
            wrong, number = wrong + (told != [False, True, True]), number + 1
    assert wrong == 0
    (one, *_) = CONDITIONS[Kind.REVOCATION_LATE](NOW + timedelta(hours=12)).found
    assert "wanted by 2030-01-02 00:00 UTC (BR 4.9.1.1). A person looks at it. Call the CA." in one.text
    for row in rows.values():
        row.revocation, row.due_at = "confirmed", None
        row.save()
    assert titles(Kind.REVOCATION_LATE, NOW + timedelta(days=30)) == []
    unit = (
        f"of {number} alarms missing, late or early by a minute: each open revocation is told of when half and when four fifths of its"
        " time are gone, a day or five by its reason, counted until the CA confirms it"
    )
    result("R46", wrong, unit)


def test_a_certificate_that_is_valid_with_a_reported_key_is_told_of_until_somebody_asks_to_revoke_it(cast, issued):
    made = issued()
    issued("fine.example.com")
    issued("over.example.com", spki_sha256=made.spki_sha256, not_after=NOW)
    assert titles(Kind.KEY_COMPROMISED) == []
    keys.record(made.spki_sha256, made, "ada", NOW)
    assert titles(Kind.KEY_COMPROMISED) == ["a.example.com: its key was reported as compromised, and it is valid"]
    Certificate.objects.filter(pk=made.pk).update(revocation="refused", revocation_text="Not by this account.")
    (one,) = CONDITIONS[Kind.KEY_COMPROMISED](NOW).found
    assert one.text == "Not by this account. Have it revoked, or replace it where it is used."
    certificates.revoke(cast.ada, made.pk, "superseded")
    assert titles(Kind.KEY_COMPROMISED) == []


def test_other_teams_are_told_of_a_report_that_stops_nothing_of_theirs_until_it_is_withdrawn(cast, issued):
    made = issued()
    other = SimpleNamespace(team_id=Team.objects.get(name="Other").pk, environment_id=made.environment_id)
    keys.record(made.spki_sha256, other, "olaf", NOW, for_everybody=False)
    (one,) = CONDITIONS[Kind.KEY_COMPROMISED](NOW).found
    assert (one.title, one.thing) == (
        "a.example.com: another team reported its key as compromised, and it is valid",
        made,
    )
    assert "nobody has confirmed it, so nothing is stopped" in one.text
    reporting.withdraw(cast.ada, KeyReport.objects.get().pk, "It was a drill.")
    assert titles(Kind.KEY_COMPROMISED) == []
