"""What the simulator keeps: orders, their requests and certificates, domains, and a log of changed states."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from chancery.authorities.digicert.simulator.account import Key
from chancery.authorities.digicert.simulator.products import Product

_MOST_DIGITS = 18


def is_number(text: str) -> bool:
    """Say whether a text is an id: a number of at most 18 digits."""
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS


@dataclass
class Certificate:
    """One certificate of an order: `kind` is original, reissue or duplicate."""

    id: int
    leaf: x509.Certificate
    chain: list[x509.Certificate]
    issued_at: datetime
    csr: str
    kind: str = "original"
    revoked: bool = False
    reason: str = ""
    revoke_at: datetime | None = None

    @property
    def serial(self) -> str:
        """Return the serial number as CertCentral writes it: upper-case hex."""
        return f"{self.leaf.serial_number:X}"

    @property
    def thumbprint(self) -> str:
        """Return the SHA-1 of the certificate as CertCentral writes it: upper-case hex."""
        return self.leaf.fingerprint(hashes.SHA1()).hex().upper()  # noqa: S303  the documented identifier

    @property
    def names(self) -> list[str]:
        """Return the DNS names inside."""
        found = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return found.get_values_for_type(x509.DNSName)

    def status(self, now: datetime) -> str:
        """Return the word of certificate lists."""
        if self.revoked:
            return "revoked"
        return "expired" if self.leaf.not_valid_after_utc <= now else "issued"


@dataclass
class Asked:
    """A certificate that was asked for, and not issued yet: in a new order, a reissue or a duplicate.

    `until` is its end if it is issued at once. A number of days counts from the issue, so a later issue ends later,
    unless a date was asked for or the order (`no_later`) ends before.
    """

    kind: str
    certificate: dict[str, Any]
    csr: x509.CertificateSigningRequest
    names: list[str]
    until: datetime
    request: int
    at: datetime
    no_later: datetime
    fixed: bool = False
    ready_at: datetime | None = None

    def end(self, now: datetime) -> datetime:
        """Return until when the certificate is valid if it is issued now."""
        # Approved after its own end, it is issued all the same, for as short as can be.
        later = self.until if self.fixed else min(self.until + (now - self.at), self.no_later)
        return max(later, now + timedelta(minutes=2))


@dataclass
class Order:
    """One order. `waiting` is the certificate it waits for; `valid_till` the end of what was paid."""

    id: int
    product: Product
    body: dict[str, Any]
    names: list[str]
    created: datetime
    status: str
    reference: str
    container: int
    user: Key
    valid_till: datetime
    waiting: Asked | None = None
    requests: list[int] = field(default_factory=list)
    certificates: list[Certificate] = field(default_factory=list)
    changed: datetime | None = None
    renewed_by: int = 0
    dcv_method: str = ""
    random_value: str = ""
    random_expires: datetime | None = None
    validated: set[str] = field(default_factory=set)
    note: str = ""
    notes: list[dict[str, Any]] = field(default_factory=list)

    @property
    def primary(self) -> Certificate | None:
        """Return the certificate that the order shows: the last one that is no duplicate."""
        return next((c for c in reversed(self.certificates) if c.kind != "duplicate"), None)


@dataclass
class Request:
    """Something that an approver decides: type new_request, reissue, duplicate or revoke."""

    id: int
    type: str
    status: str
    order: int
    at: datetime
    requester: Key
    certificate: int = 0
    reason: str = ""
    comments: str = ""
    processor: Key | None = None
    processor_comment: str = ""


@dataclass
class Domain:
    """One domain of the account and the state of its validation; `assumed` is one that nobody had to validate."""

    id: int
    name: str
    container: int
    organization: int = 0
    method: str = "dns-txt-token"
    token: str = ""
    token_expires: datetime | None = None
    asked_at: datetime | None = None
    valid_until: datetime | None = None
    assumed: bool = False

    def is_valid(self, now: datetime) -> bool:
        """Say whether the validation may be used."""
        return self.valid_until is not None and self.valid_until > now


@dataclass
class Change:
    """One changed state of an order."""

    at: datetime
    order: int
    certificate: int | None
    status: str


@dataclass
class Book:
    """Everything, by number."""

    orders: dict[int, Order] = field(default_factory=dict)
    requests: dict[int, Request] = field(default_factory=dict)
    certificates: dict[int, Certificate] = field(default_factory=dict)
    domains: dict[int, Domain] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    unsettled: set[int] = field(default_factory=set)
    published: set[tuple[str, str]] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1_000_001))

    def order_of(self, certificate: Certificate) -> Order:
        """Return the order that a certificate belongs to."""
        return next(o for o in self.orders.values() if certificate in o.certificates)

    def certificate(self, ident: str) -> Certificate | None:
        """Return a certificate by id or serial number."""
        if is_number(ident) and int(ident) in self.certificates:
            return self.certificates[int(ident)]
        return next((c for c in self.certificates.values() if c.serial == ident.upper().lstrip("0")), None)

    def order(self, ident: str) -> Order | None:
        """Return an order by id, or by serial number or thumbprint of its primary certificate."""
        if is_number(ident) and int(ident) in self.orders:
            return self.orders[int(ident)]
        return next(
            (
                o
                for o in self.orders.values()
                if o.primary and ident.upper() in {o.primary.serial, o.primary.thumbprint}
            ),
            None,
        )
