"""kill -9 at every step boundary: the CA is never asked twice, and no order is lost."""

import signal

import pytest

from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from tests.chaos.boundaries import OTHERS, SUBMIT
from tests.chaos.stand import START, events, paid, place, state, until

pytestmark = pytest.mark.django_db(transaction=True)

KNOWN = {"before_intent_commit": ("queued", 0), "after_record": ("issued", 1)}
SUBMITTED = {"request_sent", "answer_read", "before_record", "mid_record", "before_record_commit"}
HELD = {"submit": "submitting", "poll": "pending", "settle": "outcome_unknown"}


def expected(kind, at):
    """Return how an order must stand right after the kill, and how many orders the CA has, now or soon."""
    if kind != "submit":
        return ({HELD[kind], "issued"} if at == "after_record" else {HELD[kind]}), 1
    held, number = KNOWN.get(at, ("submitting", 1 if at in SUBMITTED else 0))
    return {held}, number


def turn_dials(simulator, kind, at):
    simulator.dials.reset()
    if kind == "poll":
        simulator.dials.set(issue_delay=0.4)
    if kind == "settle":
        simulator.dials.set(fail_after=1.0)
    if kind == "submit" and at == "request_sent":
        # The request has left and its sender is dead before the CA acts upon it.
        simulator.dials.set(delay=0.7)


def kill_at(stand, simulator, actor, kind, at):
    turn_dials(simulator, kind, at)
    order = place(actor, "Public", [f"{kind}-{at.replace('_', '-')}.example.com"])[0]
    process = stand.worker(f"{at} {kind} {order.pk} {int(signal.SIGKILL)}")
    assert process.wait(START) == -signal.SIGKILL, f"{kind} never came to {at}: {state(order)} {events(order)}"
    held, number = expected(kind, at)
    assert state(order) in held, at
    until(lambda: paid(simulator).get(str(order.pk), 0) == number, START, f"{at}: {paid(simulator)}")
    return order


@pytest.mark.parametrize(
    ("kind", "boundaries"),
    [("submit", SUBMIT), ("poll", OTHERS), pytest.param("settle", OTHERS, marks=pytest.mark.long)],
)
def test_a_kill_at_any_boundary_loses_and_doubles_nothing(stand, cast, digicert, simulator, say, kind, boundaries):
    orders = {at: kill_at(stand, simulator, cast.rob, kind, at) for at in boundaries}
    simulator.dials.reset()
    stand.settle()
    assert {at: state(order) for at, order in orders.items()} == dict.fromkeys(boundaries, "issued")
    assert paid(simulator) == {str(order.pk): 1 for order in orders.values()}
    assert Certificate.objects.count() == Order.objects.count() == len(boundaries)
    for at in set(boundaries) - set(KNOWN) if kind == "submit" else ():
        settled = "order.settled" if at in SUBMITTED else "order.settled_absent"
        assert {"order.outcome_unknown", settled} <= set(events(orders[at])), (at, events(orders[at]))
    say(f"kill -9 during {kind} at {len(boundaries)} boundaries: issued {len(orders)}, lost 0, doubled 0")
