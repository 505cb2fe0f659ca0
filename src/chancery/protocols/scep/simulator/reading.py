"""Reads a client's message: whose it is, and what it says (RFC 8894 section 3, RFC 5652)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from chancery.sandbox.der import CONTEXT_0, OCTETS, Part, oid, read_one

_SIGNED, _ENVELOPED = oid("1.2.840.113549.1.7.2"), oid("1.2.840.113549.1.7.3")
BAD_ALG, BAD_MESSAGE_CHECK = "0", "1"
"""failInfo (RFC 8894 section 3.2.1.4)."""
_MESSAGE_DIGEST = oid("1.2.840.113549.1.9.4")
_VERISIGN = "2.16.840.1.113733.1.9."
_DIGESTS: dict[bytes, Any] = {
    oid("2.16.840.1.101.3.4.2.1"): hashes.SHA256,
    oid("2.16.840.1.101.3.4.2.3"): hashes.SHA512,
    oid("1.3.14.3.2.26"): hashes.SHA1,
}
_CIPHERS: dict[bytes, Any] = {
    oid("2.16.840.1.101.3.4.1.2"): algorithms.AES,
    oid("2.16.840.1.101.3.4.1.42"): algorithms.AES,
    oid("1.2.840.113549.3.7"): TripleDES,
}
_SINGLE_DES = oid("1.3.14.3.2.7")
_BROKEN = (ValueError, TypeError, IndexError, KeyError, AttributeError, InvalidSignature, UnsupportedAlgorithm)


class _Refused(Exception):
    """An algorithm that is not provided."""


class Garbled(Exception):
    """The message cannot be read at all: there is nobody to answer."""


@dataclass(frozen=True)
class Message:
    """What came. `flaw` is '' where signature and encryption are sound, else the failInfo that says what is wrong."""

    kind: str
    transaction: str
    nonce: bytes
    signer: x509.Certificate
    content: bytes
    flaw: str = ""


def read(body: bytes, reader: tuple[x509.Certificate, Any], *, single_des: bool = False) -> Message:
    """Return the message; raises `Garbled` where not even its transaction and signer can be made out.

    Single DES is taken from clients that know nothing better only where that is wanted.
    """
    try:
        data = _unwrapped(body, _SIGNED)
        info = _all(data[-1])[0].parts()
        certificates = [x509.load_der_x509_certificate(one.raw) for one in _all(_tagged(data, CONTEXT_0))]
        serial = int.from_bytes(info[1].parts()[1].inside, "big")
        signer = next(one for one in certificates if one.serial_number == serial)
        attributes = {one.parts()[0].raw: _all(one.parts()[1])[0].inside for one in _all(_tagged(info, CONTEXT_0))}
        values = [attributes[oid(_VERISIGN + number)] for number in ("2", "7", "5")]
    except (*_BROKEN, StopIteration) as error:
        raise Garbled(str(error)) from None
    kind, transaction, nonce = values[0].decode(), values[1].decode(), values[2]
    try:
        inside = data[2].parts()[1].parts()[0].inside
        _check_signature(info, attributes[_MESSAGE_DIGEST], inside, signer)
        return Message(kind, transaction, nonce, signer, _opened(inside, reader, single_des=single_des))
    except _Refused:
        return Message(kind, transaction, nonce, signer, b"", BAD_ALG)
    except _BROKEN:
        return Message(kind, transaction, nonce, signer, b"", BAD_MESSAGE_CHECK)


def _unwrapped(body: bytes, kind: bytes) -> list[Part]:
    info = read_one(body).parts()
    if info[0].raw != kind:
        raise ValueError("another content type was expected")
    return info[1].parts()[0].parts()


def _tagged(parts: list[Part], tag: int) -> Part:
    return next(one for one in parts if one.tag == tag)


def _all(part: Part) -> list[Part]:
    return part.parts()


def _check_signature(info: list[Part], said: bytes, inside: bytes, signer: x509.Certificate) -> None:
    named = info[2].parts()[0].raw
    if named not in _DIGESTS:
        raise _Refused
    algorithm = _DIGESTS[named]()
    digest = hashes.Hash(algorithm)
    digest.update(inside)
    if digest.finalize() != said:
        raise ValueError("the digest does not fit")
    attributes = _tagged(info, CONTEXT_0).raw
    signature = info[-1].inside
    key: Any = signer.public_key()
    key.verify(signature, b"\x31" + attributes[1:], padding.PKCS1v15(), algorithm)


def _opened(body: bytes, reader: tuple[x509.Certificate, Any], *, single_des: bool) -> bytes:
    certificate, key = reader
    envelope = _unwrapped(body, _ENVELOPED)
    recipient = _all(envelope[1])[0].parts()
    if int.from_bytes(recipient[1].parts()[1].inside, "big") != certificate.serial_number:
        raise ValueError("it is for somebody else")
    secret = key.decrypt(recipient[3].inside, padding.PKCS1v15())
    _, algorithm, hidden = envelope[2].parts()
    kind, iv = algorithm.parts()
    if iv.tag != OCTETS:
        raise ValueError("the initialisation vector is missing")
    if kind.raw not in _CIPHERS and not (single_des and kind.raw == _SINGLE_DES):
        raise _Refused
    # One key three times over is single DES.
    cipher = TripleDES(secret * 3) if kind.raw == _SINGLE_DES else _CIPHERS[kind.raw](secret)
    decryptor = Cipher(cipher, modes.CBC(iv.inside)).decryptor()
    # Go's clients send the content in pieces (BER), though with definite lengths.
    whole = b"".join(piece.inside for piece in hidden.parts()) if hidden.tag == CONTEXT_0 else hidden.inside
    padded = decryptor.update(whole) + decryptor.finalize()
    unpadder = PKCS7(cipher.block_size).unpadder()
    return unpadder.update(padded) + unpadder.finalize()
