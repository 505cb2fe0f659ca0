"""The endpoint mapper (C706 appendix O) and the activator of objects (MS-DCOM section 3.1.2.5.2.3.3)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from uuid import UUID

from chancery.protocols.msrpc.simulator.packing import BadStub, Pull, guid, that, wide
from chancery.protocols.msrpc.simulator.server import BAD_OPNUM, Call, RpcFault
from chancery.sandbox.dials import Dials

MAPPER = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
ACTIVATOR = "000001a0-0000-0000-c000-000000000046"
_NOT_REGISTERED, _ACCESS, _NO_CLASS = 0x16C9A0D6, 0x80070005, 0x80040154
_MEOW = 0x574F454D
_IN, _OUT = "000001a2-0000-0000-c000-000000000046", "000001a3-0000-0000-c000-000000000046"
_OUT_CLASS = "00000339-0000-0000-c000-000000000046"
_REPLY_CLASS = "000001b6-0000-0000-c000-000000000046"
_INSTANTIATION = "000001ab-0000-0000-c000-000000000046"
_HEADER = struct.pack("<BBHI", 1, 0x10, 8, 0xCCCCCCCC)


class Activator:
    """Says where the enrolment interface listens, and makes objects of known classes; `ports` are asked when needed."""

    def __init__(
        self,
        dials: Dials,
        ports: Callable[[], tuple[int, int]],
        classes: Mapping[str, frozenset[str]],
        place: Callable[[str, str], str],
    ) -> None:
        self._dials, self._ports, self._classes, self._place = dials, ports, classes, place

    def map(self, call: Call) -> bytes:
        """ept_map: answers with one tower over TCP."""
        if call.opnum != 3:
            raise RpcFault(BAD_OPNUM)
        pull = Pull(call.stub)
        if pull.get("I"):
            pull.take(16)
        if not pull.get("I") or pull.get("I") != pull.get("I"):
            raise BadStub
        pull.take(2)
        floor = pull.take(struct.unpack("<H", pull.take(2))[0])
        asked, (port, _) = floor[1:17], self._ports()
        if self._dials.now.no_icpr or asked != guid("91ae6020-9e3c-11cf-8d7c-00aa00c091be"):
            return bytes(20) + struct.pack("<IIII", 0, 4, 0, 0) + struct.pack("<I", _NOT_REGISTERED)
        tower = _tower(floor, port)
        padding = bytes(-len(tower) % 4)
        found = struct.pack("<IIIII", 1, 4, 0, 1, 3) + struct.pack("<II", len(tower), len(tower)) + tower + padding
        return bytes(20) + found + struct.pack("<I", 0)

    def create(self, call: Call) -> bytes:
        """RemoteCreateInstance: answers with a reference to the object, and where it listens."""
        if call.opnum != 4:
            raise RpcFault(BAD_OPNUM)
        pull = Pull(call.stub)
        pull.this()
        if pull.get("I") or not pull.get("I"):
            raise BadStub
        objref = pull.take(pull.get("I") + 4)[4:]
        clsid, iid = _asked(objref)
        if self._dials.now.no_activation:
            return that() + struct.pack("<II", 0, _ACCESS)
        if self._dials.now.no_service or iid not in self._classes.get(clsid, frozenset()):
            return that() + struct.pack("<II", 0, _NO_CLASS)
        made = _reference(iid, self._place(clsid, iid), self._ports()[1])
        padding = bytes(-len(made) % 4)
        return that() + struct.pack("<III", 0x20000, len(made), len(made)) + made + padding + struct.pack("<I", 0)


def _tower(interface: bytes, port: int) -> bytes:
    def floor(left: bytes, right: bytes) -> bytes:
        return struct.pack("<H", len(left)) + left + struct.pack("<H", len(right)) + right

    syntax = b"\x0d" + guid("8a885d04-1ceb-11c9-9fe8-08002b104860") + struct.pack("<H", 2)
    address = floor(b"\x07", struct.pack(">H", port)) + floor(b"\x09", bytes([127, 0, 0, 1]))
    return (
        struct.pack("<H", 5) + floor(interface, bytes(2)) + floor(syntax, bytes(2)) + floor(b"\x0b", bytes(2)) + address
    )


def _asked(objref: bytes) -> tuple[str, str]:
    """Return class and interface out of InstantiationInfoData, found by the custom header (MS-DCOM section 2.2.22.1)."""
    signature, kind = struct.unpack_from("<II", objref)
    if signature != _MEOW or kind != 4 or objref[8:24] != guid(_IN):
        raise BadStub
    blob = objref[48:]
    total, _, version = struct.unpack_from("<IIB", blob)
    body = blob[24:]
    whole, header, _, where, count = struct.unpack_from("<IIIII", body)
    if version != 1 or where != 2 or whole != total or not 1 <= count <= 10:
        raise BadStub
    at = 20 + 16 + 12 + 4
    classes = [str(UUID(bytes_le=body[at + 16 * n : at + 16 * n + 16])) for n in range(count)]
    sizes = struct.unpack_from(f"<{count}I", body, at + 16 * count + 4)
    start = 8 + header
    for clsid, size in zip(classes, sizes, strict=True):
        if clsid == _INSTANTIATION:
            given = blob[start : start + size][16:]
            interfaces = struct.unpack_from("<I", given, 16 + 12)[0]
            if interfaces != 1:
                raise BadStub
            return str(UUID(bytes_le=given[:16])), str(UUID(bytes_le=given[52:68]))
        start += size
    raise BadStub


def _reference(iid: str, ipid: str, port: int) -> bytes:
    """Return an OBJREF_CUSTOM with PropsOutInfo and ScmReplyInfo."""
    standard = struct.pack("<II", _MEOW, 1) + guid(iid) + struct.pack("<II", 0x1000, 5) + struct.pack("<QQ", 0x11, 0x22)
    standard += guid(ipid) + struct.pack("<HH", 0, 0)
    pad = bytes(-len(standard) % 4)
    out = struct.pack("<IIII", 1, 0x20000, 0x20004, 0x20008) + struct.pack("<I", 1) + guid(iid)
    out += struct.pack("<II", 1, 0) + struct.pack("<II", 1, 0x2000C)
    out += struct.pack("<II", len(standard), len(standard)) + standard + pad
    bindings = b"".join(struct.pack("<H", 7) + wide(f"{host}[{port}]") for host in ("CA01", "10.11.12.13")) + bytes(2)
    security = struct.pack("<HH", 10, 0xFFFF) + bytes(2) + bytes(2)
    words = (len(bindings) + len(security)) // 2
    reply = struct.pack("<II", 0, 0x20000) + struct.pack("<Q", 0x11) + struct.pack("<I", 0x20004)
    reply += guid("00000000-0000-0000-c000-00000000cafe") + struct.pack("<I", 6) + struct.pack("<HH", 5, 7)
    reply += struct.pack("<IHH", words, words, len(bindings) // 2) + bindings + security
    content = _with_header([(_OUT_CLASS, _serialized(out)), (_REPLY_CLASS, _serialized(reply))])
    head = struct.pack("<II", _MEOW, 4) + guid(_OUT) + guid("00000339-0000-0000-c000-000000000046")
    return head + struct.pack("<II", 0, len(content) + 8) + content


def _with_header(given: list[tuple[str, bytes]]) -> bytes:
    inside = b"".join(content for _, content in given)
    tail = struct.pack("<III", 0x20000, 0x20004, 0) + struct.pack("<I", len(given))
    tail += b"".join(guid(clsid) for clsid, _ in given) + struct.pack("<I", len(given))
    tail += b"".join(struct.pack("<I", len(content)) for _, content in given)
    own = len(_serialized(bytes(36) + tail))
    front = struct.pack("<IIIII", own + len(inside), own, 0, 2, len(given)) + bytes(16)
    return struct.pack("<II", own + len(inside), 0) + _serialized(front + tail) + inside


def _serialized(body: bytes) -> bytes:
    body += bytes(-len(body) % 8)
    return _HEADER + struct.pack("<II", len(body), 0) + body
