"""The little DER (X.690) that simulators write and read, apart from the libraries that our clients read it with."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

SEQUENCE, SET, OCTETS, INTEGER, PRINTABLE = 0x30, 0x31, 0x04, 0x02, 0x13
_OID, CONTEXT_0 = 0x06, 0xA0
NULL = b"\x05\x00"


def tlv(tag: int, *parts: bytes) -> bytes:
    """Return tag, length and content."""
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def oid(text: str) -> bytes:
    """Return an object identifier."""
    first, second, *rest = (int(part) for part in text.split("."))
    encoded = bytearray([first * 40 + second])
    for number in rest:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | (number & 0x7F))
        encoded += bytes(reversed(groups))
    return tlv(_OID, bytes(encoded))


def integer(number: int) -> bytes:
    """Return a number that is not negative."""
    return tlv(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


@dataclass(frozen=True)
class Part:
    """One element: its tag, its content, and all its bytes."""

    tag: int
    inside: bytes
    raw: bytes

    def parts(self) -> list[Part]:
        """Return the elements inside; raises `ValueError` where they cannot be read."""
        return read_all(self.inside)


def read_all(der: bytes) -> list[Part]:
    """Return the elements that follow each other, with definite lengths; raises `ValueError`."""
    found = []
    while der:
        start, size = 2, der[1] if len(der) > 1 else 0
        if size & 0x80:
            start = 2 + (size & 0x7F)
            size = int.from_bytes(der[2:start], "big")
        if len(der) < start + size or der[1:2] in {b"", b"\x80"}:
            raise ValueError("an element is cut off, or of indefinite length")
        found.append(Part(der[0], der[start : start + size], der[: start + size]))
        der = der[start + size :]
    return found


def read_one(der: bytes) -> Part:
    """Return the one element that these bytes are; raises `ValueError`."""
    found = read_all(der)
    if len(found) != 1:
        raise ValueError("one element was expected")
    return found[0]


def certs_only(certificates: list[x509.Certificate]) -> bytes:
    """Return certificates as SignedData without content and signer (RFC 5652 section 5), in the given order.

    DER would sort them; many servers do not, and then the order looks as if it meant something.
    """
    inside = b"".join(c.public_bytes(Encoding.DER) for c in certificates)
    data = tlv(SEQUENCE, oid("1.2.840.113549.1.7.1"))
    signed = tlv(SEQUENCE, b"\x02\x01\x01", tlv(SET), data, tlv(CONTEXT_0, inside), tlv(SET))
    return tlv(SEQUENCE, oid("1.2.840.113549.1.7.2"), tlv(CONTEXT_0, signed))
