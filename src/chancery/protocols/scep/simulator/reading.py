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
_BROKEN = (ValueError, TypeError, IndexError, KeyError, AttributeError, InvalidSignature, UnsupportedAlgorithm)


class Garbled(Exception):
    """The message cannot be read at all: there is nobody to answer."""


@dataclass(frozen=True)
class Message:
    """A message whose signature was verified. `fits` is False where that or the decryption failed."""

    kind: str
    transaction: str
    nonce: bytes
    signer: x509.Certificate
    content: bytes
    fits: bool


def read(body: bytes, reader: tuple[x509.Certificate, Any]) -> Message:
    """Return the message; raises `Garbled` where not even its transaction and signer can be made out."""
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
        return Message(kind, transaction, nonce, signer, _opened(inside, reader), fits=True)
    except _BROKEN:
        return Message(kind, transaction, nonce, signer, b"", fits=False)


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
    algorithm = _DIGESTS[info[2].parts()[0].raw]()
    digest = hashes.Hash(algorithm)
    digest.update(inside)
    if digest.finalize() != said:
        raise ValueError("the digest does not fit")
    attributes = _tagged(info, CONTEXT_0).raw
    signature = info[-1].inside
    key: Any = signer.public_key()
    key.verify(signature, b"\x31" + attributes[1:], padding.PKCS1v15(), algorithm)


def _opened(body: bytes, reader: tuple[x509.Certificate, Any]) -> bytes:
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
    cipher = _CIPHERS[kind.raw](secret)
    decryptor = Cipher(cipher, modes.CBC(iv.inside)).decryptor()
    padded = decryptor.update(hidden.inside) + decryptor.finalize()
    unpadder = PKCS7(cipher.block_size).unpadder()
    return unpadder.update(padded) + unpadder.finalize()
