"""What every check starts from."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from chancery.core.effects import Consequence, Doing, consequence
from chancery.sdk.authority import Request
from chancery.sdk.errors import AuthorityError
from chancery.sdk.outcome import Pending
from chancery.sdk.testing.bench import Bench, shapes
from chancery.sdk.testing.case import Case, Fault

DAY = timedelta(days=1)


class Base:
    """Holds the authority and its case, and gives each check a bench of its own."""

    authority: ClassVar[type[Any]]

    def case(self) -> AbstractContextManager[Case]:
        """Return an account at a simulated CA; it is entered afresh for every check."""
        raise NotImplementedError

    @pytest.fixture
    def bench(self, caplog: pytest.LogCaptureFixture) -> Iterator[Bench]:
        """Give the authority under test; afterwards, no secret may have been said anywhere."""
        with self.case() as case, caplog.at_level(logging.DEBUG):
            made = Bench(self.authority, case)
            try:
                yield made
            finally:
                made.close()
            heard = " ".join([*made.said, caplog.text])
            for shape in shapes(made.secrets()):
                assert shape not in heard, "a secret was shown in an answer, an error, a state or the log"
        caplog.clear()

    @staticmethod
    def _needs(bench: Bench, fault: Fault) -> None:
        if not bench.playable(fault):
            pytest.skip(f"the simulator cannot play: {fault}")

    @staticmethod
    def _can(bench: Bench, power: str) -> None:
        if power not in bench.about.powers:
            pytest.skip(f"it does not declare the power: {power}")

    @contextmanager
    def _pending(self, bench: Bench, request: Request) -> Iterator[Pending]:
        """Give an order that waits at the CA: held by the simulator where it can, else as it comes."""
        if bench.playable(Fault.HOLDS):
            with bench.play(Fault.HOLDS):
                yield self._waiting(bench, request)
        else:
            yield self._waiting(bench, request)

    def _held(self, bench: Bench, request: Request) -> Pending | None:
        """Place an order and return how it waits; None where it is issued at once and nothing can hold it."""
        with bench.play(Fault.HOLDS) if bench.playable(Fault.HOLDS) else nullcontext():
            outcome = bench.ask("submit", request)
        return outcome if isinstance(outcome, Pending) else None

    @staticmethod
    def _waiting(bench: Bench, request: Request) -> Pending:
        outcome = bench.ask("submit", request)
        if not isinstance(outcome, Pending):
            pytest.skip("it issues at once, and the simulator cannot hold an order")
        bench.rest()
        return outcome


def meaning(error: AuthorityError, doing: Doing) -> Consequence:
    """Return what the engine will do about an error."""
    return consequence(error.kind, doing, bytes_sent=error.bytes_sent)
