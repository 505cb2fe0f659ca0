"""Connection-oriented RPC packets (C706 section 12.6, MS-RPCE section 2.2.2)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from uuid import UUID

from chancery.protocols.msrpc.ndr import Malformed, Reader, Writer

FIRST, LAST, HEADER_SIGNING, OBJECT = 0x01, 0x02, 0x04, 0x80
HEADER = 16
_LITTLE_ENDIAN = 0x10
TRAILER = 8
LARGEST = 5840
"""Bytes of one fragment, as Windows offers them."""
NDR = ("8a885d04-1ceb-11c9-9fe8-08002b104860", 2)


class Kind(IntEnum):
    """Packet types."""

    REQUEST = 0
    RESPONSE = 2
    FAULT = 3
    BIND = 11
    BIND_ACK = 12
    BIND_NAK = 13
    ALTER_CONTEXT = 14
    ALTER_CONTEXT_RESPONSE = 15
    AUTH3 = 16


@dataclass(frozen=True, slots=True)
class Packet:
    """One fragment: `body` lies between header and security trailer, padding included; `auth` is the verifier."""

    kind: int
    flags: int
    call: int
    body: bytes
    trailer: bytes = b""
    auth: bytes = b""

    def data(self) -> bytes:
        """Return the bytes for the wire."""
        size = HEADER + len(self.body) + len(self.trailer) + len(self.auth)
        return header(self.kind, self.flags, size, len(self.auth), self.call) + self.body + self.trailer + self.auth


def header(kind: int, flags: int, size: int, auth: int, call: int) -> bytes:
    """Return the sixteen bytes that every packet begins with."""
    return struct.pack("<BBBBIHHI", 5, 0, kind, flags, _LITTLE_ENDIAN, size, auth, call)


def length(head: bytes) -> int:
    """Return how long the packet with this header is; raises `Malformed`."""
    version, _, _, _, representation, size, _, _ = struct.unpack("<BBBBIHHI", head)
    if version != 5 or representation & 0xFF != _LITTLE_ENDIAN or size < HEADER:
        raise Malformed("it is no packet of the RPC protocol")
    return int(size)


def packet(data: bytes) -> Packet:
    """Return a packet; raises `Malformed`."""
    _, _, kind, flags, _, _, auth, call = struct.unpack("<BBBBIHHI", data[:HEADER])
    if not auth:
        return Packet(kind, flags, call, data[HEADER:])
    body = len(data) - auth - TRAILER
    if body < HEADER:
        raise Malformed("its verifier is longer than the packet")
    return Packet(kind, flags, call, data[HEADER:body], data[body : body + TRAILER], data[body + TRAILER :])


def trailer(kind: int, level: int, padding: int, context: int) -> bytes:
    """Return a security trailer (MS-RPCE section 2.2.2.11)."""
    return struct.pack("<BBBBI", kind, level, padding, 0, context)


def bind(interface: tuple[str, int], context: int, group: int) -> bytes:
    """Return the body of a bind or alter_context for one interface (UUID, major version)."""
    made = Writer().u16(LARGEST, LARGEST).u32(group).raw(bytes([1, 0, 0, 0])).u16(context).raw(bytes([1, 0]))
    for uuid, version in (interface, NDR):
        made.uuid(uuid).u32(version)
    return made.data()


@dataclass(frozen=True, slots=True)
class Ack:
    """What the server agreed to: the largest fragment that it takes, its group, and whether it takes the interface."""

    largest: int
    group: int
    accepted: bool
    reason: int


def ack(body: bytes) -> Ack:
    """Return a bind_ack or alter_context_response; raises `Malformed`."""
    read = Reader(body)
    _, largest, group = read.u16(), read.u16(), read.u32()
    read.take(read.u16())
    results = read.align(4).take(4)[0]
    if results != 1:
        raise Malformed("it answers for another number of interfaces than was asked for")
    result, reason = read.u16(), read.u16()
    return Ack(largest, group, result == 0, reason)


def request(context: int, opnum: int, hint: int, target: str | None) -> bytes:
    """Return what stands before the stub data of a request; `target` is the object's IPID, if any."""
    return struct.pack("<IHH", hint, context, opnum) + (UUID(target).bytes_le if target else b"")
