"""The whole: an endpoint mapper with the activator, and the port of the CA's own service."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.msrpc.simulator.activator import ACTIVATOR, MAPPER, Activator
from chancery.protocols.msrpc.simulator.dials import MsrpcDials
from chancery.protocols.msrpc.simulator.enrolling import Enrolling
from chancery.protocols.msrpc.simulator.managing import Managing
from chancery.protocols.msrpc.simulator.server import ACCESS_DENIED, Call, Handler, RpcFault, Server
from chancery.sandbox.certsrv import Database, Refused
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.frame import Asked, Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "msrpc"
CA_NAME = "Sandbox Issuing CA"
USER, MANAGER, PASSWORD = "EXAMPLE\\svc-chancery", "EXAMPLE\\svc-manager", "sandbox-msrpc-password-4711"
_ICPR = "91ae6020-9e3c-11cf-8d7c-00aa00c091be"
_REQUEST_CLASS, _REQUEST = "d99e6e74-fc88-11d0-b498-00a0c90312f3", "d99e6e70-fc88-11d0-b498-00a0c90312f3"
_REQUEST_2 = "5422fd3a-d4b8-4cef-a12e-e87d4ca22e90"
_ADMIN_CLASS, _ADMIN = "d99e6e73-fc88-11d0-b498-00a0c90312f3", "d99e6e71-fc88-11d0-b498-00a0c90312f3"
_ADMIN_2 = "7fe0d935-dda6-443f-85d0-1cfb58fe41dd"
_CLASSES = {_REQUEST_CLASS: frozenset({_REQUEST, _REQUEST_2}), _ADMIN_CLASS: frozenset({_ADMIN, _ADMIN_2})}


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    database: Database | None = None,
    ca: str = CA_NAME,
) -> RpcSimulator:
    """Return a simulator that is not yet started; `database` is a CA that other faces show as well."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(MsrpcDials)
    shifted = ShiftedClock(clock)
    database = database or Database(EnrolmentCa(clock.now()), ledger, dials, shifted)
    made = RpcSimulator(database, ledger, dials, shifted, ca)
    made.credentials = {"user": USER, "manager": MANAGER, "password": PASSWORD, "ca": ca}
    return made


class RpcSimulator(Simulator):
    """As every simulator, but what it serves is RPC: `port` is that of its endpoint mapper."""

    def __init__(self, database: Database, ledger: Ledger, dials: Dials, clock: ShiftedClock, ca: str) -> None:
        super().__init__(NAME, _no_http, prefix="", ledger=ledger, dials=dials, clock=clock)
        self.database = database
        self._accounts = {USER: PASSWORD, MANAGER: PASSWORD}
        self._mapper: Server | None = None
        self._service: Server | None = None
        self.port = self._service_port = 0
        self._objects: dict[str, str] = {}
        self._lock = threading.Lock()
        enrolling, managing = Enrolling(database, dials, ca), Managing(database, dials, ca, MANAGER)
        self._faces: dict[str, Handler] = {
            _ICPR: enrolling.icpr,
            _REQUEST: self._of_object(_REQUEST, enrolling.request),
            _REQUEST_2: self._of_object(_REQUEST_2, enrolling.about),
            _ADMIN: self._of_object(_ADMIN, managing.admin),
            _ADMIN_2: self._of_object(_ADMIN_2, managing.admin_2),
        }
        activator = Activator(dials, lambda: (self._service_port, self._service_port), _CLASSES, self._make)
        self._doorway: dict[str, Handler] = {MAPPER: activator.map, ACTIVATOR: activator.create}
        self.state = self._kept
        self.doors = {
            ("POST", "/approve"): lambda asked: self._decide(asked, approve=True),
            ("POST", "/refuse"): lambda asked: self._decide(asked, approve=False),
        }

    @property
    def url(self) -> str:
        """Return host and port of the endpoint mapper, in the form of a URL; nothing speaks HTTP there."""
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen, on the same ports as before."""
        if self._mapper is None:
            self._service = Server(self._service_port, self._faces, self._accounts, self.dials)
            self._service_port = self._service.port
            everybody = frozenset({MAPPER})
            self._mapper = Server(self.port, self._doorway, self._accounts, self.dials, open_to_all=everybody)
            self.port = self._mapper.port

    def down(self) -> None:
        """Stop listening: connections are refused, and those that are open are dropped."""
        for server in (self._mapper, self._service):
            if server is not None:
                server.end()
        self._mapper = self._service = None

    def _make(self, clsid: str, iid: str) -> str:
        """Keep a fresh object; return its IPID."""
        del clsid
        ipid = str(uuid4())
        with self._lock:
            self._objects[ipid] = iid
        return ipid

    def _of_object(self, iid: str, handler: Handler) -> Handler:
        """Return a handler that serves objects of this interface alone."""

        def guarded(call: Call) -> bytes:
            if self._objects.get(call.target) != iid:
                raise RpcFault(ACCESS_DENIED)
            return handler(call)

        return guarded

    def _kept(self) -> dict[str, Any]:
        rows = self.database.rows()
        return {"requests": [{"number": r.number, "state": int(r.state), "requester": r.requester} for r in rows]}

    def _decide(self, asked: Asked, *, approve: bool) -> Reply:
        """Let a certificate manager decide about every pending request."""
        del asked
        decided = 0
        for row in self.database.rows():
            try:
                self.database.resubmit(row.number) if approve else self.database.deny(row.number)
            except Refused:
                continue
            decided += 1
        return json_reply({"decided": decided})


def _no_http(asked: Asked) -> Reply:
    del asked
    return Reply(404)
