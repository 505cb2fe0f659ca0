"""Orders: opened, shown, finalized (RFC 8555 section 7.4)."""

from __future__ import annotations

import ipaddress
import re
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509

from chancery.core.clock import Clock
from chancery.protocols.acme.simulator.asking import Ask, Route
from chancery.protocols.acme.simulator.dials import AcmeDials
from chancery.protocols.acme.simulator.issuing import Issuing
from chancery.protocols.acme.simulator.refusal import Refusal, malformed, missing, unauthorized
from chancery.protocols.acme.simulator.signatures import decode
from chancery.protocols.acme.simulator.state import Book, Order
from chancery.protocols.acme.simulator.validation import Validation, stamp
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Reply, json_reply
from chancery.sandbox.ledger import Ledger

PROFILES = {"classic": "https://ca.example/profiles#classic", "shortlived": "https://ca.example/profiles#shortlived"}
_LIFE = timedelta(days=7)
_HOST = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9][a-z0-9-]{0,62}")
_MOST = 100


class Orders:
    """Handlers for orders."""

    def __init__(
        self, book: Book, validation: Validation, issuing: Issuing, ledger: Ledger, dials: Dials, clock: Clock
    ) -> None:
        self._book, self._validation, self._issuing = book, validation, issuing
        self._ledger, self._dials, self._clock = ledger, dials, clock

    def routes(self) -> list[Route]:
        """Return path → handler."""
        return [
            ("/new-order", self.new),
            ("/order/{id}", self.show),
            ("/order/{id}/finalize", self.finalize),
            ("/acct/{id}/orders", self.listed),
        ]

    @property
    def _now(self) -> AcmeDials:
        found: AcmeDials = self._dials.now
        return found

    def new(self, ask: Ask) -> Reply:
        """Open an order."""
        account, body, now = ask.who(), ask.jws.json(), self._clock.now()
        if self._now.terms_changed:
            where = {"Link": f'<{ask.url("/terms")}>;rel="terms-of-service"'}
            raise Refusal(
                "userActionRequired", "The terms have changed.", 403, headers=where, instance=ask.url("/terms")
            )
        identifiers = _identifiers(body)
        if self._now.reject:
            below = [_sub("rejectedIdentifier", "Not here.", kind, value) for kind, value in identifiers[:1]]
            raise Refusal("rejectedIdentifier", "The CA does not certify these names.", subproblems=below)
        order = Order(
            id=str(len(self._book.orders) + 1),
            account=account.id,
            identifiers=identifiers,
            authorizations=[],
            expires=now + _LIFE,
            profile=self._profile(body),
            not_after=self._not_after(body),
            replaces=self._replaces(body, account.id),
        )
        order.authorizations = [self._validation.want(account.id, kind, value).id for kind, value in identifiers]
        self._book.orders[order.id] = order
        names = ",".join(value for _, value in identifiers)
        self._ledger.add(now, "opened", order=order.id, detail=names[:200])
        return self._shown(ask, order, 201)

    def _profile(self, body: dict[str, Any]) -> str:
        wanted = body.get("profile", "")
        if wanted and wanted not in PROFILES:
            raise Refusal(self._now.profile_refusal, f"The profile {wanted!r} is not one of this CA's.")
        return str(wanted)

    def _not_after(self, body: dict[str, Any]) -> datetime | None:
        if body.get("notAfter") is None:
            return None
        if self._now.not_after_refused:
            raise malformed("NotBefore and NotAfter are not supported.")
        try:
            return datetime.fromisoformat(str(body["notAfter"]))
        except ValueError:
            raise malformed("notAfter is no time of RFC 3339.") from None

    def _replaces(self, body: dict[str, Any], account: str) -> str:
        wanted = str(body.get("replaces", ""))
        if not wanted:
            return ""
        if self._now.replaces_refusal:
            raise Refusal(self._now.replaces_refusal, "The field 'replaces' cannot be taken.", 409)
        found = self._issuing.by_renewal_id(wanted)
        if found is None:
            raise malformed("What 'replaces' names is not known.")
        if found.account != account:
            raise unauthorized("What 'replaces' names is another account's.")
        if found.replaced:
            raise Refusal("alreadyReplaced", "It has been replaced before.", 409)
        return wanted

    def listed(self, ask: Ask) -> Reply:
        """List an account's orders (RFC 8555 section 7.1.2.1)."""
        account = ask.who()
        if account.id != ask.asked.params["id"]:
            raise unauthorized("That is another account.")
        mine = [ask.url(f"/order/{o.id}") for o in self._book.orders.values() if o.account == account.id]
        return json_reply({"orders": mine})

    def show(self, ask: Ask) -> Reply:
        """Show an order."""
        ask.reads()
        return self._shown(ask, self._mine(ask), 200)

    def _mine(self, ask: Ask) -> Order:
        found = self._book.orders.get(ask.asked.params["id"])
        if found is None or self._now.forget_orders:
            raise missing("order")
        if found.account != ask.who().id:
            raise unauthorized("That order is another account's.")
        return found

    def finalize(self, ask: Ask) -> Reply:
        """Issue; an order is finalized once."""
        order, body = self._mine(ask), ask.jws.json()
        if self._status(ask, order) != "ready":
            raise Refusal("orderNotReady", f"The order is {self._status(ask, order)}.", 403)
        try:
            csr = x509.load_der_x509_csr(decode(str(body.get("csr", ""))))
        except ValueError:
            raise Refusal("badCSR", "The CSR cannot be read.") from None
        self._check_csr(csr, order)
        if self._now.caa_fails:
            order.error = _sub("caa", "CAA records forbid issuance.", *order.identifiers[0])
            return self._shown(ask, order, 200)
        self._issuing.issue(order, csr)
        reply = self._shown(ask, order, 200)
        reply.acted = True
        return reply

    def _check_csr(self, csr: x509.CertificateSigningRequest, order: Order) -> None:
        asked = {value for _, value in order.identifiers}
        if not csr.is_signature_valid or self._now.bad_csr:
            raise Refusal("badCSR", "The CSR's signature does not hold.")
        if _names_in(csr) != asked:
            raise Refusal("badCSR", "The CSR does not have the names of the order, and no others.")
        account = self._book.accounts[order.account]
        if self._issuing.is_key(csr, account.key):
            raise Refusal("badCSR", "The key of the CSR is that of the account.")

    def _status(self, ask: Ask, order: Order) -> str:
        now = self._clock.now()
        if order.certificate:
            return "valid" if order.ready_at is None or order.ready_at <= now else "processing"
        parts = [self._book.authorizations[one] for one in order.authorizations]
        for part in parts:
            self._validation.settle(ask, part)
        if order.error is not None or order.expires <= now:
            return "invalid"
        if any(p.status not in {"pending", "valid"} for p in parts):
            return "pending" if self._now.stubborn_orders else "invalid"
        if any(p.status == "pending" for p in parts):
            return "pending"
        order.validated_at = order.validated_at or now
        waits = now < order.validated_at + timedelta(seconds=self._now.ready_delay)
        return "pending" if waits else "ready"

    def _shown(self, ask: Ask, order: Order, status: int) -> Reply:
        state = self._status(ask, order)
        if self._now.issues_late and order.certificate and not order.looked:
            state, order.looked = "processing", True
        document: dict[str, Any] = {
            "status": self._now.unknown_status or state,
            "expires": stamp(order.expires),
            "identifiers": [{"type": kind, "value": value} for kind, value in order.identifiers],
            "authorizations": [ask.url(f"/authz/{one}") for one in order.authorizations],
            "finalize": ask.url(f"/order/{order.id}/finalize"),
        }
        if state == "valid":
            document["certificate"] = ask.url(f"/cert/{order.certificate}")
        extras = {"profile": order.profile, "replaces": order.replaces, "error": order.error}
        document |= {name: value for name, value in extras.items() if value}
        reply = json_reply(document, status)
        reply.headers["Location"] = ask.url(f"/order/{order.id}")
        if state == "processing" and self._now.retry_after:
            reply.headers["Retry-After"] = self._now.retry_after
        return reply


def _identifiers(body: dict[str, Any]) -> list[tuple[str, str]]:
    rows = body.get("identifiers")
    if not isinstance(rows, list) or not 0 < len(rows) <= _MOST:
        raise malformed(f"An order has from one to {_MOST} identifiers.")
    found = []
    for row in rows:
        kind, value = (str(row.get("type")), str(row.get("value"))) if isinstance(row, dict) else ("", "")
        if kind not in {"dns", "ip"}:
            raise Refusal("unsupportedIdentifier", f"Identifiers of the type {kind!r} are not certified.")
        if not _fits(kind, value):
            raise Refusal("rejectedIdentifier", f"{value!r} is no name that can be certified.")
        found.append((kind, value))
    return list(dict.fromkeys(found))


def _fits(kind: str, value: str) -> bool:
    if kind == "dns":
        return _HOST.fullmatch(value) is not None
    try:
        return str(ipaddress.ip_address(value)) == value
    except ValueError:
        return False


def _names_in(csr: x509.CertificateSigningRequest) -> set[str]:
    try:
        found = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    hosts = set(found.get_values_for_type(x509.DNSName))
    return hosts | {str(ip) for ip in found.get_values_for_type(x509.IPAddress)}


def _sub(kind: str, detail: str, about: str, value: str) -> dict[str, Any]:
    return {
        "type": f"urn:ietf:params:acme:error:{kind}",
        "detail": detail,
        "identifier": {"type": about, "value": value},
    }
