"""pkiMessage: what is asked, what is answered, and whether the answer belongs to it (RFC 8894 section 3)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography import x509
from pyasn1.codec.der.encoder import encode
from pyasn1.type import char, univ

from chancery.protocols.cms import Unreadable, parse
from chancery.protocols.scep.signing import Signed, verify

_PREFIX = "2.16.840.1.113733.1.9."
_TYPE, _STATUS, _FAIL_INFO = f"{_PREFIX}2", f"{_PREFIX}3", f"{_PREFIX}4"
_SENDER_NONCE, _RECIPIENT_NONCE, _TRANSACTION = f"{_PREFIX}5", f"{_PREFIX}6", f"{_PREFIX}7"
_FAIL_TEXT = "1.3.6.1.5.5.7.24.1"
_NONCE = 16
_CERT_REP = "3"


class Kind(StrEnum):
    """messageType of what we send (RFC 8894 section 3.2.1.2)."""

    PKCS_REQ = "19"
    RENEWAL_REQ = "17"
    CERT_POLL = "20"


class Status(StrEnum):
    """pkiStatus (RFC 8894 section 3.2.1.3)."""

    SUCCESS = "0"
    FAILURE = "2"
    PENDING = "3"


@dataclass(frozen=True, slots=True)
class Asked:
    """What goes along with a message, by which its answer is known."""

    kind: Kind
    transaction: str
    nonce: bytes

    @classmethod
    def fresh(cls, kind: Kind, transaction: str) -> Asked:
        """Return it with a new senderNonce."""
        return cls(kind, transaction, secrets.token_bytes(_NONCE))

    def attributes(self) -> dict[str, bytes]:
        """Return the signed attributes of the message (OID → DER)."""
        return {
            _TYPE: encode(char.PrintableString(str(self.kind))),
            _TRANSACTION: encode(char.PrintableString(self.transaction)),
            _SENDER_NONCE: encode(univ.OctetString(self.nonce)),
        }


@dataclass(frozen=True, slots=True)
class CertRep:
    """An answer that is the CA's, and to what was asked. `fail_text` is not yet scrubbed."""

    status: Status
    fail_info: str
    fail_text: str
    content: bytes


def read(der: bytes, asked: Asked, trusted: tuple[x509.Certificate, ...], *, accept_sha1: bool) -> CertRep:
    """Return the answer; raises `Unreadable` where signature, transactionID or nonce is not as it must be."""
    signed = verify(der, trusted, accept_sha1=accept_sha1)
    if _text(signed, _TYPE) != _CERT_REP:
        raise Unreadable("it is no CertRep")
    if _text(signed, _TRANSACTION) != asked.transaction:
        raise Unreadable("it belongs to another transaction")
    if _bytes(signed, _RECIPIENT_NONCE) != asked.nonce:
        raise Unreadable("it repeats another nonce: it may be an old answer, sent again by somebody")
    try:
        status = Status(_text(signed, _STATUS))
    except ValueError:
        raise Unreadable("its pkiStatus is unknown") from None
    info = _text(signed, _FAIL_INFO) if _FAIL_INFO in signed.attributes else ""
    said = _text(signed, _FAIL_TEXT) if _FAIL_TEXT in signed.attributes else ""
    return CertRep(status, info, said, signed.content)


def _value(signed: Signed, oid: str) -> Any:
    if oid not in signed.attributes:
        raise Unreadable(f"it lacks the attribute {oid}")
    return parse(signed.attributes[oid], None)


def _text(signed: Signed, oid: str) -> str:
    value = _value(signed, oid)
    if not isinstance(value, char.AbstractCharacterString):
        raise Unreadable(f"its attribute {oid} is no text")
    return str(value)


def _bytes(signed: Signed, oid: str) -> bytes:
    value = _value(signed, oid)
    if not isinstance(value, univ.OctetString) or isinstance(value, char.AbstractCharacterString):
        raise Unreadable(f"its attribute {oid} is no byte string")
    return bytes(value)
