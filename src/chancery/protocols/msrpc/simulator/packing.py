"""Marshalling as the server needs it (NDR of C706 chapter 14), apart from the client's."""

from __future__ import annotations

import struct
from uuid import UUID


class BadStub(Exception):
    """The stub data of a call cannot be read: the server answers with a fault."""


class Pull:
    """Takes arguments out of stub data."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def get(self, form: str) -> int:
        """Return one number, aligned to its size."""
        size = struct.calcsize(form)
        self.at += -self.at % size
        if self.at + size > len(self.data):
            raise BadStub
        found: int = struct.unpack_from("<" + form, self.data, self.at)[0]
        self.at += size
        return found

    def take(self, count: int) -> bytes:
        """Return so many bytes."""
        if self.at + count > len(self.data):
            raise BadStub
        found = self.data[self.at : self.at + count]
        self.at += count
        return found

    def text(self) -> str | None:
        """Return the string behind a unique pointer: its sizes must fit and its last character be NUL."""
        return None if self.get("I") == 0 else self.plain_text()

    def plain_text(self) -> str:
        """Return the string behind a reference pointer, which is itself not on the wire."""
        most, offset, count = self.get("I"), self.get("I"), self.get("I")
        raw = self.take(2 * count)
        if most != count or offset or not raw.endswith(b"\0\0"):
            raise BadStub
        return raw[:-2].decode("utf-16-le")

    def blob(self) -> bytes:
        """Return a CERTTRANSBLOB."""
        size, pointer = self.get("I"), self.get("I")
        if not pointer:
            return b""
        if self.get("I") != size:
            raise BadStub
        return self.take(size)

    def this(self) -> None:
        """Take ORPCTHIS."""
        if (self.get("H"), self.get("H")) < (5, 1):
            raise BadStub
        self.take(4 + 4 + 16)
        if self.get("I"):
            raise BadStub


def blob(content: bytes, referent: int) -> bytes:
    """Return a CERTTRANSBLOB."""
    if not content:
        return struct.pack("<II", 0, 0)
    padding = bytes(-len(content) % 4)
    return struct.pack("<III", len(content), 0x20000 + referent * 4, len(content)) + content + padding


def that() -> bytes:
    """Return ORPCTHAT without extensions."""
    return bytes(8)


def wide(text: str) -> bytes:
    """Return UTF-16 text with its NUL."""
    return text.encode("utf-16-le") + b"\0\0"


def guid(text: str) -> bytes:
    """Return a UUID in its little-endian form."""
    return UUID(text).bytes_le
