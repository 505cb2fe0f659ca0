"""What a worker has claimed, and what came of it. Plain values: no tables, no connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from chancery.core.certificate import CertificateFacts
from chancery.core.inventory import Marks
from chancery.core.lean import Lean
from chancery.core.names import Name
from chancery.core.order import State
from chancery.sdk.outcome import Pending, RevocationPending, Revoked


class Kind(StrEnum):
    """What is to be done at the CA."""

    SUBMIT = "submit"
    POLL = "poll"
    SETTLE = "settle"
    ADOPT = "adopt"
    CANCEL = "cancel"
    RELEASE = "release"
    REVOKE = "revoke"
    POLL_REVOCATION = "poll_revocation"
    CALL = "call"
    LIST = "list"
    FETCH = "fetch"


ORIGIN: dict[Kind, State] = {
    Kind.SUBMIT: State.SUBMITTING,
    Kind.POLL: State.PENDING,
    Kind.ADOPT: State.PENDING,
    Kind.CANCEL: State.PENDING,
    Kind.RELEASE: State.PENDING,
    Kind.SETTLE: State.OUTCOME_UNKNOWN,
}
"""The state in which each kind of job holds its order."""


@dataclass(frozen=True, slots=True)
class Asked(Lean):
    """An order's values, as a seat needs them."""

    id: UUID
    csr: bytes
    common_name: str
    names: tuple[Name, ...]
    spki_sha256: str
    validity: timedelta
    intended_at: datetime
    product: dict[str, Any]
    poll_state: dict[str, Any] = field(default_factory=dict)
    attempt: int = 0
    searches: int = 0
    again: int = 0
    previous: str = ""
    profile: int = 0
    team: int = 0
    environment: int = 0
    companions: bool = False


@dataclass(frozen=True, slots=True)
class Job(Lean):
    """One claimed act: on which row, under which fence, through which connector version."""

    kind: Kind
    row: UUID
    fence: UUID
    connector: UUID | None
    epoch: int
    version: UUID | None
    authority: str
    asked: Asked | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Good(Lean):
    """A certificate that passed every check, with its chain in order."""

    facts: CertificateFacts
    chain: tuple[bytes, ...]
    reference: str = ""
    evidence: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """The CA has it and has not issued."""

    pending: Pending
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Bad:
    """A certificate that is not what was ordered."""

    problems: tuple[str, ...]
    leaf: bytes = b""
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Missing:
    """The CA's search does not know the order."""

    evidence: str


@dataclass(frozen=True, slots=True)
class Failed:
    """An authority's error, or a bug in it (`kind` is then Bug)."""

    kind: str
    message: str
    code: str = ""
    text: str = ""
    bytes_sent: bool = True
    until: datetime | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Stopped:
    """The connector changed before the first byte; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The CA withdrew the request."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer of a call: findings or choices, as JSON values; `fault` is what keeps the connector from working."""

    result: dict[str, Any]
    fault: Failed | None = None


@dataclass(frozen=True, slots=True)
class Entry(Lean):
    """One certificate of a CA's list: `state` is valid, revoked or unknown; `der` is b'' where the list has none."""

    marks: Marks
    state: str
    reference: str
    common_name: str
    names: tuple[str, ...]
    not_after: datetime | None
    revoked_at: datetime | None
    text: str
    der: bytes
    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Taken(Lean):
    """A part of a CA's list; `cursor` is None at its end, `wait` how long to leave the CA in peace."""

    entries: tuple[Entry, ...]
    cursor: dict[str, Any] | None
    total: int | None
    wait: timedelta


@dataclass(frozen=True, slots=True)
class Fetched(Lean):
    """A certificate that the CA has, with what came beside it in any order; `evidence` says how a search found it."""

    facts: CertificateFacts
    chain: tuple[bytes, ...]
    reference: str
    evidence: str = ""


Result = (
    Good
    | Waiting
    | Bad
    | Missing
    | Failed
    | Stopped
    | Cancelled
    | Answered
    | Taken
    | Fetched
    | Revoked
    | RevocationPending
)
