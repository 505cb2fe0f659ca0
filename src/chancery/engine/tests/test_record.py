"""What came of a job, written once: the order, its timeline, the connector's health, the audit."""

import json
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import DataError, IntegrityError

from chancery.apps.audit.models import Entry
from chancery.apps.bots import following as bots
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate, Chain
from chancery.apps.connectors.models import Connector, Health
from chancery.apps.orders import explaining
from chancery.apps.orders.models import Order, OrderEvent
from chancery.core.effects import KINDS
from chancery.core.ids import new_id
from chancery.engine import record
from chancery.engine.jobs import ORIGIN, Bad, Cancelled, Failed, Good, Kind, Missing, Stopped, Waiting
from chancery.engine.record import Recorder, unstorable
from chancery.engine.tests.kit import CA, FENCE, Toy, at, job, leaf, rng
from chancery.engine.work import do
from chancery.sdk.outcome import Issued, Pending, PendingKind, Revoked

pytestmark = pytest.mark.django_db


def good(certificate):
    return do(job(), Toy(submit=Issued(certificate.der, (CA.der,), "ca-1")), at)


CERTIFICATE = leaf()
GOOD = good(CERTIFICATE)
UNREACHABLE = Failed("Unreachable", "Nobody answers.", bytes_sent=False, remedy="Look at the network.")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("kind", list(ORIGIN))
def test_a_certificate_is_stored_whatever_brought_it(desk, kind):
    order, event = desk.result(GOOD, kind)
    stored = Certificate.objects.get(order=order)
    assert (order.state, order.due_at, order.fence, order.finished_at) == ("issued", None, None, desk.now)
    assert (bytes(stored.der), stored.ca_reference, stored.spki_sha256) == (
        CERTIFICATE.der,
        "ca-1",
        GOOD.facts.key.spki_sha256,
    )
    assert event.kind == ("order.settled" if kind is Kind.SETTLE else "order.issued")
    assert Entry.objects.filter(action="engine.record", target_id=str(order.pk)).exists()


@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.POLL, Kind.SETTLE])
def test_what_is_issued_after_its_key_was_reported_says_so_and_is_not_deployed(desk, kind, monkeypatch):
    lost, well = desk.order(str(ORIGIN[kind])), desk.order()
    keys.record("1" * 64, lost, "ada", desk.now)
    told = []
    monkeypatch.setattr(bots, "settled", lambda made, ended, *_: told.append((set(made), ended)))
    bad = desk.job(lost, kind)
    jobs = [
        (replace(bad, asked=replace(bad.asked, spki_sha256="1" * 64)), GOOD),
        (desk.job(well, Kind.SUBMIT), good(leaf())),
    ]
    first, second = desk.record(*jobs)
    text = "Its key was reported as compromised while the CA had it, and it was issued all the same. Have it revoked."
    assert (first.state, first.reason_code, first.reason) == ("issued", "key_compromised", text)
    assert (second.state, second.reason_code, second.reason) == ("issued", "", "")
    event = first.events.order_by("id").last()
    assert event.text.startswith(text)
    assert event.detail["cause"] == "key_compromised"
    assert "cause" not in second.events.order_by("id").last().detail
    entry = json.loads(bytes(Entry.objects.get(action="engine.record", target_id=str(lost.pk)).body))
    assert entry["detail"] == {"state": "issued", "cause": "key_compromised"}
    assert told == [({well.pk}, {lost.pk: ("issued", text)})]


def test_warnings_are_stored_with_the_certificate(desk):
    warned = Issued(CERTIFICATE.der, (CA.der,), "ca-1", ("It chains to a removed root.",))
    order, _ = desk.result(do(job(), Toy(submit=warned), at), Kind.SUBMIT)
    assert Certificate.objects.get(order=order).warnings == ["It chains to a removed root."]


def test_one_chain_is_stored_once(desk):
    orders = [desk.order() for _ in range(2)]
    results = [GOOD, good(leaf())]
    desk.record(*[(desk.job(o, Kind.SUBMIT), r) for o, r in zip(orders, results, strict=True)])
    assert Chain.objects.count() == 1
    assert Certificate.objects.exclude(chain=None).count() == 2


@pytest.mark.parametrize(
    "result", [GOOD, Waiting(Pending({})), Bad(("x",)), Missing("x"), Cancelled(), Stopped(), UNREACHABLE]
)
def test_a_stale_fence_changes_nothing(desk, result):
    order = desk.order(fence=UUID(int=8))
    desk.record((desk.job(order, Kind.SUBMIT), result))
    again = Order.objects.get(pk=order.pk)
    assert (again.state, again.fence, again.due_at) == ("submitting", UUID(int=8), order.due_at)
    # A certificate is told of on the timeline; that is all.
    assert again.events.count() == 1 + (result is GOOD)
    assert not Certificate.objects.exists()


def test_of_two_answers_about_one_order_that_come_together_the_one_with_its_fence_counts(desk):
    order = desk.order()
    current = desk.job(order, Kind.SUBMIT)
    late = replace(current, fence=UUID(int=8))
    other = leaf()
    desk.record((late, good(other)), (current, GOOD))
    assert bytes(Certificate.objects.get(order=order).der) == CERTIFICATE.der


def test_pending_says_whom_it_waits_for_and_is_written_once(desk):
    pending = Pending({"v": 1}, PendingKind.VALIDATION, timedelta(seconds=90), "The organisation is validated.", "77")
    order, event = desk.result(Waiting(pending), Kind.SUBMIT, attempt=2)
    assert (order.state, order.pending_kind, order.ca_reference, order.attempt) == ("pending", "validation", "77", 0)
    assert (order.due_at, order.reason) == (desk.now + timedelta(seconds=90), "The organisation is validated.")
    assert event.kind == "order.pending"
    Order.objects.filter(pk=order.pk).update(fence=FENCE)
    again = desk.record((desk.job(order, Kind.POLL), Waiting(Pending({"v": 2}, text=pending.text))))[0]
    assert again.events.count() == order.events.count()
    assert (again.poll_state, again.ca_reference) == ({"v": 2}, "77")


def test_pending_after_a_cancellation_forgets_the_wish(desk):
    order, _ = desk.result(Waiting(Pending({})), Kind.CANCEL, cancel_requested=True)
    assert not order.cancel_requested


@pytest.mark.parametrize(("kind", "attempt"), [("RejectedByPolicy", 0), ("Forbidden", 5)])
def test_a_refused_cancellation_leaves_the_order_pending(desk, kind, attempt):
    refusal = Failed(kind, "It is being issued.", remedy="Revoke it then.")
    order, event = desk.result(refusal, Kind.CANCEL, cancel_requested=True, attempt=attempt)
    assert (order.state, order.cancel_requested, order.reason) == (
        "pending",
        False,
        "It is being issued. Revoke it then.",
    )
    assert order.due_at > desk.now
    assert event.kind == "order.waiting"
    assert Connector.objects.get(pk=desk.connector.pk).breaker_until is None


def test_a_cancellation_that_is_forbidden_once_is_tried_again(desk):
    order, _ = desk.result(Failed("Forbidden", "Not now."), Kind.CANCEL, cancel_requested=True)
    assert (order.state, order.cancel_requested) == ("pending", True)


@pytest.mark.parametrize("kind", [Kind.SUBMIT, Kind.SETTLE])
def test_refused_logins_count_whatever_the_orders_failed_of_before(desk, kind):
    refused = Failed("AuthFailed", "Refused.", "401")
    for _ in range(3):
        desk.result(refused, kind, attempt=4, reason_code="429")
        Connector.objects.filter(breaker="open").update(breaker="closed", breaker_until=None)
    assert Connector.objects.get(pk=desk.connector.pk).breaker == "stopped"


def test_a_fault_that_shuts_nothing_leaves_what_another_worker_wrote(desk, monkeypatch):
    """It is written as a difference: where the breaker stays as it was read, none of its columns is."""
    Connector.objects.update(breaker="stopped", refusals=3, probe_at=None)
    desk.result(Failed("Throttled", "Slow down.", until=desk.now + SECOND), Kind.POLL)
    row = Connector.objects.get(pk=desk.connector.pk)
    assert (row.breaker, row.refusals, row.probe_at) == ("stopped", 3, None)
    Connector.objects.update(breaker="closed", refusals=0)
    read = record.standing

    def meanwhile(found):
        Connector.objects.update(breaker="open", breaker_until=desk.now + SECOND, failures=1)
        return read(found)

    monkeypatch.setattr(record, "standing", meanwhile)
    desk.result(UNREACHABLE, Kind.POLL)
    row.refresh_from_db()
    assert (row.breaker, row.failures) == ("open", 1)


def test_a_refused_release_goes_back_to_waiting_as_before(desk):
    """The CA says no to the act, and not to the order or the connector: it is looked at as before, and not asked again."""
    order = desk.order("pending", poll_state={"v": 1, "release": {"v": 1, "request": 7}}, pending_kind="approval")
    job = desk.job(order, Kind.RELEASE)
    job = replace(job, asked=replace(job.asked, poll_state={"v": 1, "request": 7}))
    (after,) = desk.record((job, Failed("Forbidden", "Only officers.", remedy="Give it the right.")))
    assert (after.state, after.poll_state, after.reason) == (
        "pending",
        {"v": 1, "request": 7},
        "Only officers. Give it the right.",
    )
    assert Connector.objects.get(pk=desk.connector.pk).breaker_until is None


def test_what_was_withdrawn_is_cancelled(desk):
    order, event = desk.result(Cancelled(), Kind.CANCEL, cancel_requested=True)
    assert (order.state, order.due_at, order.finished_at, event.kind) == (
        "cancelled",
        None,
        desk.now,
        "order.cancelled",
    )


def test_a_wrong_certificate_is_kept_from_everybody(desk):
    order, event = desk.result(Bad(("The key differs.",), b"x", "ca-9"), Kind.SUBMIT)
    assert (order.state, order.reason_code, order.ca_reference, order.due_at) == (
        "quarantined",
        "mismatch",
        "ca-9",
        None,
    )
    assert "The key differs." in event.text
    assert event.detail == {"cause": "mismatch", "certificate": "eA=="}
    assert not Certificate.objects.exists()


def test_stopped_before_the_first_byte_waits_again(desk):
    order, event = desk.result(Stopped(), Kind.SUBMIT)
    assert (order.state, order.due_at, event.kind) == ("queued", desk.now, "order.requeued")


def test_missing_is_searched_again_after_the_lag_then_sent_again_then_left_to_a_person(desk):
    first, event = desk.result(Missing("Searched."), Kind.SETTLE)
    assert (first.state, first.searches, event.kind) == ("outcome_unknown", 1, "order.searched")
    assert first.due_at > desk.now
    again, event = desk.result(Missing("Searched."), Kind.SETTLE, searches=99)
    assert (again.state, again.attempt, again.searches, event.kind) == ("queued", 1, 0, "order.settled_absent")
    often = desk.order("outcome_unknown", searches=99)
    for n in range(3):
        about = {"id": new_id(desk.now), "at": desk.now, "actor": "engine", "text": str(n)}
        OrderEvent.objects.create(order=often, kind="order.settled_absent", **about)
    last = desk.record((desk.job(often, Kind.SETTLE), Missing("Searched.")))[0]
    assert (last.state, last.due_at) == ("outcome_unknown", None)
    assert "It was sent 4 times; a person decides" in last.reason
    # Two people then had it ordered again: what is counted begins anew.
    at = {"id": new_id(desk.now + timedelta(seconds=1)), "at": desk.now}
    OrderEvent.objects.create(order=often, kind="order.ordered_again", actor="olga", **at)
    Order.objects.filter(pk=often.pk).update(fence=FENCE, searches=99)
    assert desk.record((desk.job(often, Kind.SETTLE), Missing("Searched.")))[0].state == "queued"


def test_what_the_ca_had_accepted_is_never_sent_again_because_it_is_not_found(desk):
    order, event = desk.result(Missing("Searched."), Kind.SETTLE, searches=99, ca_reference="1000056")
    assert (order.state, order.due_at, event.kind) == ("outcome_unknown", None, "order.searched")
    assert "accepted it as 1000056. A person decides." in order.reason


@pytest.mark.parametrize("change", [{"api_key": "another-key-of-the-test"}, {"container_id": "7"}])
def test_another_account_cannot_say_that_this_one_has_no_order(desk, change):
    from chancery.apps.connectors import actions

    sent_by = desk.connector.current_id
    values = {
        "name": "DigiCert", "base_url": "http://127.0.0.1:9", "allowed_networks": "127.0.0.0/8",
        "team": "Operations", "environment": "Production", "reference_field_id": "11",
    }  # fmt: skip
    desk.connector = actions.edit(desk.cast.ada, desk.connector.pk, desk.connector.revision, {**values, **change})
    order, _ = desk.result(Missing("Searched."), Kind.SETTLE, searches=99, version_id=sent_by)
    sent_again = "api_key" not in change
    assert order.state == ("queued" if sent_again else "outcome_unknown")
    assert sent_again or "this may be another account. A person decides." in order.reason


@pytest.mark.parametrize("kind", list(ORIGIN))
@pytest.mark.parametrize("error", [*KINDS, "NeverHeardOf"])
@pytest.mark.parametrize("sent", [True, False])
def test_no_error_is_lost_or_leaves_an_order_that_nobody_looks_at(desk, kind, error, sent):
    order, event = desk.result(Failed(error, "It failed.", "c1", "said", sent), kind)
    assert (order.fence, order.lease_until, order.reason_code) == (None, None, "c1")
    assert "It failed." in event.text
    looked_at = order.due_at is not None
    ended = order.state in {"rejected", "failed"}
    assert looked_at != (ended or (kind is Kind.ADOPT and order.state == "outcome_unknown" and error != "NeverHeardOf"))
    if kind is Kind.SUBMIT and sent and error in {"OutcomeUnknown", "ProtocolViolation", "Bug", "NeverHeardOf"}:
        assert order.state == "outcome_unknown"
    assert not (kind is Kind.SETTLE and ended and error not in {"RejectedByPolicy", "ValidationFailed"})


def test_the_same_failure_twice_is_one_line_on_the_timeline(desk):
    order, _ = desk.result(Failed("Bug", "It failed."), Kind.POLL, reason="It failed.")
    assert [e.kind for e in order.events.order_by("id")] == ["order.placed"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_adoption_that_leads_nowhere_goes_back_to_the_person(desk, kind):
    order, _ = desk.result(Failed(kind, "No such order."), Kind.ADOPT)
    passing = {"Unreachable", "OutcomeUnknown", "Throttled", "QuotaExhausted", "AuthFailed", "Forbidden"}
    assert order.state == ("pending" if kind in passing else "outcome_unknown")
    assert (order.due_at is None) is (kind not in passing)


def health(desk):
    row = Connector.objects.get(pk=desk.connector.pk)
    return row.health, row.failures, row.breaker_until


def test_one_outage_counts_once_and_health_returns_with_an_answer(desk):
    orders = [desk.order() for _ in range(3)]
    desk.record(*[(desk.job(o, Kind.SUBMIT), UNREACHABLE) for o in orders])
    state, failures, until = health(desk)
    assert (state, failures) == (Health.UNREACHABLE, 1)
    assert until > desk.now
    desk.record((desk.job(desk.order("pending"), Kind.POLL), Waiting(Pending({}))))
    assert health(desk) == (Health.HEALTHY, 0, None)


def test_a_ca_that_asks_for_patience_gets_it_to_the_second(desk):
    until = desk.now + timedelta(minutes=7)
    order, _ = desk.result(Failed("Throttled", "Slow down.", until=until), Kind.SUBMIT)
    assert (order.state, order.due_at) == ("queued", until)
    assert health(desk) == (Health.THROTTLED, 1, until)


def test_patience_without_a_moment_grows(desk):
    desk.result(Failed("Throttled", "Slow down."), Kind.SUBMIT)
    assert health(desk)[2] > desk.now


def test_a_refused_login_is_tried_ever_more_rarely_and_never_a_fourth_time(desk):
    gaps = []
    for _ in range(3):
        Connector.objects.filter(pk=desk.connector.pk).update(breaker_until=None)
        desk.result(Failed("AuthFailed", "The key is refused."), Kind.SUBMIT)
        gaps.append(health(desk)[2] and (health(desk)[2] - desk.now).total_seconds())
    assert gaps == [60, 300, None]
    row = Connector.objects.get(pk=desk.connector.pk)
    assert (row.breaker, row.refusals, row.health) == ("stopped", 3, Health.LOGIN_REFUSED)


def test_refusals_of_one_burst_count_each_since_the_ca_counts_them_too(desk):
    orders = [desk.order() for _ in range(3)]
    desk.record(*[(desk.job(o, Kind.SUBMIT), Failed("AuthFailed", "The key is refused.")) for o in orders])
    row = Connector.objects.get(pk=desk.connector.pk)
    assert (row.breaker, row.failures, row.refusals) == ("stopped", 1, 3)


def test_a_longer_patience_that_comes_later_is_kept(desk):
    orders = [desk.order() for _ in range(2)]
    until = [desk.now + timedelta(minutes=n) for n in (2, 9)]
    desk.record(
        *[
            (desk.job(o, Kind.SUBMIT), Failed("Throttled", "Slow down.", until=u))
            for o, u in zip(orders, until, strict=True)
        ]
    )
    row = Connector.objects.get(pk=desk.connector.pk)
    assert (row.breaker_until, row.slowed, row.slowed_at) == (until[1], 0.5, until[1])


def test_a_failure_under_old_settings_says_nothing_about_the_new_ones(desk):
    Connector.objects.filter(pk=desk.connector.pk).update(epoch=desk.connector.epoch + 1)
    desk.result(UNREACHABLE, Kind.SUBMIT)
    assert health(desk) == (Health.UNKNOWN, 0, None)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("kind", list(ORIGIN))
def test_whether_a_request_had_left_is_said_of_what_changes_something_and_never_of_a_look(desk, kind, sent):
    order, event = desk.result(replace(UNREACHABLE, bytes_sent=sent), kind)
    known = sent if kind in {Kind.SUBMIT, Kind.CANCEL, Kind.RELEASE} else None
    words = {True: " The request had left.", False: " Nothing had been sent.", None: ""}[known]
    assert event.text == f"Unreachable: Nobody answers.{words}"
    assert (event.detail["act"], event.detail["bytes_sent"]) == (str(kind), known)
    about = explaining.facts_of(order, desk.now).error
    assert (about.kind, about.bytes_sent) == ("Unreachable", known)
    before = {k: v for k, v in {**event.detail, "bytes_sent": sent}.items() if k != "act"}
    OrderEvent.objects.filter(pk=event.pk).update(detail=before)
    assert explaining.facts_of(order, desk.now).error.bytes_sent is (sent if kind is Kind.SUBMIT else None)


def test_after_an_answer_without_sense_a_probe_goes_out_at_once(desk):
    page = Failed("ProtocolViolation", "It answered 503.")
    order, _ = desk.result(page, Kind.SUBMIT)
    assert order.state == "outcome_unknown"
    assert health(desk) == (Health.ERROR, 1, desk.now)
    Connector.objects.filter(pk=desk.connector.pk).update(breaker_until=None)
    desk.result(page, Kind.SUBMIT)
    assert health(desk)[2] > desk.now


def test_the_last_issue_is_written_at_most_every_few_seconds(desk):
    desk.result(GOOD, Kind.SUBMIT)
    first = desk.now
    desk.now += SECOND
    desk.result(good(leaf()), Kind.SUBMIT)
    assert Connector.objects.get(pk=desk.connector.pk).last_issue_at == first
    desk.now += 9 * SECOND
    desk.result(good(leaf()), Kind.SUBMIT)
    assert Connector.objects.get(pk=desk.connector.pk).last_issue_at == desk.now


def test_lost_submissions_become_unknown_and_are_searched_after_the_lag(desk):
    order, issued = desk.order(), desk.order("issued")
    Recorder(desk.now, rng()).lost([order.pk, issued.pk], "digicert")
    order.refresh_from_db()
    assert (order.state, order.reason_code) == ("outcome_unknown", "lease_expired")
    assert order.due_at > desk.now
    assert Order.objects.get(pk=issued.pk).state == "issued"


def test_a_lost_poll_that_may_have_ordered_says_what_was_being_done(desk):
    order = desk.order("pending")
    Recorder(desk.now, rng()).lost([order.pk], "digicert")
    order.refresh_from_db()
    assert (order.state, order.reason_code) == ("outcome_unknown", "lease_expired")
    assert "sending it again" in order.reason


def test_an_authority_that_cannot_search_leaves_the_unknown_to_people(desk, local):
    order = desk.order(profile="Internal")
    Recorder(desk.now, rng()).lost([order.pk], "local")
    order.refresh_from_db()
    assert (order.state, order.due_at) == ("outcome_unknown", None)
    desk.connector = local
    unknown = desk.order(profile="Internal")
    submission = desk.job(unknown, Kind.SUBMIT)
    object.__setattr__(submission, "authority", "local")
    after = desk.record((submission, Failed("OutcomeUnknown", "Reset.")))[0]
    assert (after.state, after.due_at) == ("outcome_unknown", None)


def test_what_the_tables_refuse_is_kept_as_far_as_it_can_be():
    assert isinstance(GOOD, Good)
    assert "cannot be stored" in unstorable(GOOD, DataError()).problems[0]
    assert "stored already" in unstorable(GOOD, IntegrityError()).problems[0]
    assert unstorable(GOOD, IntegrityError()).reference == "ca-1"
    assert unstorable(Waiting(Pending({})), DataError()).kind == "Bug"
    assert unstorable(Revoked(), DataError()).kind == "Bug"


def test_what_may_be_at_the_ca_with_a_compromised_key_stays_unknown(desk):
    fresh, bound, elsewhere = desk.order(), desk.order(bound=True), desk.order("pending")
    Recorder(desk.now, rng()).compromised([fresh.pk, bound.pk, elsewhere.pk])
    states = {o.pk: (o.state, o.reason_code) for o in Order.objects.all()}
    assert states[fresh.pk] == ("failed", "key_compromised")
    assert states[bound.pk] == ("outcome_unknown", "key_compromised")
    assert states[elsewhere.pk][0] == "pending"


@pytest.mark.parametrize("far", [timedelta(days=20_000), timedelta.max])
def test_no_authority_puts_an_order_off_for_longer_than_a_week(desk, far):
    after, _ = desk.result(Waiting(Pending({"v": 1}, next_check=far)), Kind.SUBMIT)
    assert (after.state, after.due_at) == ("pending", desk.now + timedelta(days=7))


def test_no_authority_has_its_connector_left_alone_for_longer_than_a_day(desk):
    Connector.objects.update(breaker="closed")
    far = desk.now + timedelta(days=20_000)
    after, _ = desk.result(Failed("Throttled", "Later.", until=far), Kind.SUBMIT)
    row = Connector.objects.get(pk=desk.connector.pk)
    assert {after.due_at, row.breaker_until, row.slowed_at} == {desk.now + timedelta(days=1)}
