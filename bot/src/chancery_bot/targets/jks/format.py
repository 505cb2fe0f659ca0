"""The keystore format JKS, version 2: big-endian, a SHA-1 over password and content at its end.

Keys are protected by Sun's own algorithm (1.3.6.1.4.1.42.2.17.1.1): a stream of chained SHA-1 over password and salt. Weak by
today's measure; the file's mode is what protects the key. New stores should be PKCS#12.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Sequence
from datetime import datetime

_MAGIC, _VERSION, _PRIVATE = 0xFEEDFEED, 2, 1
_PHRASE = b"Mighty Aphrodite"
_SALT = _DIGEST = 20
_ALGORITHM = bytes.fromhex("300e060a2b060104012a021101010500")
_SHORT_FORM = 0x80


class Broken(Exception):
    """It is no such keystore, or the password is another."""


def write(alias: str, key: bytes, chain: Sequence[bytes], password: str, now: datetime) -> bytes:
    """Return a keystore with one key (PKCS#8 DER) and its chain (DER, leaf first)."""
    secret = password.encode("utf-16-be")
    sealed = _sequence(_ALGORITHM + _der(0x04, _protect(key, secret, os.urandom(_SALT))))
    body = struct.pack(">IIII", _MAGIC, _VERSION, 1, _PRIVATE) + _text(alias)
    body += struct.pack(">Q", int(now.timestamp() * 1000)) + _counted(sealed) + struct.pack(">I", len(chain))
    body += b"".join(_text("X.509") + _counted(der) for der in chain)
    return body + _seal(secret, body)


def read(content: bytes, password: str) -> tuple[str, bytes, list[bytes]]:
    """Return alias, key (PKCS#8 DER) and chain of the first key in a keystore; raises `Broken`."""
    secret = password.encode("utf-16-be")
    body, seal = content[:-_DIGEST], content[-_DIGEST:]
    if not hmac.compare_digest(_seal(secret, body), seal):
        raise Broken
    try:
        magic, _version, _count, kind = struct.unpack_from(">IIII", body)
        if (magic, kind) != (_MAGIC, _PRIVATE):
            raise Broken
        alias, at = _take_text(body, 16)
        sealed, at = _take(body, at + 8)
        (number,) = struct.unpack_from(">I", body, at)
        at, chain = at + 4, []
        for _ in range(number):
            _kind, at = _take_text(body, at)
            der, at = _take(body, at)
            chain.append(der)
        return alias, _open(sealed, secret), chain
    except (struct.error, IndexError, UnicodeError):
        raise Broken from None


def _protect(plain: bytes, secret: bytes, salt: bytes) -> bytes:
    return salt + _stream(plain, secret, salt) + _sha1(secret + plain)


def _open(sealed: bytes, secret: bytes) -> bytes:
    inner = sealed[_head(sealed) + len(_ALGORITHM) :]
    hidden = inner[_head(inner) :]
    plain = _stream(hidden[_SALT:-_DIGEST], secret, hidden[:_SALT])
    if _sha1(secret + plain) != hidden[-_DIGEST:]:
        raise Broken
    return plain


def _stream(data: bytes, secret: bytes, salt: bytes) -> bytes:
    mask, block = b"", salt
    while len(mask) < len(data):
        block = _sha1(secret + block)
        mask += block
    return bytes(a ^ b for a, b in zip(data, mask, strict=False))


def _seal(secret: bytes, body: bytes) -> bytes:
    return _sha1(secret + _PHRASE + body)


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _sequence(content: bytes) -> bytes:
    return _der(0x30, content)


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < _SHORT_FORM:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _SHORT_FORM | len(length))) + length + content


def _head(der: bytes) -> int:
    """Return how many bytes tag and length take."""
    return 2 if der[1] < _SHORT_FORM else 2 + (der[1] & ~_SHORT_FORM)


def _text(text: str) -> bytes:
    raw = text.encode("ascii")
    return struct.pack(">H", len(raw)) + raw


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _take_text(body: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">H", body, at)
    return body[at + 2 : at + 2 + size].decode("ascii"), at + 2 + size


def _take(body: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">I", body, at)
    if at + 4 + size > len(body):
        raise Broken
    return body[at + 4 : at + 4 + size], at + 4 + size
