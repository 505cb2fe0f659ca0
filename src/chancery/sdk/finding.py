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
    """Where, how it turned out, on what evidence, and what to do."""

    stage: str
    level: Level
    code: str
    message: str
    evidence: str = ""
    remedy: str = ""
