"""Views of the database, and how their rows travel (MS-CSRA sections 2.2.1.7, 2.2.1.10, 2.2.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from chancery.protocols.msrpc.simulator.packing import blob, wide
from chancery.sandbox.certsrv import Database, Row, State

_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)
_LONG, _DATE, _BINARY, _STRING, _INDEXED = 1, 2, 3, 4, 0x10000
_ENDED, _BAD_ARGUMENT = 1, 0x80070057
_Read = Callable[[Row], Any]


def _common_name(row: Row) -> str:
    found = list(row.certificate.subject) if row.certificate else []
    return next((str(a.value) for a in found if a.oid.dotted_string == "2.5.4.3"), "")


_COLUMNS: list[tuple[str, int, int, _Read]] = [
    ("Request.RequestID", 0x1000, _LONG | _INDEXED, lambda r: r.number),
    ("Request.RawRequest", 0x1001, _BINARY, lambda r: r.csr),
    ("Request.RequestAttributes", 0x1005, _STRING, lambda r: r.attributes),
    ("Request.StatusCode", 0x1008, _LONG, lambda r: r.code),
    ("Request.Disposition", 0x1009, _LONG | _INDEXED, lambda r: int(r.state)),
    ("Request.DispositionMessage", 0x100A, _STRING, lambda r: r.message),
    ("Request.SubmittedWhen", 0x100B, _DATE | _INDEXED, lambda r: r.submitted),
    ("Request.ResolvedWhen", 0x100C, _DATE | _INDEXED, lambda r: r.resolved),
    ("Request.RevokedWhen", 0x100D, _DATE, lambda r: r.revoked),
    ("Request.RevokedEffectiveWhen", 0x100E, _DATE | _INDEXED, lambda r: r.revoked),
    ("Request.RevokedReason", 0x100F, _LONG, lambda r: r.reason if r.state is State.REVOKED else None),
    ("Request.RequesterName", 0x1010, _STRING | _INDEXED, lambda r: r.requester),
    ("RequestID", 0x2000, _LONG | _INDEXED, lambda r: r.number),
    ("RawCertificate", 0x2001, _BINARY, lambda r: r.der),
    (
        "CertificateTemplate",
        0x2003,
        _STRING | _INDEXED,
        lambda r: (r.template.oid or r.template.name) if r.template else "",
    ),
    ("SerialNumber", 0x2007, _STRING | _INDEXED, lambda r: r.serial),
    ("NotBefore", 0x2009, _DATE, lambda r: r.certificate.not_valid_before_utc if r.certificate else None),
    ("NotAfter", 0x200A, _DATE | _INDEXED, lambda r: r.certificate.not_valid_after_utc if r.certificate else None),
    ("CommonName", 0x2017, _STRING | _INDEXED, _common_name),
]
_OLD_SERIAL = 0x2006


def _listed(*, old: bool) -> list[tuple[str, int, int, _Read]]:
    """Return the columns; on Windows Server 2008 the serial number has another id."""
    return [(n, _OLD_SERIAL if old and n == "SerialNumber" else i, k, r) for n, i, k, r in _COLUMNS]


def column_list(first: int, most: int, *, old: bool) -> tuple[int, bytes, bool]:
    """Return how many columns, their marshalled list, and whether the list ends with them."""
    every = _listed(old=old)
    chosen = every[first : first + most]
    heads, names, at = b"", b"", 20 * len(chosen)
    for name, index, kind, _ in chosen:
        text = wide(name)
        heads += struct.pack("<IIIII", kind, index, 0, at + len(names), at + len(names))
        names += text + bytes(-len(text) % 4)
    return len(chosen), heads + names, first + most >= len(every)


class View:
    """Rows that fulfil conditions (column, operator, sort, value), and the columns that are wanted of them."""

    def __init__(
        self, database: Database, conditions: list[tuple[int, int, int, bytes]], columns: list[int], now: Any
    ) -> None:
        every = {index: (kind, get) for _, index, kind, get in _listed(old=now.old_columns)}
        self._wanted = [(index, *every[index]) for index in columns if index in every]
        found = [r for r in database.rows() if all(_fits(every, r, *condition) for condition in conditions)]
        for column, _, order, _ in conditions:
            if order:
                found.sort(key=every[column][1], reverse=order == 2)
        self._rows, self._broken, self._now = found, now.broken_view, now

    def page(self, first: int, most: int) -> bytes:
        """Return number, rows and code, from the row with this number on; rows are counted from 1, or as the dials say."""
        start = first if self._now.from_zero else max(first, 1) - 1
        if first == 0 and not (self._now.from_zero or self._now.lenient_zero):
            return struct.pack("<IIII", 0, 0, 0, _BAD_ARGUMENT)
        if self._now.cut_view and first:
            return struct.pack("<I", 0) + blob(b"", 1) + bytes(4)
        chosen = self._rows[start : start + most]
        content = b"".join(self._row(row) for row in chosen)
        ended = start + most >= len(self._rows)
        if ended:
            content += struct.pack("<III", len(chosen), len(chosen) ^ 0xFFFFFFFF, 12)
        return struct.pack("<I", len(chosen)) + blob(content, 1) + struct.pack("<I", _ENDED if ended else 0)

    def _row(self, row: Row) -> bytes:
        heads, values, at = b"", b"", 12 + 16 * len(self._wanted)
        for index, kind, get in self._wanted:
            content = _marshalled(kind & 0xFFFF, get(row))
            start = 0x7FFFFFF0 if self._broken else at + len(values)
            heads += struct.pack("<IIII", kind, index, start if content else 0, len(content))
            values += content + bytes(-len(content) % 4)
        return struct.pack("<III", row.number, len(self._wanted), at + len(values)) + heads + values


def _marshalled(kind: int, value: Any) -> bytes:
    if value is None or value in {"", b""}:
        return b""
    if kind == _LONG:
        return struct.pack("<I", value)
    if kind == _DATE:
        return struct.pack("<Q", (value - _EPOCH) // timedelta(microseconds=1) * 10)
    return wide(value) if kind == _STRING else bytes(value)


def _fits(every: dict[int, tuple[int, _Read]], row: Row, column: int, seek: int, order: int, value: bytes) -> bool:
    del order
    kind, get = every[column]
    have = get(row)
    if have is None:
        return False
    wanted: Any = value
    if kind & 0xFFFF == _LONG:
        wanted = struct.unpack("<I", value)[0]
    elif kind & 0xFFFF == _DATE:
        wanted = _EPOCH + timedelta(microseconds=struct.unpack("<Q", value)[0] // 10)
    elif kind & 0xFFFF == _STRING:
        wanted = value.decode("utf-16-le").rstrip("\0")
    return bool({1: have == wanted, 2: have < wanted, 4: have <= wanted, 8: have >= wanted, 16: have > wanted}[seek])
