"""One account at CERTInext: its book, its clock, its CAs, and the interfaces that read and write them."""

from __future__ import annotations

import threading
from typing import Any

from chancery.authorities.emsign.simulator import account
from chancery.authorities.emsign.simulator.book import Book
from chancery.authorities.emsign.simulator.dials import CertinextDials
from chancery.authorities.emsign.simulator.hierarchy import Hierarchy
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.limiter import BURST, Limiter
from chancery.authorities.emsign.simulator.products import PRODUCTS
from chancery.authorities.emsign.simulator.tokens import Tokens
from chancery.authorities.emsign.simulator.v1 import service as v1
from chancery.authorities.emsign.simulator.v2 import service as v2
from chancery.authorities.emsign.simulator.validation import Validation
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Example, Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "emsign"
SIGNER_IP = "203.0.114.7"
"""A public address: one that is set aside, as for documentation, is refused (EMS-1091)."""


def build(
    *,
    ca: SandboxCa | None = None,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    clock: Clock = SYSTEM_CLOCK,
    burst: tuple[float, int] = BURST,
) -> Simulator:
    """Return a simulator that is not yet started. `burst` is V1's limit: (seconds, orders)."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(CertinextDials)
    shifted = ShiftedClock(clock)
    service = Service(Hierarchy(clock.now(), ca), ledger, dials, shifted, burst)
    made = Simulator(NAME, service.answer, prefix="", ledger=ledger, dials=dials, clock=shifted)
    made.state, made.tick = service.state, service.tick
    made.doors = {("POST", "/publish"): service.publish, ("POST", "/approve"): service.approve}
    made.credentials = _credentials()
    made.examples = [_example("V2", "v2"), _example("V1", "v1")]
    return made


def _credentials() -> dict[str, Any]:
    return {
        "account_number": account.ACCOUNT,
        "client_secret": account.CLIENT_SECRET,
        "access_key": account.ACCESS_KEY,
        "not_oauth": account.NOT_OAUTH,
        "group_number": account.DEFAULT_GROUP,
        "organization_number": account.ORGANIZATIONS[0]["number"],
        "products": {p.variant: p.code for p in PRODUCTS},
    }


def _example(title: str, transport: str) -> Example:
    secret = {"v2": {"client_secret": account.CLIENT_SECRET}, "v1": {"access_key": account.ACCESS_KEY}}[transport]
    return Example(
        connector=f"emSign over {title} (simulated)",
        profile=f"emSign DV over {title} (simulated)",
        settings={
            "transport": transport,
            "account_number": account.ACCOUNT,
            **secret,
            "group_number": account.DEFAULT_GROUP,
            "requestor_name": "Sandbox Requestor",
            "requestor_email": "pki@example.com",
            "requestor_isd": "1",
            "requestor_phone": "4155550100",
            "accept_agreement": True,
            "signer_place": "San Francisco",
            "signer_ip": SIGNER_IP,
        },
        product={"variant": "dv", "product_code": "842"},
        validity_days=199,
    )


class Service:
    """Sends each call to its interface."""

    def __init__(
        self, hierarchy: Hierarchy, ledger: Ledger, dials: Dials, clock: Clock, burst: tuple[float, int]
    ) -> None:
        self.book = Book()
        self._lock = threading.RLock()
        validation = Validation(self.book, dials, clock)
        self.lifecycle = Lifecycle(self.book, hierarchy, ledger, dials, clock, validation)
        self._tokens = Tokens(dials, clock, account.CLIENT_SECRET)
        self.v2 = v2.V2(self.book, self.lifecycle, validation, self._tokens, dials, clock)
        limiter = Limiter(clock, burst)
        self.v1 = v1.V1(self.book, self.lifecycle, validation, self._tokens, limiter, dials, clock, account.ACCESS_KEY)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        with self._lock:
            self.lifecycle.tick()
            if (asked.method, asked.path) == ("POST", "/oauth/token"):
                return self._tokens.answer(asked)
            if asked.path.startswith(v1.PREFIX):
                return self.v1.answer(asked)
            return self.v2.answer(asked)

    def tick(self) -> None:
        """Do what has fallen due."""
        with self._lock:
            self.lifecycle.tick()

    def publish(self, asked: Asked) -> Reply:
        """Take note that a subscriber published `{"name", "value"}`."""
        body = asked.json()
        texts = (body.get("name"), body.get("value")) if isinstance(body, dict) else (None, None)
        if not all(isinstance(text, str) and text for text in texts):
            return json_reply({"invalid": "name and value are needed"}, 400)
        with self._lock:
            self.book.published.add((str(texts[0]), str(texts[1])))
        return json_reply({"published": len(self.book.published)})

    def approve(self, asked: Asked) -> Reply:
        """Let people at the CA decide all that waits: `{"word": "approved"}` or rejected; documents and organisation too."""
        body = asked.json() or {}
        word = body.get("word", "approved") if isinstance(body, dict) else "approved"
        with self._lock:
            waiting = [o for o in self.book.open if not o.ended and o.leaf is None]
            for order in waiting:
                if word == "rejected":
                    self.lifecycle.end(order, "rejected", "as decided")
                else:
                    order.vetted = order.documents = True
                    self.lifecycle.approve(order)
        return json_reply({"decided": len(waiting)})

    def state(self) -> dict[str, Any]:
        """Return what the account holds, for the control door."""
        with self._lock:
            return {
                "orders": [
                    {
                        "number": o.number,
                        "request": o.request,
                        "status": self.lifecycle.status(o),
                        "names": o.names,
                        "tags": o.tags,
                        "autoRenew": o.auto_renew,
                        "originator": o.originator,
                        "revocation": o.revocation.reason if o.revocation else "",
                        "tokens": {c.domain: c.token for c in o.checks.values()},
                    }
                    for o in self.book.orders
                ]
            }
