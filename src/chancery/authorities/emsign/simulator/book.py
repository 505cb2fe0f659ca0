"""What the account keeps: orders, their domains and certificates, whichever interface they came by."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography import x509

from chancery.authorities.emsign.simulator.products import Product

REASONS = {
    "key-compromise": "1",
    "affiliation-changed": "3",
    "superseded": "4",
    "cessation-of-operation": "5",
    "privilege-withdrawn": "9",
}
"""V2's word → V1's number, of what public SSL accepts (RFC 5280 section 5.3.1)."""


@dataclass
class Check:
    """The control of one domain: PENDING, VERIFIED or REJECTED."""

    domain: str
    from_when: datetime
    status: str = "PENDING"
    method: str = ""
    token: str = ""
    expires: datetime | None = None
    verified_at: datetime | None = None
    caa: str = "SKIPPED"


@dataclass
class Revocation:
    """One request to revoke: `state` is initiated, revoked or rejected."""

    reason: str
    note: str
    asked_at: datetime
    ready_at: datetime
    state: str = "initiated"
    done_at: datetime | None = None


@dataclass
class Order:
    """One order; `number` is '' as long as it is a draft. `ended` is cancelled, rejected or expired."""

    number: str
    request: str
    product: Product
    names: list[str]
    created: datetime
    until: datetime
    originator: str
    csr: x509.CertificateSigningRequest | None = None
    group: str = ""
    organization: str = ""
    tags: list[str] = field(default_factory=list)
    remarks: str = ""
    email: str = ""
    auto_renew: bool = True
    years: int = 1
    signed_by: str = ""
    signed_at: datetime | None = None
    documents: bool = True
    vetted: bool = True
    approved: bool = True
    checks: dict[str, Check] = field(default_factory=dict)
    ready_at: datetime | None = None
    sign_at: datetime | None = None
    leaf: x509.Certificate | None = None
    chain: list[x509.Certificate] = field(default_factory=list)
    issued_at: datetime | None = None
    downloaded: bool = False
    revocation: Revocation | None = None
    ended: str = ""
    base: str = ""
    reissues: int = 0

    @property
    def draft(self) -> bool:
        """Say whether it was only saved."""
        return not self.number

    @property
    def revoked(self) -> bool:
        """Say whether its certificate is revoked."""
        return self.revocation is not None and self.revocation.state == "revoked"

    @property
    def serial(self) -> str:
        """Return the serial number as CERTInext writes it: decimal; '' before it is issued."""
        return str(self.leaf.serial_number) if self.leaf is not None else ""


@dataclass
class Domain:
    """One domain of the account that was validated ahead of orders."""

    id: str
    name: str
    organization: str
    method: str
    created: datetime
    check: Check
    active: bool = True
    until: datetime | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Book:
    """Everything."""

    orders: list[Order] = field(default_factory=list)
    domains: list[Domain] = field(default_factory=list)
    published: set[tuple[str, str]] = field(default_factory=set)
    open: list[Order] = field(default_factory=list)
    by_number: dict[str, Order] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def next_numbers(self) -> tuple[str, str]:
        """Return a new order number and a new request number, ten digits each."""
        n = next(self._numbers)
        return str(7_465_857_000 + n * 13), str(5_787_262_000 + n * 17)

    def add(self, order: Order) -> None:
        """Keep a new order."""
        self.orders.append(order)
        self.open.append(order)
        if order.number:
            self.by_number[order.number] = order

    def number(self, order: Order, number: str) -> None:
        """Give a draft its order number."""
        order.number = number
        self.by_number[number] = order

    def order(self, number: str) -> Order | None:
        """Return an order by its number."""
        return self.by_number.get(number)

    def requested(self, request: str) -> Order | None:
        """Return an order or draft by its request number."""
        return next((o for o in self.orders if o.request == request), None)

    def domain(self, ident: str) -> Domain | None:
        """Return a domain by its id."""
        return next((d for d in self.domains if d.id == ident), None)
