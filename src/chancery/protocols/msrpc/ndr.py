"""The little NDR that these calls need (DCE 1.1 RPC, C706 chapter 14): 32 bits, little-endian, no NDR64."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_LARGEST_STRING = 1 << 20
_POINTER = 0x0002_0000
_EMPTY, _LONGS = frozenset({0, 1}), frozenset({3, 19})
"""Types of a VARIANT: VT_EMPTY and VT_NULL; VT_I4 and VT_UI4."""


class Malformed(ValueError):
    """The bytes are no marshalled data of the expected shape."""


class Writer:
    """Marshals values one after the other. Pointers get referent numbers that rise by four."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._referent = _POINTER

    def data(self) -> bytes:
        """Return what was written."""
        return bytes(self._out)

    def align(self, size: int) -> Writer:
        """Pad to a multiple of `size` bytes."""
        self._out += bytes(-len(self._out) % size)
        return self

    def u16(self, *values: int) -> Writer:
        """Write unsigned numbers of 16 bits."""
        for value in values:
            self.align(2)._out += struct.pack("<H", value)
        return self

    def u32(self, *values: int) -> Writer:
        """Write numbers of 32 bits; negative ones in two's complement."""
        for value in values:
            self.align(4)._out += struct.pack("<I", value & 0xFFFF_FFFF)
        return self

    def u64(self, value: int) -> Writer:
        """Write an unsigned number of 64 bits."""
        self.align(8)._out += struct.pack("<Q", value)
        return self

    def uuid(self, value: str) -> Writer:
        """Write a UUID."""
        self.align(4)._out += UUID(value).bytes_le
        return self

    def raw(self, value: bytes) -> Writer:
        """Write bytes as they are."""
        self._out += value
        return self

    def pointer(self, *, null: bool = False) -> Writer:
        """Write a unique pointer; what it points at is written later."""
        self.u32(0 if null else self._referent)
        self._referent += 4 * (not null)
        return self

    def string(self, text: str | None) -> Writer:
        """Write a unique pointer to a UTF-16 string that ends with NUL; None is the null pointer."""
        return self.pointer(null=True) if text is None else self.pointer().text(text)

    def text(self, text: str) -> Writer:
        """Write a string behind a reference pointer, which is itself not on the wire."""
        units = text.encode("utf-16-le") + b"\0\0"
        count = len(units) // 2
        return self.u32(count, 0, count).raw(units).align(4)

    def array(self, content: bytes) -> Writer:
        """Write a conformant array of bytes."""
        return self.u32(len(content)).raw(content).align(4)

    def blob(self, content: bytes) -> Writer:
        """Write a CERTTRANSBLOB (MS-WCCE section 2.2.2.2): its size, a unique pointer, and the bytes."""
        self.u32(len(content)).pointer(null=not content)
        return self.array(content) if content else self

    def moment(self, when: datetime) -> Writer:
        """Write a FILETIME, hundreds of nanoseconds since 1601."""
        ticks = filetime(when)
        return self.u32(ticks & 0xFFFF_FFFF, ticks >> 32)


class Reader:
    """Unmarshals what somebody else wrote; every step is bounded by the bytes that are there. Raises `Malformed`."""

    def __init__(self, content: bytes) -> None:
        self._content, self._at = content, 0

    def take(self, count: int) -> bytes:
        """Return so many bytes."""
        if count < 0 or self._at + count > len(self._content):
            raise Malformed(f"it ends after {len(self._content)} bytes, in the middle of a value")
        found = self._content[self._at : self._at + count]
        self._at += count
        return found

    def align(self, size: int) -> Reader:
        """Skip padding."""
        self.take(min(-self._at % size, len(self._content) - self._at))
        return self

    def u16(self) -> int:
        """Return an unsigned number of 16 bits."""
        return int.from_bytes(self.align(2).take(2), "little")

    def u32(self) -> int:
        """Return an unsigned number of 32 bits."""
        return int.from_bytes(self.align(4).take(4), "little")

    def u64(self) -> int:
        """Return an unsigned number of 64 bits."""
        return int.from_bytes(self.align(8).take(8), "little")

    def uuid(self) -> str:
        """Return a UUID."""
        return str(UUID(bytes_le=self.align(4).take(16)))

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._content) - self._at)

    def array(self) -> bytes:
        """Return a conformant array of bytes."""
        return self.take(self.u32())

    def blob(self) -> bytes:
        """Return the bytes of a CERTTRANSBLOB; b'' for a null pointer."""
        size, pointer = self.u32(), self.u32()
        if not pointer:
            return b""
        found = self.array()
        if len(found) < size:
            raise Malformed("a blob says that it is longer than it is")
        self.align(4)
        return found[:size]

    def number(self) -> int | None:
        """Return what a VARIANT holds that is a number of 32 bits (MS-OAUT section 2.2.29.2); None for an empty one."""
        if not self.u32():
            return None
        self.align(8).take(8)
        kind = self.u16()
        self.take(6)
        if self.u32() != kind or kind not in _LONGS | _EMPTY:
            raise Malformed(f"a VARIANT of the type {kind}, where a number is expected")
        return None if kind in _EMPTY else self.u32()

    def string(self) -> str | None:
        """Return a string behind a unique pointer; None for the null pointer."""
        if not self.u32():
            return None
        _, offset, count = self.u32(), self.u32(), self.u32()
        if offset or count > _LARGEST_STRING:
            raise Malformed("a string has a strange length")
        found = self.take(2 * count)
        self.align(4)
        return text_of(found)


def text_of(content: bytes) -> str:
    """Return UTF-16 text up to its first NUL; what is no character is replaced."""
    return content[: len(content) // 2 * 2].decode("utf-16-le", "replace").partition("\0")[0]


def filetime(when: datetime) -> int:
    """Return a moment as hundreds of nanoseconds since 1601 (FILETIME)."""
    return (when - _EPOCH) // timedelta(microseconds=1) * 10


def moment(ticks: int) -> datetime | None:
    """Return the moment of a FILETIME; None for one that no calendar has, and for 0."""
    try:
        return _EPOCH + timedelta(microseconds=ticks // 10) if ticks else None
    except OverflowError:
        return None
