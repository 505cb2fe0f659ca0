"""Work that cannot be begun is looked at now and then, and at once when something changed."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from chancery.core.clock import ManualClock
from chancery.engine.resting import REST, Resting

HELD, OTHER = UUID(int=1), UUID(int=2)


def test_one_with_nothing_to_begin_is_left_alone_for_a_while():
    clock = ManualClock(datetime(2026, 11, 27, tzinfo=UTC))
    resting = Resting(clock)
    assert resting.awake([HELD, OTHER]) == [HELD, OTHER]
    resting.nothing_to_begin(HELD)
    assert resting.awake([HELD, OTHER]) == [OTHER]
    clock.advance(timedelta(seconds=REST))
    assert resting.awake([HELD, OTHER]) == [HELD, OTHER]


def test_all_are_asked_again_when_something_changed():
    resting = Resting(ManualClock(datetime(2026, 11, 27, tzinfo=UTC)))
    resting.nothing_to_begin(HELD)
    resting.something_changed()
    assert resting.awake([HELD]) == [HELD]
