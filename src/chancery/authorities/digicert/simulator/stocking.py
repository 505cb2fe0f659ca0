"""Fills the account with issued orders, as one has them that was used for years, and not by us alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.digicert.simulator.account import ORGANIZATIONS, ROOT_CONTAINER, Key
from chancery.authorities.digicert.simulator.products import product_of
from chancery.authorities.digicert.simulator.state import Book, Certificate, Order
from chancery.core.clock import Clock
from chancery.sandbox.ca import SandboxCa, pem

MOST = 20_000
_PAID, _DAYS = timedelta(days=365), 190


class Stocking:
    """Makes orders that somebody placed long ago."""

    def __init__(self, book: Book, ca: SandboxCa, clock: Clock) -> None:
        self._book, self._ca, self._clock = book, ca, clock

    def stock(self, number: int, name: str, *, kept: bool) -> list[dict[str, Any]]:
        """Issue `number` certificates for hosts of `name`; what is not `kept` was issued, and the account has it no more.

        Returns order, certificate, serial and PEM of each.
        """
        return [self._one(f"{name}-{n}.example.com", kept=kept) for n in range(min(number, MOST))]

    def _one(self, host: str, *, kept: bool) -> dict[str, Any]:
        now, key = self._clock.now(), ec.generate_private_key(ec.SECP256R1())
        leaf = self._ca.issue(key.public_key(), host, [host], now, _DAYS)
        csr = x509.CertificateSigningRequestBuilder().subject_name(leaf.subject).sign(key, hashes.SHA256())
        text = csr.public_bytes(Encoding.PEM).decode()
        made = Certificate(next(self._book.numbers), leaf, self._ca.chain(leaf), now, text)
        number = next(self._book.numbers)
        if kept:
            self._keep(number, made, host)
        return {"order": number, "certificate": made.id, "serial": made.serial, "pem": pem([leaf], "\n")}

    def _keep(self, number: int, made: Certificate, host: str) -> None:
        body = {"certificate": {"common_name": host, "csr": made.csr}, "organization": {"id": ORGANIZATIONS[0]["id"]}}
        now, user = self._clock.now(), Key("", 1, "somebody.else")
        order = Order(
            number, product_of("ssl_basic"), body, [host], now, "issued", "", ROOT_CONTAINER, user, now + _PAID
        )
        order.certificates.append(made)
        order.dcv_method = "dns-txt-token"
        self._book.orders[number] = order
        self._book.certificates[made.id] = made
