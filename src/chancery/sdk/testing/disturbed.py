"""Checks on a line that is disturbed: what an authority concludes, and what it must not."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from chancery.core.certificate import Mismatch
from chancery.core.effects import Doing
from chancery.core.order import State
from chancery.sdk.authority import Dedup
from chancery.sdk.errors import (
    KINDS,
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Absence, Found, Pending, RevocationPending, Revoked
from chancery.sdk.testing.base import DAY, Base, meaning
from chancery.sdk.testing.bench import Bench
from chancery.sdk.testing.spoil import (
    DROPPED,
    EMPTY,
    HELD,
    NOT_THE_API,
    OTHER_KEY,
    OTHER_NAME,
    REDIRECTED,
    SENSELESS,
    Spoil,
    echo,
    page,
    said,
)

_SHORT = 0.4
_REFUSED = {"error": "the credential is not known, or may not do this"}
_FINAL = (RejectedByPolicy, ValidationFailed, NotFound)
_KINDS = {kind.__name__ for kind in KINDS}
_REFUSALS = {"AuthFailed", "Forbidden", "QuotaExhausted", "login", "rights", "quota"}
_named = pytest.mark.parametrize


class Disturbed(Base):
    """Part of `Conformance`; skipped for an authority that reaches nothing outside."""

    # The CA says no ------------------------------------------------------------------------------------

    @_named("status", [401, 403])
    @_named("verb", ["submit", "find", "revoke", "poll"])
    def test_a_refused_credential_is_the_connectors_fault(self, bench: Bench, verb: str, status: int) -> None:
        """Whatever was being done: orders wait, and the account is not locked out by more tries."""
        act = self._call(bench, verb)
        with bench.line.spoiled(said(status, _REFUSED), forward=False):
            error = bench.refused(*act)
        assert isinstance(error, AuthFailed | Forbidden), f"{status} became {error.kind}"
        assert error.remedy, "it does not say what to do"

    def _call(self, bench: Bench, verb: str) -> tuple[Any, ...]:
        """Return a verb and its values, with everything that must be there before done."""
        request = bench.request()
        if verb == "revoke":
            self._can(bench, "revokes")
            return "revoke", bench.target(bench.issue(request), request), self._any_reason(bench), "x"
        if verb == "poll":
            with self._pending(bench, request) as outcome:
                return "poll", outcome.state, request
        if verb == "find":
            self._can(bench, "finds")
            return "find", request, request.intended_at - DAY
        return verb, request

    @staticmethod
    def _any_reason(bench: Bench) -> Any:
        return next(iter(bench.about.facts.revocation_reasons))

    @_named("verb", ["submit", "find", "revoke", "poll"])
    def test_nobody_listening_is_unreachable(self, bench: Bench, verb: str) -> None:
        """Whatever was being done: nothing was sent, the connector is away, and nothing is concluded."""
        act = self._call(bench, verb)
        with bench.line.away():
            error = bench.refused(*act)
        assert isinstance(error, Unreachable), f"a refused connection became {error.kind}"
        assert not error.bytes_sent, "it says that something was sent"

    @_named("spoil", [OTHER_KEY, OTHER_NAME], ids=str)
    def test_a_forged_certificate_never_passes(self, bench: Bench, spoil: Spoil) -> None:
        """It reaches the engine, which quarantines it, or the authority refuses it; it is no bug, and never counts."""
        request, line = bench.request(), bench.line
        with line.spoiled(spoil) as wrong, suppress(Mismatch, AuthorityError):
            bench.checked(bench.issue(request), request)
            assert not wrong.forged, f"a {spoil} passed"
        if not wrong.forged:
            pytest.skip("its CA sends no PEM that the line could forge")

    @_named("told", ["seconds", "date", "nothing", "far too long"])
    def test_patience_is_as_long_as_the_ca_asks(self, bench: Bench, told: str) -> None:
        """Retry-After, in seconds or as a date (RFC 9110 section 10.2.3); a day at most."""
        now = bench.case.clock.now()
        asked = {
            "seconds": {"Retry-After": "120"},
            "date": {"Retry-After": format_datetime(now + timedelta(seconds=120), usegmt=True)},
            "nothing": {},
            "far too long": {"Retry-After": "999999999"},
        }[told]
        request = bench.request()
        with bench.line.spoiled(said(429, {"error": "too many requests"}, **asked), forward=False):
            error = bench.refused("submit", request)
        assert isinstance(error, Throttled), f"429 became {error.kind}"
        if told in {"seconds", "date"}:
            assert error.until is not None, "the CA said until when, and that was lost"
            assert abs((error.until - now).total_seconds() - 120) <= 1
        elif error.until is not None:
            assert now <= error.until <= now + DAY
        bench.never(request)

    @_named("spoil", [*REDIRECTED, page(403), *NOT_THE_API], ids=str)
    def test_a_page_in_the_apis_place_ends_no_order(self, bench: Bench, spoil: Spoil) -> None:
        """A proxy, a moved address or a maintenance window says nothing about the request."""
        request, line = bench.request(), bench.line
        with line.spoiled(spoil, forward=False):
            error = bench.refused("submit", request)
        rule = meaning(error, Doing.SUBMIT)
        assert rule.target is not State.REJECTED, f"a {spoil} became {error.kind}: the order would end"
        if spoil in NOT_THE_API and any(call.effect for call in line.passed):
            text = f"a {spoil} became {error.kind}: the order would be sent again, and the CA may have it"
            assert rule.target is State.OUTCOME_UNKNOWN, text
        bench.never(request)

    @_named("spoil", [page(503), DROPPED, said(429, {"error": "slow down"})], ids=str)
    def test_an_act_is_never_tried_again_by_the_authority(self, bench: Bench, spoil: Spoil) -> None:
        """Whether to send again is the engine's to decide, with its intent written down before."""
        request, line = bench.request(), bench.line
        with line.spoiled(spoil, forward=False, acts_only=True, once=True):
            answer = bench.tried("submit", request)
        assert isinstance(answer, AuthorityError), "it tried again by itself"
        bench.never(request)

    # The answer is lost or makes no sense ---------------------------------------------------------------

    @_named("spoil", [*SENSELESS, EMPTY, HELD], ids=str)
    def test_a_senseless_answer_to_an_order_is_settled(self, bench: Bench, spoil: Spoil) -> None:
        """The CA has the order; it is neither called failed nor sent again blindly."""
        request, line = bench.request(), bench.line
        self._hurry(bench, spoil)
        with line.spoiled(spoil, acts_only=True):
            answer, before = bench.until_act(request)
        seen = any(call.acted for call in line.passed)
        assert seen, "nothing that it sent was seen to place an order: is `ordered` right, is effect=True said?"
        bench.once(request)
        if before is not None and isinstance(answer, AuthorityError):
            rule = meaning(answer, Doing.POLL)
            text = f"after {spoil} it raised {answer.kind}, which is {rule.target}"
            assert rule.target in {State.PENDING, State.OUTCOME_UNKNOWN}, f"{text}; the CA has the order"
            bench.timeout = 10.0
            answer = before
        if isinstance(answer, AuthorityError):
            again = bench.about.facts.dedup is Dedup.RETURN_ORIGINAL
            rule = meaning(answer, Doing.SUBMIT)
            text = f"after {spoil} it raised {answer.kind} (bytes sent: {answer.bytes_sent}), which is {rule.target}"
            assert rule.target is State.OUTCOME_UNKNOWN, f"{text}; the CA has the order: raise OutcomeUnknown"
            answer = self._settled(bench, request, again=again)
        if answer is not None:
            bench.checked(bench.finish(answer, request), request)
        bench.once(request)

    @staticmethod
    def _hurry(bench: Bench, spoil: Spoil) -> None:
        if spoil is HELD:
            bench.timeout = _SHORT
            bench.live = bench.fresh()

    def _settled(self, bench: Bench, request: Any, *, again: bool) -> Any:
        """Return how the order stands by the way that the authority declares; None where only a person can tell."""
        bench.timeout = 10.0
        bench.live = bench.fresh()
        if "finds" in bench.about.powers:
            found = bench.search(request)
            assert isinstance(found, Found), "its search does not know what the CA has"
            return found.outcome
        return bench.ask("submit", request) if again else None

    @_named("spoil", [*SENSELESS, *REDIRECTED, EMPTY, HELD], ids=str)
    def test_a_pending_order_outlives_a_senseless_answer(self, bench: Bench, spoil: Spoil) -> None:
        """It is looked at again; nothing that is no answer of the API may end it."""
        line, request = bench.line, bench.request()
        with self._pending(bench, request) as outcome:
            self._hurry(bench, spoil)
            with line.spoiled(spoil, forward=False):
                answer = bench.tried("poll", outcome.state, request)
            assert isinstance(answer, Pending | AuthorityError), f"{spoil} became {type(answer).__name__}"
            if isinstance(answer, AuthorityError):
                target = meaning(answer, Doing.POLL).target
                assert target in {State.PENDING, State.OUTCOME_UNKNOWN}, f"{spoil} became {answer.kind}: {target}"
                answer = outcome
        bench.timeout = 10.0
        bench.checked(bench.finish(answer, request), request)
        bench.once(request)

    @_named("spoil", [*SENSELESS, *REDIRECTED, EMPTY, HELD], ids=str)
    def test_a_search_that_fails_is_no_absence(self, bench: Bench, spoil: Spoil) -> None:
        """Absence sends the order again: it must be the CA's own word."""
        self._can(bench, "finds")
        line, request = bench.line, bench.request()
        bench.issue(request)
        bench.pass_lag()
        self._hurry(bench, spoil)
        with line.spoiled(spoil, forward=False):
            answer = bench.tried("find", request, request.intended_at - DAY)
        assert not isinstance(answer, Absence), f"{spoil} was taken for an absence: the order would be doubled"
        assert isinstance(answer, AuthorityError), f"{spoil} became {type(answer).__name__}"

    @_named("forward", [True, False], ids=["acted", "not acted"])
    @_named("spoil", [DROPPED, page(500), page(200), page(404)], ids=str)
    def test_a_revocation_counts_only_if_the_ca_says_so(self, bench: Bench, spoil: Spoil, forward: bool) -> None:  # noqa: FBT001  pytest hands it over by name
        """Neither confirmed nor refused for good by what is no answer; asked again, it is done or was done."""
        act = self._call(bench, "revoke")
        with bench.line.spoiled(spoil, forward=forward):
            answer = bench.tried(*act)
        assert not isinstance(answer, Revoked | RevocationPending), f"{spoil} was taken for a confirmation"
        assert not isinstance(answer, _FINAL), f"{spoil} became {answer.kind}: the revocation would be given up"
        bench.rest()
        again = bench.tried(*act)
        if isinstance(again, RevocationPending):
            again = bench.revoke(act[1], act[2])
        assert isinstance(again, Revoked | AlreadyDone), f"asked again, it answered {type(again).__name__}"

    @_named("spoil", [DROPPED, *NOT_THE_API], ids=str)
    def test_a_withdrawal_counts_only_if_the_ca_says_so(self, bench: Bench, spoil: Spoil) -> None:
        """Otherwise an order that is called cancelled is issued all the same."""
        self._can(bench, "cancels")
        request, line = bench.request(), bench.line
        with self._pending(bench, request) as outcome:
            with line.spoiled(spoil, forward=False):
                answer = bench.tried("cancel", outcome.state, request)
            text = f"{spoil} was taken for a withdrawal"
            assert isinstance(answer, AuthorityError), text
            assert not isinstance(answer, AlreadyDone), text
        bench.checked(bench.finish(outcome, request), request)

    @_named("spoil", [*SENSELESS, *REDIRECTED], ids=str)
    def test_the_diagnosis_says_what_is_wrong(self, bench: Bench, spoil: Spoil) -> None:
        """It is read when nothing works: it must not break as well, and must not call this well."""
        with bench.line.spoiled(spoil, forward=False):
            found = bench.tried("check")
        if isinstance(found, AuthorityError):
            counted = found.kind
        else:
            failed = [f for f in found if f.level is Level.FAILED]
            assert failed, f"{spoil} on every call, and nothing failed"
            assert all(f.remedy for f in failed), "something failed, and nobody is told what to do"
            # The engine goes by the kind of error, or a code that is one, else by the stage.
            first = failed[0]
            counted = next((kind for kind in (first.kind, first.code) if kind in _KINDS), first.stage)
        refused = counted in _REFUSALS and spoil not in REDIRECTED
        assert not refused, f"{spoil} counts as a refusal of the account: after three of them, nothing is ordered"

    @_named("spoil", [*SENSELESS, *REDIRECTED], ids=str)
    def test_a_pick_list_that_cannot_be_had_is_an_error(self, bench: Bench, spoil: Spoil) -> None:
        """An empty list would tell an administrator that the account has nothing."""
        self._can(bench, "chooses")
        for field in bench.dynamic():
            with bench.line.spoiled(spoil, forward=False):
                answer = bench.tried("choices", field)
            assert isinstance(answer, AuthorityError), f"{spoil} became a list for {field}"

    # Nothing is told to anybody -------------------------------------------------------------------------

    @_named("status", [200, 400, 401, 403, 404, 422, 500])
    def test_an_echo_of_the_request_tells_no_secret(self, bench: Bench, status: int) -> None:
        """Error pages show what was sent, credential and all; what is kept of them shows no secret."""
        line, request = bench.line, bench.request()
        calls: list[tuple[Any, ...]] = [("submit", request), ("check",), ("find", request, request.intended_at - DAY)]
        calls += [("adopt", "4711", request)]
        calls += [("choices", field) for field in bench.dynamic()]
        issued, waiting = bench.request(), bench.request()
        calls += [("revoke", bench.target(bench.issue(issued), issued), self._any_reason(bench), "x")]
        outcome = self._held(bench, waiting)
        if outcome is not None:
            calls += [("poll", outcome.state, waiting), ("cancel", outcome.state, waiting)]
        with line.spoiled(echo(status), forward=False):
            for verb, *values in [call for call in calls if callable(getattr(bench.live, call[0], None))]:
                bench.rest()
                bench.tried(verb, *values)
