"""One account at CERTInext: its book, its clock, its CAs, and the interfaces that read and write them."""

from __future__ import annotations

import threading
from typing import Any, cast

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
from chancery.protocols.acme.simulator import build as build_acme
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Example, Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "emsign"
DIRECTORY = "/acme/directory"
_ACME = "/acme/"
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
    made = Certinext(NAME, service.answer, prefix="", ledger=ledger, dials=dials, clock=shifted)
    made.state, made.tick = service.state, service.tick
    made.doors = {("POST", "/publish"): service.publish, ("POST", "/approve"): service.approve}
    made.credentials = _credentials()
    made.examples = [_example("V2", "v2"), _example("V1", "v1")]
    return made


class Certinext(Simulator):
    """The simulator; where its ACME directory is shows once it is started."""

    def start(self) -> None:
        """Serve on a free port of the loopback address."""
        super().start()
        self.examples = [*(e for e in self.examples if not e.base_url), _acme_example(f"{self.url}{DIRECTORY}")]


def _credentials() -> dict[str, Any]:
    return {
        "account_number": account.ACCOUNT,
        "client_secret": account.CLIENT_SECRET,
        "access_key": account.ACCESS_KEY,
        "not_oauth": account.NOT_OAUTH,
        "eab_key_id": account.EAB_KEY_ID,
        "eab_hmac_key": account.EAB_KEY,
        "directory": DIRECTORY,
        "group_number": account.DEFAULT_GROUP,
        "organization_number": account.ORGANIZATIONS[0]["number"],
        "products": {p.variant: p.code for p in reversed(PRODUCTS)},
    }


def _acme_example(directory: str) -> Example:
    return Example(
        connector="emSign over ACME (simulated)",
        profile="emSign DV over ACME (simulated)",
        settings={
            "transport": "acme",
            "eab_key_id": account.EAB_KEY_ID,
            "eab_hmac_key": account.EAB_KEY,
            "requestor_email": "pki@example.com",
            "accept_agreement": True,
        },
        product={"variant": "dv"},
        base_url=directory,
        validity_days=199,
    )


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


class _ChosenCa:
    """The CA that the dial chooses, whenever it is asked for anything."""

    def __init__(self, hierarchy: Hierarchy, dials: Dials) -> None:
        self._hierarchy, self._dials = hierarchy, dials

    def __getattr__(self, name: str) -> Any:
        return getattr(self._hierarchy.ca(self._dials.now.issuer), name)


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
        chosen = cast("SandboxCa", _ChosenCa(hierarchy, dials))
        bindings = {account.EAB_KEY_ID: account.EAB_KEY}
        self._acme = build_acme(name=NAME, ca=chosen, ledger=ledger, dials=dials, clock=clock, bindings=bindings)
        self.v1 = v1.V1(self.book, self.lifecycle, validation, self._tokens, limiter, dials, clock, account.ACCESS_KEY)

    def answer(self, asked: Asked) -> Reply:
        """Answer one request."""
        if asked.path.startswith(_ACME):
            return self._acme._answer(asked)
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
