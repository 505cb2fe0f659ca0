"""What an authority answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,200}")
_PLAIN = re.compile(r"[\x21-\x7e]{1,400}")

PollState = dict[str, Any]
"""An authority's own progress: small JSON with the key `v` (its schema version). Opaque to the engine."""


class PendingKind(StrEnum):
    """Why the CA has not issued yet; shown to people as *whom does it wait for*.

    CONFIRMATION says that nothing was sent: what would be sent has a consequence that a person here must accept first,
    and the text says which. Once somebody has, the order is submitted anew, with `Request.confirmed`.
    """

    APPROVAL = "approval"
    VALIDATION = "validation"
    PROCESSING = "processing"
    ACTION = "action"
    CONFIRMATION = "confirmation"


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate: DER of the leaf, DER of the other certificates in any order, the CA's reference.

    `warnings` are sentences for people about a certificate that is as it was ordered, and yet not well: they are
    stored with it and shown wherever it is.
    """

    leaf: bytes
    chain: tuple[bytes, ...] = ()
    reference: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What Chancery answers, to whoever asks, at `/.well-known/acme-challenge/<token>` (RFC 8555 section 8.3).

    `token` is of the URL-safe Base64 alphabet, `text` printable ASCII without spaces; else `ValueError` is raised.
    """

    token: str
    text: str

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.token) or not _PLAIN.fullmatch(self.text):
            raise ValueError("a token is Base64url, and its answer one word of ASCII")


@dataclass(frozen=True, slots=True)
class Pending:
    """Accepted, not yet issued. `next_check` is how long to leave the CA in peace.

    `publish` is answered from the commit that records this outcome on, until the next outcome or the order's end: so
    the CA is told to look only by a later `poll`, and every `Pending` repeats what it still needs.
    """

    state: PollState
    kind: PendingKind = PendingKind.PROCESSING
    next_check: timedelta = timedelta(seconds=30)
    text: str = ""
    reference: str = ""
    publish: tuple[HttpAnswer, ...] = ()


Outcome = Issued | Pending


@dataclass(frozen=True, slots=True)
class Found:
    """The CA's search knows the order; `outcome` says how it stands, `evidence` is for the page."""

    outcome: Outcome
    evidence: str


@dataclass(frozen=True, slots=True)
class Absence:
    """The CA's search does not know the order. `evidence` says what was searched and how."""

    evidence: str


@dataclass(frozen=True, slots=True)
class Revoked:
    """The CA confirms the revocation."""

    text: str = ""


@dataclass(frozen=True, slots=True)
class RevocationPending:
    """The CA took the request but a person there must approve it."""

    state: PollState
    next_check: timedelta = timedelta(minutes=5)
    text: str = ""


@dataclass(frozen=True, slots=True)
class RenewalHint:
    """From when to when the CA suggests to renew a certificate; a window that has passed says *now*.

    `explanation` is an address for people, '' without one. `next_look` is how long to wait before asking again.
    """

    start: datetime
    end: datetime
    explanation: str
    next_look: timedelta


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a dynamic pick list (product, organisation, template).

    `detail` is for programs. Where it has `usable: False` the label says why, and the console shows it apart, behind
    what can be chosen.
    """

    value: str
    label: str
    detail: dict[str, Any] = field(default_factory=dict)
