"""Checks of orders and their ends, while everything works."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import cache
from typing import Any

import pytest

from chancery.core import keys
from chancery.core.names import parse_name
from chancery.sdk.errors import AlreadyDone, NotFound, RejectedByPolicy
from chancery.sdk.outcome import Issued, RenewalHint, Revoked
from chancery.sdk.testing.base import Base
from chancery.sdk.testing.bench import Bench
from chancery.sdk.testing.case import Fault

_TOGETHER = 4
_MOST = 250


class Ordering(Base):
    """Part of `Conformance`."""

    def test_every_declared_kind_of_key_and_name_is_issued(self, bench: Bench) -> None:
        """The policy lets people ask for all that is declared."""
        facts = bench.about.facts.certificates
        for label in [k for k in facts.key_types if k in keys.available_key_labels()]:
            self._ordered(bench, key=_key(label))
        for kind in facts.name_kinds:
            self._ordered(bench, own_names=(*bench.case.names, bench.case.samples[kind]))

    def test_as_many_names_as_it_declares_are_issued(self, bench: Bench) -> None:
        """The most is what the CA really takes."""
        first = bench.case.names[0]
        most = min(bench.about.facts.certificates.max_names, _MOST)
        self._ordered(bench, own_names=(first, *(f"n{i}.{first}" for i in range(1, most))))

    @staticmethod
    def _ordered(bench: Bench, **more: Any) -> Issued:
        request = bench.request(**more)
        issued = bench.issue(request)
        assert set(bench.checked(issued, request).names) == set(request.names)
        bench.once(request)
        bench.rest()
        return issued

    def test_orders_side_by_side_are_not_mixed_up(self, bench: Bench) -> None:
        """One instance serves several seats at once, as many as it declares."""
        seats = min(_TOGETHER, bench.about.facts.concurrency)
        requests = [bench.request() for _ in range(seats)]
        with ThreadPoolExecutor(seats) as pool:
            outcomes = list(pool.map(lambda request: bench.ask("submit", request), requests))
        for request, outcome in zip(requests, outcomes, strict=True):
            bench.checked(bench.finish(outcome, request), request)
            bench.once(request)

    def test_a_renewal_hint_is_a_window(self, bench: Bench) -> None:
        """The engine plans by it: a window without a zone, or one that ends before it begins, is none."""
        self._can(bench, "renewal_hint")
        request = bench.request()
        issued = bench.issue(request)
        hint = bench.ask("renewal_hint", bench.target(issued, request))
        if hint is None:
            return  # a CA need not have something to say of each
        assert isinstance(hint, RenewalHint), "answer a RenewalHint, or None"
        assert hint.start.utcoffset() is not None, "say the window in a time zone"
        assert hint.end.utcoffset() is not None, "say the window in a time zone"
        assert hint.start <= hint.end, "the window ends before it begins"
        assert hint.next_look > timedelta(0), "say when to ask again"

    def test_a_new_reference_is_a_new_order_even_for_the_same_key(self, bench: Bench) -> None:
        """A renewal may keep its key; the old certificate in its place would end with it."""
        key = keys.generate(bench.label())
        request, renewal = bench.request(key=key), bench.request(key=key)
        first = bench.issue(request)
        bench.rest()
        try:
            second = bench.issue(renewal)
        except RejectedByPolicy:
            return  # a CA may refuse a key that it knows
        assert second.leaf != first.leaf, "the new order was given the old certificate"
        bench.once(renewal)

    def test_what_is_issued_can_no_longer_be_withdrawn(self, bench: Bench) -> None:
        """To say that it was would leave a certificate that nobody knows of."""
        self._can(bench, "cancels")
        request = bench.request()
        with self._pending(bench, request) as outcome:
            pass
        bench.finish(outcome, request)
        error = bench.refused("cancel", outcome.state, request)
        assert isinstance(error, AlreadyDone | RejectedByPolicy), error.kind

    def test_what_the_ca_does_not_know_is_not_called_revoked(self, bench: Bench) -> None:
        """A wrong reference must not look like a success."""
        self._can(bench, "revokes")
        if not bench.about.outside:
            pytest.skip("its register is the engine's own table")
        request = bench.request()
        target = bench.target(bench.issue(request), request)
        unknown = type(target)(target.certificate, "0d15ea5e", "999999999")
        answer = bench.tried("revoke", unknown, self._reason(bench), "unknown")
        assert isinstance(answer, NotFound | RejectedByPolicy), f"it answered {type(answer).__name__}"

    def test_every_declared_reason_revokes(self, bench: Bench) -> None:
        """People are offered these reasons."""
        self._can(bench, "revokes")
        for reason in bench.about.facts.revocation_reasons:
            request = bench.request()
            target = bench.target(bench.issue(request), request)
            answer = bench.revoke(target, reason)
            assert isinstance(answer, Revoked), f"{reason} is declared, and ended in {type(answer).__name__}"
            bench.rest()

    @staticmethod
    def _reason(bench: Bench) -> Any:
        return next(iter(bench.about.facts.revocation_reasons))

    def test_a_person_is_told_whom_an_order_waits_for(self, bench: Bench) -> None:
        """What a pending order tells the engine is sound: when to look again, and a reference of the CA's."""
        self._needs(bench, Fault.HOLDS)
        request = bench.request()
        with self._pending(bench, request) as outcome:
            assert len(outcome.reference) <= 200, "the reference does not fit its column"
            assert outcome.next_check.total_seconds() <= 86_400, "it would not look again within a day"
            assert parse_name(request.common_name).value == request.common_name


@cache
def _key(label: str) -> Any:
    return keys.generate(label)
