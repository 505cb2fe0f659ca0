"""Authorizations and their challenges (RFC 8555 section 7.5)."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from chancery.core.clock import Clock
from chancery.protocols.acme.simulator.asking import Ask, Route
from chancery.protocols.acme.simulator.dials import AcmeDials
from chancery.protocols.acme.simulator.looking import ISSUER, look, problem
from chancery.protocols.acme.simulator.refusal import malformed, missing, unauthorized
from chancery.protocols.acme.simulator.state import Authorization, Book, Challenge
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Reply, json_reply

_LIFE = timedelta(days=30)


class Validation:
    """Handlers for authorizations and challenges, and what becomes of them."""

    def __init__(self, book: Book, dials: Dials, clock: Clock) -> None:
        self._book, self._dials, self._clock = book, dials, clock

    def routes(self) -> list[Route]:
        """Return path → handler."""
        return [("/authz/{id}", self.show), ("/chall/{id}/{number}", self.answer)]

    @property
    def _now(self) -> AcmeDials:
        found: AcmeDials = self._dials.now
        return found

    def want(self, account: str, kind: str, value: str) -> Authorization:
        """Return an authorization for a name: an older one that is valid and may be used again, or a new one."""
        base, wildcard = value.removeprefix("*."), value.startswith("*.")
        now = self._clock.now()
        for old in self._book.authorizations.values():
            same = (old.account, old.kind, old.value, old.wildcard) == (account, kind, base, wildcard)
            if same and old.status == "valid" and old.expires > now and self._now.reuse:
                return old
        made = Authorization(
            id=f"z{len(self._book.authorizations) + 1}",
            account=account,
            kind=kind,
            value=base,
            wildcard=wildcard,
            expires=now + _LIFE,
            challenges=[_challenge(t) for t in self._types(kind, wildcard=wildcard)],
        )
        if self._now.preauthorized:
            made.status = "valid"
        self._book.authorizations[made.id] = made
        return made

    def _types(self, kind: str, *, wildcard: bool) -> list[str]:
        offered = self._now.offered.split()
        if kind == "ip":
            return [t for t in offered if t in {"http-01", "tls-alpn-01"}]
        return [t for t in offered if t.startswith("dns-")] if wildcard else offered

    def show(self, ask: Ask) -> Reply:
        """Show an authorization, or give it up where the client says so."""
        found = self._mine(ask)
        if ask.jws.payload:
            if ask.jws.json().get("status") != "deactivated":
                raise malformed("An authorization is read, or deactivated.")
            found.status = "deactivated"
        self.settle(ask, found)
        return json_reply(self._document(ask, found))

    def answer(self, ask: Ask) -> Reply:
        """Take note that the client is ready."""
        found = self._mine(ask)
        number = ask.asked.params["number"]
        if not number.isdecimal() or int(number) >= len(found.challenges):
            raise missing("challenge")
        challenge = found.challenges[int(number)]
        if ask.jws.payload:
            ask.jws.json()
            self.settle(ask, found)
            if found.status != "pending" or challenge.status != "pending":
                raise malformed("The authorization is not pending any more.")
            challenge.status, challenge.answered_at = "processing", self._clock.now()
        reply = json_reply(self._challenge_document(ask, found, int(number)))
        reply.headers["Link"] = f'<{ask.url(f"/authz/{found.id}")}>;rel="up"'
        return reply

    def _mine(self, ask: Ask) -> Authorization:
        found = self._book.authorizations.get(ask.asked.params["id"])
        if found is None:
            raise missing("authorization")
        if found.account != ask.who().id:
            raise unauthorized("That authorization is another account's.")
        return found

    def settle(self, ask: Ask, authorization: Authorization) -> None:
        """Let what was answered come to its end, where its time has come."""
        now = self._clock.now()
        if authorization.status == "pending" and authorization.expires <= now:
            authorization.status = "expired"
        for challenge in authorization.challenges:
            due = challenge.answered_at is not None and (
                now >= challenge.answered_at + timedelta(seconds=self._now.validation_delay)
            )
            if challenge.status == "processing" and due:
                self._decide(ask, authorization, challenge)

    def _decide(self, ask: Ask, authorization: Authorization, challenge: Challenge) -> None:
        account = self._book.accounts[authorization.account]
        wrong: dict[str, Any] | None = None
        if self._now.validation == "refuse":
            wrong = problem("unauthorized", "What was looked for is not there.")
        elif self._now.validation == "look":
            address = ask.url(f"/acct/{account.id}")
            wrong = look(
                authorization,
                challenge,
                account.thumbprint,
                address,
                http_at=self._now.http_at,
                dns_at=self._now.dns_at,
            )
        challenge.error = wrong
        challenge.status = authorization.status = "valid" if wrong is None else "invalid"
        challenge.validated_at = self._clock.now() if wrong is None else None

    def _document(self, ask: Ask, found: Authorization) -> dict[str, Any]:
        document: dict[str, Any] = {
            "status": found.status,
            "expires": stamp(found.expires),
            "identifier": {"type": found.kind, "value": found.value},
            "challenges": [
                self._challenge_document(ask, found, n)
                for n, c in enumerate(found.challenges)
                if found.status in {"pending", "expired"} or c.status != "pending"
            ],
        }
        if found.wildcard:
            document["wildcard"] = True
        return document

    @staticmethod
    def _challenge_document(ask: Ask, found: Authorization, number: int) -> dict[str, Any]:
        challenge = found.challenges[number]
        document: dict[str, Any] = {
            "type": challenge.type,
            "url": ask.url(f"/chall/{found.id}/{number}"),
            "status": challenge.status,
        }
        if challenge.token:
            document["token"] = challenge.token
        if challenge.type == "dns-persist-01":
            document["issuer-domain-names"] = [ISSUER]
        if challenge.error is not None:
            document["error"] = challenge.error
        if challenge.validated_at is not None:
            document["validated"] = stamp(challenge.validated_at)
        return document


def _challenge(kind: str) -> Challenge:
    return Challenge(kind, "" if kind == "dns-persist-01" else secrets.token_urlsafe(32))


def stamp(moment: Any) -> str:
    """Write a time as RFC 3339 has it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
