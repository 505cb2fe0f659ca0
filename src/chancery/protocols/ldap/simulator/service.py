"""The server: connections, logins by Negotiate, StartTLS, and searches over the entries that it is given."""

from __future__ import annotations

import socket
import socketserver
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import SpnegoError

from chancery.protocols.ldap.simulator import ber, searching
from chancery.protocols.ldap.simulator.dials import LdapDials
from chancery.protocols.negotiate.simulator.access import accepting
from chancery.protocols.negotiate.simulator.tls import Front
from chancery.sandbox.der import Part, read_one
from chancery.sandbox.dials import Dials
from chancery.sandbox.stopping import StopsAtOnce, drop

_BIND, _SEARCH, _EXTENDED = 0x60, 0x63, 0x77
_BOUND, _DONE, _EXTENDED_DONE = 0x61, 0x65, 0x78
_SUCCESS, _OPERATIONS, _STRONGER, _IN_PROGRESS, _CREDENTIALS, _UNWILLING = 0, 1, 8, 14, 49, 53
_START_TLS = b"1.3.6.1.4.1.1466.20037"
_SASL = 0xA3
_LOGON = "8009030C: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e, v4563"
_BINDINGS = "80090346: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 80090346, v4563"
_NO_LOGIN = (
    "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed"
)


@dataclass(frozen=True)
class Kept:
    """One entry: its name, and its values by attribute."""

    dn: str
    values: Mapping[str, Sequence[bytes | str]]


class Directory:
    """One directory with two ports, of LDAP and of LDAPS. `about` says what the root has for an account, `entries` all else."""

    def __init__(
        self, entries: Callable[[], list[Kept]], about: Callable[[str], Kept], front: Front, dials: Dials
    ) -> None:
        self.entries, self.about, self.front, self.dials = entries, about, front, dials.widen(LdapDials)
        self._plain: _Server | None = None
        self._tls: _Server | None = None
        self.port = self.tls_port = 0

    def up(self) -> None:
        """Listen, on the same ports as before."""
        if self._plain is None:
            self._plain, self._tls = _Server(self, self.port, tls=False), _Server(self, self.tls_port, tls=True)
            self.port, self.tls_port = self._plain.port, self._tls.port

    def down(self) -> None:
        """Stop listening, and drop every connection."""
        for server in (self._plain, self._tls):
            if server is not None:
                server.end()
        self._plain = self._tls = None


class _Server(StopsAtOnce):
    def __init__(self, directory: Directory, port: int, *, tls: bool) -> None:
        super().__init__(("127.0.0.1", port), _Talk)
        self.directory, self.tls = directory, tls
        self.begin()


class _HungUp(Exception):
    """The connection is closed."""


class _Talk(socketserver.BaseRequestHandler):
    server: _Server

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.open.add(self.request)
        self.login: Any = None
        self.account = ""
        self.secured = self.sealed = False
        self.buffer = b""

    def finish(self) -> None:
        self.server.open.discard(self.request)
        drop(self.request)

    def handle(self) -> None:
        try:
            if self.server.tls:
                self._secure()
            while True:
                self._answer(self._message())
        except (_HungUp, OSError, ValueError, IndexError, SpnegoError, struct.error):
            return  # who goes away, or sends what is no message, is not spoken to any more

    # On the wire --------------------------------------------------------------------------------------

    def _secure(self) -> None:
        raw, front = self.request, self.server.directory.front
        self.server.open.discard(raw)
        self.request = front.context.wrap_socket(raw, server_side=True)
        self.server.open.add(self.request)
        self.secured = True

    def _message(self) -> Part:
        while True:
            size = _size(self.buffer)
            if size and len(self.buffer) >= size:
                content, self.buffer = self.buffer[:size], self.buffer[size:]
                return read_one(content)
            self.buffer += self._more()

    def _more(self) -> bytes:
        if not self.sealed:
            return self._some(65536)
        return bytes(self.login.unwrap(self._exactly(int.from_bytes(self._exactly(4), "big"))).data)

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            found += self._some(count - len(found))
        return found

    def _some(self, most: int) -> bytes:
        data: bytes = self.request.recv(most)
        if not data:
            raise _HungUp
        return data

    def _send(self, content: bytes) -> None:
        if self.sealed:
            content = bytes(self.login.wrap(content, encrypt=True).data)
            if self._now.ldap_forge:
                content = content[:-1] + bytes([content[-1] ^ 1])
            content = len(content).to_bytes(4, "big") + content
        self.request.sendall(content)

    @property
    def _now(self) -> Any:
        return self.server.directory.dials.now

    # Answering ----------------------------------------------------------------------------------------

    def _answer(self, asked: Part) -> None:
        ident, operation, *controls = asked.parts()
        number = ber.whole(ident)
        if operation.tag == _BIND:
            self._bind(number, operation.parts())
        elif operation.tag == _EXTENDED:
            self._extended(number, operation.parts())
        elif operation.tag == _SEARCH:
            self._search(number, operation.parts(), controls[0].parts() if controls else [])
        else:
            raise _HungUp

    def _extended(self, number: int, parts: list[Part]) -> None:
        refused = parts[0].inside != _START_TLS or self.secured or self._now.no_starttls
        self._send(ber.message(number, ber.result(_EXTENDED_DONE, _UNWILLING if refused else _SUCCESS)))
        if not refused:
            self._secure()

    def _bind(self, number: int, parts: list[Part]) -> None:
        """Take a step of a login; a seal begins behind the answer that ends it."""
        if parts[2].tag != _SASL:
            self._send(ber.message(number, ber.result(_BOUND, _STRONGER, "00002028: only SASL here")))
            return
        token = parts[2].parts()[1].inside
        self.login = self.login if self.login is not None and not self.login.complete else accepting("Negotiate")
        try:
            answer = self._step(token)
        except (SpnegoError, ValueError, struct.error) as error:
            self.login = None
            text = _BINDINGS if "inding" in type(error).__name__ else _LOGON
            self._send(ber.message(number, ber.result(_BOUND, _CREDENTIALS, text)))
            return
        code = _SUCCESS if self.login.complete else _IN_PROGRESS
        more = [ber.octets(answer, 0x87)] if answer else []
        self._send(ber.message(number, ber.result(_BOUND, code, "", *more)))
        if self.login.complete:
            self.account, self.sealed = str(self.login.client_principal), not self.secured

    def _step(self, token: bytes) -> bytes | None:
        if self._now.refuse_key:
            raise ValueError
        data = b"tls-server-end-point:" + sha256(self.server.directory.front.certificate).digest()
        binds = self.secured and self._now.ldap_binding == "required"
        bindings = GssChannelBindings(application_data=data) if binds else None
        answer: bytes | None = self.login.step(token, channel_bindings=bindings)
        return answer

    def _search(self, number: int, parts: list[Part], controls: list[Part]) -> None:
        now = self._now
        if now.ldap_silent:
            raise _HungUp
        if now.ldap_garbled:
            self._send(b"\x00\xff{garbled")
            return
        number += now.ldap_other
        directory = self.server.directory
        if not self.account or now.ldap_code:
            code, text = (now.ldap_code, "") if self.account else (_OPERATIONS, _NO_LOGIN)
            self._send(ber.message(number, ber.result(_DONE, code, text)))
            return
        kept = [directory.about(self.account), *directory.entries()]
        found = searching.answer(kept, parts, controls, now)
        for entry in found.entries:
            self._send(ber.message(number, entry))
        if now.ldap_refers:
            self._send(ber.message(number, ber.wide(0x73, ber.octets("ldap://elsewhere.example.test/DC=other"))))
        self._send(ber.message(number, ber.result(_DONE, found.code), *found.controls))


def _size(buffer: bytes) -> int:
    if len(buffer) < 2:
        return 0
    if not buffer[1] & 0x80:
        return 2 + buffer[1]
    octets = buffer[1] & 0x7F
    return 2 + octets + int.from_bytes(buffer[2 : 2 + octets], "big") if len(buffer) >= 2 + octets else 0
