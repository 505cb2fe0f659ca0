"""A worker goes on: after a lost database, a row that cannot be stored, a signer that died, and until it is told to stop."""

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, transaction

from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Call, Connector, ConnectorVersion, Pace
from chancery.apps.inventory import actions as inventories
from chancery.apps.inventory.models import Pull
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.core.clock import ManualClock
from chancery.core.errors import Unavailable
from chancery.core.pacing import Room, reserve
from chancery.engine import claim
from chancery.engine import worker as workers
from chancery.engine.jobs import Kind, Missing
from chancery.engine.record import Recorder
from chancery.engine.resting import Resting
from chancery.engine.tests.kit import job
from chancery.engine.tests.test_record import CERTIFICATE, GOOD, good
from chancery.engine.worker import Worker
from chancery.sdk.http import HttpDoor
from tests.cast import digicert_values, request_pem

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def worker(transactional_db):
    made = Worker()
    made._signers = ThreadPoolExecutor(1)
    yield made
    made._signers.shutdown()
    made.close()


def turns(worker, done, most=200):
    for _ in range(most):
        if done():
            return
        if not worker.turn():
            worker._wait(0.02)
    pytest.fail("the worker did not get there")


def issued(order):
    return lambda: Order.objects.get(pk=order.pk).state == "issued"


def internal(cast, name="www.example.com"):
    return place(cast.rob, PlaceOrder("Internal", request_pem(name)))


def test_what_is_held_at_a_connector_that_is_off_is_not_looked_at_in_every_turn(cast, local, worker, monkeypatch):
    order, plain, asked = internal(cast), claim.connector_row, []
    connectors.deactivate(cast.ada, local.pk)
    worker._resting = Resting(ManualClock(LONG_AGO))
    monkeypatch.setattr(claim, "connector_row", lambda ident: asked.append(ident) or plain(ident))
    for _ in range(3):
        worker.turn()
    assert asked == [local.pk]
    connectors.activate(cast.ada, local.pk)
    worker._report([])
    turns(worker, issued(order))


def test_a_result_that_cannot_be_stored_keeps_back_no_other(desk, worker, caplog, monkeypatch):
    orders = [desk.order() for _ in range(2)]
    results = [GOOD, good(CERTIFICATE), Missing("Searched.")]
    pairs = [(desk.job(o, Kind.SUBMIT), r) for o, r in zip(orders[:2], results[:2], strict=True)]
    unknown = desk.order("outcome_unknown")
    worker._report([*pairs, (desk.job(unknown, Kind.SETTLE), results[2])])
    monkeypatch.setattr(worker, "_claim", lambda now: [])
    with caplog.at_level(logging.ERROR), pytest.raises(Exception, match="(?i)unique"):
        worker.turn()
    after = {str(o.pk): o for o in Order.objects.all()}
    assert after[str(orders[0].pk)].state == "issued"
    assert after[str(orders[1].pk)].state == "quarantined"
    assert "stored already" in after[str(orders[1].pk)].reason
    assert after[str(unknown.pk)].searches == 1
    assert "cannot be stored: IntegrityError" in caplog.text
    caplog.clear()
    assert worker.turn() == 0


def test_what_can_be_stored_in_no_form_is_left_to_its_lease(desk, worker, caplog, monkeypatch):
    def refuse(self, pairs):
        if pairs:
            raise ValueError("refused")

    monkeypatch.setattr(Recorder, "record", refuse)
    order = desk.order()
    worker._report([(desk.job(order, Kind.SUBMIT), GOOD)])
    with caplog.at_level(logging.ERROR), pytest.raises(ValueError, match="^refused$"):
        worker.turn()
    assert caplog.text.count("cannot be stored") == 2
    caplog.clear()
    assert worker._results.empty()
    assert Order.objects.get(pk=order.pk).state == "submitting"


def test_results_survive_a_database_that_goes_away_while_they_are_written(desk, worker, monkeypatch):
    plain, calls = Recorder.record, []

    def flaky(self, pairs):
        calls.append(len(pairs))
        if len(calls) <= 2:
            raise (ValueError if len(calls) == 1 else OperationalError)
        return plain(self, pairs)

    monkeypatch.setattr(Recorder, "record", flaky)
    order = desk.order()
    worker._report([(desk.job(order, Kind.SUBMIT), GOOD)])
    with pytest.raises(OperationalError):
        worker.turn()
    worker.turn()
    assert calls == [1, 1, 1]
    assert Order.objects.get(pk=order.pk).state == "issued"


def test_a_turn_that_the_database_takes_back_keeps_results_and_seats(desk, worker, monkeypatch):
    desk.order("queued", due_at=LONG_AGO)
    done = desk.order()
    worker._report([(desk.job(done, Kind.SUBMIT), GOOD)])
    plain = worker._claim

    def gone(now):
        assert plain(now)
        raise OperationalError

    monkeypatch.setattr(worker, "_claim", gone)
    with pytest.raises(OperationalError):
        worker.turn()
    assert worker._pacer.busy() == 0
    assert sorted(Order.objects.values_list("state", flat=True)) == ["queued", "submitting"]
    monkeypatch.setattr(worker, "_claim", lambda now: [])
    assert worker.turn() == 1
    assert Order.objects.get(pk=done.pk).state == "issued"


def test_the_connection_of_a_test_of_unsaved_settings_is_closed_after_it(cast, worker, monkeypatch, simulator):
    closed = []
    plain = HttpDoor.close
    monkeypatch.setattr(HttpDoor, "close", lambda self: (closed.append(self), plain(self)))
    call = connectors.test_unsaved(cast.ada, "digicert", digicert_values(simulator))
    turns(worker, lambda: Call.objects.get(pk=call.pk).state == "done")
    assert len(closed) == 1


def failing_turns(worker, monkeypatch, errors, stop):
    left = iter(errors)

    def turn():
        error = next(left, None)
        if error is None:
            stop.set()
            return 0
        raise error

    monkeypatch.setattr(worker, "turn", turn)
    monkeypatch.setattr(workers, "_PAUSE", 0.0)


def test_no_failure_ends_a_worker(worker, monkeypatch, caplog):
    stop = threading.Event()
    failing_turns(worker, monkeypatch, [OperationalError(), ValueError()], stop)
    with caplog.at_level(logging.ERROR):
        worker.run(stop)
    assert "the database does not answer" in caplog.text
    assert "a turn failed" in caplog.text
    caplog.clear()


def test_a_database_that_stays_away_is_said_once_and_its_return_too(worker, monkeypatch, caplog):
    stop, full = threading.Event(), "database or disk is full"
    failing_turns(worker, monkeypatch, [OperationalError(full)] * 5 + [OperationalError("locked")], stop)
    with caplog.at_level(logging.INFO, "chancery.worker"):
        worker.run(stop)
    said = [r.getMessage() for r in caplog.records if "database" in r.getMessage()]
    assert said == [
        f"the database does not answer: {full}; trying again every second",
        "the database does not answer: locked; trying again every second",
        "the database answers again",
    ]
    caplog.clear()


def test_a_worker_that_starts_on_a_full_disk_waits_for_room(transactional_db, monkeypatch, caplog):
    errors, stop = [OperationalError("full"), OperationalError("full")], threading.Event()
    monkeypatch.setattr(workers, "_PAUSE", 0.0)

    def rows(**_):
        if errors:
            raise errors.pop()
        return Pace.objects.none()

    monkeypatch.setattr(type(Pace.objects), "exclude", lambda self, **more: rows(**more))
    with caplog.at_level(logging.ERROR):
        workers._free_seats(stop)
    assert not errors
    assert len(caplog.records) == 1
    errors.append(OperationalError("full"))
    stop.set()
    workers._free_seats(stop)
    assert errors
    caplog.clear()


def test_told_to_stop_it_records_what_is_under_way(cast, local, worker, monkeypatch, caplog):
    order = internal(cast)
    worker.turn()
    assert worker._pacer.busy() >= 1
    plain, calls = Recorder.record, []

    def flaky(self, pairs):
        calls.append(len(pairs))
        if len([c for c in calls if c]) == 1:
            raise OperationalError
        return plain(self, pairs)

    monkeypatch.setattr(Recorder, "record", flaky)
    with caplog.at_level(logging.ERROR):
        worker.drain()
    assert "trying again" in caplog.text
    caplog.clear()
    assert issued(order)()
    assert worker._pacer.busy() == 0


def test_it_works_until_told_to_stop(cast, local):
    order, stop = internal(cast), threading.Event()
    worker = Worker()
    worker._signers = ThreadPoolExecutor(1)
    plain = worker.turn

    def turn():
        worked = plain()
        if issued(order)():
            stop.set()
        return worked

    worker.turn = turn
    worker.run(stop)
    assert Certificate.objects.filter(order=order).count() == 1


def test_a_second_worker_on_sqlite_is_refused_and_told_why(worker, monkeypatch):
    class AtOnce(threading.Event):
        def is_set(self):
            return True

    monkeypatch.setattr(workers, "connections", type("None", (), {"close_all": staticmethod(lambda: None)}))
    workers.run(AtOnce())
    with workers._only_one():
        if connection.vendor == "sqlite":
            with pytest.raises(Unavailable, match="only one") as refused:
                workers.run(AtOnce())
            assert "PostgreSQL" in refused.value.remedy
        else:
            workers.run(AtOnce())


def test_a_signing_process_that_died_is_replaced_and_nothing_is_lost(cast, local, worker, monkeypatch, caplog):
    class Dead:
        def submit(self, *_):
            future = Future()
            future.set_exception(RuntimeError())
            return future

    pools = [ThreadPoolExecutor(1)]
    worker._signers = Dead()
    monkeypatch.setattr(workers.cpu, "pool", lambda _: pools[0])
    order = internal(cast)
    with caplog.at_level(logging.ERROR):
        turns(worker, lambda: Order.objects.get(pk=order.pk).attempt == 1)
    assert "a signing process ended: RuntimeError" in caplog.text
    caplog.clear()
    Order.objects.filter(pk=order.pk).update(due_at=order.placed_at)
    turns(worker, issued(order))
    assert worker._signers is pools[0]


class Broken:
    """Processes that were killed while they waited for work."""

    def submit(self, *_):
        raise BrokenProcessPool


def test_signing_processes_killed_while_idle_are_replaced_at_once(cast, local, worker, monkeypatch, caplog):
    fresh = worker._signers
    worker._signers = Broken()
    monkeypatch.setattr(workers.cpu, "pool", lambda _: fresh)
    order = internal(cast)
    with caplog.at_level(logging.ERROR):
        turns(worker, issued(order))
    assert "a signing process ended: BrokenProcessPool" in caplog.text
    caplog.clear()
    assert Order.objects.get(pk=order.pk).attempt == 0
    assert worker._pacer.busy() == 0


def test_where_no_process_and_no_thread_can_be_had_each_claimed_job_has_its_result(
    cast, local, desk, worker, monkeypatch, caplog
):
    real, threads = worker._signers, worker._seats._threads
    worker._signers = Broken()
    monkeypatch.setattr(workers.cpu, "pool", lambda _: Broken())
    monkeypatch.setattr(worker._seats, "_threads", SimpleNamespace(submit=lambda *_: Broken().submit()))
    remote = desk.order("queued", due_at=LONG_AGO)
    orders = [internal(cast), remote]
    with caplog.at_level(logging.ERROR):
        turns(worker, lambda: all(Order.objects.get(pk=o.pk).attempt for o in orders))
    caplog.clear()
    assert {(o.state, o.reason_code) for o in Order.objects.all()} == {("queued", "Bug")}
    assert worker._pacer.busy() == 0
    assert worker._signers is None
    worker._signers = real
    monkeypatch.setattr(worker._seats, "_threads", threads)


def test_under_load_acts_are_done_by_the_process_for_calls_and_else_by_the_worker(desk, worker, monkeypatch):
    begun, taken, own = [], [], []
    apart = SimpleNamespace(
        begin=lambda: begun.append(True), take=lambda built, jobs: taken.extend(jobs) or bool(begun), close=lambda: None
    )
    monkeypatch.setattr(worker, "_apart", apart)
    monkeypatch.setattr(worker, "_apart_from", 100)
    # Nobody calls a CA here: what an outage makes of the connector is another test's.
    monkeypatch.setattr(worker, "_own", lambda built, job: job.kind is Kind.CALL or own.append(job))
    desk.order("queued", due_at=LONG_AGO)
    turns(worker, lambda: own)
    assert taken == own, "it is asked whether it does them"
    assert not begun
    worker._done(own[0], GOOD, 0.1)
    worker._lately = 100.0
    desk.order("queued", due_at=LONG_AGO)
    worker._resting.something_changed()
    turns(worker, lambda: len(taken) == 2)
    assert begun
    assert len(own) == 1
    connector, before = taken[1].connector, dict(worker._pacer._busy)
    worker._done(taken[1], workers.unsent(OSError()), 0.1)
    turns(worker, lambda: worker._pacer._busy[connector] < before[connector])


def test_news_of_old_signing_processes_does_not_end_the_new_ones(worker, caplog):
    future = Future()
    future.set_exception(BrokenProcessPool())
    fresh = worker._signers
    with caplog.at_level(logging.ERROR):
        worker._signed(Broken(), [job()], future, 0.0)
    caplog.clear()
    assert worker._signers is fresh
    assert not worker._results.get()[0][1].bytes_sent


def test_settings_that_cannot_be_used_hold_orders_and_name_the_connector(cast, local, worker, caplog):
    order = internal(cast)
    ConnectorVersion.objects.update(secrets={"issuing_key": {"kid": "gone", "nonce": "", "box": ""}})
    with caplog.at_level(logging.ERROR):
        turns(worker, lambda: Order.objects.get(pk=order.pk).reason)
    assert "cannot be built" in caplog.text
    caplog.clear()
    held = Order.objects.get(pk=order.pk)
    assert (held.state, held.reason_code) == ("queued", "settings_unusable")
    assert "settings cannot be used" in held.reason


def test_a_test_of_settings_that_cannot_be_used_says_so(cast, local, worker):
    ConnectorVersion.objects.update(secrets={"issuing_key": {"kid": "gone", "nonce": "", "box": ""}})
    call = connectors.test_saved(cast.ada, local.pk)
    turns(worker, lambda: Call.objects.get(pk=call.pk).state == "failed")
    assert "cannot be built" in Call.objects.get(pk=call.pk).result["error"]


def test_local_orders_under_way_are_counted_at_deactivation_and_end_well(cast, local, worker):
    class Later:
        def __init__(self):
            self.waiting = []

        def submit(self, act, *args):
            future = Future()
            self.waiting.append((future, act, args))
            return future

    later = worker._signers = Later()
    order = internal(cast)
    worker.turn()
    assert connectors.deactivate(cast.ada, local.pk).submissions == 1
    held = internal(cast, "later.example.com")
    worker.turn()
    for future, act, args in later.waiting:
        future.set_result(act(*args))
    worker._signers = ThreadPoolExecutor(1)
    turns(worker, issued(order))
    assert Order.objects.get(pk=held.pk).state == "queued"


def test_lost_submissions_are_found_in_a_turn(desk, worker):
    order = desk.order("submitting", due_at=LONG_AGO)
    worker.turn()
    assert Order.objects.get(pk=order.pk).state == "outcome_unknown"
    # They took the place of others, which are not left waiting for it.
    assert not worker._results.empty()


def test_a_connector_without_room_for_orders_is_asked_again_in_the_next_turn(desk, worker, monkeypatch):
    desk.order("queued", due_at=LONG_AGO)
    monkeypatch.setattr(worker._pacer, "room", lambda *_: Room(1, 0))
    worker.turn()
    assert not worker._resting.rests(desk.connector.pk)


def test_only_what_is_due_is_looked_for(desk, worker):
    desk.order("queued", due_at=LONG_AGO)
    row = replace(claim.connector_row(desk.connector.pk), half_open=False)
    nothing = claim.Due(row.id, orders=False, revocations=False)
    with transaction.atomic():
        assert worker._acts(row, nothing, Room(4, 4), desk.now) == []
        assert [job.kind for job in worker._acts(row, claim.Due(row.id), Room(4, 4), desk.now)] == [Kind.SUBMIT]


def test_seats_are_kept_and_a_busy_connector_waits(desk, worker, monkeypatch):
    desk.order("queued", due_at=LONG_AGO)
    monkeypatch.setattr(worker._pacer, "room", lambda *_: Room(0, 0))
    worker._last_beat = worker._clock.monotonic()
    assert worker.turn() == 0


def test_a_seat_whose_call_has_ended_is_taken_in_the_turn_that_records_it(desk, worker, monkeypatch):
    begun = []
    monkeypatch.setattr(worker, "_own", lambda built, job: begun.append(job))
    done, waiting = desk.order(), desk.order("queued", due_at=LONG_AGO)
    limits = claim.connector_row(desk.connector.pk).limits
    worker._pacer._busy[desk.connector.pk] = taken = limits.seats - reserve(limits.seats)
    worker._last_beat = worker._clock.monotonic()
    worker.turn()
    assert begun == [], "all seats are taken"
    worker._report([(desk.job(done, Kind.SUBMIT), GOOD)])
    worker.turn()
    assert [job.row for job in begun] == [waiting.pk]
    assert worker._pacer._busy[desk.connector.pk] == taken


def test_a_connector_that_just_vanished_is_passed_over(desk, worker):
    desk.order("queued", due_at=LONG_AGO)
    Connector.objects.update(current=None)
    worker._last_beat = worker._clock.monotonic()
    assert worker.turn() == 0


def test_between_turns_others_get_to_write_and_under_load_a_small_turn_waits_for_company(worker, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(worker, "_clock", SimpleNamespace(monotonic=lambda: now[0]))
    assert worker._breath(3, 99.99) == pytest.approx(0.003)
    assert worker._breath(400, 99.9) == pytest.approx(0.003)
    now[0] = 100.5
    assert worker._breath(30, 100.49) == pytest.approx(0.03)
    assert worker._breath(30, 100.45) == pytest.approx(0.05)
    assert worker._breath(30, 100.3) == pytest.approx(0.003)
    now[0] = 102.0
    assert worker._breath(30, 101.99) == pytest.approx(0.003)


def test_a_queued_order_whose_key_was_reported_as_compromised_is_not_signed(cast, local, worker):
    first = internal(cast)
    turns(worker, issued(first))
    made = Certificate.objects.get(order=first)
    # As where somebody reported the key between the look at it and the commit of the order.
    with transaction.atomic():
        keys.record(made.spki_sha256, made, "ada", LONG_AGO)
    other = internal(cast, "other.example.com")
    Order.objects.filter(pk=other.pk).update(spki_sha256=made.spki_sha256)
    good_one = internal(cast, "good.example.com")
    turns(worker, issued(good_one))
    after = Order.objects.get(pk=other.pk)
    assert (after.state, after.reason_code, after.due_at) == ("failed", "key_compromised", None)
    assert Certificate.objects.count() == 2


def test_in_half_open_an_inventory_goes_where_nothing_else_is_due(desk, worker):
    inventories.pull(desk.cast.ada, desk.connector.pk)
    Pull.objects.update(created_at=desk.now, due_at=desk.now)
    worker._rng = SimpleNamespace(shuffle=lambda lanes: lanes.reverse(), choice=min)
    desk.order("pending", fence=None)
    with transaction.atomic():
        row = replace(claim.connector_row(desk.connector.pk), half_open=True)
        kinds = [job.kind for _ in range(2) for job in worker._trial(row, desk.now)]
    assert kinds == [Kind.POLL, Kind.LIST]


@pytest.mark.parametrize("looks", ["pending", "waiting_at_ca"])
def test_looks_and_new_orders_share_a_slow_ca(desk, worker, looks):
    """A few hundred orders or revocations that wait for people are enough to fill the pace of a CA that allows a call a second."""
    made = desk.order()
    desk.record((desk.job(made, Kind.SUBMIT), GOOD))
    for _ in range(3):
        desk.order("pending" if looks == "pending" else "issued", fence=None)
    desk.order("queued", fence=None)
    Connector.objects.update(breaker="closed")
    kinds = set()
    for _ in range(60):
        # They come round before anybody has got through them.
        Order.objects.filter(state="pending").update(due_at=desk.now)
        if looks == "waiting_at_ca":
            columns = {"revocation": looks, "revocation_reason": "superseded"}
            Certificate.objects.update(due_at=desk.now, **columns)
        with transaction.atomic():
            row = claim.connector_row(desk.connector.pk)
            kinds |= {job.kind for job in worker._acts(row, claim.Due(row.id), Room(1, 1), desk.now)}
    assert kinds == {Kind.SUBMIT, Kind.POLL if looks == "pending" else Kind.POLL_REVOCATION}


def test_what_one_lane_leaves_goes_to_the_others(desk, worker):
    for _ in range(3):
        desk.order("pending", fence=None)
    desk.order("queued", fence=None)
    Connector.objects.update(breaker="closed")
    with transaction.atomic():
        jobs = worker._acts(claim.connector_row(desk.connector.pk), claim.Due(desk.connector.pk), Room(4, 4), desk.now)
    assert sorted(job.kind for job in jobs) == [Kind.POLL] * 3 + [Kind.SUBMIT]


def test_a_look_at_a_revocation_leaves_the_seat_and_token_that_are_kept_for_one(desk, worker):
    made = desk.order()
    desk.record((desk.job(made, Kind.SUBMIT), GOOD))
    columns = {"due_at": desk.now, "revocation": "waiting_at_ca", "revocation_reason": "superseded"}
    Certificate.objects.update(**columns)
    kinds = []
    for state, room in (("waiting_at_ca", Room(1, 0)), ("requested", Room(1, 0))):
        Certificate.objects.update(revocation=state)
        with transaction.atomic():
            row = claim.connector_row(desk.connector.pk)
            kinds += [job.kind for job in worker._acts(row, claim.Due(row.id), room, desk.now)]
    assert kinds == [Kind.REVOKE]
