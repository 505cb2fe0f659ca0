"""What became of a cut answer is named, and none counts whose connection broke off."""

from contextlib import nullcontext
from datetime import timedelta
from types import SimpleNamespace

import pytest

from chancery.core.certificate import Mismatch
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Issued, Pending, PendingKind
from chancery.sdk.testing.slices import Cuts, _cut, became
from chancery.sdk.testing.spoil import sliced

ISSUED = Issued(b"leaf", (), "1")
WAITS = Pending({"v": 1}, PendingKind.PROCESSING, timedelta(seconds=1), "It waits.")


class Bench:
    def __init__(self, wrong):
        self.wrong = wrong

    def checked(self, issued, request):
        if self.wrong:
            raise Mismatch([])


@pytest.mark.parametrize(
    ("outcome", "wrong", "name"),
    [
        (ProtocolViolation("Half."), False, "refused"),
        (WAITS, False, "waited"),
        (ISSUED, True, "kept_apart"),
        (ISSUED, False, "whole"),
    ],
)
def test_what_became_of_it_is_named(outcome, wrong, name):
    assert became(Bench(wrong), outcome, None, sliced(7, noticed=False)) == name


def test_what_broke_off_is_never_whole():
    with pytest.raises(AssertionError, match="cut after 7 bytes, and the connection broke off"):
        became(Bench(wrong=False), ISSUED, None, sliced(7, noticed=True))


def bench_whose_answer_is_not_long_enough():
    """A bench at which the answer ends before the place of the cut."""
    line = SimpleNamespace(spoiled=lambda *_, **__: nullcontext(SimpleNamespace(hits=0)))
    clock = SimpleNamespace(advance=lambda _: None)
    about = {"line": line, "request": object, "tried": lambda *_: ISSUED, "references": []}
    return SimpleNamespace(case=SimpleNamespace(clock=clock), **about)


def test_a_cut_behind_the_end_of_a_shorter_answer_counts_for_nothing():
    found = Cuts()
    _cut(bench_whose_answer_is_not_long_enough(), (0, ""), sliced(990, noticed=True), 1000, found)
    assert found == Cuts()


def test_an_answer_that_never_comes_is_a_fault_of_the_bench():
    with pytest.raises(AssertionError, match="came otherwise"):
        _cut(bench_whose_answer_is_not_long_enough(), (0, ""), sliced(500, noticed=True), 1000, Cuts())


def test_counts_are_added():
    found = Cuts(size=3, made=2, refused=1)
    found += Cuts(size=4, made=1, whole=1)
    assert found == Cuts(size=7, made=3, refused=1, whole=1)
