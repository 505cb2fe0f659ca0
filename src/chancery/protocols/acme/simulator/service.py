"""The service: directory, nonces, and the gate that every signed request passes (RFC 8555 sections 6 and 7.1)."""

from __future__ import annotations

import secrets
import threading
from typing import Any

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.acme.simulator.accounts import TERMS, Accounts
from chancery.protocols.acme.simulator.asking import PREFIX, Ask, Handler
from chancery.protocols.acme.simulator.dials import AcmeDials
from chancery.protocols.acme.simulator.issuing import Issuing
from chancery.protocols.acme.simulator.orders import PROFILES, Orders
from chancery.protocols.acme.simulator.refusal import Refusal, malformed, unauthorized
from chancery.protocols.acme.simulator.signatures import Signed, check, read
from chancery.protocols.acme.simulator.state import Account, Book
from chancery.protocols.acme.simulator.validation import Validation
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, Router, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

EAB_KEY_ID = "sandbox-eab-1"
EAB_KEY = "c2FuZGJveC1lYWIta2V5LTAxMjM0NTY3ODlhYmNkZWY"
_SIGNED_BY_KEY = {"/new-acct", "/revoke-cert"}


def build(
    *,
    name: str = "acme",
    ca: SandboxCa | None = None,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    clock: Clock = SYSTEM_CLOCK,
    bindings: dict[str, str] | None = None,
) -> Simulator:
    """Return a simulator that is not yet started. `bindings` are the EAB keys of its console: key id → Base64url."""
    ledger, dials = ledger or Ledger(), (dials or Dials()).widen(AcmeDials)
    shifted = ShiftedClock(clock)
    service = Service(
        ca or SandboxCa(clock.now()), ledger, dials, shifted, {EAB_KEY_ID: EAB_KEY} if bindings is None else bindings
    )
    made = Simulator(name, service.answer, prefix=f"{PREFIX}/directory", ledger=ledger, dials=dials, clock=shifted)
    made.state = service.state
    made.credentials = {"eab_key_id": EAB_KEY_ID, "eab_hmac_key": EAB_KEY}
    return made


class Service:
    """One simulated CA."""

    def __init__(self, ca: SandboxCa, ledger: Ledger, dials: Dials, clock: Clock, bindings: dict[str, str]) -> None:
        self._dials, self._book, self._lock = dials, Book(), threading.RLock()
        self._resets = 0
        validation = Validation(self._book, dials, clock)
        self._issuing = Issuing(self._book, ca, ledger, dials, clock)
        orders = Orders(self._book, validation, self._issuing, ledger, dials, clock)
        self._accounts = Accounts(self._book, dials, bindings)
        self._signed, self._open = Router(), Router()
        for part in (self._accounts, orders, validation, self._issuing):
            for path, handler in part.routes():
                self._route(path, handler)
        for method in ("GET", "HEAD"):
            self._open.add(method, f"{PREFIX}/new-nonce", self._new_nonce)
        self._open.add("GET", f"{PREFIX}/directory", self._directory)
        self._open.add("GET", f"{PREFIX}/renewal-info/{{id}}", self._issuing.renewal_info)

    def _route(self, path: str, handler: Handler) -> None:
        self._signed.add("POST", PREFIX + path, lambda asked: handler(self._gate(asked)))

    @property
    def _now(self) -> AcmeDials:
        found: AcmeDials = self._dials.now
        return found

    def answer(self, asked: Asked) -> Reply:
        """Answer one request; each answer brings a nonce."""
        with self._lock:
            self._set_up()
            try:
                reply = self._answer(asked)
            except Refusal as refusal:
                reply = refusal.reply()
            except (TypeError, AttributeError, KeyError, ValueError, OverflowError, RecursionError):
                # A field of another type than documented, where no check of its own names it.
                reply = malformed("The request could not be read.").reply()
            reply.headers["Replay-Nonce"] = self._nonce()
        index = f'<{_origin(asked)}{PREFIX}/directory>;rel="index"'
        reply.headers["Link"] = ", ".join(part for part in (reply.headers.get("Link", ""), index) if part)
        return reply

    def _set_up(self) -> None:
        if self._now.resets > self._resets:
            self._book.clear()
        self._resets = self._now.resets

    def _answer(self, asked: Asked) -> Reply:
        if self._now.throttle or asked.throttled:
            patience = {"Retry-After": self._now.retry_after} if self._now.retry_after else {}
            raise Refusal("rateLimited", "Too many requests.", 429, headers=patience)
        handler = self._open.find(asked) or self._signed.find(asked)
        if handler is None:
            raise Refusal("malformed", "There is no such resource.", 404)
        return handler(asked)

    def _new_nonce(self, asked: Asked) -> Reply:
        return Reply(204 if asked.method == "GET" else 200, headers={"Cache-Control": "no-store"})

    def _nonce(self) -> str:
        made = secrets.token_urlsafe(16)
        self._book.nonces.add(made)
        return made

    def _directory(self, asked: Asked) -> Reply:
        base = f"{self._now.other_host or _origin(asked)}{PREFIX}"
        meta: dict[str, Any] = {
            "website": "https://ca.example/",
            "caaIdentities": ["ca.example"],
            "externalAccountRequired": self._now.eab_required,
            "profiles": PROFILES,
        }
        if self._now.terms:
            meta["termsOfService"] = TERMS
        document: dict[str, Any] = {
            "newNonce": f"{base}/new-nonce",
            "newAccount": f"{base}/new-acct",
            "newOrder": f"{base}/new-order",
            "revokeCert": f"{base}/revoke-cert",
            "meta": meta,
            secrets.token_urlsafe(8): "https://ca.example/unknown-entries-are-to-be-ignored",
        }
        if not self._now.no_key_change:
            document["keyChange"] = f"{base}/key-change"
        if self._now.renewal_info:
            document["renewalInfo"] = f"{base}/renewal-info"
        return json_reply(document)

    # The gate -----------------------------------------------------------------------------------------

    def _gate(self, asked: Asked) -> Ask:
        if asked.headers.get("content-type") != "application/jose+json":
            raise Refusal("malformed", "The content type is not application/jose+json.", 415)
        jws, origin = read(asked.json()), _origin(asked)
        path = asked.path.removeprefix(PREFIX)
        account, jwk = self._signer(jws, path, origin)
        self._check(jws, account, jwk)
        self._spend(jws)
        if jws.protected.get("url") != origin + asked.path:
            raise unauthorized("The header's 'url' is not the address that was asked.")
        if self._now.refuse_key:
            raise unauthorized("The account is deactivated.")
        return Ask(asked, origin, jws, account, jwk)

    def _signer(self, jws: Signed, path: str, origin: str) -> tuple[Account | None, dict[str, Any] | None]:
        kid, jwk = jws.protected.get("kid"), jws.protected.get("jwk")
        if (kid is None) == (jwk is None):
            raise malformed("The header has either 'kid' or 'jwk'.")
        if jwk is not None:
            if path not in _SIGNED_BY_KEY or not isinstance(jwk, dict):
                raise malformed("This request is signed by an account, with 'kid'.")
            return None, jwk
        place = f"{origin}{PREFIX}/acct/"
        account = self._book.accounts.get(str(kid).removeprefix(place)) if str(kid).startswith(place) else None
        if account is None:
            raise Refusal("accountDoesNotExist", "There is no such account.")
        if account.status != "valid":
            raise unauthorized("The account is deactivated.")
        return account, None

    def _check(self, jws: Signed, account: Account | None, jwk: dict[str, Any] | None) -> None:
        try:
            check(jws, account.key if account is not None else jwk or {})
        except Refusal:
            if account is None or not self._now.stranger:
                raise
            raise Refusal(self._now.stranger, "The signature is not the account's.", 403) from None

    def _spend(self, jws: Signed) -> None:
        nonce = jws.protected.get("nonce")
        known = isinstance(nonce, str) and nonce in self._book.nonces
        if known:
            self._book.nonces.discard(nonce)
        if not known or self._dials.hits(self._now.bad_nonces):
            raise Refusal("badNonce", "The nonce is not one of ours, or was used before.")

    def state(self) -> dict[str, Any]:
        """Return what the CA holds, for the control door."""
        with self._lock:
            self._set_up()
            return {
                "accounts": [
                    {"id": a.id, "status": a.status, "contact": a.contacts, "bound": a.binding is not None}
                    for a in self._book.accounts.values()
                ],
                "orders": [
                    {"id": o.id, "names": [v for _, v in o.identifiers], "certificate": o.certificate}
                    for o in self._book.orders.values()
                ],
                "certificates": [
                    {"id": c.id, "names": c.names, "revoked": c.revoked, "replaced": c.replaced}
                    for c in self._book.certificates.values()
                ],
            }


def _origin(asked: Asked) -> str:
    return f"http://{asked.headers.get('host', '127.0.0.1')}"
