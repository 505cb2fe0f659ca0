"""Makes an object on another machine (MS-DCOM section 3.1.2.5.2.3.3, RemoteCreateInstance), and says where it is.

The server's answer names hosts, too. They are not followed: an object is spoken to at the address that was judged, at the port
that the answer gives.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from uuid import UUID, uuid4

from chancery.protocols.hresult import Explain
from chancery.protocols.msrpc import faults
from chancery.protocols.msrpc.channel import Channel, Wire
from chancery.protocols.msrpc.ndr import Malformed, Reader, Writer
from chancery.protocols.msrpc.security import Security

ACTIVATOR = ("000001a0-0000-0000-c000-000000000046", 0)
_CREATE = 4
_SIGNATURE = 0x574F_454D
_STANDARD, _CUSTOM, _EXTENDED, _HANDLER = 1, 4, 8, 2
_PROPERTIES_IN = "000001a2-0000-0000-c000-000000000046"
_PROPERTIES = "00000338-0000-0000-c000-000000000046"
_INSTANTIATION = "000001ab-0000-0000-c000-000000000046"
_CONTEXT = "000001a5-0000-0000-c000-000000000046"
_LOCATION = "000001a4-0000-0000-c000-000000000046"
_REQUEST = "000001aa-0000-0000-c000-000000000046"
_OUT = "00000339-0000-0000-c000-000000000046"
_REPLY = "000001b6-0000-0000-c000-000000000046"
_TCP = 7
_ANOTHER_MACHINE = 2
_NOBODY = str(UUID(int=0))
_SERIALIZED = b"\x01\x10\x08\x00\xcc\xcc\xcc\xcc"
_MOST = 10
_PORT = re.compile(r"\[(\d{1,5})\]$")


@dataclass(frozen=True, slots=True)
class Made:
    """An object: its interface pointer's id, and the TCP port at which it listens."""

    ipid: str
    port: int


def make(clsid: str, iid: str, wire: Wire, host: str, port: int, security: Security, explain: Explain) -> Made:
    """Return a fresh object of a class, by one of its interfaces."""
    channel = Channel(wire, host, port, explain)
    try:
        channel.open(ACTIVATOR, security)
        answer = channel.call(_CREATE, orpc_this().pointer(null=True).raw(_interface(_blob(clsid, iid))).data())
    finally:
        channel.close()
    try:
        return _made(Reader(answer), host)
    except Malformed as error:
        raise faults.senseless(str(error), host, acting=False) from None


def orpc_this() -> Writer:
    """Return a writer that begins with ORPCTHIS (MS-DCOM section 2.2.13.3), version 5.7."""
    return Writer().u16(5, 7).u32(0, 0).uuid(str(uuid4())).u32(0)


def skip_that(read: Reader) -> None:
    """Skip ORPCTHAT (MS-DCOM section 2.2.13.4) with whatever extensions it has."""
    read.u32()
    if not read.u32():
        return
    _, _, extents = read.u32(), read.u32(), read.u32()
    pointers = [read.u32() for _ in range(min(read.u32(), _MOST))] if extents else []
    for pointer in pointers:
        if pointer:
            room = read.u32()
            read.uuid()
            read.u32()
            read.take(room)
            read.align(4)


# What is sent ---------------------------------------------------------------------------------------


def _interface(objref: bytes) -> bytes:
    return Writer().pointer().u32(len(objref), len(objref)).raw(objref).align(4).data()


def _blob(clsid: str, iid: str) -> bytes:
    """Return an OBJREF_CUSTOM that holds the activation properties (MS-DCOM section 2.2.22)."""
    given = [
        (_INSTANTIATION, _instantiation(clsid, iid)),
        (_CONTEXT, _serialized(Writer().u32(0, 0, 0, 0).u32(0, 0))),
        (_LOCATION, _serialized(Writer().u32(0, 0, 0, 0))),
        (_REQUEST, _serialized(Writer().u32(0).pointer().u32(2).u16(1).pointer().u32(1).u16(_TCP))),
    ]
    content = _with_header(given)
    made = Writer().u32(_SIGNATURE, _CUSTOM).uuid(_PROPERTIES_IN).uuid(_PROPERTIES)
    return made.u32(0, len(content) + 8).raw(content).data()


def _instantiation(clsid: str, iid: str) -> bytes:
    """Return InstantiationInfoData, which says its own size."""

    def of(size: int) -> bytes:
        made = Writer().uuid(clsid).u32(0x10, 0, 0, 1, 0).pointer().u32(size).u16(5, 7)
        return _serialized(made.u32(1).uuid(iid))

    return of(len(of(0)))


def _with_header(given: list[tuple[str, bytes]]) -> bytes:
    """Return sizes, CustomHeader and properties (MS-DCOM section 2.2.22.1)."""
    inside = b"".join(content for _, content in given)

    def header(total: int, own: int) -> bytes:
        made = Writer().u32(total, own, 0, _ANOTHER_MACHINE, len(given)).uuid(_NOBODY)
        made.pointer().pointer().u32(0).u32(len(given))
        for clsid, _ in given:
            made.uuid(clsid)
        made.u32(len(given))
        for _, content in given:
            made.u32(len(content))
        return _serialized(made)

    own = len(header(0, 0))
    total = own + len(inside)
    return Writer().u32(total, 0).raw(header(total, own)).raw(inside).data()


def _serialized(made: Writer) -> bytes:
    """Return values with the headers of type serialization version 1 (MS-RPCE section 2.2.6), padded to 8 bytes."""
    body = made.align(8).data()
    return _SERIALIZED + len(body).to_bytes(4, "little") + bytes(4) + body


# What comes back ------------------------------------------------------------------------------------


def _made(read: Reader, host: str) -> Made:
    skip_that(read)
    pointer = read.u32()
    if not pointer:
        code = read.u32()
        raise faults.forbidden_object(code, host) if code else Malformed("no object was made")
    read.u32()
    properties = _read_blob(Reader(read.array()))
    code = read.align(4).u32()
    if code:
        raise faults.forbidden_object(code, host)
    if _OUT not in properties or _REPLY not in properties:
        raise Malformed("it does not say where the object is")
    return Made(_pointer_in(Reader(properties[_OUT]), host), _port_in(Reader(properties[_REPLY])))


def _read_blob(read: Reader) -> dict[str, bytes]:
    """Return the properties by their class."""
    if (read.u32(), read.u32()) != (_SIGNATURE, _CUSTOM):
        raise Malformed("it is no reference to an object")
    read.take(16 + 16 + 8 + 8)
    read.take(16)
    read.take(4 + 4 + 4 + 4)
    count = read.u32()
    if count > _MOST:
        raise Malformed("it has too many properties")
    read.take(16 + 12)
    classes = [read.uuid() for _ in range(_same(read.u32(), count))]
    sizes = [read.u32() for _ in range(_same(read.u32(), count))]
    read.align(8)
    return {clsid: read.take(size)[16:] for clsid, size in zip(classes, sizes, strict=True)}


def _same(found: int, wanted: int) -> int:
    if found != wanted:
        raise Malformed("its header does not fit itself")
    return found


def _pointer_in(read: Reader, host: str) -> str:
    """Return the IPID in PropsOutInfo: one interface was asked for."""
    if read.u32() != 1:
        raise Malformed("it answers for another number of interfaces")
    read.take(12)
    read.take(4 + 16)
    read.take(4)
    result = read.u32()
    if result:
        raise faults.forbidden_object(result, host)
    read.take(4)
    if not read.u32():
        raise Malformed("there is no interface in it")
    read.take(8)
    signature, kind = read.u32(), read.u32()
    if signature != _SIGNATURE or kind not in {_STANDARD, _HANDLER, _EXTENDED}:
        raise Malformed("it is no reference to an object")
    read.take(16 + 8 + 8 + 8)
    return str(UUID(bytes_le=read.take(16)))


def _port_in(read: Reader) -> int:
    """Return the port in ScmReplyInfoData: that of the first binding over TCP."""
    read.u32()
    if not read.u32():
        raise Malformed("it has no bindings")
    read.u64()
    bindings = read.u32()
    read.take(16 + 4 + 4)
    if not bindings:
        raise Malformed("it has no bindings")
    read.take(4)
    entries, security = read.u16(), read.u16()
    words = [read.u16() for _ in range(entries)][:security]
    while words and words[0]:
        end = words.index(0) if 0 in words else len(words)
        text = "".join(chr(word) for word in words[1:end])
        found = _PORT.search(text)
        if words[0] == _TCP and found and 0 < int(found[1]) <= 0xFFFF:
            return int(found[1])
        words = words[end + 1 :]
    raise Malformed("none of its bindings is one over TCP with a port")
