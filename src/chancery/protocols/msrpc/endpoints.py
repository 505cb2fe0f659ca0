"""Asks the endpoint mapper where an interface listens (C706 appendix O, MS-RPCE section 2.2.1.2)."""

from __future__ import annotations

import struct
from uuid import UUID

from chancery.protocols.hresult import Explain
from chancery.protocols.msrpc import faults
from chancery.protocols.msrpc.channel import Channel, Wire
from chancery.protocols.msrpc.ndr import Malformed, Reader, Writer
from chancery.protocols.msrpc.pdu import NDR

_MAPPER = ("e1af8308-5d1f-11c9-91a4-08002b14a0fa", 3)
_MAP = 3
_MOST = 4
_UUID, _CONNECTION_ORIENTED, _TCP, _IP = 0x0D, 0x0B, 0x07, 0x09


def port_of(interface: tuple[str, int], wire: Wire, host: str, port: int, explain: Explain) -> int:
    """Return the TCP port at which an interface listens on this host. The mapper is asked without a login."""
    channel = Channel(wire, host, port, explain)
    try:
        channel.open(_MAPPER, None)
        answer = channel.call(_MAP, _question(interface))
    finally:
        channel.close()
    try:
        ports, status = _ports(Reader(answer))
    except Malformed as error:
        raise faults.senseless(str(error), host, acting=False) from None
    if not ports:
        raise faults.refused_bind(status, host)
    return ports[0]


def _question(interface: tuple[str, int]) -> bytes:
    tower = b"".join(
        (
            struct.pack("<H", 5),
            _identified(*interface),
            _identified(*NDR),
            _floor(bytes([_CONNECTION_ORIENTED]), bytes(2)),
            _floor(bytes([_TCP]), bytes(2)),
            _floor(bytes([_IP]), bytes(4)),
        )
    )
    made = Writer().pointer().uuid(str(UUID(int=0))).pointer()
    # A conformant structure: the size of its array comes first (C706 section 14.3.7.2).
    made.u32(len(tower), len(tower)).raw(tower).align(4)
    return made.raw(bytes(20)).u32(_MOST).data()


def _identified(uuid: str, version: int) -> bytes:
    left = bytes([_UUID]) + UUID(uuid).bytes_le + struct.pack("<H", version)
    return _floor(left, bytes(2))


def _floor(left: bytes, right: bytes) -> bytes:
    return struct.pack("<H", len(left)) + left + struct.pack("<H", len(right)) + right


def _ports(read: Reader) -> tuple[list[int], int]:
    read.take(20)
    read.u32()
    _, offset, count = read.u32(), read.u32(), read.u32()
    if offset or count > _MOST:
        raise Malformed("the endpoint mapper answers with a strange number of towers")
    pointers = [read.u32() for _ in range(count)]
    found = [port for pointer in pointers if pointer for port in _port(_tower(read))]
    return found, read.align(4).u32()


def _tower(read: Reader) -> Reader:
    """Return the tower that comes next: a conformant structure of a length and its octets."""
    room, size = read.u32(), read.u32()
    if size > room:
        raise Malformed("a tower is longer than its room")
    tower = read.take(room)[:size]
    read.align(4)
    return Reader(tower)


def _port(tower: Reader) -> list[int]:
    """Return the TCP port of a tower, as a list of one; its floors are not aligned, and the port is big-endian."""
    found = []
    for _ in range(int.from_bytes(tower.take(2), "little")):
        left = tower.take(int.from_bytes(tower.take(2), "little"))
        right = tower.take(int.from_bytes(tower.take(2), "little"))
        if left[:1] == bytes([_TCP]) and len(right) == 2:
            found.append(int.from_bytes(right, "big"))
    return [port for port in found if port]
