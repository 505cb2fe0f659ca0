"""The desk decides as the engine does: what is sent again, what is searched for, and what only a person can tell."""

from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from chancery.core.clock import ManualClock
from chancery.core.order import State
from chancery.sdk.authority import Dedup
from chancery.sdk.errors import OutcomeUnknown, RejectedByPolicy
from chancery.sdk.outcome import Absence, Found, Issued, Pending
from chancery.sdk.testing.case import START
from chancery.sdk.testing.desk import Desk
from chancery.sdk.testing.lost import Lost
from chancery.sdk.testing.spoil import DROPPED

WAITS = Pending({"v": 1}, text="waits", next_check=timedelta(seconds=5), reference="CA-1")
LOST = OutcomeUnknown("lost", bytes_sent=True, remedy="look")
NONE = Absence("not there.")


class Bench:
    """Answers by script; the last answer comes again and again."""

    def __init__(self, *answers, powers=("finds",), dedup=Dedup.NONE, polls_are_acts=False):
        facts = SimpleNamespace(
            search_lag=timedelta(seconds=9), search_tries=2, dedup=dedup, polls_are_acts=polls_are_acts,
            lease=timedelta(minutes=2),
        )  # fmt: skip
        self.about = SimpleNamespace(powers=powers, facts=facts)
        self.case = SimpleNamespace(clock=ManualClock(START))
        self.answers, self.asked, self.line = list(answers), [], self
        self.passed = []

    def tried(self, verb, *values):
        self.asked.append(verb)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def fresh(self):
        return self

    @contextmanager
    def spoiled(self, spoil, **how):
        yield


def desk(*answers, **facts):
    made = Desk(Bench(*answers, **facts), SimpleNamespace(intended_at=START))
    made.finish()
    return made


def test_an_absence_sends_it_again_and_after_some_times_a_person_decides():
    made = desk(LOST, NONE, NONE, LOST, NONE, NONE, LOST, NONE)
    assert made.bench.asked[:4] == ["submit", "find", "find", "submit"]
    assert made.bench.asked.count("submit") == 2
    assert (made.state, made.due, made.reason) == (State.OUTCOME_UNKNOWN, False, "not there.")
    assert made.remedy


def test_an_absence_of_what_the_ca_had_accepted_is_no_proof():
    made = Desk(Bench(LOST, Found(WAITS, "there"), WAITS, NONE), SimpleNamespace(intended_at=START))
    for _ in range(3):
        made.step()
    made.state = State.OUTCOME_UNKNOWN
    made.finish()
    assert "had accepted it as CA-1" in made.reason
    assert made.bench.asked == ["submit", "find", "poll", "find"]


def test_what_never_ends_is_said():
    with pytest.raises(AssertionError, match="still pending"):
        desk(WAITS)


@pytest.mark.parametrize(
    ("answers", "facts", "asked"),
    [
        ((WAITS, Issued(b"x")), {"polls_are_acts": True, "powers": ()}, ["submit", "poll"]),
        ((WAITS, WAITS, Issued(b"x")), {"polls_are_acts": True, "dedup": Dedup.RETURN_ORIGINAL}, ["submit", "poll", "poll"]),
        ((WAITS, WAITS, Issued(b"x")), {}, ["submit", "poll", "poll"]),
    ],
)  # fmt: skip
def test_a_look_whose_worker_vanished_is_repeated_unless_it_may_have_ordered(answers, facts, asked):
    made = Desk(Bench(*answers, **facts), SimpleNamespace(intended_at=START))
    made.step()
    made.step(None, lambda: True)
    made.finish()
    assert made.bench.asked == asked
    assert (made.issued is None) is (len(asked) == 2)


def test_an_order_that_ends_before_the_ca_acted_lost_no_answer_of_an_act():
    made = Desk(Bench(RejectedByPolicy("no")), SimpleNamespace(intended_at=START))
    assert not Lost._act(made, DROPPED)
    assert made.state is State.REJECTED
