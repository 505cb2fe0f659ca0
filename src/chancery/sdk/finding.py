"""One line of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chancery.sdk.errors import AuthorityError


class Level(StrEnum):
    """How a finding of *Test connection* turned out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


STAGES = ("name", "tcp", "tls", "clock", "login", "rights", "product", "quota", "chain")
"""The order of the diagnosis."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Where, how it turned out, on what evidence, and what to do.

    `value` is what was measured, kept as history: at the stage *clock* how far the CA's clock is ahead of ours (seconds),
    at *tls* when the server's certificate ends (seconds since 1970). `kind` is the kind of error that it was, where it was one.
    """

    stage: str
    level: Level
    code: str
    message: str
    evidence: str = ""
    remedy: str = ""
    value: float | None = None
    kind: str = ""


def failed(stage: str, error: AuthorityError, remedy: str = "") -> Finding:
    """Return the failed finding for an error that was met at a stage; `remedy` is for one that has none.

    It keeps its kind: that nobody answered in the middle of a log-in is no refused log-in, after three of which nothing
    logs in any more until a person has acted.
    """
    code, remedy = error.code or error.kind, error.remedy or remedy
    return Finding(stage, Level.FAILED, code, error.message, error.text, remedy, kind=error.kind)
