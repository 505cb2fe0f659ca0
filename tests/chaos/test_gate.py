"""A worker that slept through its lease, or lost the database, sends nothing any more."""

import signal

import pytest
from django.db import OperationalError, connection

from chancery.apps.orders.models import Order
from tests.chaos.stand import events, paid, place, state, states, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.skipif("sqlite" in str(connection.vendor), reason="on SQLite there is one worker")
def test_a_worker_that_slept_through_its_lease_does_not_send(stand, cast, digicert, simulator):
    order = place(cast.rob, "Public", ["slept.example.com"])[0]
    asleep = stand.worker(f"before_last_look submit {order.pk} {int(signal.SIGSTOP)}")
    until(lambda: state(order) == "submitting", 60, states)
    stand.settle()
    assert state(order) == "issued"
    asleep.send_signal(signal.SIGCONT)
    stand.stop(asleep)
    assert paid(simulator) == {str(order.pk): 1}, events(order)


def test_a_submission_taken_over_is_stopped_before_the_first_byte(cast, digicert, simulator, engine, monkeypatch):
    from chancery.engine import gate

    still = gate.still

    def taken_over(jobs):
        Order.objects.filter(pk__in=[job.row for job in jobs]).update(fence=digicert.pk)
        return still(jobs)

    monkeypatch.setattr(gate, "still", taken_over)
    order = place(cast.rob, "Public", ["taken.example.com"])[0]
    engine.until(lambda: Order.objects.filter(pk=order.pk, fence=digicert.pk).exists())
    engine.until(lambda: not engine.worker._pacer.busy())
    assert paid(simulator) == {}
    assert state(order) == "submitting"


@pytest.mark.skipif("sqlite" in str(connection.vendor), reason="a file has no connection to lose")
def test_a_lost_database_connection_holds_orders_and_is_replaced(stand, cast, digicert, simulator):
    worker = stand.worker()
    first = place(cast.rob, "Public", ["first.example.com"])[0]
    until(lambda: state(first) == "issued", 60, states)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    later = place(cast.rob, "Public", [f"later{i}.example.com" for i in range(5)])
    until(lambda: all(state(order) == "issued" for order in later), 60, lambda: (states(), events(later[0])))
    assert not any("order.outcome_unknown" in events(order) for order in later), [events(o) for o in later]
    assert paid(simulator) == {str(order.pk): 1 for order in [first, *later]}
    stand.stop(worker)


def test_a_turn_that_cannot_commit_keeps_no_seats(cast, digicert, simulator, engine, monkeypatch):
    orders = place(cast.rob, "Public", [f"seat{i}.example.com" for i in range(5)])
    plain = engine.worker._claim

    def claim_then_lose_the_database(now):
        assert sum(len(jobs) for _, jobs in plain(now)) > 0
        raise OperationalError

    monkeypatch.setattr(engine.worker, "_claim", claim_then_lose_the_database)
    for _ in range(10):
        with pytest.raises(OperationalError):
            engine.worker.turn()
    monkeypatch.undo()
    assert engine.worker._pacer.busy() == 0
    engine.until(lambda: all(state(order) == "issued" for order in orders), 30)
