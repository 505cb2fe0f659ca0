"""A connection-oriented RPC server on loopback (C706 section 12.6, MS-RPCE section 3.3.3)."""

from __future__ import annotations

import socket
import socketserver
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from chancery.protocols.msrpc.simulator.acceptor import Acceptor, Refused
from chancery.protocols.msrpc.simulator.packing import BadStub
from chancery.sandbox.dials import Dials
from chancery.sandbox.stopping import StopsAtOnce, drop

_REQUEST, _RESPONSE, _FAULT, _BIND, _BIND_ACK, _BIND_NAK, _ALTER, _ALTERED, _AUTH3 = 0, 2, 3, 11, 12, 13, 14, 15, 16
_FIRST, _LAST, _HEADER_SIGNING, _OBJECT = 1, 2, 4, 0x80
_NDR = "8a885d04-1ceb-11c9-9fe8-08002b104860"
_PRIVACY, _CONTEXT_SIGNATURE = 6, 16
ACCESS_DENIED, UNKNOWN_INTERFACE, BAD_OPNUM, BAD_DATA = 0x5, 0x1C010003, 0x1C010002, 0x6F7
_LARGEST = 5840
_MOST = 1_000_000


class RpcFault(Exception):
    """Answered as a fault packet."""

    def __init__(self, status: int) -> None:
        super().__init__(hex(status))
        self.status = status


@dataclass
class Call:
    """One call, whole: `account` is '' on a connection without a login. `acted` is set where something lasting is done."""

    interface: str
    opnum: int
    target: str
    stub: bytes
    account: str
    acted: bool = False


Handler = Callable[[Call], bytes]


class Server(StopsAtOnce):
    """Listens at one port for some interfaces; `open_to_all` are those that want no login."""

    def __init__(
        self,
        port: int,
        handlers: Mapping[str, Handler],
        accounts: Mapping[str, str],
        dials: Dials,
        *,
        open_to_all: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(("127.0.0.1", port), _Talk)
        self.handlers, self.accounts, self.dials, self.open_to_all = handlers, accounts, dials, open_to_all
        self.begin()


class _HungUp(Exception):
    """The connection is closed."""


class _Talk(socketserver.BaseRequestHandler):
    server: Server

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.open.add(self.request)
        self.acceptor: Acceptor | None = None
        self.logged_in = False
        self.interface = ""
        self.largest = _LARGEST
        self.stub = bytearray()

    def finish(self) -> None:
        self.server.open.discard(self.request)

    def handle(self) -> None:
        try:
            while True:
                head = self._exactly(16)
                kind, flags, _, size, auth, call = struct.unpack("<2xBBIHHI", head)
                self._packet(kind, flags, auth, call, head + self._exactly(size - 16))
        except (_HungUp, OSError):
            drop(self.request)

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            data = self.request.recv(count - len(found))
            if not data:
                raise _HungUp
            found += data
        return found

    def _packet(self, kind: int, flags: int, auth: int, call: int, data: bytes) -> None:
        end = len(data) - auth - (8 if auth else 0)
        body, tail, token = (
            data[16:end],
            data[end : end + (8 if auth else 0)],
            data[len(data) - auth :] if auth else b"",
        )
        if kind in {_BIND, _ALTER}:
            self._bind(kind, flags, call, body, tail, token)
        elif kind == _AUTH3:
            self._login(token)
        elif kind == _REQUEST:
            self._request(flags, call, data, body, tail, token)
        else:
            raise _HungUp

    # Binding ------------------------------------------------------------------------------------------

    def _bind(self, kind: int, flags: int, call: int, body: bytes, tail: bytes, token: bytes) -> None:
        _, largest, _, count = struct.unpack_from("<HHIB", body)
        abstract, transfer = str(UUID(bytes_le=body[16:32])), str(UUID(bytes_le=body[36:52]))
        known = abstract in self.server.handlers and count == 1 and transfer == _NDR
        self.interface, self.largest = abstract, min(largest, _LARGEST)
        answer_token = b""
        if token:
            if tail[1] != _PRIVACY:
                self._send(_BIND_NAK, _FIRST | _LAST, call, struct.pack("<HB", 8, 0))
                return
            self.acceptor = self.acceptor or Acceptor(self.server.accounts)
            answer_token = self._login(token)
        secondary = b"\0\0\0\0"
        result = struct.pack("<HH", 0, 0) if known else struct.pack("<HH", 2, 1)
        syntax = (UUID(_NDR).bytes_le + struct.pack("<I", 2)) if known else bytes(20)
        made = struct.pack("<HHI", _LARGEST, _LARGEST, 0x1234) + secondary + b"\x01\0\0\0" + result + syntax
        kind = _BIND_ACK if kind == _BIND else _ALTERED
        own = (flags & _HEADER_SIGNING) | _FIRST | _LAST
        self._send(kind, own, call, made, tail if answer_token else b"", answer_token)

    def _login(self, token: bytes) -> bytes:
        """Go one step further; a refused login shows only at the first call."""
        if self.acceptor is None:
            raise _HungUp
        try:
            answer = self.acceptor.step(token)
        except Refused:
            return b""
        self.logged_in = not answer and not self.server.dials.now.refuse_key
        return answer

    # Calling ------------------------------------------------------------------------------------------

    def _request(self, flags: int, call: int, data: bytes, body: bytes, tail: bytes, token: bytes) -> None:
        _, _, opnum = struct.unpack_from("<IHH", body)
        front = 8 + (16 if flags & _OBJECT else 0)
        target = str(UUID(bytes_le=body[8:24])) if flags & _OBJECT else ""
        piece = body[front:]
        try:
            if self.interface not in self.server.open_to_all:
                piece = self._opened(data[: 16 + front], piece, tail, token)
            if flags & _FIRST:
                self.stub.clear()
            self.stub += piece
            if len(self.stub) > _MOST:
                raise _HungUp
            if flags & _LAST:
                self._answer(call, opnum, target)
        except RpcFault as fault:
            self._fault(call, fault.status)

    def _opened(self, head: bytes, piece: bytes, tail: bytes, token: bytes) -> bytes:
        if self.acceptor is None or not self.logged_in or not token:
            raise RpcFault(ACCESS_DENIED)
        try:
            opened = self.acceptor.open(head, piece, tail, token)
        except Refused:
            raise RpcFault(ACCESS_DENIED) from None
        return opened[: len(opened) - tail[2]]

    def _answer(self, call: int, opnum: int, target: str) -> None:
        dials = self.server.dials
        account = self.acceptor.account if self.acceptor and self.logged_in else ""
        made = Call(self.interface, opnum, target, bytes(self.stub), account)
        acts = self.interface not in self.server.open_to_all
        fault = dials.next_fault(f"CALL {self.interface} {opnum}") if acts else ""
        if fault == "drop" or (acts and dials.hits(dials.now.fail_before)):
            raise _HungUp
        if acts and (dials.hits(dials.now.error_page) or dials.now.fault):
            raise RpcFault(int(dials.now.fault or "6BF", 16))
        try:
            stub = self.server.handlers[self.interface](made)
        except BadStub:
            raise RpcFault(BAD_DATA) from None
        if fault == "lose" or (made.acted and dials.hits(dials.now.fail_after)):
            raise _HungUp
        if made.acted and dials.hits(dials.now.error_after):
            raise RpcFault(0x1C00001D)
        if made.acted and dials.now.huge:
            stub = bytes(20 * 1024 * 1024)
        if made.acted and dials.hits(dials.now.garbled):
            fault = "garbled"
        self._respond(call, stub, fault)

    def _respond(self, call: int, stub: bytes, fault: str) -> None:
        now = self.server.dials.now
        if fault == "garbled":
            self.request.sendall(b"\x00\xff{garbled" * 9)
            return
        room = 64 if now.tiny_fragments else (self.largest - 24 - 8 - 32) // 16 * 16
        for at in range(0, max(len(stub), 1), room):
            flags = (_FIRST if not at else 0) | (_LAST if at + room >= len(stub) else 0)
            number = call + 1 if now.other_call and self.logged_in else call
            self._piece(
                flags, number, stub[at : at + room], half=fault == "half" or self.server.dials.hits(now.half_body)
            )

    def _piece(self, flags: int, call: int, piece: bytes, *, half: bool) -> None:
        front = struct.pack("<IHBB", len(piece), 0, 0, 0)
        now = self.server.dials.now
        sealing = self.acceptor is not None and self.logged_in and not now.unsealed
        if not sealing or self.acceptor is None:
            self._send(_RESPONSE, flags, call, front + piece)
            return
        padding = -len(piece) % 16
        body, tail = piece + bytes(padding), struct.pack("<BBBBI", 10, _PRIVACY, padding, 0, 1)
        size = 16 + len(front) + len(body) + 8 + _CONTEXT_SIGNATURE
        head = _header(_RESPONSE, flags, size, _CONTEXT_SIGNATURE, call) + front
        sealed, verifier = self.acceptor.seal(head, body, tail)
        if now.forge:
            sealed = bytes([sealed[0] ^ 1]) + sealed[1:]
        whole = head + sealed + tail + verifier
        self.request.sendall(whole[: len(whole) // 2] if half else whole)
        if half:
            raise _HungUp

    def _fault(self, call: int, status: int) -> None:
        self._send(_FAULT, _FIRST | _LAST, call, struct.pack("<IHBBII", 0, 0, 0, 0, status, 0))

    def _send(self, kind: int, flags: int, call: int, body: bytes, tail: bytes = b"", token: bytes = b"") -> None:
        size = 16 + len(body) + len(tail) + len(token)
        self.request.sendall(_header(kind, flags, size, len(token), call) + body + tail + token)


def _header(kind: int, flags: int, size: int, auth: int, call: int) -> bytes:
    return struct.pack("<BBBBIHHI", 5, 0, kind, flags, 0x10, size, auth, call)
