from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from chancery.core.clock import SYSTEM_CLOCK, ManualClock

START = datetime(2026, 11, 23, tzinfo=UTC)


def test_the_system_clock_is_aware_and_its_monotonic_time_never_runs_back() -> None:
    before = SYSTEM_CLOCK.monotonic()
    assert SYSTEM_CLOCK.now().tzinfo is UTC
    assert SYSTEM_CLOCK.monotonic() >= before


def test_a_manual_clock_stands_still_until_it_is_told() -> None:
    clock = ManualClock(START)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    clock.advance(timedelta(seconds=90))
    assert (clock.now(), clock.monotonic()) == (START + timedelta(seconds=90), 90.0)


def test_a_jump_of_the_wall_time_leaves_monotonic_time_alone() -> None:
    clock = ManualClock(START)
    clock.advance(timedelta(seconds=5))
    clock.jump(START - timedelta(days=1))
    assert (clock.now(), clock.monotonic()) == (START - timedelta(days=1), 5.0)


def test_threads_that_advance_it_lose_no_step() -> None:
    clock = ManualClock(START)

    def steps() -> None:
        for _ in range(500):
            clock.advance(timedelta(seconds=1))

    threads = [threading.Thread(target=steps) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.monotonic() == 2000
