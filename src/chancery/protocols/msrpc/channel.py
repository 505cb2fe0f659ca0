"""One RPC connection: bound to an interface, logged in, sealed; bounded in time and size.

The address is found and judged by the guard of `net`, and the connection goes to that address alone: nothing that a server says
leads anywhere else than to another port of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpcore

from chancery.core.clock import SYSTEM_CLOCK
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import Guard, Resolver, resolve
from chancery.net.progress import Failed, Progress
from chancery.protocols.hresult import Explain
from chancery.protocols.msrpc import faults, pdu
from chancery.protocols.msrpc.ndr import Malformed
from chancery.protocols.msrpc.pdu import FIRST, HEADER, HEADER_SIGNING, LAST, OBJECT, TRAILER, Kind, Packet
from chancery.protocols.msrpc.security import Security

_STUB = 8
"""What stands before the stub data of an answer."""
LARGEST_ANSWER = 16 * 1024 * 1024
_MOST_LEGS = 6
_TIMEOUTS = (httpcore.TimeoutException,)
_BREAKS = (httpcore.NetworkError, httpcore.ProtocolError, OSError)
_SMALLEST_FRAGMENT = 512
_T = TypeVar("_T")


@dataclass(frozen=True)
class Wire:
    """How connections are made: to which addresses, and for how long (seconds, for each call).

    `before_send` is called just before the first byte of a call that changes something at the CA; what it raises comes out of
    the call unchanged, with nothing sent. `resolver` is for tests.
    """

    policy: AddressPolicy
    timeout: float = 60.0
    before_send: Callable[[], None] | None = None
    resolver: Resolver = resolve


@dataclass
class Channel:
    """Call `open`, then `call` as often as one likes, then `close`. For one thread. `explain` words refusals."""

    wire: Wire
    host: str
    port: int
    explain: Explain
    _progress: Progress = field(init=False)
    _stream: httpcore.NetworkStream = field(init=False)
    _security: Security | None = None
    _context: int = 0
    _calls: int = 0
    _largest: int = pdu.LARGEST
    _acting: bool = False
    _open: bool = False

    # Opening ------------------------------------------------------------------------------------------

    def open(self, interface: tuple[str, int], security: Security | None) -> None:
        """Connect and bind; `security` None speaks without a login, as the endpoint mapper may be spoken to."""
        self._progress = Progress(SYSTEM_CLOCK.monotonic() + self.wire.timeout)
        guard = Guard(self.wire.policy, lambda: self._progress, resolver=self.wire.resolver)
        try:
            self._stream = guard.connect_tcp(self.host, self.port)
        except Failed as failed:
            raise faults.broken(failed, self.host, acting=False) from None
        self._open, self._security = True, security
        try:
            self._bind(interface, security)
        except BaseException:
            self.close()
            raise

    def _bind(self, interface: tuple[str, int], security: Security | None) -> None:
        token = security.step() if security else b""
        agreed = self._agree(Kind.BIND, interface, token)
        for _ in range(_MOST_LEGS):
            if security is None:
                return
            if not agreed.auth:
                raise faults.no_login(self.host)
            token = security.step(agreed.auth)
            if security.complete:
                self._finish(token)
                return
            agreed = self._agree(Kind.ALTER_CONTEXT, interface, token)
        raise faults.senseless("the login does not come to an end", self.host, acting=False)

    def _agree(self, kind: Kind, interface: tuple[str, int], token: bytes) -> Packet:
        """Send a bind or alter_context and return the answer, which took the interface."""
        flags = FIRST | LAST | (HEADER_SIGNING if self._security else 0)
        self._calls += 1
        body = pdu.bind(interface, self._context, 0)
        body += bytes(-len(body) % 4)
        tail = self._security.trailer() if self._security else b""
        self._write(Packet(kind, flags, self._calls, body, tail, token).data())
        answer = self._packet()
        if answer.kind == Kind.BIND_NAK:
            raise faults.refused_bind(int.from_bytes(answer.body[:2], "little"), self.host)
        if answer.kind == Kind.FAULT:
            raise self._fault(answer)
        if answer.kind not in {Kind.BIND_ACK, Kind.ALTER_CONTEXT_RESPONSE}:
            raise faults.senseless(f"packet type {answer.kind} to a bind", self.host, acting=False)
        agreed = self._read(lambda: pdu.ack(answer.body))
        if not agreed.accepted:
            raise faults.refused_bind(agreed.reason, self.host)
        self._largest = max(_SMALLEST_FRAGMENT, min(agreed.largest, pdu.LARGEST))
        if self._security:
            self._security.agree(header_signing=bool(answer.flags & HEADER_SIGNING))
        return answer

    def _finish(self, token: bytes) -> None:
        """Send the last token where there is one: nobody answers to it."""
        if token and self._security:
            head = Packet(Kind.AUTH3, FIRST | LAST, self._calls, bytes(4), self._security.trailer(), token)
            self._write(head.data())

    # Calling ------------------------------------------------------------------------------------------

    def call(self, opnum: int, stub: bytes, *, target: str | None = None, effect: bool = False) -> bytes:
        """Call a method and return the stub data of its answer.

        `target` is the IPID of an object. `effect` marks a call that changes something at the CA: when it has begun to leave
        and no whole answer comes back, `OutcomeUnknown` is raised.
        """
        self._progress.deadline = SYSTEM_CLOCK.monotonic() + self.wire.timeout
        if effect and self.wire.before_send is not None:
            self.wire.before_send()
        self._acting = effect
        self._calls += 1
        try:
            for fragment in self._fragments(opnum, stub, target):
                self._write(fragment)
            return self._answer()
        finally:
            self._acting = False

    def _fragments(self, opnum: int, stub: bytes, target: str | None) -> list[bytes]:
        room = self._largest - HEADER - _STUB - 16 - TRAILER - 16
        room = (room - (self._security.overhead() if self._security else 0)) // 16 * 16
        pieces = [stub[at : at + room] for at in range(0, len(stub), room)] or [b""]
        made = []
        for number, piece in enumerate(pieces):
            flags = (FIRST if not number else 0) | (LAST if number == len(pieces) - 1 else 0)
            flags |= OBJECT if target else 0
            front = pdu.request(self._context, opnum, len(stub), target)
            made.append(self._sealed(flags, front, piece))
        return made

    def _sealed(self, flags: int, front: bytes, piece: bytes) -> bytes:
        if self._security is None:
            return Packet(Kind.REQUEST, flags, self._calls, front + piece).data()
        padding = self._security.padding(piece)
        body, tail = piece + bytes(padding), self._security.trailer(padding)
        size, overhead = HEADER + len(front) + len(body) + len(tail), self._security.overhead()
        head = pdu.header(Kind.REQUEST, flags, size + overhead, overhead, self._calls) + front
        sealed, verifier = self._security.seal(head, body, tail)
        return head + sealed + tail + verifier

    def _answer(self) -> bytes:
        found = bytearray()
        while True:
            answer = self._packet()
            if answer.call != self._calls:
                raise self._senseless("it is the answer to another call")
            if answer.kind == Kind.FAULT:
                raise self._fault(answer)
            if answer.kind != Kind.RESPONSE:
                raise self._senseless(f"packet type {answer.kind} to a call")
            found += self._opened(answer)
            if len(found) > LARGEST_ANSWER:
                raise self._senseless(f"it is longer than {LARGEST_ANSWER} bytes")
            if answer.flags & LAST:
                return bytes(found)

    def _opened(self, answer: Packet) -> bytes:
        """Return the stub data of a fragment; where there is a login, only what is sealed by it."""
        if self._security is None:
            return answer.body[_STUB:]
        if not answer.auth or len(answer.body) < _STUB:
            raise self._senseless("it is not sealed, as it must be")
        size = HEADER + len(answer.body) + TRAILER + len(answer.auth)
        head = pdu.header(answer.kind, answer.flags, size, len(answer.auth), answer.call) + answer.body[:_STUB]
        security = self._security
        body = self._read(lambda: security.unseal(head, answer.body[_STUB:], answer.trailer, answer.auth))
        padding = answer.trailer[2]
        return body[: len(body) - padding]

    def _fault(self, answer: Packet) -> Exception:
        sealed = bool(self._security and answer.auth)
        body = self._opened(answer) if sealed else answer.body[_STUB:]
        status = int.from_bytes(body[:4], "little")
        return faults.fault(status, self.host, self.explain, acting=self._acting, sealed=sealed)

    # On the wire --------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except _TIMEOUTS:
            raise faults.late(self.host, acting=self._acting) from None
        except _BREAKS as error:
            raise faults.broken(error, self.host, acting=self._acting) from None

    def _packet(self) -> Packet:
        head = self._exactly(HEADER)
        size = self._read(lambda: pdu.length(head))
        rest = self._exactly(size - HEADER)
        return self._read(lambda: pdu.packet(head + rest))

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            try:
                data = self._stream.read(count - len(found))
            except _TIMEOUTS:
                raise faults.late(self.host, acting=self._acting) from None
            except _BREAKS as error:
                raise faults.broken(error, self.host, acting=self._acting) from None
            if not data:
                closed = ConnectionError("the server closed the connection")
                raise faults.broken(closed, self.host, acting=self._acting)
            found += data
        return bytes(found)

    def _read(self, act: Callable[[], _T]) -> _T:
        try:
            return act()
        except Malformed as error:
            raise self._senseless(str(error)) from None

    def _senseless(self, reason: str) -> Exception:
        return faults.senseless(reason, self.host, acting=self._acting)

    def close(self) -> None:
        """Close the connection."""
        if self._open:
            self._open = False
            self._stream.close()
