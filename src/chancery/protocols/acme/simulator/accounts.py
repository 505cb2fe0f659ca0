"""Accounts: made, found, changed, closed, given another key (RFC 8555 section 7.3)."""

from __future__ import annotations

from typing import Any

from chancery.protocols.acme.simulator.asking import Ask, Route
from chancery.protocols.acme.simulator.dials import AcmeDials
from chancery.protocols.acme.simulator.refusal import Refusal, malformed, unauthorized
from chancery.protocols.acme.simulator.signatures import check, check_mac, decode, read, thumbprint
from chancery.protocols.acme.simulator.state import Account, Book
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Reply, json_reply

TERMS = "https://ca.example/terms-2026.pdf"


class Accounts:
    """Handlers for accounts. `bindings` are key id → HMAC key (Base64url) of the CA's console."""

    def __init__(self, book: Book, dials: Dials, bindings: dict[str, str]) -> None:
        self._book, self._dials, self._bindings = book, dials, bindings

    def routes(self) -> list[Route]:
        """Return path → handler."""
        return [("/new-acct", self.new), ("/acct/{id}", self.change), ("/key-change", self.roll)]

    @property
    def _now(self) -> AcmeDials:
        found: AcmeDials = self._dials.now
        return found

    def new(self, ask: Ask) -> Reply:
        """Make an account, or return the one that the key has."""
        if ask.jwk is None:
            raise malformed("A new account is signed by its own key, with 'jwk'.")
        body, mark = ask.jws.json(), thumbprint(ask.jwk)
        found = self._book.by_key(mark)
        if found is not None:
            if found.status != "valid":
                raise unauthorized("The account is deactivated.")
            return self._show(ask, found, 200)
        if body.get("onlyReturnExisting") is True:
            raise Refusal("accountDoesNotExist", "There is no account for this key.")
        if self._now.terms and body.get("termsOfServiceAgreed") is not True:
            raise Refusal("userActionRequired", "The terms of service must be agreed to.", 403)
        contacts = self._contacts(body)
        binding = self._binding(ask, body, mark)
        made = Account(str(len(self._book.accounts) + 1), ask.jwk, mark, contacts, agreed=True, binding=binding)
        self._book.accounts[made.id] = made
        return self._show(ask, made, 201)

    def _contacts(self, body: dict[str, Any]) -> list[str]:
        given = body.get("contact", [])
        if not isinstance(given, list) or not all(isinstance(c, str) for c in given):
            raise malformed("'contact' is a list of addresses.")
        if any(not c.startswith("mailto:") for c in given):
            raise Refusal("unsupportedContact", "Contacts are e-mail addresses.")
        if self._now.refuse_contacts and given:
            raise Refusal("invalidContact", "The contact's domain takes no mail.")
        return given

    def _binding(self, ask: Ask, body: dict[str, Any], mark: str) -> dict[str, Any] | None:
        given = body.get("externalAccountBinding")
        if given is None:
            if self._now.eab_required:
                raise Refusal("externalAccountRequired", "This CA wants an external account binding.", 403)
            return None
        jws = read(given)
        key = self._bindings.get(str(jws.protected.get("kid")))
        if key is None or not check_mac(jws, decode(key)):
            raise unauthorized("The external account binding does not hold.")
        if jws.protected.get("url") != ask.url("/new-acct") or "nonce" in jws.protected:
            raise malformed("The binding's header does not fit its request.")
        if thumbprint(jws.json()) != mark:
            raise malformed("The binding is for another key.")
        kid = str(jws.protected["kid"])
        if kid in self._book.bindings:
            raise unauthorized("The external account binding has been used.")
        self._book.bindings[kid] = mark
        bound: dict[str, Any] = given
        return bound

    def _show(self, ask: Ask, account: Account, status: int) -> Reply:
        document = {
            "status": account.status,
            "contact": account.contacts,
            "termsOfServiceAgreed": account.agreed,
            "orders": ask.url(f"/acct/{account.id}/orders"),
        }
        if account.binding is not None:
            document["externalAccountBinding"] = account.binding
        reply = json_reply(document, status)
        reply.headers["Location"] = ask.url(f"/acct/{account.id}")
        return reply

    def change(self, ask: Ask) -> Reply:
        """Show an account, change its contacts, or close it."""
        account = ask.who()
        if account.id != ask.asked.params["id"]:
            raise unauthorized("That is another account.")
        if ask.jws.payload:
            body = ask.jws.json()
            if "contact" in body:
                account.contacts = self._contacts(body)
            if body.get("status") == "deactivated":
                account.status = "deactivated"
        return self._show(ask, account, 200)

    def roll(self, ask: Ask) -> Reply:
        """Give an account another key (RFC 8555 section 7.3.5)."""
        account = ask.who()
        inner = read(ask.jws.json())
        fresh = inner.protected.get("jwk")
        if (
            not isinstance(fresh, dict)
            or "nonce" in inner.protected
            or inner.protected.get("url") != ask.url("/key-change")
        ):
            raise malformed("The inner signature's header is wrong.")
        check(inner, fresh)
        told, mark = inner.json(), thumbprint(fresh)
        if told.get("account") != ask.url(f"/acct/{account.id}"):
            raise malformed("The inner request names another account.")
        if not isinstance(told.get("oldKey"), dict) or thumbprint(told["oldKey"]) != account.thumbprint:
            raise malformed("The inner request names another old key.")
        other = self._book.by_key(mark)
        if other is not None:
            where = {"Location": ask.url(f"/acct/{other.id}")}
            raise Refusal("malformed", "There is an account with that key.", 409, headers=where)
        account.key, account.thumbprint = fresh, mark
        return self._show(ask, account, 200)
