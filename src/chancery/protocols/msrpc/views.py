"""Views of the CA's database (MS-CSRA sections 3.1.4.1.9 and 3.1.4.1.12 to 3.1.4.1.14): opened, read page by page, closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from chancery.protocols.hresult import Explain, Refusal, failed
from chancery.protocols.msrpc import calls
from chancery.protocols.msrpc.ndr import Malformed, filetime
from chancery.protocols.msrpc.rows import Restriction, Seek, Value, columns, rows

Send = Callable[..., bytes]
Row = dict[str, Value]

_ENDED = 1
"""S_FALSE: fewer than were asked for, because there are no more."""
_PAGE = 50
_COLUMNS_AT_ONCE = 100
_MOST_PAGES = 400
COLUMNS = {
    "Request.RequestID": 0x1000,
    "Request.RawRequest": 0x1001,
    "Request.RequestAttributes": 0x1005,
    "Request.StatusCode": 0x1008,
    "Request.Disposition": 0x1009,
    "Request.DispositionMessage": 0x100A,
    "Request.SubmittedWhen": 0x100B,
    "Request.ResolvedWhen": 0x100C,
    "Request.RevokedWhen": 0x100D,
    "Request.RevokedEffectiveWhen": 0x100E,
    "Request.RevokedReason": 0x100F,
    "Request.RequesterName": 0x1010,
    "RequestID": 0x2000,
    "RawCertificate": 0x2001,
    "CertificateTemplate": 0x2003,
    "SerialNumber": 0x2007,
    "NotBefore": 0x2009,
    "NotAfter": 0x200A,
    "CommonName": 0x2017,
}
"""Column → its id on Windows Server 2012 and later. Older servers have others, so they are asked for when one connects."""


def known_columns(send: Send, ca: str) -> dict[str, int]:
    """Return the ids of our columns as this server numbers them; those of newer servers where it does not tell."""
    told, first = dict[str, int](), 0
    while first < _COLUMNS_AT_ONCE * 10:
        code, count, blob = calls.view_columns(send, ca, first, _COLUMNS_AT_ONCE)
        if failed(code):
            break
        told |= columns(blob, count)
        first += count
        if code == _ENDED or not count:
            break
    return {name: told.get(name, number) for name, number in COLUMNS.items()} if told else dict(COLUMNS)


def read(
    send: Send,
    ca: str,
    conditions: Sequence[Restriction],
    wanted: dict[str, int],
    explain: Explain,
    *,
    first: int,
    most: int,
) -> Iterator[Row]:
    """Give rows, at most so many, as name → value. The view is closed behind them: a connection may have one open."""
    by_id = {number: name for name, number in wanted.items()}
    code, _, blob = calls.open_view(send, ca, conditions, by_id, first, min(_PAGE, most))
    _good(code, explain)
    try:
        given = 0
        for _ in range(_MOST_PAGES):
            found, ended = rows(blob, by_id)
            yield from found[: most - given]
            given += len(found)
            if ended or code == _ENDED or given >= most:
                return
            if not found:
                raise Malformed("the view gives no more rows, and does not say that it ends")
            code, _, blob = calls.more_of_view(send, ca, first + given, min(_PAGE, most - given))
            _good(code, explain)
        raise Malformed("the view does not come to an end")
    finally:
        calls.close_view(send, ca)


def has_row_zero(send: Send, ca: str, column: int) -> bool | None:
    """Say whether rows are counted from 0, by asking for row 0 of all; None where there is no row at all."""
    everything = Restriction(column, Seek.GREATER_OR_EQUAL, bytes(4))
    code, _, blob = calls.open_view(send, ca, [everything], [column], 0, 1)
    if failed(code):
        return False
    calls.close_view(send, ca)
    found, _ = rows(blob, {column: "number"})
    return True if found else None


def _good(code: int, explain: Explain) -> None:
    if failed(code):
        raise explain(Refusal(code, "", None, effect=False))


def since(column: int, when: datetime) -> Restriction:
    """Return the condition that a date is not before a moment."""
    return Restriction(column, Seek.GREATER_OR_EQUAL, filetime(when).to_bytes(8, "little"))
