"""A certificate out of a CA's reply, with what belongs to it (RFC 9810 section 5.3.4)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from pyasn1_modules import rfc4210

from chancery.protocols.cmp import oids
from chancery.protocols.cmp.message import UNREADABLE as DECODER
from chancery.protocols.cmp.message import Unreadable, decode, encode, inner
from chancery.protocols.cmp.status import WAITING, Status, read_status


@dataclass(frozen=True)
class Grant:
    """What a reply says of one request: `leaf` is b'' while the CA is still at it."""

    number: int
    status: Status
    leaf: bytes
    others: tuple[bytes, ...]

    @property
    def waits(self) -> bool:
        """Say whether the CA wants to be polled."""
        return self.status.number == WAITING


def read_grant(content: bytes, extra: tuple[bytes, ...]) -> Grant:
    """Return the first response of an ip, cp or kup; raises `Unreadable`. `extra` are the message's certificates."""
    try:
        found = decode(content, rfc4210.CertRepMessage())
        one = found["response"][0]
        public = tuple(encode(c) for c in found["caPubs"]) if found["caPubs"].isValue else ()
        return Grant(int(one["certReqId"]), read_status(one["status"]), _leaf(one), (*extra, *public))
    except DECODER as error:
        raise Unreadable(str(error)[:100]) from None


def _leaf(one: Any) -> bytes:
    if not one["certifiedKeyPair"].isValue:
        return b""
    pair = one["certifiedKeyPair"]["certOrEncCert"]
    if pair.getName() != "certificate":
        raise Unreadable("its certificate is encrypted, which was not asked for")
    return inner(encode(pair["certificate"]), 0)


def hash_of(leaf: bytes) -> bytes:
    """Return certHash: by the digest of the certificate's own signature (RFC 9810 5.3.18; RFC 9481 3.3 for EdDSA).

    Returns b'' for a signature that implies no digest: such a certificate can only be confirmed implicitly.
    """
    certificate = x509.load_der_x509_certificate(leaf)
    digest = certificate.signature_hash_algorithm
    if digest is not None:
        return certificate.fingerprint(digest)
    oid = certificate.signature_algorithm_oid.dotted_string
    if oid == oids.ED25519:
        return hashlib.sha512(leaf).digest()
    return hashlib.shake_256(leaf).digest(64) if oid == oids.ED448 else b""
