"""Many orders whose answer is lost: the CA's ledger has each of them once at most, and nothing is left without a reason."""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

import pytest

from chancery.core import keys
from chancery.core.order import State
from chancery.sdk.authority import Dedup, Request
from chancery.sdk.testing.base import Base
from chancery.sdk.testing.bench import Bench
from chancery.sdk.testing.case import Fault
from chancery.sdk.testing.desk import Desk
from chancery.sdk.testing.spoil import CUT, DROPPED, GARBLED, Spoil, page

FEW, MANY = 10, 1000
"""Orders whose answer is lost, in every run and with `--long`."""
_SPOILS = (DROPPED, CUT, GARBLED, page(500), page(504))
"""Not 503, by which a server says that it has not handled the request (RFC 9110 section 15.6.4)."""
_SEED = 20261123
_KEYS, _SAME_KEY = 8, 0.05
_MINUTES = timedelta(minutes=5)
_LATER = timedelta(days=3)
"""After this a key may come again: a search that has nothing but the key tells orders apart by their days."""


class Loss(StrEnum):
    """What happens to an order on its way."""

    ANSWER = "the CA acted, and its answer is lost"
    WORKER = "the CA acted, and the worker dies before it has told of it"
    LATER = "a later answer is lost, while it waits"
    LATER_WORKER = "the worker dies in a later look"
    REQUEST = "the request is lost before the CA acts"


_WEIGHTS = {Loss.ANSWER: 8, Loss.WORKER: 2, Loss.LATER: 2, Loss.LATER_WORKER: 1, Loss.REQUEST: 2}


@dataclass
class Toll:
    """What became of the orders. `lost` counts answers to acts; `unknown`: reference → why a person decides, and how."""

    asked: list[Request] = field(default_factory=list)
    issued: int = 0
    lost: int = 0
    unknown: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        rows = [f"  {number} × {why}" for why, number in Counter(self.unknown.values()).most_common()]
        head = f"{len(self.asked)} orders, {self.lost} answers of acts lost: {self.issued} issued, {len(self.unknown)} open"
        return "\n".join([head, *rows, ""])


class Lost(Base):
    """Part of `Conformance`."""

    wanted = FEW

    @pytest.fixture(autouse=True)
    def _as_long_as_asked(self, request: pytest.FixtureRequest) -> None:
        """Lose many answers where that was asked for."""
        self.wanted = MANY if request.config.getoption("--long", default=False) else FEW

    def test_orders_whose_answer_is_lost_are_ordered_once_at_most(self, bench: Bench) -> None:
        """Some, or a thousand with `--long`: lost in every way, by seed, and then settled as the engine settles them."""
        if bench.line.count is None:
            pytest.skip("nobody can tell how many orders the CA has")
        toll = self._lose(bench, self.wanted)
        sys.stdout.write(str(toll))
        about = bench.about
        settles = "finds" in about.powers or about.facts.dedup is Dedup.ISSUES_LATER
        assert settles or toll.unknown, "its CA can be neither searched nor asked again, and yet nothing is open"

    def _lose(self, bench: Bench, wanted: int) -> Toll:
        dice, toll = random.Random(_SEED), Toll()  # noqa: S311  chooses faults, keeps no secret
        known = [keys.generate(bench.label()) for _ in range(_KEYS)]
        while toll.lost < wanted:
            assert len(toll.asked) < 4 * wanted + _KEYS, "hardly an act was seen: is `ordered` right?"
            del bench.references[:]
            bench.case.vary(dice)
            again = dice.random() < _SAME_KEY
            bench.case.clock.advance(_LATER if again else _MINUTES)
            desk = Desk(bench, bench.request(key=dice.choice(known) if again else None))
            toll.asked.append(desk.request)
            acted = self._suffer(desk, dice)
            desk.finish()
            self._judge(desk, toll, acted=acted)
        return toll

    def _suffer(self, desk: Desk, dice: random.Random) -> bool:
        """Begin an order, and lose what the dice say; returns whether the CA acted and we did not hear of it."""
        loss = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        bench, spoil = desk.bench, dice.choice(_SPOILS)
        if loss is Loss.REQUEST:
            desk.step(bench.line.spoiled(DROPPED, forward=False, acts_only=True, once=True))
            return False
        if loss in {Loss.LATER, Loss.LATER_WORKER}:
            desk.step(bench.play(Fault.HOLDS) if bench.playable(Fault.HOLDS) else None)
            if desk.goes_on:
                died = loss is Loss.LATER_WORKER
                desk.step(None if died else bench.line.spoiled(spoil, once=True), lambda: died)
            return False
        return self._act(desk, None if loss is Loss.WORKER else spoil)

    @staticmethod
    def _act(desk: Desk, spoil: Spoil | None) -> bool:
        """Go on until the CA has acted: its answer is spoilt, or, with None, the worker dies with it in its hands."""
        line = desk.bench.line
        while desk.goes_on:
            start = len(line.passed)

            def acted(start: int = start) -> bool:
                return any(call.acted for call in line.passed[start:])

            if spoil is None:
                desk.step(None, acted)
            else:
                desk.step(line.spoiled(spoil, acts_only=True, once=True))
            if acted():
                return True
        return False

    @staticmethod
    def _judge(desk: Desk, toll: Toll, *, acted: bool) -> None:
        bench, request = desk.bench, desk.request
        number = bench.line.orders()
        assert number <= 1, f"the CA has {number} orders for one request; last was heard: {desk.reason}"
        assert number or not acted, "the CA had acted, and has no order"
        toll.lost += acted
        if desk.issued is not None:
            assert number == 1, "issued, and the CA has no order"
            bench.checked(desk.issued, request)
            toll.issued += 1
            return
        assert desk.state is State.OUTCOME_UNKNOWN, (
            f"nothing was wrong with it, and it ended {desk.state}: {desk.reason}"
        )
        assert bench.about.facts.dedup is not Dedup.ISSUES_LATER, f"nothing can be lost, yet it is open: {desk.reason}"
        assert desk.searched or "finds" not in bench.about.powers, f"open, and was not searched for: {desk.reason}"
        assert desk.reason, "a person has to decide, and is not told why"
        assert desk.remedy, f"a person has to decide, and is not told how: {desk.reason}"
        toll.unknown[request.reference] = f"{desk.reason} {desk.remedy}"
