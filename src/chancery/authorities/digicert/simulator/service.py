"""The service: rate limits, keys, routes, and the oddities that the dials ask for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

from chancery.authorities.digicert.simulator import account
from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.deciding import Deciding
from chancery.authorities.digicert.simulator.dials import CertCentralDials
from chancery.authorities.digicert.simulator.domains import Domains
from chancery.authorities.digicert.simulator.downloads import Downloads
from chancery.authorities.digicert.simulator.lifecycle import Lifecycle
from chancery.authorities.digicert.simulator.limiter import LIMITS, Limiter
from chancery.authorities.digicert.simulator.ordering import Ordering
from chancery.authorities.digicert.simulator.products import PRODUCTS
from chancery.authorities.digicert.simulator.reading import Reading
from chancery.authorities.digicert.simulator.reference import Reference
from chancery.authorities.digicert.simulator.refusal import Refusal, bad_format, denied, missing, throttled
from chancery.authorities.digicert.simulator.showing import Showing, stamp
from chancery.authorities.digicert.simulator.state import Book
from chancery.authorities.digicert.simulator.stocking import Stocking
from chancery.authorities.digicert.simulator.telling import Telling
from chancery.authorities.digicert.simulator.validation import Validation
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Example, Reply, Router, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "digicert"
PREFIX = "/services/v2"
KEY = "SANDBOX-KEY-0123456789ABCDEF"


def build(
    *,
    ca: SandboxCa | None = None,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    clock: Clock = SYSTEM_CLOCK,
    limits: tuple[tuple[float, int], ...] = LIMITS,
    key: str = KEY,
) -> Simulator:
    """Return a simulator that is not yet started."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(CertCentralDials)
    shifted = ShiftedClock(clock)
    service = Service(ca or SandboxCa(clock.now()), ledger, dials, shifted, limits, key)
    made = Simulator(NAME, service.answer, prefix=PREFIX, ledger=ledger, dials=dials, clock=shifted)
    made.state, made.tick = service.state, service.tick
    made.doors = {("POST", "/publish"): service.publish, ("POST", "/stock"): service.stock}
    made.credentials = _credentials(key)
    made.examples = [_example(made.credentials)]
    return made


def _credentials(key: str) -> dict[str, Any]:
    others = {name: k.value for name, k in account.keys(key).items() if name != "main"}
    return {
        "api_key": key,
        "other_keys": others,
        "reference_field_id": str(account.REFERENCE_FIELD),
        "organization_id": str(account.ORGANIZATIONS[0]["id"]),
        "container_id": str(account.ROOT_CONTAINER),
        "products": [p.name_id for p in PRODUCTS],
    }


def _example(account: dict[str, Any]) -> Example:
    return Example(
        connector="DigiCert (simulated)",
        profile="Public TLS (simulated)",
        settings={
            "api_key": account["api_key"],
            "reference_field_id": account["reference_field_id"],
            "skip_approval": True,
        },
        product={"product": "ssl_basic", "organization_id": account["organization_id"]},
    )


class Service:
    """One simulated account."""

    def __init__(
        self,
        ca: SandboxCa,
        ledger: Ledger,
        dials: Dials,
        clock: Clock,
        limits: tuple[tuple[float, int], ...],
        key: str,
    ) -> None:
        self._dials = dials
        self._keys = {k.value: (k, Limiter(clock, limits)) for k in account.keys(key).values()}
        self._book = Book()
        self._lock = threading.RLock()
        validation = Validation(self._book, dials, clock)
        self._lifecycle = Lifecycle(self._book, ca, ledger, dials, clock, validation)
        self._stocking = Stocking(self._book, ca, clock)
        showing = Showing(self._book, validation, ca, dials, clock)
        self._access = Access(self._book, dials)
        self._router = Router()
        for part in (
            Reference(validation, self._access, dials),
            Domains(self._book, validation, self._lifecycle, showing, self._access, dials, clock),
            Deciding(self._book, self._lifecycle, showing, self._access, dials, clock),
            Reading(self._book, showing, validation, self._access, dials, clock),
            Ordering(self._book, self._lifecycle, validation, showing, self._access, dials, clock),
            Downloads(self._book, showing, self._access, dials),
            Telling(self._book, self._access, clock),
        ):
            for method, path, handler in part.routes():
                self._router.add(method, PREFIX + path, handler)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request: limits and key first, as the service does."""
        try:
            return self._shape(self._answer(asked))
        except Refusal as refusal:
            return self._shape(refusal.reply())

    def _answer(self, asked: Asked) -> Reply:
        now = self._dials.now
        found = self._keys.get(asked.headers.get("x-dc-devkey", ""))
        if now.throttle or asked.throttled or (found is not None and not found[1].allows()):
            raise throttled(now.retry_after)
        if now.refuse_key or found is None:
            raise denied("access_denied_invalid_key")
        handler = self._router.find(asked)
        if handler is None:
            raise missing("route", "The specified route could not be found.")
        with self._lock:
            self._lifecycle.tick()
            self._access.enter(found[0], asked.method, asked.path.removeprefix(PREFIX))
            try:
                return handler(asked)
            except (TypeError, AttributeError, KeyError, ValueError, OverflowError):
                if not asked.body:
                    raise
                # A field of another type than documented, where no check of its own names it.
                raise bad_format() from None

    def tick(self) -> None:
        """Do what has fallen due."""
        with self._lock:
            self._lifecycle.tick()

    def publish(self, asked: Asked) -> Reply:
        """Take note that a subscriber published `{"name", "value"}`; an e-mail's link that was followed counts too."""
        body = asked.json()
        texts = (body.get("name"), body.get("value")) if isinstance(body, dict) else (None, None)
        if not all(isinstance(text, str) and text for text in texts):
            return json_reply({"invalid": "name and value are needed"}, 400)
        with self._lock:
            self._book.published.add((str(texts[0]).lower(), str(texts[1])))
            self._lifecycle.tick()
        return json_reply({"published": len(self._book.published)})

    def stock(self, asked: Asked) -> Reply:
        """Fill the account with `{"number"}` issued orders; `"name"` begins their hosts, `"kept": false` loses them."""
        body = asked.json()
        number = body.get("number") if isinstance(body, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            return json_reply({"invalid": "number is needed"}, 400)
        with self._lock:
            name = str(body.get("name") or "stock")[:30]
            return json_reply({"stocked": self._stocking.stock(number, name, kept=body.get("kept") is not False)})

    def state(self) -> dict[str, Any]:
        """Return what the account holds, for the control door."""
        with self._lock:
            return {
                "orders": [
                    {
                        "id": o.id,
                        "status": o.status,
                        "reference": o.reference,
                        "names": o.names,
                        "note": o.note,
                        "certificates": [{"id": c.id, "kind": c.kind, "revoked": c.revoked} for c in o.certificates],
                    }
                    for o in self._book.orders.values()
                ],
                "requests": [
                    {"id": r.id, "type": r.type, "status": r.status, "order": r.order, "comments": r.comments}
                    for r in self._book.requests.values()
                ],
                "events": [
                    {"at": stamp(c.at), "order": c.order, "certificate": c.certificate, "status": c.status}
                    for c in self._book.changes
                ],
                "domains": [
                    {"id": d.id, "name": d.name, "token": d.token, "valid_until": stamp(d.valid_until)}
                    for d in self._book.domains.values()
                ],
            }

    def _shape(self, reply: Reply) -> Reply:
        now = self._dials.now
        if reply.content_type != "application/json" or not reply.body:
            return reply
        if now.errors_as_object and reply.status >= 400:
            reply.body = _reshaped(reply.body, _error_as_object)
        if now.omit_empty_lists:
            reply.body = _reshaped(reply.body, _without_empty_lists)
        if now.numbers_as_strings:
            reply.body = _reshaped(reply.body, _as_strings)
        if now.duplicate_keys and reply.body.startswith(b'{"id"'):
            # A reader that takes the last of two equal keys, as most do, sees no difference.
            reply.body = b'{"id": 0, ' + reply.body[1:]
        return reply


def _reshaped(body: bytes, how: Callable[[Any], Any]) -> bytes:
    return json.dumps(how(json.loads(body))).encode()


def _without_empty_lists(document: Any) -> Any:
    return {n: v for n, v in document.items() if v != []} if isinstance(document, dict) else document


def _error_as_object(document: Any) -> Any:
    return {"errors": document["errors"][0]}


def _as_strings(document: Any) -> Any:
    if isinstance(document, dict):
        return {name: _as_strings(value) for name, value in document.items()}
    if isinstance(document, list):
        return [_as_strings(value) for value in document]
    return str(document) if isinstance(document, int | float) and not isinstance(document, bool) else document
