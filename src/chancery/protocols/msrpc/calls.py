"""The calls of enrolment (MS-ICPR section 3.2.4.1, MS-WCCE section 3.2.1.4) and management (MS-CSRA section 3.1.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from chancery.protocols.msrpc.activation import orpc_this, skip_that
from chancery.protocols.msrpc.ndr import Reader, Writer, text_of
from chancery.protocols.msrpc.rows import Restriction

ICPR = ("91ae6020-9e3c-11cf-8d7c-00aa00c091be", 0)
REQUEST_CLASS = "d99e6e74-fc88-11d0-b498-00a0c90312f3"
REQUEST = ("d99e6e70-fc88-11d0-b498-00a0c90312f3", 0)
REQUEST_2 = ("5422fd3a-d4b8-4cef-a12e-e87d4ca22e90", 0)
ADMIN_CLASS = "d99e6e73-fc88-11d0-b498-00a0c90312f3"
ADMIN = ("d99e6e71-fc88-11d0-b498-00a0c90312f3", 0)
ADMIN_2 = ("7fe0d935-dda6-443f-85d0-1cfb58fe41dd", 0)

PKCS10 = 0x100
"""dwFlags: the request is a PKCS#10."""
NAME, CHAIN, TEMPLATES = 0x06, 0x0D, 0x1D
"""Properties of the CA."""
LATEST = -1
_BINARY, _STRING = 3, 4

Send = Callable[..., bytes]
"""Sends a method number and stub data (and `effect`), and returns the stub data of the answer."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the CA answered to a request: `code` is what the method returned, 0 for success."""

    code: int
    number: int
    disposition: int
    certificate: bytes
    chain: bytes
    message: str


def submit_by_icpr(send: Send, ca: str, csr: bytes, attributes: str, number: int, *, effect: bool) -> Answered:
    """CertServerRequest, opnum 0. Without a request it tells how the request of this number stands."""
    made = Writer().u32(PKCS10 if csr else 0).string(ca).u32(number)
    made.blob(_wide(attributes) if csr else b"").blob(csr)
    read = Reader(send(0, made.data(), effect=effect))
    number, disposition = read.u32(), read.u32()
    chain, certificate, message = read.blob(), read.blob(), read.blob()
    return _answered(read.u32(), number, disposition, certificate, chain, message)


def submit_by_dcom(send: Send, ca: str, csr: bytes, attributes: str, number: int, *, effect: bool) -> Answered:
    """ICertRequestD::Request, opnum 3; as above."""
    made = orpc_this().u32(PKCS10 if csr else 0).string(ca).u32(number)
    made.string(attributes if csr else None).blob(csr)
    read = _object(send(3, made.data(), effect=effect))
    number, disposition = read.u32(), read.u32()
    chain, certificate, message = read.blob(), read.blob(), read.blob()
    return _answered(read.u32(), number, disposition, certificate, chain, message)


def property_of_ca(send: Send, ca: str, which: int, index: int = 0, *, text: bool = False) -> tuple[int, bytes]:
    """ICertRequestD2::GetCAProperty, opnum 7; returns code and bytes."""
    made = orpc_this().string(ca).u32(which, index, _STRING if text else _BINARY)
    read = _object(send(7, made.data()))
    content = read.blob()
    return read.u32(), content


# Management -----------------------------------------------------------------------------------------


def resubmit(send: Send, ca: str, number: int) -> tuple[int, int]:
    """ICertAdminD::ResubmitRequest, opnum 5; returns code and disposition. Success of the call means nothing by itself."""
    read = _object(send(5, orpc_this().string(ca).u32(number).data(), effect=True))
    disposition = read.u32()
    return read.u32(), disposition


def deny(send: Send, ca: str, number: int) -> int:
    """ICertAdminD::DenyRequest, opnum 6; returns the code."""
    return _object(send(6, orpc_this().string(ca).u32(number).data(), effect=True)).u32()


def validity(send: Send, ca: str, serial: str) -> tuple[int, int, int]:
    """ICertAdminD::IsValidCertificate, opnum 7; returns code, disposition (2 revoked, 3 valid, 4 never issued), reason."""
    read = _object(send(7, orpc_this().string(ca).string(serial).data()))
    reason, disposition = read.u32(), read.u32()
    return read.u32(), disposition, reason


def revoke(send: Send, ca: str, serial: str, reason: int, when: datetime) -> int:
    """ICertAdminD::RevokeCertificate, opnum 10; returns the code."""
    made = orpc_this().string(ca).string(serial).u32(reason).moment(when)
    return _object(send(10, made.data(), effect=True)).u32()


def view_columns(send: Send, ca: str, first: int, count: int) -> tuple[int, int, bytes]:
    """ICertAdminD::EnumViewColumn, opnum 11; returns code, number and blob of columns."""
    read = _object(send(11, orpc_this().string(ca).u32(first, count).data()))
    number, blob = read.u32(), read.blob()
    return read.u32(), number, blob


def open_view(
    send: Send, ca: str, conditions: Iterable[Restriction], wanted: Iterable[int], first: int, count: int
) -> tuple[int, int, bytes]:
    """ICertAdminD::OpenView, opnum 14; returns code, number and blob of the first rows."""
    given, columns = list(conditions), list(wanted)
    made = orpc_this().string(ca).u32(len(given), len(given))
    for one in given:
        made.u32(one.column, one.seek, one.sort).pointer().u32(len(one.value))
    for one in given:
        made.array(one.value)
    made.u32(len(columns), len(columns), *columns).u32(first, count)
    read = _object(send(14, made.data()))
    number, blob = read.u32(), read.blob()
    return read.u32(), number, blob


def more_of_view(send: Send, ca: str, first: int, count: int) -> tuple[int, int, bytes]:
    """ICertAdminD::EnumView, opnum 15; returns code, number and blob of further rows."""
    read = _object(send(15, orpc_this().string(ca).u32(first, count).data()))
    number, blob = read.u32(), read.blob()
    return read.u32(), number, blob


def close_view(send: Send, ca: str) -> int:
    """ICertAdminD::CloseView, opnum 16; returns the code."""
    return _object(send(16, orpc_this().string(ca).data())).u32()


def roles(send: Send, ca: str) -> tuple[int, int]:
    """ICertAdminD2::GetMyRoles, opnum 47; returns code and the caller's rights as bits."""
    read = _object(send(47, orpc_this().string(ca).data()))
    found = read.u32()
    return read.u32(), found


def config_entry(send: Send, ca: str, node: str, entry: str) -> tuple[int, int | None]:
    """ICertAdminD2::GetConfigEntry, opnum 44; returns code and the number that is kept there, None where there is none."""
    read = _object(send(44, orpc_this().string(ca).string(node).text(entry).data()))
    found = read.number()
    return read.u32(), found


def _object(stub: bytes) -> Reader:
    read = Reader(stub)
    skip_that(read)
    return read


def _answered(code: int, number: int, disposition: int, certificate: bytes, chain: bytes, message: bytes) -> Answered:
    return Answered(code, number, disposition, certificate, chain, text_of(message))


def _wide(text: str) -> bytes:
    """Return UTF-16 text with its NUL, which belongs to the length that the CA is told."""
    return text.encode("utf-16-le") + b"\0\0"
