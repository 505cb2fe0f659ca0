"""The CA says 429 with a time: nothing is asked before it, nothing fails, and nothing is ordered a second time."""

from datetime import datetime, timedelta

import pytest

from chancery.apps.orders.models import Order
from chancery.apps.shared.action import use_clock
from chancery.authorities.digicert.simulator import build
from chancery.core.clock import SYSTEM_CLOCK, ManualClock
from tests.cast import Engine
from tests.chaos.stand import paid, place, states
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
WINDOW, MOST, PATIENCE = 60.0, 12, 37
"""The CA takes so many requests in so many seconds, and asks for so many seconds of patience beyond."""
STEP = timedelta(seconds=1)


@pytest.fixture
def clock():
    made = ManualClock(SYSTEM_CLOCK.now().replace(microsecond=0))
    before = use_clock(made)
    yield made
    use_clock(before)


@pytest.fixture
def simulator(clock):
    made = build(limits=((WINDOW, MOST),), clock=clock)
    made.dials.set(retry_after=str(PATIENCE))
    made.line = Line(made, clock)  # before it starts: a server keeps what answers
    with made:
        yield made


class Line:
    """Every request that arrived at the CA: when by the test's clock, and whether it was told to wait."""

    def __init__(self, simulator, clock):
        self.seen = []
        plain = simulator._answer

        def answer(asked):
            reply = plain(asked)
            self.seen.append((clock.now(), reply.status == 429))
            return reply

        simulator._answer = answer

    def early(self):
        """Return the requests that came while the CA had asked for patience; what was under way at that moment is none."""
        told, found = datetime.min.replace(tzinfo=SYSTEM_CLOCK.now().tzinfo), []
        for at, no in self.seen:
            if at < told and at != told - timedelta(seconds=PATIENCE):
                found.append(at)
            if no:
                told = max(told, at + timedelta(seconds=PATIENCE))
        return found


def at_rest(engine):
    """Take turns until the worker has nothing under way and begins nothing more at this moment."""
    quiet = 0
    while quiet < 2:
        worked = engine.worker.turn()
        if engine.worker._pacer.busy():
            engine.worker._wait(60)
        quiet = 0 if worked or engine.worker._pacer.busy() or not engine.worker._results.empty() else quiet + 1


@pytest.mark.parametrize("number", [12, pytest.param(500, marks=pytest.mark.long)])
def test_nothing_is_asked_before_the_time_that_the_ca_named(cast, clock, simulator, digicert, say, result, number):
    line, engine = simulator.line, Engine()
    place(cast.rob, "Public", [f"l{n}.example.com" for n in range(number)])
    begun = clock.now()
    try:
        for _ in range(200 * number):
            at_rest(engine)
            if states() == {"issued": number}:
                break
            clock.advance(STEP)
    finally:
        engine.close()
    early, told = line.early(), sum(no for _, no in line.seen)
    unit = (
        f"requests before the time that the CA named, of {len(line.seen)} for {number} orders over "
        f"{(clock.now() - begun).total_seconds() / 60:.0f} minutes; it said 429 {told} times; 0 failed"
    )
    say(f"{len(early)} {unit}")
    result("R17", len(early), unit, SEED)
    assert early == []
    assert told > 0
    assert states() == {"issued": number}
    assert paid(simulator) == {str(pk): 1 for pk in Order.objects.values_list("pk", flat=True)}
