from __future__ import annotations

from itertools import product

import pytest

from chancery.core.order import (
    ENDS,
    FOR_PEOPLE,
    MOVES,
    OPEN,
    SUBSCRIBER_REASONS,
    Cause,
    IllegalMove,
    RevocationReason,
    RevocationState,
    State,
    move,
)

ALLOWED = {(m.origin, m.target, m.cause) for m in MOVES}
CELLS = list(product([None, *State], State, Cause))


@pytest.mark.parametrize(("origin", "target", "cause"), CELLS)
def test_every_cell_is_a_listed_move_or_a_bug(origin: State | None, target: State, cause: Cause) -> None:
    if (origin, target, cause) in ALLOWED:
        found = move(origin, target, cause)
        assert (found.origin, found.target, found.cause) == (origin, target, cause)
        assert found.event.startswith("order.")
    else:
        with pytest.raises(IllegalMove):
            move(origin, target, cause)


def test_no_cell_is_listed_twice() -> None:
    assert len(ALLOWED) == len(MOVES)


def test_nothing_leaves_an_end_and_everything_else_can_be_left() -> None:
    origins = {m.origin for m in MOVES}
    assert not origins & ENDS
    assert origins - {None} == OPEN


def test_every_state_can_be_reached_from_the_start() -> None:
    reached: set[State | None] = {None}
    for _ in State:
        reached |= {m.target for m in MOVES if m.origin in reached}
    assert reached == {None, *State}


def test_every_open_state_can_reach_an_end() -> None:
    good: set[State | None] = set(ENDS)
    for _ in State:
        good |= {m.origin for m in MOVES if m.target in good}
    assert good >= set(State)


def test_the_engine_never_submits_again_by_itself_what_may_have_been_ordered() -> None:
    again = [m for m in MOVES if m.origin is State.OUTCOME_UNKNOWN and m.target is State.QUEUED]
    assert {m.event: m.cause for m in again} == {
        "order.settled_absent": Cause.ENGINE,
        "order.ordered_again": Cause.PERSON,
    }
    assert not any(m.origin is State.OUTCOME_UNKNOWN and m.target is State.SUBMITTING for m in MOVES)


def test_only_the_queue_leads_to_a_submission() -> None:
    assert [m.origin for m in MOVES if m.target is State.SUBMITTING] == [State.QUEUED]


def test_a_person_decides_where_a_person_is_needed() -> None:
    for state in FOR_PEOPLE:
        assert any(m.origin is state and m.cause is Cause.PERSON for m in MOVES)


def test_reasons_that_belong_to_the_ca_are_not_offered() -> None:
    assert {"certificateHold", "cACompromise"}.isdisjoint(RevocationReason)
    assert set(RevocationReason) - set(SUBSCRIBER_REASONS) == {"privilegeWithdrawn"}
    assert [r.code for r in RevocationReason] == [0, 1, 3, 4, 5, 9]
    assert len(RevocationState) == 4
