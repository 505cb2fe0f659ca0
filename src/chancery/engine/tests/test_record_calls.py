"""Revocations, tests, probes and pick lists: what is written of them."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import transaction

from chancery.apps.audit.models import Entry
from chancery.apps.bots import following as bots
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Call, CallKind, CallState, Connector, Health
from chancery.apps.health.record import Tally, add
from chancery.apps.orders.models import Order
from chancery.core.breaker import LOGIN_GAPS
from chancery.core.ids import new_id
from chancery.engine.jobs import Answered, Failed, Job, Kind, Stopped
from chancery.engine.record import Recorder
from chancery.engine.tests.kit import CA, FENCE, Toy, at, job, leaf, rng
from chancery.engine.tests.test_record import GOOD
from chancery.engine.work import do
from chancery.sdk.outcome import Issued, RevocationPending, Revoked

pytestmark = pytest.mark.django_db
NEVER_SEEN = datetime(2100, 1, 1, tzinfo=UTC)
DOWN = {"findings": [{"stage": "tcp", "level": "failed"}]}


@pytest.fixture
def certificate(desk):
    order = desk.order()
    desk.record((desk.job(order, Kind.SUBMIT), GOOD))
    rows = Certificate.objects.filter(order=order)
    rows.update(revocation="requested", fence=FENCE, due_at=desk.now)
    return rows.get()


def record(desk, kind, row, result, fence=FENCE):
    connector = desk.connector
    job = Job(kind, row, fence, connector.pk, connector.epoch, connector.current_id, "digicert")
    with transaction.atomic():
        Recorder(desk.now, rng()).record([(job, result)])


def revoke(desk, certificate, result, **more):
    record(desk, Kind.REVOKE, certificate.pk, result, **more)
    certificate.refresh_from_db()
    return certificate


def test_a_confirmed_revocation_is_dated_and_audited(desk, certificate):
    after = revoke(desk, certificate, Revoked("Revoked at the CA."))
    assert (after.revocation, after.revoked_at, after.due_at, after.fence) == ("confirmed", desk.now, None, None)
    assert after.revocation_text == "Revoked at the CA."
    assert Entry.objects.filter(target_kind="certificate", target_id=str(certificate.pk)).count() == 1


def test_bots_are_told_once_of_all_that_a_commit_revoked(desk, monkeypatch):
    told, made = [], []
    for _ in range(2):
        order = desk.order()
        desk.record((desk.job(order, Kind.SUBMIT), do(job(), Toy(submit=Issued(leaf().der, (CA.der,), "ca-1")), at)))
        made.append(Certificate.objects.get(order=order))
    Certificate.objects.update(revocation="requested", fence=FENCE, due_at=desk.now)
    monkeypatch.setattr(bots, "settled", lambda *given: told.append(given))
    facts = (FENCE, desk.connector.pk, desk.connector.epoch, desk.connector.current_id, "digicert")
    with transaction.atomic():
        Recorder(desk.now, rng()).record([(Job(Kind.REVOKE, row.pk, *facts), Revoked()) for row in made])
    assert told == [({}, {}, {row.pk for row in made}, desk.now)]


def test_a_revocation_that_waits_for_a_person_at_the_ca_is_looked_at_again(desk, certificate):
    after = revoke(desk, certificate, RevocationPending({"request": 7}, timedelta(minutes=5), "Waiting."))
    assert (after.revocation, after.revocation_state) == ("waiting_at_ca", {"request": 7})
    assert after.due_at == desk.now + timedelta(minutes=5)
    Certificate.objects.update(fence=FENCE)
    after = revoke(desk, certificate, RevocationPending({"request": 7}, timedelta.max, "Waiting."))
    assert after.due_at == desk.now + timedelta(days=7), "no authority puts it off for longer"


@pytest.mark.parametrize("kind", ["RejectedByPolicy", "ValidationFailed", "NotFound", "Forbidden"])
def test_a_refused_revocation_says_why_is_not_repeated_by_itself_and_may_be_asked_for_again(desk, certificate, kind):
    before = breaker(desk)
    if kind == "Forbidden":
        Certificate.objects.update(attempt=5)
    after = revoke(desk, certificate, Failed(kind, "It is too old.", remedy="Ask the CA."))
    assert (after.revocation, after.due_at, after.revocation_text) == ("refused", None, "It is too old. Ask the CA.")
    assert breaker(desk) == before, "a no to this one says nothing of the connector"
    again = certificates.revoke(desk.cast.ada, certificate.pk, "superseded", "")
    assert (again.revocation, again.due_at is None) == ("requested", False)


def test_a_revocation_that_is_forbidden_is_repeated_before_that_counts_as_an_answer(desk, certificate):
    """A proxy's rule may be wrong for a minute; the connector is probed meanwhile, and holds nothing back."""
    before, took = breaker(desk), timedelta(0)
    for attempt in range(1, 6):
        Certificate.objects.update(fence=FENCE)
        after = revoke(desk, certificate, Failed("Forbidden", "No."))
        assert (after.revocation, after.attempt) == ("requested", attempt)
        took += after.due_at - desk.now
    assert breaker(desk)[:4] == before[:4]
    assert timedelta(seconds=60) < took < timedelta(minutes=3)
    Certificate.objects.update(fence=FENCE)
    assert revoke(desk, certificate, Failed("Forbidden", "No.")).revocation == "refused"


def breaker(desk):
    row = Connector.objects.get(pk=desk.connector.pk)
    return row.breaker, row.breaker_until, row.failures, row.refusals, row.probe_at


def test_a_ca_that_is_away_delays_a_revocation_and_is_probed_at_once(desk, certificate):
    Connector.objects.update(probe_at=desk.now + timedelta(seconds=45))
    before = breaker(desk)
    after = revoke(desk, certificate, Failed("Unreachable", "Nobody answers.", bytes_sent=False))
    assert (after.revocation, after.attempt) == ("requested", 1)
    assert after.due_at > desk.now
    assert breaker(desk) == (*before[:4], desk.now)
    assert not Entry.objects.filter(target_kind="certificate").exists()


def test_a_look_at_a_revocation_that_is_forbidden_refuses_no_revocation(desk, certificate):
    Certificate.objects.update(revocation="waiting_at_ca", attempt=3)
    record(desk, Kind.POLL_REVOCATION, certificate.pk, Failed("Forbidden", "Only officers."))
    certificate.refresh_from_db()
    assert (certificate.revocation, certificate.attempt) == ("waiting_at_ca", 4)
    Certificate.objects.update(fence=FENCE)
    record(desk, Kind.POLL_REVOCATION, certificate.pk, RevocationPending({}, timedelta(minutes=5)))
    certificate.refresh_from_db()
    assert certificate.attempt == 0


def test_one_revocation_whose_login_is_refused_stops_no_connector_and_is_tried_ever_more_rarely(desk, certificate):
    gaps, seen = [], []
    for _ in range(5):
        Certificate.objects.update(fence=FENCE)
        gaps.append(revoke(desk, certificate, Failed("AuthFailed", "Refused.")).due_at - desk.now)
        seen.append(breaker(desk)[:2])
        Connector.objects.update(breaker="closed", breaker_until=None)
    assert [state for state, _ in seen] == ["open", *["closed"] * 4]
    assert gaps[1:] == [*LOGIN_GAPS, LOGIN_GAPS[-1]]
    assert breaker(desk)[3] == 1


def test_what_a_person_may_have_mended_is_tried_at_once_but_not_what_is_under_way(desk, certificate):
    later = desk.now + timedelta(hours=1)
    failed, waiting, under_way = (desk.order("pending", due_at=later, attempt=n, fence=None) for n in (2, 0, 2))
    Order.objects.filter(pk=under_way.pk).update(fence=FENCE)
    Certificate.objects.update(fence=None, attempt=3, due_at=later)
    connectors.activate(desk.cast.ada, desk.connector.pk)
    certificate.refresh_from_db()
    assert certificate.due_at < desk.now
    due = dict(Order.objects.filter(state="pending").values_list("pk", "due_at"))
    assert (due[failed.pk] < desk.now, due[waiting.pk], due[under_way.pk]) == (True, later, later)


def test_a_revocation_that_was_stopped_goes_on(desk, certificate):
    after = revoke(desk, certificate, Stopped())
    assert (after.revocation, after.due_at) == ("requested", desk.now + timedelta(seconds=1))


def test_a_stale_fence_revokes_nothing(desk, certificate):
    assert revoke(desk, certificate, Revoked(), fence=uuid4()).revocation == "requested"


def call(desk, kind, result, *, saved=True, fence=FENCE):
    made = Call.objects.create(
        id=new_id(desk.now),
        kind=kind,
        connector=desk.connector if saved else None,
        authority="digicert",
        due_at=desk.now,
        fence=FENCE,
        state=CallState.RUNNING,
        sealed={"secrets": {"api_key": "sealed"}},
        asked_by="ada",
        created_at=desk.now,
    )
    record(desk, Kind.CALL, made.pk, result, fence)
    made.refresh_from_db()
    return made


def health(desk):
    return Connector.objects.get(pk=desk.connector.pk).health


def test_what_was_sealed_in_a_call_is_erased_with_its_answer(desk):
    made = call(desk, CallKind.DIAGNOSE, Answered({"findings": []}))
    assert (made.state, made.sealed, made.result, made.fence) == (CallState.DONE, {}, {"findings": []}, None)
    assert made.finished_at == desk.now
    assert health(desk) == Health.HEALTHY


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (Answered(DOWN, Failed("Unreachable", "tcp: Nobody listens.")), Health.UNREACHABLE),
        (Answered(DOWN, Failed("AuthFailed", "login: The key is refused.")), Health.LOGIN_REFUSED),
        (Answered(DOWN, Failed("Forbidden", "rights: It may not order.")), Health.NO_RIGHTS),
        (Answered(DOWN, Failed("QuotaExhausted", "quota: Nothing is left.")), Health.QUOTA_EXHAUSTED),
        (Answered(DOWN, Failed("ProtocolViolation", "login: It answered 503.")), Health.ERROR),
        (Failed("Bug", "The connector cannot be built."), Health.ERROR),
    ],
)
def test_a_probe_measures_health(desk, result, expected):
    call(desk, CallKind.PROBE, result)
    row = Connector.objects.get(pk=desk.connector.pk)
    assert row.health == expected
    assert row.breaker_until > desk.now


def test_a_failed_call_keeps_its_reason(desk):
    made = call(desk, CallKind.DIAGNOSE, Failed("Bug", "The connector cannot be built."), saved=False)
    assert (made.state, made.result) == (CallState.FAILED, {"error": "The connector cannot be built."})
    assert health(desk) == Health.UNKNOWN


def test_a_stopped_call_says_so_and_measures_nothing(desk):
    made = call(desk, CallKind.PROBE, Stopped())
    assert (made.state, health(desk)) == (CallState.FAILED, Health.UNKNOWN)


def test_a_pick_list_says_nothing_about_health(desk):
    made = call(desk, CallKind.CHOICES, Answered({"choices": []}))
    assert (made.state, health(desk)) == (CallState.DONE, Health.UNKNOWN)


def test_a_stale_fence_answers_no_call(desk):
    assert call(desk, CallKind.PROBE, Answered({}), fence=uuid4()).state == CallState.RUNNING


def seen(desk, outcome, number=3, operation="poll"):
    """Count calls that ended a moment ago."""
    tally = Tally()
    tally.add(number, 0.1)
    add({(desk.connector.pk, operation, outcome): tally}, desk.now - timedelta(minutes=6))


def shown(desk):
    row = Connector.objects.get(pk=desk.connector.pk)
    return row.health, row.health_text, row.breaker


@pytest.fixture
def at_work(desk):
    hour_ago = desk.now - timedelta(hours=1)
    Connector.objects.update(breaker="closed", health=Health.HEALTHY, updated_at=hour_ago)
    return desk


def test_a_ca_that_fails_every_look_is_not_called_healthy_because_its_probe_passes(at_work):
    seen(at_work, "OutcomeUnknown")
    call(at_work, CallKind.PROBE, Answered({"findings": []}))
    after = shown(at_work)
    assert after[0] == Health.ERROR
    assert after[1].startswith("Its probe passes, but all 3 acts")
    assert after[2] == "closed", "new orders go out all the same"
    at_work.record((at_work.job(at_work.order(), Kind.SUBMIT), GOOD))
    assert shown(at_work) == after, "a new order proves nothing of looks; the next probe says so, by all that was seen"
    seen(at_work, "ok", 1)
    call(at_work, CallKind.PROBE, Answered({"findings": []}))
    assert shown(at_work) == (Health.HEALTHY, "", "closed")


@pytest.mark.parametrize(
    ("outcome", "number", "changes"),
    [
        ("Unreachable", 2, {}),
        ("NotFound", 9, {}),
        ("Forbidden", 9, {}),
        ("Unreachable", 9, {"breaker": "half_open"}),
        ("Unreachable", 9, {"updated_at": NEVER_SEEN}),
    ],
)
def test_a_few_failures_and_those_of_before_say_nothing(at_work, outcome, number, changes):
    Connector.objects.update(**changes)
    seen(at_work, outcome, number)
    call(at_work, CallKind.PROBE, Answered({"findings": []}))
    assert shown(at_work)[:2] == (Health.HEALTHY, "")
