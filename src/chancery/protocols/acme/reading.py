"""Orders and authorizations out of the CA's JSON (RFC 8555 sections 7.1.3, 7.1.4), whatever else it holds."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from chancery.core.secret import Secret
from chancery.protocols.acme.client import table
from chancery.protocols.acme.problems import Problem, problem_in
from chancery.sdk.answer import Answer
from chancery.sdk.errors import ProtocolViolation

_MOST_ISSUERS = 10
_LONGEST_WAIT = timedelta(hours=1)


@dataclass(frozen=True)
class OrderView:
    """An order as the CA shows it; `wait` is its Retry-After, where it says one."""

    status: str
    identifiers: frozenset[tuple[str, str]]
    authorizations: tuple[str, ...]
    finalize: str
    certificate: str
    error: Problem | None
    wait: timedelta | None


@dataclass(frozen=True)
class ChallengeView:
    """One way to validate a name."""

    type: str
    url: str
    token: str
    status: str
    error: Problem | None
    issuers: tuple[str, ...]


@dataclass(frozen=True)
class AuthorizationView:
    """A name, and how its validation stands."""

    name: str
    kind: str
    wildcard: bool
    status: str
    challenges: tuple[ChallengeView, ...]

    @property
    def problem(self) -> Problem | None:
        """Return what the CA says went wrong."""
        return next((c.error for c in self.challenges if c.error is not None), None)


def order_in(answer: Answer) -> OrderView:
    """Read an order; raises `ProtocolViolation` for what has no status."""
    found = table(answer)
    if not isinstance(found.get("status"), str):
        raise _no(answer, "order")
    told = answer.retry_after
    return OrderView(
        status=found["status"],
        identifiers=frozenset(_identifier(row) for row in _rows(found.get("identifiers"))),
        authorizations=tuple(_texts(found.get("authorizations"))),
        finalize=_text(found, "finalize"),
        certificate=_text(found, "certificate"),
        error=problem_in(found.get("error"), answer.secrets),
        wait=min(told - answer.now, _LONGEST_WAIT) if told is not None else None,
    )


def authorization_in(answer: Answer) -> AuthorizationView:
    """Read an authorization; raises `ProtocolViolation` for what has no status or no name."""
    found = table(answer)
    about = found.get("identifier")
    about = about if isinstance(about, dict) else {}
    if not isinstance(found.get("status"), str) or not _text(about, "value"):
        raise _no(answer, "authorization")
    return AuthorizationView(
        name=_text(about, "value"),
        kind=_text(about, "type"),
        wildcard=found.get("wildcard") is True,
        status=found["status"],
        challenges=tuple(_challenge(row, answer.secrets) for row in _rows(found.get("challenges"))),
    )


def _challenge(row: dict[str, Any], secrets: Sequence[Secret]) -> ChallengeView:
    return ChallengeView(
        type=_text(row, "type"),
        url=_text(row, "url"),
        token=_text(row, "token"),
        status=_text(row, "status"),
        error=problem_in(row.get("error"), secrets),
        issuers=tuple(_texts(row.get("issuer-domain-names")))[: _MOST_ISSUERS + 1],
    )


def _identifier(row: dict[str, Any]) -> tuple[str, str]:
    """Return (type, value); an IP address as everybody writes it (RFC 8738 section 3 wants RFC 5952's form)."""
    kind, value = _text(row, "type"), _text(row, "value").lower().rstrip(".")
    if kind == "ip":
        with suppress(ValueError):
            value = str(ip_address(value))
    return kind, value


def _rows(value: Any) -> list[dict[str, Any]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return value[:2000] if isinstance(value, str) else ""


def _no(answer: Answer, what: str) -> ProtocolViolation:
    return ProtocolViolation(
        f"The CA's answer is no {what}.",
        code="shape",
        text=answer.text,
        stage="response",
        bytes_sent=answer.effect,
    )
