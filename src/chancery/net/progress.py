"""How far one outgoing call has come. Every failure carries it, so that nobody has to guess what happened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Cause(StrEnum):
    """Why a call failed; stable, as findings and remedies are keyed by it."""

    REFUSED = "refused"
    NO_NAME = "no_name"
    NO_CONNECTION = "no_connection"
    PROXY = "proxy"
    TIMEOUT = "timeout"
    TRUST_BUNDLE = "trust_bundle"
    TLS = "tls"
    TLS_EXPIRED = "tls_expired"
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    TLS_UNKNOWN_ISSUER = "tls_unknown_issuer"
    TLS_WRONG_NAME = "tls_wrong_name"
    TLS_PIN = "tls_pin"
    TLS_CLIENT = "tls_client"
    IDENTITY = "identity"
    BROKEN = "broken"
    PARTED = "parted"
    TOO_LARGE = "too_large"
    ENCODED = "encoded"


@dataclass(frozen=True, slots=True)
class TlsNotes:
    """What was agreed: protocol version, cipher, the server's certificate as DER."""

    version: str
    cipher: str
    certificate: bytes


@dataclass(slots=True)
class Progress:
    """One call, from the name to the last byte of the answer.

    `stage` is one of name, tcp, tls, request, response; `sent` is True once a byte of the request may have left;
    `deadline` is on the monotonic clock; `connected` says that the call made a connection of its own, and `stays` that it
    must not, since it belongs to the one before it.
    """

    deadline: float
    before_send: Callable[[], None] | None = None
    stage: str = "name"
    sent: bool = False
    connected: bool = False
    stays: bool = False
    addresses: list[str] = field(default_factory=list)
    peer: str = ""
    tls: TlsNotes | None = None


class Failed(Exception):
    """A call came to nothing. `text` is for people and not yet scrubbed."""

    def __init__(self, cause: Cause, text: str, progress: Progress) -> None:
        super().__init__(text)
        self.cause, self.text, self.progress = cause, text, progress
