from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import httpcore

from chancery.core.clock import ManualClock
from chancery.net.kept import KEEP_ALIVE, Kept
from chancery.net.url import parse_url

CA, OTHER = parse_url("https://ca.example"), parse_url("https://other.example")


class Pool(httpcore.ConnectionPool):
    closed = False

    def close(self) -> None:
        self.closed = True


def at_once(kept: Kept, number: int) -> list[Pool]:
    """Take so many at the same time; returns them in the order in which they were taken."""
    with ExitStack() as stack:
        return [stack.enter_context(kept.one(CA)) for _ in range(number)]  # type: ignore[misc]  # made by `Pool`


def test_each_call_has_one_of_its_own_and_the_last_used_comes_first() -> None:
    kept = Kept(Pool)
    first, second, third = at_once(kept, 3)
    assert len({id(first), id(second), id(third)}) == 3
    # Those that were taken last are given back first, so the first one waits on top.
    assert at_once(kept, 2) == [first, second]
    assert at_once(kept, 4)[:3] == [first, second, third]


def test_another_host_has_another() -> None:
    kept = Kept(Pool)
    with kept.one(CA) as here:
        pass
    with kept.one(OTHER) as there:
        assert there is not here
    with kept.one(CA) as again:
        assert again is here


def test_what_nobody_needs_any_more_is_closed() -> None:
    clock = ManualClock(datetime(2026, 11, 27, tzinfo=UTC))
    kept = Kept(Pool, clock)
    busy, *idle = at_once(kept, 3)
    clock.advance(timedelta(seconds=KEEP_ALIVE - 1))
    assert at_once(kept, 1) == [busy]
    assert not any(pool.closed for pool in idle)
    clock.advance(timedelta(seconds=2))
    assert at_once(kept, 1) == [busy]
    assert [pool.closed for pool in (busy, *idle)] == [False, True, True]


def test_no_more_than_64_are_kept() -> None:
    pools = at_once(Kept(Pool), 66)
    assert [pool.closed for pool in pools] == [False] * 64 + [True] * 2


def test_after_a_call_that_failed_its_connection_is_closed() -> None:
    kept = Kept(Pool)
    try:
        with kept.one(CA) as pool:
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert pool.closed  # type: ignore[attr-defined]  # made by `Pool`
    assert at_once(kept, 1) != [pool]


def test_closing_closes_what_waits_and_what_comes_back_later() -> None:
    kept = Kept(Pool)
    with kept.one(CA) as busy:
        idle = at_once(kept, 2)
        kept.close()
        assert [pool.closed for pool in (busy, *idle)] == [False, True, True]  # type: ignore[attr-defined]  # made by `Pool`
    assert busy.closed  # type: ignore[attr-defined]  # made by `Pool`
