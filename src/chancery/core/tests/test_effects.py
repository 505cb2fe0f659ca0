from __future__ import annotations

from itertools import product

import pytest

from chancery.core.effects import KINDS, Doing, Effect, Retry, consequence
from chancery.core.order import OPEN, Cause, State, move

CELLS = list(product([*KINDS, "NeverHeardOf"], Doing, [True, False]))
ORIGIN = {Doing.SUBMIT: State.SUBMITTING, Doing.POLL: State.PENDING, Doing.SETTLE: State.OUTCOME_UNKNOWN}
UNTRUSTWORTHY = {"OutcomeUnknown", "ProtocolViolation", "Bug", "AlreadyDone", "NeverHeardOf"}


@pytest.mark.parametrize(("kind", "doing", "sent"), CELLS)
def test_every_cell_is_a_move_of_the_engine(kind: str, doing: Doing, sent: bool) -> None:
    target = consequence(kind, doing, bytes_sent=sent).target
    assert move(ORIGIN[doing], target, Cause.ENGINE).target is target


@pytest.mark.parametrize(("kind", "doing", "sent"), CELLS)
def test_every_cell_looks_again_unless_it_is_an_end(kind: str, doing: Doing, sent: bool) -> None:
    rule = consequence(kind, doing, bytes_sent=sent)
    assert (rule.retry is Retry.NEVER) == (rule.target not in OPEN)


@pytest.mark.parametrize("kind", [*KINDS, "NeverHeardOf"])
def test_a_submission_without_trustworthy_answer_is_never_repeated_blindly(kind: str) -> None:
    rule = consequence(kind, Doing.SUBMIT, bytes_sent=True)
    assert (rule.target is State.OUTCOME_UNKNOWN) == (kind in UNTRUSTWORTHY)


@pytest.mark.parametrize("kind", ["OutcomeUnknown", "ProtocolViolation", "Bug"])
def test_what_was_never_sent_is_queued_again(kind: str) -> None:
    rule = consequence(kind, Doing.SUBMIT, bytes_sent=False)
    assert (rule.target, rule.retry) == (State.QUEUED, Retry.BACKOFF)


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("kind", ["OutcomeUnknown", "ProtocolViolation"])
def test_a_ca_that_answers_nonsense_is_looked_at_before_the_next_order_goes(kind: str, sent: bool) -> None:
    assert consequence(kind, Doing.SUBMIT, bytes_sent=sent).effect is Effect.LOOK_FIRST


@pytest.mark.parametrize(("kind", "doing", "sent"), CELLS)
def test_a_fault_of_the_connector_never_ends_an_order(kind: str, doing: Doing, sent: bool) -> None:
    rule = consequence(kind, doing, bytes_sent=sent)
    assert rule.effect is Effect.NONE or rule.target in OPEN


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"RejectedByPolicy", "ValidationFailed"}))
def test_a_search_that_fails_settles_nothing(kind: str) -> None:
    assert consequence(kind, Doing.SETTLE, bytes_sent=True).target is State.OUTCOME_UNKNOWN


@pytest.mark.parametrize("kind", ["RejectedByPolicy", "ValidationFailed"])
def test_a_search_that_finds_the_order_refused_settles_it(kind: str) -> None:
    rule = consequence(kind, Doing.SETTLE, bytes_sent=True)
    assert (rule.target, rule.effect, rule.retry) == (State.REJECTED, Effect.NONE, Retry.NEVER)


@pytest.mark.parametrize("doing", Doing)
def test_an_unlisted_kind_is_a_bug(doing: Doing) -> None:
    for sent in (True, False):
        expected = consequence("Bug", doing, bytes_sent=True)
        assert consequence("NeverHeardOf", doing, bytes_sent=sent) == expected


@pytest.mark.parametrize("doing", Doing)
def test_a_refused_login_is_not_hammered(doing: Doing) -> None:
    rule = consequence("AuthFailed", doing, bytes_sent=True)
    assert (rule.effect, rule.retry) == (Effect.STOP_LOGIN, Retry.LOGIN)
    assert not [k for k in KINDS if k != "AuthFailed" and consequence(k, doing, bytes_sent=True).effect is rule.effect]


@pytest.mark.parametrize("kind", sorted({*KINDS} - {"AuthFailed", "Throttled"}))
@pytest.mark.parametrize("doing", [Doing.POLL, Doing.SETTLE])
def test_a_look_that_fails_holds_nothing_else_back(kind: str, doing: Doing) -> None:
    assert consequence(kind, doing, bytes_sent=True).effect in {Effect.NONE, Effect.ASK}


@pytest.mark.parametrize(("kind", "doing", "sent"), CELLS)
def test_what_fails_again_waits_by_itself(kind: str, doing: Doing, sent: bool) -> None:
    first = consequence(kind, doing, bytes_sent=sent)
    again = consequence(kind, doing, bytes_sent=sent, again=True)
    assert (again.target, again.retry) == (first.target, first.retry)
    repeated = again.retry in {Retry.BACKOFF, Retry.LOGIN}
    # What leaves an order in doubt is no repetition: the next order may meet the same.
    assert again.effect in ({Effect.NONE, Effect.ASK} if repeated else {first.effect})
