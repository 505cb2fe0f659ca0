"""Whether the names and the organisation of an order are validated (B7).

Nothing here asks DNS: what a subscriber has published is what the control door was told (`POST /publish`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from chancery.authorities.digicert.simulator.account import ORGANIZATIONS, ROOT_CONTAINER
from chancery.authorities.digicert.simulator.state import Book, Domain, Order
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials

METHODS = {"email", "dns-txt-token", "dns-cname-token", "http-token"}
TARGET = "dcv.digicert.com"
"""Where a CNAME for validation points to."""
TOKEN_LIFE = timedelta(days=30)
REUSE = ((date(2029, 3, 15), 10), (date(2027, 3, 15), 100), (date(2026, 3, 15), 200), (date.min, 398))
"""(from, days) that a domain validation may be used again (B9)."""
ORGANIZATION_REUSE = timedelta(days=398)
_RESERVED = ("example.com", "example.org", "example.net", "test", "example", "invalid", "localhost", "internal")


class Validation:
    """Judges names by the account's domains, and orders by their own random value."""

    def __init__(self, book: Book, dials: Dials, clock: Clock) -> None:
        self._book, self._dials, self._clock = book, dials, clock
        self._begun = clock.now()
        for name in _RESERVED[:3]:
            self._assume(name)

    def open_names(self, order: Order) -> list[str]:
        """Return the names of the waiting certificate that are not validated."""
        names = order.waiting.names if order.waiting else order.names
        return [] if order.product.validation == "private" else [n for n in names if not self._is_valid(order, n)]

    def is_open(self, order: Order) -> bool:
        """Say whether anything keeps the order from being issued."""
        return bool(self._dials.now.caa_fails or self.open_names(order) or not self.organization_ok(order))

    def organization_ok(self, order: Order) -> bool:
        """Say whether the organisation's validation may be used, where the product needs one."""
        return order.product.dv or not self._dials.now.organization_expired

    def organization_row(self, row: dict[str, Any]) -> list[dict[str, Any]]:
        """Return an organisation's validations."""
        expired = self._dials.now.organization_expired or not row["is_active"]
        until = self._begun - timedelta(days=1) if expired else self._begun + ORGANIZATION_REUSE
        word = "expired" if expired else "active"
        return [{"type": kind, "status": word, "validated_until": f"{until:%Y-%m-%d}"} for kind in ("ov", "ev")]

    def prepare(self, order: Order) -> None:
        """Give tokens to what is open: the order's random value, and a domain row for each open name."""
        for name in self.open_names(order):
            if self.domain_of(name) is None:
                self.add(_registered(name), order.container, order.dcv_method or "dns-txt-token")
        if self.open_names(order):
            self.random_value(order)

    def add(self, name: str, container: int = ROOT_CONTAINER, method: str = "dns-txt-token") -> Domain:
        """Add a domain that is not validated."""
        number, now = next(self._book.numbers), self._clock.now()
        made = Domain(number, name, container, ORGANIZATIONS[0]["id"], method, asked_at=now)
        self.new_token(made)
        self._book.domains[number] = made
        return made

    def new_token(self, domain: Domain) -> None:
        """Give a domain a fresh random value."""
        now = self._clock.now()
        domain.token, domain.token_expires = _random(f"{domain.id}/{now}"), now + TOKEN_LIFE

    def random_value(self, order: Order) -> str:
        """Return the order's random value: the same one as long as it is valid."""
        now = self._clock.now()
        if order.random_expires is None or order.random_expires <= now:
            order.random_value, order.random_expires = _random(f"{order.id}/{now}"), now + TOKEN_LIFE
        return order.random_value

    def look(self, order: Order) -> None:
        """Notice what was published for the open names of an order."""
        for name in self.open_names(order):
            domain = self.domain_of(name)
            if domain is not None:
                self.look_at(domain)
            if self._is_there(order.dcv_method, name, order.random_value, order.random_expires):
                order.validated.add(name)
                if domain is not None and not order.product.dv:
                    self._validate(domain)

    def look_at(self, domain: Domain) -> None:
        """Notice what was published for a domain."""
        delay, now = self._dials.now.dcv_delay, self._clock.now()
        if delay and domain.asked_at is not None and domain.asked_at + timedelta(seconds=delay) <= now:
            self._validate(domain)
        if self._is_there(domain.method, domain.name, domain.token, domain.token_expires):
            self._validate(domain)

    def domain_of(self, name: str) -> Domain | None:
        """Return the closest domain of the account that a name lies in."""
        above = list(_suffixes(name))
        found = [d for d in self._book.domains.values() if d.name in above]
        return max(found, key=lambda d: len(d.name), default=None)

    def domain_ok(self, domain: Domain) -> bool:
        """Say whether a domain's validation may be used now."""
        dial = self._dials.now.dcv
        good = dial != "none" if domain.assumed else domain.is_valid(self._clock.now())
        return dial == "all" or good

    def _is_valid(self, order: Order, name: str) -> bool:
        if name in order.validated:
            return True
        domain = self.domain_of(name)
        if domain is None and self._assumes(name):
            domain = self._assume(_registered(name))
        return self._dials.now.dcv == "all" or (domain is not None and self.domain_ok(domain))

    def _assumes(self, name: str) -> bool:
        return self._dials.now.dcv == "reserved" and any(s in _RESERVED for s in _suffixes(name))

    def _assume(self, name: str) -> Domain:
        made = self.add(name)
        made.assumed, made.valid_until = True, self._clock.now() + _reuse(self._clock.now())
        return made

    def _validate(self, domain: Domain) -> None:
        now = self._clock.now()
        domain.assumed, domain.valid_until = False, now + _reuse(now)

    def _is_there(self, method: str, name: str, token: str, expires: datetime | None) -> bool:
        if not token or expires is None or expires <= self._clock.now():
            return False
        cname = method == "dns-cname-token"
        places = [(f"{token}.{s}", TARGET) if cname else (s, token) for s in _suffixes(name) if "." in s]
        return any(place in self._book.published for place in places)


def _reuse(now: datetime) -> timedelta:
    return timedelta(days=next(days for begun, days in REUSE if now.date() >= begun))


def _suffixes(name: str) -> Iterator[str]:
    labels = name.lower().removeprefix("*.").split(".")
    return (".".join(labels[i:]) for i in range(len(labels)))


def _registered(name: str) -> str:
    """Return the domain that a name is registered under: its last two labels, good enough for a stand-in."""
    return ".".join(name.lower().removeprefix("*.").split(".")[-2:])


def _random(seed: str) -> str:
    return hashlib.sha256(seed.encode()).hexdigest()[:32]
