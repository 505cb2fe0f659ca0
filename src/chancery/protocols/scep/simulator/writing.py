"""Writes the answers: CertRep, with its envelope and signature (RFC 8894 section 3.3.2, RFC 5652)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.sandbox.der import CONTEXT_0, NULL, OCTETS, PRINTABLE, SEQUENCE, SET, integer, oid, tlv

_DATA, _SIGNED, _ENVELOPED = (oid(f"1.2.840.113549.1.7.{n}") for n in (1, 2, 3))
_CONTENT_TYPE, _MESSAGE_DIGEST = oid("1.2.840.113549.1.9.3"), oid("1.2.840.113549.1.9.4")
_RSA = tlv(SEQUENCE, oid("1.2.840.113549.1.1.1"), NULL)
_VERISIGN = "2.16.840.1.113733.1.9."
_FAIL_TEXT = oid("1.3.6.1.5.5.7.24.1")
_UTF8 = 0x0C
_DIGESTS: dict[str, tuple[bytes, Any]] = {
    "": (oid("2.16.840.1.101.3.4.2.1"), hashes.SHA256),
    "sha1": (oid("1.3.14.3.2.26"), hashes.SHA1),
}


@dataclass(frozen=True)
class _Chosen:
    oid: bytes
    size: int
    kind: Any
    repeated: int = 1


_CIPHERS = {
    "": _Chosen(oid("2.16.840.1.101.3.4.1.2"), 16, algorithms.AES),
    "aes256": _Chosen(oid("2.16.840.1.101.3.4.1.42"), 32, algorithms.AES),
    "3des": _Chosen(oid("1.2.840.113549.3.7"), 24, TripleDES),
    # One key three times over is single DES.
    "des": _Chosen(oid("1.3.14.3.2.7"), 8, TripleDES, 3),
}


@dataclass(frozen=True)
class Rep:
    """What an answer says."""

    transaction: str
    nonce: bytes
    status: str
    kind: str = "3"
    fail_info: str = ""
    fail_text: str = ""


def envelope(text: bytes, recipient: x509.Certificate, cipher: str, *, stretched: bool) -> bytes:
    """Return EnvelopedData for a certificate's key; `stretched` sends the content in pieces, as BER allows."""
    chosen = _CIPHERS[cipher]
    key = secrets.token_bytes(chosen.size)
    algorithm = chosen.kind(key * chosen.repeated)
    iv, padder = secrets.token_bytes(algorithm.block_size // 8), PKCS7(algorithm.block_size).padder()
    encryptor = Cipher(algorithm, modes.CBC(iv)).encryptor()
    hidden = encryptor.update(padder.update(text) + padder.finalize()) + encryptor.finalize()
    public: Any = recipient.public_key()
    who = tlv(SEQUENCE, recipient.issuer.public_bytes(), integer(recipient.serial_number))
    info = tlv(SEQUENCE, integer(0), who, _RSA, tlv(OCTETS, public.encrypt(key, padding.PKCS1v15())))
    inner = tlv(SEQUENCE, _DATA, tlv(SEQUENCE, chosen.oid, tlv(OCTETS, iv)), _hidden(hidden, stretched=stretched))
    return _info(_ENVELOPED, tlv(SEQUENCE, integer(0), tlv(SET, info), inner))


def _hidden(text: bytes, *, stretched: bool) -> bytes:
    if not stretched:
        return tlv(0x80, text)
    pieces = b"".join(tlv(OCTETS, text[i : i + 100]) for i in range(0, len(text), 100))
    return b"\xa0\x80" + pieces + b"\0\0"


def signed(
    content: bytes, rep: Rep, signer: tuple[x509.Certificate, Any], digest: str, *, other: bool = False
) -> bytes:
    """Return the answer as SignedData; `other` puts content into it that is not what was signed."""
    certificate, key = signer
    algorithm, kind = _DIGESTS[digest]
    hashed = hashes.Hash(kind())
    hashed.update(content)
    attributes = [
        _attribute(_CONTENT_TYPE, _DATA),
        _attribute(_MESSAGE_DIGEST, tlv(OCTETS, hashed.finalize())),
        *_said(rep),
    ]
    inside = b"".join(sorted(attributes))
    signature = key.sign(tlv(SET, inside), padding.PKCS1v15(), kind())
    who = tlv(SEQUENCE, certificate.issuer.public_bytes(), integer(certificate.serial_number))
    hashing = tlv(SEQUENCE, algorithm, NULL)
    info = tlv(SEQUENCE, integer(1), who, hashing, tlv(CONTEXT_0, inside), _RSA, tlv(OCTETS, signature))
    carried = tlv(CONTEXT_0, tlv(OCTETS, content + b"!" if other else content)) if content or other else b""
    along = tlv(CONTEXT_0, certificate.public_bytes(Encoding.DER))
    return _info(
        _SIGNED,
        tlv(SEQUENCE, integer(1), tlv(SET, hashing), tlv(SEQUENCE, _DATA, carried), along, tlv(SET, info)),
    )


def _said(rep: Rep) -> list[bytes]:
    found = [
        _attribute(oid(_VERISIGN + "2"), tlv(PRINTABLE, rep.kind.encode())),
        _attribute(oid(_VERISIGN + "3"), tlv(PRINTABLE, rep.status.encode())),
        _attribute(oid(_VERISIGN + "5"), tlv(OCTETS, secrets.token_bytes(16))),
        _attribute(oid(_VERISIGN + "6"), tlv(OCTETS, rep.nonce)),
        _attribute(oid(_VERISIGN + "7"), tlv(PRINTABLE, rep.transaction.encode())),
    ]
    if rep.fail_info:
        found.append(_attribute(oid(_VERISIGN + "4"), tlv(PRINTABLE, rep.fail_info.encode())))
    if rep.fail_text:
        found.append(_attribute(_FAIL_TEXT, tlv(_UTF8, rep.fail_text.encode())))
    return found


def _attribute(kind: bytes, value: bytes) -> bytes:
    return tlv(SEQUENCE, kind, tlv(SET, value))


def _info(kind: bytes, inside: bytes) -> bytes:
    return tlv(SEQUENCE, kind, tlv(CONTEXT_0, inside))
