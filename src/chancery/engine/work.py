"""Does one job: builds nothing, stores nothing, only calls the authority and checks what it brings.

Imports no tables, so it also runs in the processes that sign.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from chancery.core.again import call_reference
from chancery.core.certificate import Decoded, Expected, Mismatch, check_decoded, decode
from chancery.core.effects import KINDS
from chancery.core.order import RevocationReason
from chancery.engine import earlier, freshness, listing
from chancery.engine.jobs import (
    Answered,
    Asked,
    Bad,
    Cancelled,
    Failed,
    Good,
    Job,
    Kind,
    Missing,
    Result,
    Stopped,
    Waiting,
)
from chancery.net.redact import scrub
from chancery.sdk import finding
from chancery.sdk.authority import Request, Target
from chancery.sdk.errors import AlreadyDone, AuthorityError, Throttled
from chancery.sdk.finding import Finding, Level
from chancery.sdk.outcome import Absence, HttpAnswer, Issued, Outcome, Pending, RenewalHint, RevocationPending, Revoked

log = logging.getLogger("chancery.engine")
_SEARCH_BACK = timedelta(days=1)
_SOONEST_HINT, _LATEST_HINT = timedelta(minutes=1), timedelta(days=7)
_WARNING, _MOST_WARNINGS = 500, 10
"""Characters of a warning, and warnings of a certificate, that are kept."""
_T = TypeVar("_T")
_Read = tuple[Issued, Decoded] | Waiting | Bad
"""What an authority brought, decoded; or what can be said without looking closer."""


class StopHere(Exception):
    """Raised just before the first byte when the connector is no longer what the job was claimed for."""


def do(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    """Run one job; every error becomes a value."""
    return _guarded(job, lambda: _VERBS[job.kind](job, authority, now))


def do_all(jobs: Sequence[Job], authority: Any, now: Callable[[], datetime]) -> list[Result]:
    """Run jobs of one authority that signs here: first all submissions, then the checks and the rest.

    One kind of work at a time keeps the processor's caches warm, which is worth a quarter of the time.
    """
    answers = [_guarded(job, partial(_ask, job, authority)) if job.kind is Kind.SUBMIT else None for job in jobs]
    read = [
        a if a is None or isinstance(a, Stopped | Failed) else _guarded(job, partial(_read, a))
        for job, a in zip(jobs, answers, strict=True)
    ]
    return [
        do(job, authority, now) if one is None else _guarded(job, partial(_finish, one, job, now()))
        for job, one in zip(jobs, read, strict=True)
    ]


def _finish(one: _Read | Stopped | Failed, job: Job, now: datetime) -> Result:
    return one if isinstance(one, Stopped | Failed) else _check(one, _asked(job), now)


def _guarded(job: Job, act: Callable[[], _T]) -> _T | Stopped | Failed:
    try:
        return act()
    except StopHere:
        return Stopped()
    except AuthorityError as error:
        return failed(error)
    except Exception as error:
        place = scrub("".join(traceback.format_tb(error.__traceback__)[-3:]))
        log.error("bug in authority %s during %s: %s\n%s", job.authority, job.kind, type(error).__name__, place)
        return Failed("Bug", f"The authority failed unexpectedly ({type(error).__name__}). The log has the place.")


def failed(error: AuthorityError) -> Failed:
    """Return an authority's error as a value."""
    until = error.until if isinstance(error, Throttled) else None
    return Failed(error.kind, error.message, error.code, error.text, error.bytes_sent, until, error.remedy)


UNFIT = Failed("Bug", "What the CA answered cannot be stored; the log names the place.")
"""What is recorded in place of an answer that no table takes, or that cannot be passed on."""


def unsent(error: BaseException) -> Failed:
    """Return what is recorded of a job that a worker could not do: no CA has seen anything of it."""
    return Failed("Bug", f"This worker could not do it: {type(error).__name__}.", bytes_sent=False)


def request_of(asked: Asked, authority: Any) -> Request:
    """Return what an authority gets to see of an order."""
    return Request(
        reference=call_reference(asked.id, asked.again),
        csr=asked.csr,
        common_name=asked.common_name,
        names=asked.names,
        spki_sha256=asked.spki_sha256,
        validity=asked.validity,
        intended_at=asked.intended_at,
        settings=authority.profile.model_validate(asked.product),
        previous=asked.previous,
        confirmed=asked.poll_state.get("confirmed") is True,
    )


def _asked(job: Job) -> Asked:
    if job.asked is None:  # pragma: no cover  claims always fill it for orders
        raise AssertionError(job.kind)
    return job.asked


def _submit(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    return _judge(_ask(job, authority), _asked(job), now())


def _ask(job: Job, authority: Any) -> Outcome:
    outcome: Outcome = authority.submit(request_of(_asked(job), authority))
    return outcome


def _poll(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    asked = _asked(job)
    return _judge(authority.poll(asked.poll_state, request_of(asked, authority)), asked, now())


def _settle(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    asked = _asked(job)
    found = authority.find(request_of(asked, authority), asked.intended_at - _SEARCH_BACK)
    if isinstance(found, Absence):
        return Missing(found.evidence)
    return _judge(found.outcome, asked, now(), found.evidence)


def _adopt(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    asked = _asked(job)
    found = authority.adopt(str(asked.poll_state["adopt"]), request_of(asked, authority))
    return _judge(found.outcome, asked, now(), found.evidence)


def _cancel(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    asked = _asked(job)
    try:
        authority.cancel(asked.poll_state, request_of(asked, authority))
    except AlreadyDone:
        return _poll(job, authority, now)
    return Cancelled()


def _release(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    asked = _asked(job)
    try:
        authority.release(asked.poll_state, request_of(asked, authority))
    except AlreadyDone:
        pass  # somebody was faster, or an earlier answer was lost: the look tells what came of it
    return _poll(job, authority, now)


def _judge(outcome: Outcome, asked: Asked, now: datetime, evidence: str = "") -> Result:
    return _check(_read(outcome, evidence), asked, now, evidence)


def _read(outcome: Outcome, evidence: str = "") -> _Read:
    if isinstance(outcome, Pending):
        if not all(isinstance(answer, HttpAnswer) for answer in outcome.publish):
            raise TypeError("publish")
        return Waiting(outcome, evidence)
    if not isinstance(outcome, Issued):
        raise TypeError(type(outcome).__name__)
    try:
        return outcome, decode(outcome.leaf, outcome.chain)
    except Mismatch as mismatch:
        return _bad(outcome, mismatch)


def _check(read: _Read, asked: Asked, now: datetime, evidence: str = "") -> Result:
    if not isinstance(read, tuple):
        return read
    outcome, decoded = read
    expected = Expected(asked.spki_sha256, asked.names, now, now + asked.validity, companions=asked.companions)
    try:
        facts, chain = check_decoded(decoded, expected)
    except Mismatch as mismatch:
        return _bad(outcome, mismatch)
    warnings = tuple(text[:_WARNING] for text in outcome.warnings[:_MOST_WARNINGS])
    return Good(facts, chain, outcome.reference, evidence, warnings)


def _bad(outcome: Issued, mismatch: Mismatch) -> Bad:
    return Bad(tuple(p.message for p in mismatch.problems), outcome.leaf, outcome.reference)


def _revoke(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    del now
    extra = job.extra
    try:
        return _revocation(authority.revoke(_target(extra), RevocationReason(extra["reason"]), extra["comment"]))
    except AlreadyDone as error:
        return Revoked(error.message)


def _poll_revocation(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    del now
    return _revocation(authority.poll_revocation(job.extra["state"], _target(job.extra)))


def _revocation(answer: object) -> Revoked | RevocationPending:
    # A plug-in may answer anything; only what says that the CA confirmed it may count as confirmed.
    if not isinstance(answer, Revoked | RevocationPending):
        raise TypeError(type(answer).__name__)
    return answer


def _target(extra: dict[str, Any]) -> Target:
    return Target(extra["der"], extra["serial"], extra["reference"])


def _call(job: Job, authority: Any, now: Callable[[], datetime]) -> Result:
    del now
    if job.extra["kind"] == "freshness":
        return Answered({"vitals": freshness.look(job.extra)})
    if job.extra["kind"] == "hint":
        return Answered(_hint(job.extra, authority))
    if job.extra["kind"] == "earlier":
        asked: Asked = job.extra["asked"]
        found = authority.find(request_of(asked, authority), asked.intended_at - _SEARCH_BACK)
        return earlier.told(found)
    if job.extra["kind"] == "choices":
        choices = authority.choices(job.extra["field"]) if hasattr(authority, "choices") else []
        return Answered({"choices": [asdict(c) for c in choices]})
    findings = list(job.extra["door"].diagnose()) if job.extra["door"] is not None else []
    if hasattr(authority, "reach"):
        findings += authority.reach()
    if not any(f.level is Level.FAILED for f in findings):
        findings += _findings(authority)
    worst = next((f for f in findings if f.level is Level.FAILED), None)
    # The kind of an error is the engine's matter alone.
    shown = [asdict(f) | {"level": str(f.level)} for f in findings]
    rows = [{name: value for name, value in row.items() if name != "kind"} for row in shown]
    return Answered({"findings": rows}, _fault(worst) if worst is not None else None)


def _hint(extra: dict[str, Any], authority: Any) -> dict[str, Any]:
    told = authority.renewal_hint(_target(extra))
    if told is None:
        return {"hint": None}
    if not isinstance(told, RenewalHint) or told.start.tzinfo is None or told.end < told.start:
        raise TypeError(type(told).__name__)
    window = {"start": told.start.isoformat(), "end": told.end.isoformat()}
    wait = min(max(told.next_look, _SOONEST_HINT), _LATEST_HINT).total_seconds()
    return {"hint": {**window, "explanation": str(told.explanation), "next_look": wait}}


def _findings(authority: Any) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(authority.check())
    except AuthorityError as error:
        found.append(finding.failed(_STAGE_OF.get(error.kind) or _stage_of(error, found), error))
    return found


def _stage_of(error: AuthorityError, found: list[Finding]) -> str:
    """Return the stage of an error whose kind names none: where the network failed, else what was asked for last."""
    if error.stage in {"name", "tcp", "tls"}:
        return error.stage
    return found[-1].stage if found else "login"


def _fault(worst: Finding) -> Failed:
    """Return a failed finding as the error that an order would have met."""
    known = next((kind for kind in (worst.kind, worst.code) if kind in KINDS), None)
    kind = known or _KIND_OF.get(worst.stage, "ProtocolViolation")
    return Failed(kind, f"{worst.stage}: {worst.message}", remedy=worst.remedy)


_STAGE_OF = {"AuthFailed": "login", "Forbidden": "rights", "QuotaExhausted": "quota"}
_KIND_OF = {
    **dict.fromkeys(("name", "tcp", "tls", "clock"), "Unreachable"),
    "login": "AuthFailed",
    "rights": "Forbidden",
    "quota": "QuotaExhausted",
}


_VERBS: dict[Kind, Callable[[Job, Any, Callable[[], datetime]], Result]] = {
    Kind.SUBMIT: _submit,
    Kind.POLL: _poll,
    Kind.SETTLE: _settle,
    Kind.ADOPT: _adopt,
    Kind.CANCEL: _cancel,
    Kind.RELEASE: _release,
    Kind.REVOKE: _revoke,
    Kind.POLL_REVOCATION: _poll_revocation,
    Kind.CALL: _call,
    Kind.LIST: listing.page,
    Kind.FETCH: listing.fetch,
}
