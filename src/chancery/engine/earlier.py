"""Searches for an earlier call of an order, and says what was told in values: a seat has no tables."""

from __future__ import annotations

from chancery.core.certificate import Mismatch, decode
from chancery.engine.jobs import Answered, Fetched
from chancery.sdk.outcome import Absence, Found, Issued, Pending


def told(answer: object) -> Answered | Fetched:
    """Return what an authority's search brought: a certificate, or JSON with `absent`, `waiting` or `odd`."""
    if isinstance(answer, Absence):
        return Answered({"absent": answer.evidence})
    if not isinstance(answer, Found):
        raise TypeError(type(answer).__name__)
    outcome = answer.outcome
    if isinstance(outcome, Pending):
        return Answered({"waiting": answer.evidence, "reference": outcome.reference})
    if not isinstance(outcome, Issued):
        raise TypeError(type(outcome).__name__)
    try:
        found = decode(outcome.leaf, outcome.chain)
    except Mismatch:
        return Answered({"odd": f"{answer.evidence} Its certificate cannot be read.", "reference": outcome.reference})
    return Fetched(found.facts, outcome.chain, outcome.reference, answer.evidence)
