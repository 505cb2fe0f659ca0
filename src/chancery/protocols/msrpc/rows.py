"""Rows of the CA's database as views give them (MS-CSRA sections 2.2.1.7, 2.2.1.10 and 2.2.3)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from chancery.protocols.msrpc.ndr import Malformed, moment, text_of

_ROW, _COLUMN, _NAMED = 12, 16, 20
_LONG, _DATE, _BINARY, _STRING = 1, 2, 3, 4
_MOST_COLUMNS = 64

Value = int | datetime | bytes | str | None


class Seek(IntEnum):
    """How a value is compared."""

    EQUAL = 0x1
    LESS = 0x2
    LESS_OR_EQUAL = 0x4
    GREATER_OR_EQUAL = 0x8
    GREATER = 0x10


class Sort(IntEnum):
    """How a view is sorted; by one column at most."""

    NONE = 0
    ASCENDING = 1
    DESCENDING = 2


class Disposition(IntEnum):
    """How a row stands, by the numbers of the database."""

    ACTIVE = 8
    PENDING = 9
    FOREIGN = 12
    CA_CERTIFICATE = 15
    CA_CERTIFICATE_CHAIN = 16
    RECOVERY_AGENT = 17
    ISSUED = 20
    REVOKED = 21
    FAILED = 30
    DENIED = 31


@dataclass(frozen=True, slots=True)
class Restriction:
    """One condition on a column: `value` as the database holds it (four bytes, a FILETIME, UTF-16 text with its NUL)."""

    column: int
    seek: Seek
    value: bytes
    sort: Sort = Sort.NONE


def rows(blob: bytes, wanted: Mapping[int, str]) -> tuple[list[dict[str, Value]], bool]:
    """Return rows as name → value, and whether the view ends with them. `wanted` is column id → name.

    Raises `Malformed` where an offset or a length leads out of its row.
    """
    found, at = list[dict[str, Value]](), 0
    while at < len(blob):
        number, count, size = _unpack("<III", blob, at)
        if count == number ^ 0xFFFF_FFFF:
            return found, True
        if count > _MOST_COLUMNS or size < _ROW + count * _COLUMN or at + size > len(blob):
            raise Malformed("a row of the view is longer than the view")
        found.append(_row(blob[at : at + size], count, wanted))
        at += size
    return found, False


def _row(row: bytes, count: int, wanted: Mapping[int, str]) -> dict[str, Value]:
    made: dict[str, Value] = {}
    for place in range(count):
        kind, index, start, length = _unpack("<IIII", row, _ROW + place * _COLUMN)
        if start + length > len(row):
            raise Malformed("a value of the view lies outside of its row")
        if index in wanted:
            made[wanted[index]] = _value(kind & 0xFFFF, row[start : start + length])
    return made


def _value(kind: int, content: bytes) -> Value:
    if not content:
        return None
    if kind == _LONG and len(content) == 4:
        return int.from_bytes(content, "little")
    if kind == _DATE and len(content) == 8:
        return moment(int.from_bytes(content, "little"))
    if kind == _STRING:
        return text_of(content)
    if kind == _BINARY:
        return content
    raise Malformed("a value of the view is of a strange type or length")


def columns(blob: bytes, count: int) -> dict[str, int]:
    """Return name → id of the columns that EnumViewColumn described; raises `Malformed`."""
    if count > len(blob) // _NAMED:
        raise Malformed("the list of columns is shorter than it says")
    found = {}
    for place in range(count):
        _, index, _, name, _ = _unpack("<IIIII", blob, place * _NAMED)
        if name > len(blob):
            raise Malformed("the name of a column lies outside of the list")
        found[text_of(blob[name : name + 512])] = index
    return found


def _unpack(form: str, content: bytes, at: int) -> Sequence[int]:
    try:
        return struct.unpack_from(form, content, at)
    except struct.error:
        raise Malformed("the view ends in the middle of a row") from None
