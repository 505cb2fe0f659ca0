"""The keystore format JKS, version 2: big-endian, a SHA-1 over password and content at its end.

Keys are protected by Sun's own algorithm (1.3.6.1.4.1.42.2.17.1.1): a stream of chained SHA-1 over password and salt. Weak by
today's measure; the file's mode is what protects the key. New stores should be PKCS#12.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

_MAGIC, _VERSION, _PRIVATE, _TRUSTED = 0xFEEDFEED, 2, 1, 2
_PHRASE = b"Mighty Aphrodite"
_SALT = _DIGEST = 20
_ALGORITHM = bytes.fromhex("300e060a2b060104012a021101010500")
_SHORT_FORM = 0x80


class Broken(ValueError):
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
    for entry in entries(content, password):
        if entry.sealed:
            try:
                return entry.alias, _open(entry.sealed, password.encode("utf-16-be")), list(entry.chain)
            except IndexError:
                raise Broken from None
    raise Broken


@dataclass(frozen=True)
class Entry:
    """A key, still sealed, with its chain; or a trusted certificate, with nothing sealed."""

    alias: str
    sealed: bytes
    chain: tuple[bytes, ...]


def entries(content: bytes, password: str) -> list[Entry]:
    """Return what is in a keystore; raises `Broken`. Keys are not opened: each may have a password of its own."""
    body, seal = content[:-_DIGEST], content[-_DIGEST:]
    if not hmac.compare_digest(_seal(password.encode("utf-16-be"), body), seal):
        raise Broken
    try:
        return list(_entries(body))
    except (struct.error, IndexError):
        raise Broken from None


def peek(content: bytes) -> list[Entry]:
    """Return what seems to be in a keystore without its password, so that nothing vouches for it; raises `Broken`."""
    try:
        return list(_entries(content[:-_DIGEST]))
    except (struct.error, IndexError):
        raise Broken from None


def _entries(body: bytes) -> Iterator[Entry]:
    magic, version, count = struct.unpack_from(">III", body)
    if (magic, version) != (_MAGIC, _VERSION):
        raise Broken
    at = 12
    for _ in range(count):
        (kind,) = struct.unpack_from(">I", body, at)
        alias, at = _take_text(body, at + 4)
        at, sealed, number = at + 8, b"", 1
        if kind == _PRIVATE:
            sealed, at = _take(body, at)
            (number,) = struct.unpack_from(">I", body, at)
            at += 4
        elif kind != _TRUSTED:
            raise Broken
        chain = []
        for _ in range(number):
            _type, at = _take_text(body, at)
            der, at = _take(body, at)
            chain.append(der)
        yield Entry(alias, sealed, tuple(chain))


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
    return body[at + 2 : at + 2 + size].decode(errors="replace"), at + 2 + size


def _take(body: bytes, at: int) -> tuple[bytes, int]:
    (size,) = struct.unpack_from(">I", body, at)
    if at + 4 + size > len(body):
        raise Broken
    return body[at + 4 : at + 4 + size], at + 4 + size
