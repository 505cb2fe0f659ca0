"""The answer that brings the certificate, cut at its bytes: by a line that notices, and by one that does not."""

from __future__ import annotations

import random
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import pytest

from chancery.core.certificate import Mismatch
from chancery.sdk.errors import AuthorityError
from chancery.sdk.outcome import Issued, Pending
from chancery.sdk.testing.base import Base
from chancery.sdk.testing.bench import Bench
from chancery.sdk.testing.spoil import Spoil, sliced

FEW = 4
"""Cuts in every run; with `--long` there is one at each byte."""
_SEED = 20261123
_STEPS = 60
_LEAST = timedelta(seconds=1)
_LATER = timedelta(minutes=5)
_VARIES = 48
"""Bytes by which two answers of the same kind may differ: signatures and numbers are longer or shorter by some."""
_BOUNDARIES = 8
"""Places at most, of all bytes, at which what is left is a whole certificate with a chain that holds."""


@dataclass
class Cuts:
    """What became of cut answers. `whole` counts those after which nothing was missing but what nobody needs."""

    size: int = 0
    made: int = 0
    refused: int = 0
    waited: int = 0
    kept_apart: int = 0
    whole: int = 0

    def __iadd__(self, other: Cuts) -> Self:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)
        return self


class Slices(Base):
    """Part of `Conformance`."""

    cuts: int | None = FEW

    @pytest.fixture(autouse=True)
    def _at_each_byte_if_asked(self, request: pytest.FixtureRequest) -> None:
        """Cut at each byte where that was asked for."""
        self.cuts = None if request.config.getoption("--long", default=False) else FEW

    def test_an_answer_cut_at_any_byte_brings_no_certificate(self, bench: Bench) -> None:
        """Nothing counts as issued that did not come whole; what is wrong is said, or it is asked for again."""
        found = cut_everywhere(bench, self.cuts)
        assert found.made, "no answer was seen that brings a certificate"


def cut_everywhere(bench: Bench, most: int | None = None) -> Cuts:
    """Cut the answer that brings a certificate after each of its bytes, or after `most` of them chosen by seed."""
    _journey(bench)  # what is read once, as a CA's own certificates, has been read then
    step, shape, size = _journey(bench)
    found, dice = Cuts(size), random.Random(_SEED)  # noqa: S311  chooses bytes, keeps no secret
    places = range(size) if most is None else sorted(dice.sample(range(size), min(most, size)))
    for at in places:
        for noticed in (True, False):
            _cut(bench, (step, shape), sliced(at, noticed=noticed), size, found)
    assert found.whole <= _BOUNDARIES, f"{found.whole} cut answers passed as whole"
    return found


def _journey(bench: Bench) -> tuple[int, str, int]:
    """Order; return which verb brought the certificate, the shape of the call that did, and the size of its answer."""
    request, start, step = bench.request(), len(bench.line.passed), 0
    outcome: Any = bench.ask("submit", request)
    while not isinstance(outcome, Issued):
        assert step < _STEPS, f"still pending after {_STEPS} looks"
        bench.case.clock.advance(max(outcome.next_check, _LEAST))
        start, step = len(bench.line.passed), step + 1
        outcome = bench.ask("poll", outcome.state, request)
    calls = bench.line.passed[start:]
    # One that shows it to nobody, as where all is encrypted, is the longest.
    longest = max(calls, key=lambda call: len(call.answer))
    found = next((call for call in calls if _shows(call.answer, outcome.leaf)), longest)
    return step, found.shape, len(found.answer)


def _shows(answer: bytes, leaf: bytes) -> bool:
    """Say whether an answer holds a certificate, as it is or as text, however its lines are broken."""
    text = answer.replace(b"\\n", b"").replace(b"\\r", b"")
    return leaf in answer or b64encode(leaf) in b"".join(text.split())


def _cut(bench: Bench, where: tuple[int, str], spoil: Spoil, size: int, found: Cuts) -> None:
    bench.case.clock.advance(_LATER)
    # Orders of cuts before are done with; counting them again at each call would take longer with each.
    bench.references.clear()
    request = bench.request()
    verb: tuple[Any, ...] = ("submit", request)
    for _ in range(where[0]):
        outcome = bench.ask(*verb)
        bench.case.clock.advance(max(outcome.next_check, _LEAST))
        verb = ("poll", outcome.state, request)
    with bench.line.spoiled(spoil, only=where[1], least=spoil.at + 1) as wrong:
        outcome = bench.tried(*verb)
    if not wrong.hits:
        assert spoil.at >= size - _VARIES, "what brings the certificate came otherwise than for the order before"
        return
    found.made += 1
    name = became(bench, outcome, request, spoil)
    setattr(found, name, getattr(found, name) + 1)


def became(bench: Bench, outcome: Any, request: Any, spoil: Spoil) -> str:
    """Return what became of a cut answer, as `Cuts` counts it; what counts is held against the request as the engine does."""
    if isinstance(outcome, Pending | AuthorityError):
        return "waited" if isinstance(outcome, Pending) else "refused"
    assert not spoil.noticed, f"{spoil}, and the connection broke off: it was taken for the whole answer"
    with suppress(Mismatch):
        bench.checked(outcome, request)
        return "whole"
    return "kept_apart"
