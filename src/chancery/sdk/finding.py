"""One line of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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
    at *tls* when the server's certificate ends (seconds since 1970).
    """

    stage: str
    level: Level
    code: str
    message: str
    evidence: str = ""
    remedy: str = ""
    value: float | None = None
