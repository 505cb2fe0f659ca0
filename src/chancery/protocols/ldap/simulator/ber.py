"""Messages as a Windows directory writes them: every length of a structure in four octets, which BER allows and DER does not."""

from __future__ import annotations

from chancery.sandbox.der import Part, tlv


def wide(tag: int, *parts: bytes) -> bytes:
    """Return tag, length in four octets, and content."""
    body = b"".join(parts)
    return bytes([tag, 0x84]) + len(body).to_bytes(4, "big") + body


def number(value: int, tag: int = 0x02) -> bytes:
    """Return a number, or an enumeration."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def octets(value: bytes | str, tag: int = 0x04) -> bytes:
    """Return a string of octets."""
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def result(tag: int, code: int, text: str = "", *more: bytes) -> bytes:
    """Return an LDAPResult (RFC 4511 section 4.1.9) under a tag."""
    return wide(tag, number(code, 0x0A), octets(""), octets(text), *more)


def message(ident: int, operation: bytes, *controls: bytes) -> bytes:
    """Return an LDAPMessage."""
    return wide(0x30, number(ident), operation, *([wide(0xA0, *controls)] if controls else []))


def whole(part: Part) -> int:
    """Return the number that an element holds."""
    return int.from_bytes(part.inside, "big")
