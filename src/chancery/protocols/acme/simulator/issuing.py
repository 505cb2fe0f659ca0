"""Certificates: made, handed out with their chains, revoked; and renewal information (RFC 8555 section 7.4.2, 9773)."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chancery.core.clock import Clock
from chancery.protocols.acme.simulator.asking import Ask, Route
from chancery.protocols.acme.simulator.dials import AcmeDials
from chancery.protocols.acme.simulator.refusal import Refusal, missing, unauthorized
from chancery.protocols.acme.simulator.signatures import decode, encode
from chancery.protocols.acme.simulator.state import Book, Certificate, Order
from chancery.protocols.acme.simulator.validation import stamp
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, json_reply
from chancery.sandbox.ledger import Ledger

_DAYS = {"": 90, "classic": 90, "shortlived": 6}
_REASONS = {0, 1, 3, 4, 5, 9}
_PEM = "application/pem-certificate-chain"


class Issuing:
    """The CA's certificates."""

    def __init__(self, book: Book, ca: SandboxCa, ledger: Ledger, dials: Dials, clock: Clock) -> None:
        self._book, self._ca, self._ledger, self._dials, self._clock = book, ca, ledger, dials, clock

    def routes(self) -> list[Route]:
        """Return path → handler."""
        return [("/cert/{id}", self.download), ("/cert/{id}/{number}", self.download), ("/revoke-cert", self.revoke)]

    @property
    def _now(self) -> AcmeDials:
        found: AcmeDials = self._dials.now
        return found

    def issue(self, order: Order, csr: x509.CertificateSigningRequest) -> None:
        """Make the certificate of an order, and write it into the ledger."""
        now = self._clock.now()
        names = [value for _, value in order.identifiers]
        leaf = self._ca.issue_until(
            ec.generate_private_key(ec.SECP256R1()).public_key() if self._now.wrong_key else csr.public_key(),
            names[0],
            ["another.example.com"] if self._now.wrong_name else names,
            now,
            order.not_after or now + timedelta(days=_DAYS[order.profile]) - timedelta(minutes=1),
        )
        made = Certificate(secrets.token_hex(8), order.account, leaf, names)
        self._book.certificates[made.id] = made
        order.certificate, order.ready_at = made.id, now + timedelta(seconds=self._now.issue_delay)
        replaced = self.by_renewal_id(order.replaces) if order.replaces else None
        if replaced is not None:
            replaced.replaced = True
        self._ledger.add(
            now,
            "order",
            order=order.id,
            spki_sha256=hashlib.sha256(_spki(csr.public_key())).hexdigest(),
            csr_sha256=hashlib.sha256(csr.public_bytes(Encoding.DER)).hexdigest(),
            detail=order.replaces,
        )

    def is_key(self, csr: x509.CertificateSigningRequest, jwk: dict[str, Any]) -> bool:
        """Say whether a request is for an account's own key."""
        key = csr.public_key()
        if isinstance(key, ec.EllipticCurvePublicKey) and jwk.get("kty") == "EC":
            return key.public_numbers().x == int.from_bytes(decode(str(jwk["x"])), "big")
        if isinstance(key, rsa.RSAPublicKey) and jwk.get("kty") == "RSA":
            return key.public_numbers().n == int.from_bytes(decode(str(jwk["n"])), "big")
        return False

    def download(self, ask: Ask) -> Reply:
        """Hand out a certificate with one of its chains; the others are linked."""
        ask.reads()
        found = self._book.certificates.get(ask.asked.params["id"])
        if found is None:
            raise missing("certificate")
        if found.account != ask.who().id:
            raise unauthorized("That certificate is another account's.")
        number = ask.asked.params.get("number", "0")
        chains = self._chains(found.leaf)
        if not number.isdecimal() or int(number) >= len(chains):
            raise missing("chain")
        body = b"".join(c.public_bytes(Encoding.PEM) for c in chains[int(number)])
        others = [
            f'<{ask.url(f"/cert/{found.id}/{n}")}>;rel="alternate"' for n in range(len(chains)) if str(n) != number
        ]
        return Reply(200, body, _PEM, headers={"Link": ", ".join(others)})

    def _chains(self, leaf: x509.Certificate) -> list[list[x509.Certificate]]:
        if self._now.chain == "missing":
            return [[leaf]]
        if self._now.chain == "shuffled":
            return [[self._ca.root, self._ca.intermediate, leaf]]
        return [[leaf, self._ca.intermediate], [leaf, self._ca.intermediate, self._ca.cross]]

    def revoke(self, ask: Ask) -> Reply:
        """Revoke (RFC 8555 section 7.6): for the account that ordered it, or for its own key."""
        body = ask.jws.json()
        raw = decode(str(body.get("certificate", "")))
        found = next((c for c in self._book.certificates.values() if c.leaf.public_bytes(Encoding.DER) == raw), None)
        if found is None:
            raise missing("certificate")
        self._check_revoker(ask, found)
        reason = body.get("reason", 0)
        if reason not in _REASONS:
            raise Refusal("badRevocationReason", f"Reason {reason} is not for subscribers.")
        if found.revoked is not None:
            raise Refusal("alreadyRevoked", "It is revoked already.")
        found.revoked = int(reason)
        self._ledger.add(self._clock.now(), "revoke", order=found.id, detail=str(reason))
        return Reply(200, acted=True)

    def _check_revoker(self, ask: Ask, found: Certificate) -> None:
        if ask.account is not None:
            if ask.account.id != found.account:
                raise unauthorized("The account did not order this certificate.")
            return
        own = found.leaf.public_key()
        numbers = own.public_numbers() if isinstance(own, ec.EllipticCurvePublicKey) else None
        jwk = ask.jwk or {}
        if numbers is None or jwk.get("kty") != "EC" or int.from_bytes(decode(str(jwk.get("x"))), "big") != numbers.x:
            raise unauthorized("The key is not the certificate's.")

    # Renewal information ------------------------------------------------------------------------------

    def by_renewal_id(self, named: str) -> Certificate | None:
        """Return the certificate that RFC 9773 section 4.1 names so."""
        return next((c for c in self._book.certificates.values() if _renewal_id(c.leaf) == named), None)

    def renewal_info(self, asked: Asked) -> Reply:
        """Say when to renew (RFC 9773 section 4.2); asked without signature."""
        found = self.by_renewal_id(asked.params["id"])
        if found is None:
            raise missing("certificate")
        start, end = self._window(found.leaf)
        reply = json_reply(
            {
                "suggestedWindow": {"start": stamp(start), "end": stamp(end)},
                "explanationURL": "https://ca.example/renewals",
            }
        )
        reply.headers["Retry-After"] = "21600"
        return reply

    def _window(self, leaf: x509.Certificate) -> tuple[datetime, datetime]:
        if self._now.renew_now:
            return self._clock.now() - timedelta(days=2), self._clock.now() - timedelta(days=1)
        life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
        start = leaf.not_valid_before_utc + life * 2 / 3
        return start, start + timedelta(days=2)


def _renewal_id(leaf: x509.Certificate) -> str:
    issuer = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier or b""
    serial = leaf.serial_number
    return f"{encode(issuer)}.{encode(serial.to_bytes((serial.bit_length() + 8) // 8, 'big'))}"


def _spki(key: Any) -> bytes:
    raw: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return raw
