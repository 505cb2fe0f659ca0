"""Findings that every transport makes alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from chancery.authorities.emsign.trust import warnings_of
from chancery.core.certificate import facts
from chancery.sdk.errors import Forbidden, NotFound, ProtocolViolation, RejectedByPolicy
from chancery.sdk.finding import Finding, Level

_NOT_SERVED = (Forbidden, NotFound, ProtocolViolation, RejectedByPolicy)


def good(stage: str, message: str, evidence: str = "") -> Finding:
    """Return a finding that all is well."""
    return Finding(stage, Level.OK, "ok", message, evidence)


def warning(stage: str, code: str, message: str, evidence: str, remedy: str) -> Finding:
    """Return a warning."""
    return Finding(stage, Level.WARNING, code, message, evidence, remedy)


def tried(ask: Callable[[], Iterator[Finding]], stage: str, what: str) -> Iterator[Finding]:
    """Give the findings of a question; that it may not be asked, or is not served, is a warning."""
    try:
        yield from ask()
    except _NOT_SERVED as error:
        text = f"The {what} could not be read: {error.message}"
        remedy = error.remedy or "Give the credential's user the right to read it."
        yield warning(stage, "not_readable", text, error.code, remedy)


def chain_findings(bundles: list[tuple[bytes, list[bytes]]]) -> Iterator[Finding]:
    """Judge the chains (leaf, all certificates) of what was issued last."""
    if not bundles:
        yield Finding("chain", Level.SKIPPED, "nothing_issued", "No certificate was seen whose chain could be judged.")
        return
    bad = sorted({text for leaf, ders in bundles for text in warnings_of(leaf, ders)})
    issuers = ", ".join(sorted({facts(leaf).issuer for leaf, _ in bundles}))[:300]
    for text in bad:
        remedy = "Ask emSign for a hierarchy below emSign Root CA - G1, or choose another product; replace what is out."
        yield warning("chain", "distrusted_root", f"What was issued last is not well: {text}", issuers, remedy)
    if not bad:
        yield good("chain", "The chains of the last certificates name no removed root.", issuers)
