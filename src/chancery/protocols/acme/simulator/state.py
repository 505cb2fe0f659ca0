"""What the simulated CA keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509


@dataclass
class Account:
    """An account; `key` is its public key as a JWK."""

    id: str
    key: dict[str, Any]
    thumbprint: str
    contacts: list[str]
    status: str = "valid"
    agreed: bool = False
    binding: dict[str, Any] | None = None


@dataclass
class Challenge:
    """One way to validate; `answered_at` is when the client said that it is ready."""

    type: str
    token: str = ""
    status: str = "pending"
    answered_at: datetime | None = None
    validated_at: datetime | None = None
    error: dict[str, Any] | None = None


@dataclass
class Authorization:
    """One name of one account."""

    id: str
    account: str
    kind: str
    value: str
    wildcard: bool
    expires: datetime
    challenges: list[Challenge]
    status: str = "pending"


@dataclass
class Certificate:
    """An issued certificate; `replaced` once a renewal named it."""

    id: str
    account: str
    leaf: x509.Certificate
    names: list[str]
    revoked: int | None = None
    replaced: bool = False


@dataclass
class Order:
    """An order; `ready_at` is when its certificate may be fetched."""

    id: str
    account: str
    identifiers: list[tuple[str, str]]
    authorizations: list[str]
    expires: datetime
    profile: str = ""
    not_after: datetime | None = None
    replaces: str = ""
    error: dict[str, Any] | None = None
    certificate: str = ""
    ready_at: datetime | None = None
    validated_at: datetime | None = None
    looked: bool = False


@dataclass
class Book:
    """Everything, by id."""

    accounts: dict[str, Account] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    authorizations: dict[str, Authorization] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    bindings: dict[str, str] = field(default_factory=dict)
    """Key id of a binding → the account that used it up."""
    nonces: set[str] = field(default_factory=set)

    def clear(self) -> None:
        """Forget everything, as a CA that is set up anew: its numbers begin at one again."""
        for kept in vars(self).values():
            kept.clear()

    def by_key(self, thumbprint: str) -> Account | None:
        """Return the account of a key."""
        return next((a for a in self.accounts.values() if a.thumbprint == thumbprint), None)
