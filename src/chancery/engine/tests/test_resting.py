"""Work that cannot be begun is looked at now and then, and at once when something changed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from chancery.core.clock import ManualClock
from chancery.engine.resting import REST, Resting

HELD, OTHER = UUID(int=1), UUID(int=2)


def test_one_with_nothing_to_begin_is_left_alone_for_a_while():
    clock = ManualClock(datetime(2026, 11, 27, tzinfo=UTC))
    resting = Resting(clock)
    assert not resting.rests(HELD)
    resting.nothing_to_begin(HELD)
    assert (resting.rests(HELD), resting.rests(OTHER)) == (True, False)
    clock.advance(timedelta(seconds=REST))
    assert not resting.rests(HELD)


def test_all_are_asked_again_when_something_changed():
    resting = Resting(ManualClock(datetime(2026, 11, 27, tzinfo=UTC)))
    resting.nothing_to_begin(HELD)
    resting.something_changed()
    assert not resting.rests(HELD)
