"""The account's own domains, validated ahead of orders."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.simulator import account
from chancery.authorities.emsign.simulator.book import Book, Check, Domain
from chancery.authorities.emsign.simulator.v2.following import Following
from chancery.authorities.emsign.simulator.v2.ordering import object_of
from chancery.authorities.emsign.simulator.v2.refusal import Refusal, missing, unknown
from chancery.authorities.emsign.simulator.v2.showing import stamp
from chancery.authorities.emsign.simulator.validation import REUSE, Validation
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply

MOST = 200
_METHODS = {"dns-txt", "http-url"}
_STATUS, _CONTROL = {"ACTIVE", "INACTIVE", "EXPIRED"}, {"PENDING", "VERIFIED", "REJECTED"}


class Domains:
    """Keeps domains."""

    def __init__(self, book: Book, validation: Validation, following: Following, dials: Dials, clock: Clock) -> None:
        self._book, self._validation, self._following = book, validation, following
        self._dials, self._clock = dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("GET", "/domains", self._list),
            ("POST", "/domains", self._add),
            ("GET", "/domains/{id}", lambda asked: json_reply(self._row(self._domain(asked)))),
            ("GET", "/domains/{id}/dcv", self._challenge),
            ("POST", "/domains/{id}/dcv/verify", self._verify),
            ("PATCH", "/domains/{id}/dcv/method", self._method),
            ("POST", "/domains/{id}/deactivate", self._deactivate),
            ("GET", "/domains/{id}/dcv/attempts", lambda asked: json_reply({"attempts": self._domain(asked).attempts})),
            ("GET", "/domains/{id}/dcv/attempts/last", self._last),
        ]

    def _domain(self, asked: Asked) -> Domain:
        found = self._book.domain(asked.params["id"])
        if found is None:
            raise unknown(f"Domain {asked.params['id']}")
        return found

    def _list(self, asked: Asked) -> Reply:
        status, control, search = asked.first("domainStatus"), asked.first("dcvStatus"), asked.first("search")
        if (status and control) or status not in {"", *_STATUS} or control not in {"", *_CONTROL}:
            raise missing("domainStatus", "one known filter at a time")
        rows = [d for d in self._book.domains if search in {"", d.name}]
        rows = [d for d in rows if status in {"", self._status(d)} and control in {"", d.check.status}]
        if asked.first("sortBy") == "domainName":
            rows.sort(key=lambda d: d.name, reverse=asked.first("sortDir").lower() == "desc")
        else:
            # Without an order of its own, the list is in another one each time.
            turn = int(self._clock.monotonic()) % len(rows) if rows else 0
            rows = rows[turn:] + rows[:turn]
        offset, limit = _number(asked, "offset", 0), min(_number(asked, "limit", 50), MOST)
        shown = [self._row(d) for d in rows[offset : offset + limit]]
        return json_reply({"domains": shown, "offset": offset, "limit": limit, "total": len(rows)})

    def _add(self, asked: Asked) -> Reply:
        body, now = object_of(asked), self._clock.now()
        name, organization = str(body.get("domainName") or "").lower(), str(body.get("organizationId") or "")
        if "." not in name:
            raise Refusal(422, "Domain validation failed.", "EMS-DOMAIN-003")
        if self._dials.now.caa_fails:
            raise Refusal(422, "A CAA record blocks issuance.", "EMS-DOMAIN-001")
        if account.organization(organization) is None or body.get("dcvMethod") not in _METHODS:
            raise missing("organizationId", "is not an active organization, or dcvMethod is unknown")
        old = next((d for d in self._book.domains if d.name == name and d.active), None)
        if old is not None and body.get("mode") != "renew":
            code = "EMS-DOMAIN-002" if old.organization == organization else "EMS-DOMAIN-101"
            raise Refusal(409, "The domain is registered already.", code, existingDomainId=old.id)
        made = old or Domain(f"dom_{len(self._book.domains) + 1:06d}", name, organization, "", now, Check(name, now))
        made.method, made.check = str(body["dcvMethod"]), Check(name, now)
        if old is None:
            self._book.domains.append(made)
        return json_reply(self._row(made), 201, acted=True)

    def _challenge(self, asked: Asked) -> Reply:
        domain = self._domain(asked)
        return json_reply(self._following.challenge_of(self._validation.challenge(domain.check, domain.method)))

    def _verify(self, asked: Asked) -> Reply:
        domain = self._domain(asked)
        found = self._validation.look(domain.check, domain.method)
        word = "VERIFIED" if found else "FAILED"
        domain.attempts.append({"at": stamp(self._clock.now()), "method": domain.method, "overallStatus": word})
        if found:
            domain.until = self._clock.now() + REUSE
            return json_reply({"overallStatus": "VERIFIED", "method": domain.method})
        return self._following.verified(domain.check, domain.method)

    def _method(self, asked: Asked) -> Reply:
        domain, method = self._domain(asked), object_of(asked).get("method")
        if method not in _METHODS:
            raise Refusal(422, "DCV method cannot be empty", "EMS-1158")
        domain.method = str(method)
        return json_reply(self._row(domain), acted=True)

    def _deactivate(self, asked: Asked) -> Reply:
        domain = self._domain(asked)
        domain.active = False
        return json_reply(self._row(domain), acted=True)

    def _last(self, asked: Asked) -> Reply:
        attempts = self._domain(asked).attempts
        if not attempts:
            raise unknown("Attempt")
        return json_reply(attempts[-1])

    def _status(self, domain: Domain) -> str:
        if not domain.active:
            return "INACTIVE"
        return "EXPIRED" if domain.until is not None and domain.until <= self._clock.now() else "ACTIVE"

    def _row(self, domain: Domain) -> dict[str, Any]:
        return {
            "domainId": domain.id, "domainName": domain.name, "organizationId": domain.organization,
            "organizationName": "Example Corporation", "status": self._status(domain),
            "dcvStatus": domain.check.status, "createdAt": stamp(domain.created),
            "verifiedAt": stamp(domain.check.verified_at), "validTill": stamp(domain.until),
        }  # fmt: skip


def _number(asked: Asked, name: str, default: int) -> int:
    text = asked.first(name) or str(default)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise missing(name, "must be a number")
    return int(text)
