"""Real HTTP over loopback for simulators: a router, faults, and a door of its own for control."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from chancery.core.clock import Clock
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.ledger import Ledger
from chancery.sandbox.stopping import StopsAtOnce, drop

MAX_BODY = 1_000_000
_HUGE = 8 * 1024 * 1024
_TEN_YEARS = 10 * 366 * 86_400
_MOST_DIGITS = 9


@dataclass
class Asked:
    """One request: `query` keeps order and repeats.

    `connection` is the same for all requests of one TCP connection, for what belongs to it, as logins by NTLM do; `peer` is
    the client's certificate (DER) in TLS.
    """

    method: str
    path: str
    headers: dict[str, str]
    query: list[tuple[str, str]]
    body: bytes
    params: dict[str, str] = field(default_factory=dict)
    throttled: bool = False
    """The dials want this call refused for its rate; each CA words that in its own way."""
    connection: dict[str, Any] = field(default_factory=dict)
    peer: bytes | None = None

    def json(self) -> Any:
        """Return the body as JSON; None where it is none."""
        try:
            return json.loads(self.body or b"null")
        except (ValueError, RecursionError):
            return None

    def first(self, name: str, default: str = "") -> str:
        """Return the first value of a query field."""
        return next((v for k, v in self.query if k == name), default)


@dataclass
class Reply:
    """What goes back. `acted` says that something lasting was done for it; a header of several lines is sent so often."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    acted: bool = False
    headers: dict[str, str] = field(default_factory=dict)


Handler = Callable[[Asked], Reply]


@dataclass(frozen=True)
class Example:
    """A connector to this simulator as an administrator would type it, and a profile that orders through it.

    `base_url` replaces the simulator's own where a transport has another. `names` may hold `{n}`, which becomes a
    random word, so that each order is for other names.
    """

    connector: str
    profile: str
    settings: dict[str, Any]
    product: dict[str, Any] = field(default_factory=dict)
    base_url: str = ""
    validity_days: int = 90
    names: tuple[str, ...] = ("www-{n}.example.com",)
    key: str = "EC-P256"


def json_reply(document: Any, status: int = 200, *, acted: bool = False) -> Reply:
    """Return a JSON reply."""
    return Reply(status, json.dumps(document).encode(), acted=acted)


class Router:
    """Method and path pattern → handler; `{name}` matches one segment."""

    def __init__(self) -> None:
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def add(self, method: str, pattern: str, handler: Handler) -> None:
        """Add a route."""
        regex = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern) + r"\Z")
        self._routes.append((method, regex, handler))

    def find(self, asked: Asked) -> Handler | None:
        """Return the handler, with the path's parameters put into the request."""
        for method, regex, handler in self._routes:
            match = regex.match(asked.path)
            if match and method == asked.method:
                asked.params = match.groupdict()
                return handler
        return None


class Simulator:
    """A simulated CA: `url` is its service, `control` its control door.

    A simulator that can say what it keeps sets `state`; one whose work follows the time sets `tick`, which does what
    has fallen due; `doors` holds its own control requests, by method and path. `examples` are what the demo shows. With
    `tls` the service speaks HTTPS; its control door never does.
    """

    def __init__(self, name: str, answer: Handler, *, prefix: str, ledger: Ledger, dials: Dials, clock: Clock) -> None:
        self.name, self.ledger, self.dials, self.clock = name, ledger, dials, clock
        self.credentials: dict[str, Any] = {}
        self.examples: list[Example] = []
        self.tls: ssl.SSLContext | None = None
        self.state: Callable[[], Any] = dict
        self.tick: Callable[[], None] = _nothing
        self.doors: dict[tuple[str, str], Handler] = {}
        self._answer, self._prefix = answer, prefix
        self._server: _Server | None = None
        self._control: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Return the base URL of the simulated service."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self._port}{self._prefix}"

    @property
    def control(self) -> str:
        """Return the URL of the control door."""
        return f"http://127.0.0.1:{self._control.port}" if self._control else ""

    def start(self) -> None:
        """Serve on a free port of the loopback address."""
        self.up()
        self._control = _Server(0, self._control_answer, None, self)

    def stop(self) -> None:
        """Stop serving."""
        self.down()
        if self._control is not None:
            self._control.end()
            self._control = None

    def up(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = _Server(self._port, self._answer, self.dials, self)
            self._port = self._server.port

    def down(self) -> None:
        """Stop listening: connections are refused, and those that are open are dropped."""
        if self._server is not None:
            self._server.end()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _control_answer(self, asked: Asked) -> Reply:
        what = (asked.method, asked.path)
        own = self.doors.get(what) or self._controls().get(what)
        if own is None:
            return json_reply({"unknown": asked.path}, 404)
        return own(asked)

    def _controls(self) -> dict[tuple[str, str], Handler]:
        return {
            ("GET", "/dials"): self._show_dials,
            ("PUT", "/dials"): self._turn,
            ("POST", "/down"): lambda asked: self._after(self.down, asked),
            ("POST", "/up"): lambda asked: self._after(self.up, asked),
            ("POST", "/reset"): lambda asked: self._after(self.dials.reset, asked),
            ("GET", "/ledger"): lambda _: json_reply({"lines": [vars(line) for line in self.ledger.lines()]}),
            ("GET", "/state"): lambda _: json_reply(self.state()),
            ("POST", "/tick"): self._push,
        }

    def _show_dials(self, asked: Asked) -> Reply:
        del asked
        return json_reply(self.dials.as_dict())

    def _after(self, act: Callable[[], None], asked: Asked) -> Reply:
        act()
        return self._show_dials(asked)

    def _turn(self, asked: Asked) -> Reply:
        wanted = asked.json()
        if not isinstance(wanted, dict):
            return json_reply({"invalid": "an object of dials is needed"}, 400)
        try:
            self.dials.set(**wanted)
        except KeyError as error:
            return json_reply({"unknown": str(error)}, 400)
        except ValueError as error:
            return json_reply({"invalid": str(error)}, 400)
        return self._show_dials(asked)

    def _push(self, asked: Asked) -> Reply:
        """Let time pass: `{"seconds": n}`, 0 by default; then do what is due. Time is pushed for this CA alone."""
        wanted = asked.json() or {}
        seconds = wanted.get("seconds", 0) if isinstance(wanted, dict) else None
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= _TEN_YEARS:
            return json_reply({"invalid": "seconds is a number from 0 to ten years"}, 400)
        if seconds and not isinstance(self.clock, ShiftedClock):
            return json_reply({"invalid": "this simulator's clock cannot be pushed"}, 400)
        if isinstance(self.clock, ShiftedClock):
            self.clock.push(float(seconds))
        self.tick()
        return json_reply({"now": self.clock.now().isoformat()})


def _nothing() -> None:
    """Do nothing: nothing of this simulator follows the time."""


class _Server(StopsAtOnce):
    request_queue_size = 256

    def __init__(self, port: int, answer: Handler, dials: Dials | None, simulator: Simulator) -> None:
        super().__init__(("127.0.0.1", port), _Talk)
        self.answer, self.dials, self.simulator = answer, dials, simulator
        self.tls = simulator.tls if dials is not None else None
        self.begin()


class _Talk(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.kept: dict[str, Any] = {}
        self.peer: bytes | None = None
        if self.server.tls is not None:
            secured = self.server.tls.wrap_socket(self.request, server_side=True)
            self.request, self.peer = secured, secured.getpeercert(True)
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass
        if self.server.tls is not None:
            drop(self.connection)  # the server behind us closes only the socket that it knows

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base class's name
        """Say nothing."""

    def _do(self) -> None:
        asked = self._read()
        if isinstance(asked, int) or self.server.ended:
            self.close_connection = True
            if isinstance(asked, int) and not self.server.ended:
                self._send(Reply(asked, b"", "text/plain"), None)
            return
        dials = self.server.dials
        if dials is None:
            self._send(self.server.answer(asked), None)
        else:
            self._faulty(asked, dials)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815  the base class's names

    def _read(self) -> Asked | int:
        """Return the request, or the status for one that HTTP itself does not allow here, as any web server says it."""
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()):
            return 400
        if len(length) > _MOST_DIGITS or int(length) > MAX_BODY:
            return 413
        body = self.rfile.read(int(length))
        try:
            parts = urlsplit(self.path)
        except ValueError:
            return 400
        headers = {k.lower(): v for k, v in self.headers.items()}
        query = parse_qsl(parts.query, keep_blank_values=True)
        return Asked(self.command, parts.path, headers, query, body, connection=self.kept, peer=self.peer)

    def _faulty(self, asked: Asked, dials: Dials) -> None:
        now = dials.now
        if now.delay:
            time.sleep(now.delay)
        fault = dials.next_fault(f"{asked.method} {asked.path}")
        if fault == "drop" or dials.hits(now.fail_before):
            self._hang_up()
            return
        if fault == "page" or dials.hits(now.error_page):
            self._send(Reply(503, b"<html><h1>Maintenance</h1></html>", "text/html"), dials)
            return
        asked.throttled = fault == "throttle"
        reply = self.server.answer(asked)
        if self.server.ended or fault == "lose" or (reply.acted and dials.hits(now.fail_after)):
            self._hang_up()
            return
        if fault == "error" or (reply.acted and dials.hits(now.error_after)):
            reply = Reply(500, b"<html>error</html>", "text/html")
        self._send(self._spoil(reply, dials, fault), dials, half=fault == "half")

    def _spoil(self, reply: Reply, dials: Dials, fault: str) -> Reply:
        if dials.now.huge:
            return Reply(reply.status, b" " * _HUGE, reply.content_type)
        if fault == "garbled" or dials.hits(dials.now.garbled):
            return Reply(reply.status, b"\x00\xff{garbled", reply.content_type)
        return reply

    def _send(self, reply: Reply, dials: Dials | None, *, half: bool = False) -> None:
        skew = dials.now.clock_skew if dials else 0.0
        half = bool(reply.body) and (half or (dials is not None and dials.hits(dials.now.half_body)))
        try:
            self.send_response_only(reply.status)
            date = self.server.simulator.clock.now() + timedelta(seconds=skew)
            self.send_header("Date", format_datetime(date, usegmt=True))
            if reply.body or reply.status != 204:
                self.send_header("Content-Type", reply.content_type)
                self.send_header("Content-Length", str(len(reply.body)))
            for name, value in reply.headers.items():
                for line in value.split("\n"):
                    self.send_header(name, line)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(reply.body[: len(reply.body) // 2] if half else reply.body)
            self.wfile.flush()
        except OSError:
            self.close_connection = True
        if half:
            self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        drop(self.connection)
