"""Whether the domains of an order are controlled.

Nothing here asks DNS: what a subscriber has published is what the control door was told (`POST /publish`): a TXT record
by host and value, a file by URL and content, an e-mail whose link was followed by domain and the word `followed`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta

from chancery.authorities.emsign.simulator.book import Book, Check, Domain, Order
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials

METHODS = ("dns-txt", "http-url", "email")
TOKEN_LIFE = timedelta(days=30)
REUSE = timedelta(days=200)
_RESERVED = ("example.com", "example.org", "example.net", "test", "example", "invalid", "localhost", "internal")


class Validation:
    """Judges domains by the account's validated ones, and by what was published."""

    def __init__(self, book: Book, dials: Dials, clock: Clock) -> None:
        self._book, self._dials, self._clock = book, dials, clock

    def prepare(self, order: Order) -> None:
        """Open a check for every domain of a public order; what is validated already counts at once."""
        if not order.product.public:
            return
        ready = order.created + timedelta(seconds=self._dials.now.dcv_lag)
        for name in dict.fromkeys(n.removeprefix("*.") for n in order.names):
            if name in order.checks:
                continue
            check = Check(name, ready)
            if self._assumed(name, order.organization):
                self.pass_(check, "dns-txt")
            order.checks[name] = check

    def challenge(self, check: Check, method: str) -> Check:
        """Give a check its token: the same one as long as it is valid."""
        now = self._clock.now()
        if check.expires is None or check.expires <= now or check.method != method:
            seed = f"{check.domain}/{method}/{now.isoformat()}"
            check.token, check.expires = hashlib.sha256(seed.encode()).hexdigest()[:40], now + TOKEN_LIFE
        check.method = method
        return check

    def host(self, domain: str) -> str:
        """Return where a TXT record is looked for."""
        label = self._dials.now.txt_host
        return f"{label}.{domain}" if label else domain

    def look(self, check: Check, method: str) -> bool:
        """Look for what was published; a check that finds it is passed."""
        now = self._clock.now()
        fresh = bool(check.token) and check.expires is not None and check.expires > now
        if fresh and check.method == method and self._place(check) in self._book.published:
            self.pass_(check, method)
        return check.status == "VERIFIED"

    def pass_(self, check: Check, method: str) -> None:
        """Count a domain as controlled."""
        check.status, check.method, check.verified_at, check.caa = "VERIFIED", method, self._clock.now(), "PASSED"

    def reject(self, order: Order) -> None:
        """Close what is open of an order that ended."""
        for check in order.checks.values():
            if check.status == "PENDING":
                check.status = "REJECTED"

    def is_open(self, order: Order) -> bool:
        """Say whether a domain keeps the order waiting; each of them counts, whatever their sum says."""
        if self._dials.now.dcv == "all":
            for check in order.checks.values():
                self.pass_(check, check.method or "dns-txt")
        return bool(order.checks) and (
            self._dials.now.caa_fails or any(c.status != "VERIFIED" for c in order.checks.values())
        )

    def covers(self, domain: Domain, name: str) -> bool:
        """Say whether a validated domain of the account covers a name: itself, or one below it."""
        valid = domain.active and domain.check.status == "VERIFIED"
        fresh = domain.until is not None and domain.until > self._clock.now()
        return valid and fresh and domain.name in set(_above(name))

    def _assumed(self, name: str, organization: str) -> bool:
        dial = self._dials.now.dcv
        if dial == "all" or (dial == "reserved" and any(s in _RESERVED for s in _above(name))):
            return True
        return any(self.covers(d, name) and d.organization in {"", organization} for d in self._book.domains)

    def _place(self, check: Check) -> tuple[str, str]:
        if check.method == "http-url":
            return f"http://{check.domain}/.well-known/pki-validation/{file_of(check)}", check.token
        if check.method == "email":
            return check.domain, "followed"
        return self.host(check.domain), check.token


def file_of(check: Check) -> str:
    """Return the name of the file for validation by HTTP."""
    return f"{check.token[:16]}.txt"


def _above(name: str) -> Iterator[str]:
    labels = name.lower().removeprefix("*.").split(".")
    return (".".join(labels[i:]) for i in range(len(labels)))
