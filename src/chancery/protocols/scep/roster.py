"""Who is who behind a SCEP service: the CA, and registration authorities that read or sign for it (GetCACert)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.core.decoding import UNREADABLE
from chancery.protocols.bundle import climb
from chancery.protocols.cms import Unreadable, certificates

_UNSIGNED: tuple[type[Exception], ...] = (*UNREADABLE, InvalidSignature)


@dataclass(frozen=True, slots=True)
class Roster:
    """`ca` issues; `registration` are authorities that it certified; `above` (DER) is what else came, for chains."""

    ca: x509.Certificate
    registration: tuple[x509.Certificate, ...]
    above: tuple[bytes, ...]

    @property
    def reader(self) -> x509.Certificate:
        """Return whom messages are encrypted to: a registration authority that may read, else the CA."""
        return next((one for one in self.registration if _may(one, encrypt=True)), self.ca)

    @property
    def signers(self) -> tuple[x509.Certificate, ...]:
        """Return who may sign answers."""
        return (*(one for one in self.registration if _may(one, encrypt=False)), self.ca)

    @property
    def ders(self) -> tuple[bytes, ...]:
        """Return the certificates of CAs (DER), for chains."""
        return (self.ca.public_bytes(Encoding.DER), *self.above)

    def __str__(self) -> str:
        names = [one.subject.rfc4514_string() for one in self.registration]
        return f"CA {self.ca.subject.rfc4514_string()}; registration authorities: {', '.join(names) or 'none'}"


def read(body: bytes, fingerprint: str) -> Roster:
    """Return the roster out of GetCACert's answer: one certificate, or a certificates-only message, in any order.

    The CA is the lowest of the CAs that came (RFC 8894 section 4.2.1.2 has intermediates and registration authorities
    in one bag); a registration authority counts only if that CA certified it. With a `fingerprint` (SHA-256, hex) one of
    the CA certificates must have it, and the CA must be that one or stand below it. Raises `Unreadable`.
    """
    found = list(_certificates(body))
    authorities = [one for one in found if _is_ca(one)]
    if not authorities:
        raise Unreadable("it holds no CA's certificate")
    ca = next((a for a in authorities if not any(_signed(b, a) for b in authorities if b != a)), authorities[0])
    above = tuple(one.public_bytes(Encoding.DER) for one in authorities if one != ca)
    if fingerprint:
        _check_fingerprint(ca, above, fingerprint)
    return Roster(ca, tuple(one for one in found if one not in authorities and _signed(one, ca)), above)


def _certificates(body: bytes) -> Iterable[x509.Certificate]:
    try:
        return [_whole(body)]
    except UNREADABLE:
        pass
    try:
        return [_whole(der) for der in certificates(body)]
    except UNREADABLE as error:
        raise Unreadable(
            str(error) if isinstance(error, Unreadable) else "a certificate in it does not decode"
        ) from None


def _whole(der: bytes) -> x509.Certificate:
    """Return a certificate of which every part that is looked at later decodes."""
    found = x509.load_der_x509_certificate(der)
    _ = found.public_key(), list(found.extensions), found.not_valid_after_utc
    _ = found.subject.rfc4514_string(), found.issuer.rfc4514_string()
    return found


def _check_fingerprint(ca: x509.Certificate, above: tuple[bytes, ...], fingerprint: str) -> None:
    wanted = fingerprint.lower().replace(":", "").replace(" ", "")
    der = ca.public_bytes(Encoding.DER)
    way = (der, *climb(der, above)[0])
    if wanted not in {sha256(one).hexdigest() for one in way}:
        raise Unreadable(f"the CA's certificate (SHA-256 {sha256(der).hexdigest()}) is not the one that was pinned")


def _is_ca(certificate: x509.Certificate) -> bool:
    found = [e.value for e in certificate.extensions if isinstance(e.value, x509.BasicConstraints)]
    return any(value.ca for value in found)


def _may(certificate: x509.Certificate, *, encrypt: bool) -> bool:
    """Say what key usage allows; a certificate without that extension may do both (RFC 5280 section 4.2.1.3)."""
    found = [e.value for e in certificate.extensions if isinstance(e.value, x509.KeyUsage)]
    return all(value.key_encipherment if encrypt else value.digital_signature for value in found)


def _signed(child: x509.Certificate, parent: x509.Certificate) -> bool:
    try:
        child.verify_directly_issued_by(parent)
    except _UNSIGNED:
        return False
    return True
