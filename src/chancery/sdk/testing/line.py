"""The line between an authority under test and its CA: real HTTP on loopback, listened to and disturbed."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from chancery.sdk.testing.forge import forge
from chancery.sdk.testing.spoil import How, Spoil

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "server"}
_WAIT = 30.0
_NUMBER = re.compile(r"[0-9a-f]{8,}|[0-9]+")
_MESSAGE = re.compile(r"=[^&]{60,}")
"""A whole message in an address, as SCEP has it by GET."""


@dataclass
class Passed:
    """One call: `effect` as the authority declared it, `acted` by the CA's own ledger."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    effect: bool
    acted: bool = False
    answer: bytes = b""
    """What the CA said, before anything was spoilt."""

    @property
    def shape(self) -> str:
        """Return method and address with every number in it left out: what calls of the same kind have in common."""
        return f"{self.method} {_NUMBER.sub('#', _MESSAGE.sub('=#', self.target))}"


@dataclass(frozen=True)
class Reply:
    """What goes back."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    sent: int | None = None
    """After so many bytes of the body the connection ends; None for all of it."""


@dataclass
class Disturbance:
    """What is wrong with the line: which spoil, whether the CA gets the call, whether only its acts are hit, how often.

    With `least` only answers of so many bytes at least are hit, with `only` no call but those of that shape.
    """

    spoil: Spoil
    forward: bool = True
    acts_only: bool = False
    once: bool = False
    least: int = 0
    only: str = ""
    hits: int = 0
    forged: int = 0
    over: threading.Event = field(default_factory=threading.Event)

    def strikes(self, call: Passed, *, act: bool) -> bool:
        """Say whether this call is hit, and count it."""
        another = self.only not in {"", call.shape} or len(call.answer) < self.least
        if another or (self.acts_only and not act) or (self.once and self.hits):
            return False
        self.hits += 1
        return True


class Line:
    """Passes calls on to `upstream`, the CA's base URL. `count` says how many orders the CA has, or nothing."""

    def __init__(self, upstream: str, count: Callable[[], int] | None) -> None:
        parts = urlsplit(upstream)
        self.host, self.port, self.path = parts.hostname or "", parts.port or 80, parts.path
        self.count = count
        self.passed: list[Passed] = []
        self.disturbance: Disturbance | None = None
        self._marked = threading.Event()
        self._own_port = 0
        self.up()

    @property
    def url(self) -> str:
        """Return the base URL as the authority gets it."""
        return f"http://127.0.0.1:{self._own_port}{self.path}"

    def up(self) -> None:
        """Listen, on the same port as before."""
        self._server = _Server(self._own_port, self)
        self._own_port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.002,), daemon=True).start()

    def down(self) -> None:
        """Stop listening, and drop every connection."""
        self._server.end()

    def mark(self) -> None:
        """Take note that the next call was declared to have an effect; called just before its first byte."""
        self._marked.set()

    def take_mark(self) -> bool:
        """Say whether the call that just came was declared to have an effect."""
        found = self._marked.is_set()
        self._marked.clear()
        return found

    @contextmanager
    def spoiled(
        self, spoil: Spoil, *, forward: bool = True, acts_only: bool = False, **more: Any
    ) -> Iterator[Disturbance]:
        """Disturb the line for as long as the block lasts: every call or only acts, or as `more` of `Disturbance` says.

        With `forward` the CA does what it is asked, and the answer goes wrong; without, it never hears of the call.
        """
        self.disturbance = wrong = Disturbance(spoil, forward, acts_only, **more)
        try:
            yield wrong
        finally:
            wrong.over.set()
            self.disturbance = None

    @contextmanager
    def away(self) -> Iterator[None]:
        """Let nobody listen for as long as the block lasts."""
        self.down()
        try:
            yield
        finally:
            self.up()

    def onward(self) -> HTTPConnection:
        """Return a way to the CA for one connection of the authority's: a login may belong to a connection (NTLM)."""
        return HTTPConnection(self.host, self.port, timeout=_WAIT)

    def carry(self, call: Passed, upstream: HTTPConnection) -> Reply | None:
        """Return what the authority gets to hear of a call; None where the connection is to be dropped."""
        wrong = self.disturbance
        if wrong is not None and not wrong.forward and wrong.strikes(call, act=call.effect):
            return _spoiled(wrong, call, Reply(200))
        before = self.orders()
        reply = self._ask(call, upstream)
        call.acted = self.orders() > before if self.count is not None else call.effect
        if reply is None:
            return None
        call.answer = reply.body
        if wrong is not None and wrong.forward and wrong.strikes(call, act=call.acted):
            return _spoiled(wrong, call, reply)
        return reply

    def orders(self) -> int:
        """Return how many orders the CA has; 0 where nobody can tell."""
        return self.count() if self.count is not None else 0

    def _ask(self, call: Passed, upstream: HTTPConnection) -> Reply | None:
        try:
            upstream.request(call.method, call.target, call.body or None, call.headers)
            return self._read(upstream.getresponse())
        except (OSError, HTTPException):
            upstream.close()
            return None

    def _read(self, answer: HTTPResponse) -> Reply:
        """Read an answer; links to the CA become links to this line, so that the next call comes by here too."""
        theirs, ours = f"http://{self.host}:{self.port}", f"http://127.0.0.1:{self._own_port}"
        kept = [(n, v.replace(theirs, ours)) for n, v in answer.getheaders() if n.lower() not in _HOP]
        return Reply(answer.status, tuple(kept), answer.read().replace(theirs.encode(), ours.encode()))


def _spoiled(wrong: Disturbance, call: Passed, reply: Reply) -> Reply | None:
    spoil = wrong.spoil
    if spoil.how is How.DROPPED:
        return None
    if spoil.how is How.HELD:
        wrong.over.wait(_WAIT)
        return None
    if spoil.how is How.CUT:
        body = reply.body or b"{}"
        return Reply(reply.status, reply.headers, body, len(body) // 2)
    if spoil.how is How.SLICED:
        return replace(reply, sent=spoil.at) if spoil.noticed else replace(reply, body=reply.body[: spoil.at])
    if spoil.how in {How.OTHER_KEY, How.OTHER_NAME}:
        forged = forge(reply.body, key=spoil.how is How.OTHER_KEY)
        wrong.forged += forged != reply.body
        return replace(reply, body=forged)
    if spoil.how is How.ECHOED:
        return Reply(spoil.status, (("Content-Type", "application/json"),), _echo(call))
    return Reply(spoil.status, tuple(spoil.headers.items()), spoil.body)


def _echo(call: Passed) -> bytes:
    lines = [f"{call.method} {call.target}", *(f"{n}: {v}" for n, v in call.headers.items())]
    text = "\n".join([*lines, "", call.body.decode("utf-8", "replace")])
    rows = [{"code": text, "message": text}]
    names = ("error", "message", "detail", "title", "code", "status", "id", "text", "account", "name")
    return json.dumps({**dict.fromkeys(names, text), "errors": rows, "headers": call.headers}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, line: Line) -> None:
        super().__init__(("127.0.0.1", port), _Talk)
        self.line = line
        self.open: set[socket.socket] = set()

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            _drop(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that go away are what is tried here."""


class _Talk(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)
        self.upstream = self.server.line.onward()

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        self.upstream.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Say nothing."""

    def _do(self) -> None:
        line = self.server.line
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        call = Passed(self.command, self.path, dict(self.headers.items()), body, line.take_mark())
        line.passed.append(call)
        reply = line.carry(call, self.upstream)
        if reply is None:
            self._hang_up()
        else:
            self._send(reply)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _do  # noqa: N815  the base class's names

    def _send(self, reply: Reply) -> None:
        try:
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                self.send_header(name, value)
            if reply.status != 204:
                self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.sent])
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        if reply.sent is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        _drop(self.connection)


def _drop(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
