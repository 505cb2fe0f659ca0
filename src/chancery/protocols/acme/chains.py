"""The certificates that came back (RFC 8555 section 7.4.2), and which of the offered chains is wanted."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.core.certificate import spki_of
from chancery.sdk.answer import Answer
from chancery.sdk.errors import ProtocolViolation

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")
_MOST = 20


@dataclass(frozen=True)
class Bundle:
    """A leaf and the other certificates, DER."""

    leaf: bytes
    others: tuple[bytes, ...]

    def leads_to(self, wanted: str) -> bool:
        """Say whether the chain has an issuer whose name holds `wanted`, in whatever case."""
        parsed = [x509.load_der_x509_certificate(der) for der in (self.leaf, *self.others)]
        return any(wanted.lower() in c.issuer.rfc4514_string().lower() for c in parsed)


def bundle_in(answer: Answer, spki_sha256: str) -> Bundle:
    """Return the certificates of an answer: the leaf is the one for the request's key, wherever it stands.

    Without one for that key the first is taken, so that the engine sees what the CA sent and keeps it away. Raises
    `ProtocolViolation` where there is no certificate.
    """
    found = [der for der in map(_der, _PEM.findall(answer.body)[:_MOST]) if der is not None]
    if not found:
        raise ProtocolViolation(
            "The CA's answer holds no certificate.",
            code="no_certificate",
            text=answer.text,
            stage="response",
            bytes_sent=False,
        )
    leaf = next((der for der in found if spki_of(der) == spki_sha256), found[0])
    return Bundle(leaf, tuple(der for der in found if der != leaf))


def _der(pem: bytes) -> bytes | None:
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError:
        return None
