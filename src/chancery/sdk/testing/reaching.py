"""Checks of where an authority reaches to, and how."""

from __future__ import annotations

from chancery.sdk.testing.base import DAY, Base
from chancery.sdk.testing.bench import Bench, shapes
from chancery.sdk.testing.watch import watched


class Reaching(Base):
    """Part of `Conformance`."""

    def test_it_reaches_the_ca_by_its_door_alone(self, bench: Bench) -> None:
        """The door is guarded, bounded and scrubbed; a connection past it is none of these. Nothing sleeps."""
        with watched() as wrong:
            self._life(bench)
        assert not wrong, f"past the door: {'; '.join(wrong)}"

    def test_it_asks_nothing_outside_the_base_url(self, bench: Bench) -> None:
        """The administrator named one address; the credential goes nowhere else."""
        line = bench.line
        self._life(bench)
        top = bench.case.root or line.path
        outside = [call.target for call in line.passed if not call.target.startswith(f"{top}/")]
        assert not outside, f"outside the base URL: {', '.join(outside)}"
        assert not bench.elsewhere(), f"at other hosts: {', '.join(bench.elsewhere())}"

    def test_no_secret_travels_in_an_address(self, bench: Bench) -> None:
        """Addresses stand in the logs of every proxy on the way."""
        line = bench.line
        self._life(bench)
        told = [call for call in line.passed if any(shape in call.target for shape in shapes(bench.secrets()))]
        assert not told, "a secret is a part of the address: send it in a header or in the body"

    def test_what_places_an_order_is_declared_as_an_act(self, bench: Bench) -> None:
        """`effect=True` has the door send it once, on a connection of its own, and tell what became of it."""
        line = bench.line
        self._life(bench)
        acts = [call for call in line.passed if call.acted]
        assert acts, "nothing that it sent was seen to place an order: is `ordered` right?"
        undeclared = [f"{call.method} {call.target}" for call in acts if not call.effect]
        assert not undeclared, f"say effect=True of {', '.join(undeclared)}"

    def test_construction_asks_nothing(self, bench: Bench) -> None:
        """Instances are made for pages and after every restart."""
        line = bench.line
        before = len(line.passed)
        bench.fresh()
        assert len(line.passed) == before, "it called the CA when it was made"

    def test_looking_changes_nothing(self, bench: Bench) -> None:
        """Diagnosis, pick lists and searches may be asked at any time, by anybody who may look."""
        line, request = bench.line, bench.request()
        bench.ask("check")
        for field in bench.dynamic():
            bench.ask("choices", field)
        if "finds" in bench.about.powers:
            bench.ask("find", request, request.intended_at - DAY)
        declared = [f"{call.method} {call.target}" for call in line.passed if call.effect or call.acted]
        assert not declared, f"looking did: {', '.join(declared)}"
        bench.never(request)

    @staticmethod
    def _life(bench: Bench) -> None:
        """Go through everything once: diagnosis, lists, order, search, revocation."""
        request = bench.request()
        bench.ask("check")
        for field in bench.dynamic():
            bench.ask("choices", field)
        issued = bench.issue(request)
        bench.rest()
        if "finds" in bench.about.powers:
            bench.pass_lag()
            bench.ask("find", request, request.intended_at - DAY)
        if "revokes" in bench.about.powers:
            bench.revoke(bench.target(issued, request), next(iter(bench.about.facts.revocation_reasons)))
