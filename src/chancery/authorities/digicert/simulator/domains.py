"""Domains and their validation, alone and inside orders (B7)."""

from __future__ import annotations

from typing import Any

from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.account import ORGANIZATIONS, visible
from chancery.authorities.digicert.simulator.filters import container_of, page
from chancery.authorities.digicert.simulator.lifecycle import Lifecycle
from chancery.authorities.digicert.simulator.refusal import Refusal, invalid, missing
from chancery.authorities.digicert.simulator.requesting import object_of
from chancery.authorities.digicert.simulator.showing import Showing, stamp
from chancery.authorities.digicert.simulator.state import Book, Domain, Order, is_number
from chancery.authorities.digicert.simulator.validation import METHODS, Validation
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Handler, Reply, json_reply


class Domains:
    """Pre-validation of domains, and validation of pending orders."""

    def __init__(
        self,
        book: Book,
        validation: Validation,
        lifecycle: Lifecycle,
        showing: Showing,
        access: Access,
        dials: Dials,
        clock: Clock,
    ) -> None:
        self._book, self._validation, self._lifecycle = book, validation, lifecycle
        self._showing, self._access, self._dials, self._clock = showing, access, dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("GET", "/domain", self._list),
            ("POST", "/domain", self._add),
            ("GET", "/domain/{id}", self._show),
            ("PUT", "/domain/{id}/dcv/method", self._method),
            ("PUT", "/domain/{id}/dcv/token", self._token),
            ("PUT", "/domain/{id}/dcv/validate-token", self._check),
            ("PUT", "/order/certificate/{id}/check-dcv", self._check_order),
            ("PUT", "/order/certificate/{id}/dcv-method", self._order_method),
            ("PUT", "/order/certificate/{id}/dcv-random-value", self._order_value),
            ("PUT", "/order/certificate/{id}/resend-emails", self._resend),
        ]

    def _list(self, http: Http) -> Reply:
        within = container_of(http)
        below = None if within is None else visible(within)
        seen = [d for d in self._book.domains.values() if self._sees(d) and (below is None or d.container in below)]
        rows, where = page(http, sorted(seen, key=lambda d: d.name))
        with_validation = http.first("include_validation") == "true"
        return json_reply({"domains": [self._row(d, validation=with_validation) for d in rows], "page": where})

    def _row(self, domain: Domain, *, validation: bool = True, dcv: bool = False) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": domain.id,
            "name": domain.name,
            "is_active": True,
            "status": "active",
            "organization": {"id": domain.organization},
            "container": {"id": domain.container},
            "dcv_method": domain.method,
        }
        good = self._validation.domain_ok(domain)
        until = f"{domain.valid_until:%Y-%m-%d}" if domain.valid_until else None
        if validation:
            row = {"type": "ov", "status": "active" if good else "pending", "validated_until": until}
            shown["validations"] = [row | {"dcv_status": "complete" if good else "pending"}]
            shown["dcv_expiration"] = {"ov": until, "ev": until} if good else {}
        if dcv and not good:
            shown["dcv_token"] = self._showing.token(domain.token, domain)
        return shown

    def _add(self, http: Http) -> Reply:
        body = object_of(http)
        name, method = body.get("name"), body.get("dcv_method") or "dns-txt-token"
        if not isinstance(name, str) or "." not in name or not name.isascii():
            raise invalid("name", "A domain name is required.")
        if method not in METHODS:
            raise invalid("dcv_method", "The validation method is not known.")
        if any(d.name == name.lower() for d in self._book.domains.values()):
            raise invalid("name", "The domain already exists.")
        asked = (body.get("organization") or {}).get("id")
        if asked is not None and str(asked) not in {str(o["id"]) for o in ORGANIZATIONS if o["is_active"]}:
            raise invalid("organization", "A valid organization is required.")
        made = self._validation.add(name.lower(), self._access.key.container, method)
        return json_reply({"id": made.id, "dcv_token": self._showing.token(made.token, made)}, 201, acted=True)

    def _domain(self, http: Http) -> Domain:
        ident = http.params["id"]
        found = self._book.domains.get(int(ident)) if is_number(ident) else None
        if found is None or not self._sees(found):
            raise missing("", "The domain could not be found.")
        return found

    def _sees(self, domain: Domain) -> bool:
        """Say whether the key's user may use a domain: one of the division, or of a division above it."""
        return domain.container in visible(self._access.key.container) or self._access.key.container in visible(
            domain.container
        )

    def _show(self, http: Http) -> Reply:
        dcv, validation = http.first("include_dcv") == "true", http.first("include_validation") == "true"
        return json_reply(self._row(self._domain(http), validation=validation, dcv=dcv))

    def _method(self, http: Http) -> Reply:
        domain, method = self._domain(http), object_of(http).get("dcv_method")
        if method not in METHODS:
            raise invalid("dcv_method", "The validation method is not known.")
        domain.method = str(method)
        return json_reply({"dcv_token": self._showing.token(domain.token, domain)}, acted=True)

    def _token(self, http: Http) -> Reply:
        domain = self._domain(http)
        self._validation.new_token(domain)
        return json_reply({"dcv_token": self._showing.token(domain.token, domain)}, acted=True)

    def _check(self, http: Http) -> Reply:
        domain = self._domain(http)
        self._validation.look_at(domain)
        if not self._validation.domain_ok(domain):
            code = "file_random_value_not_found" if domain.method == "http-token" else "invalid_dns_txt"
            raise Refusal(400, code, "The random value was not found.")
        return Reply(204, acted=True)

    def _waiting(self, http: Http) -> Order:
        order = self._access.order(http.params["id"])
        if order.waiting is None or order.status not in {"pending", "processing", "reissue_pending"}:
            raise invalid("order_id", "The order does not wait for validation.")
        return order

    def _check_order(self, http: Http) -> Reply:
        order = self._waiting(http)
        if order.dcv_method == "email":
            raise Refusal(400, "invalid_dns_method", "The order is validated by e-mail.")
        if self._dials.now.caa_fails:
            raise Refusal(400, f"caa_check_failed|{order.names[0]}", "The CAA record does not allow DigiCert.")
        names = order.waiting.names if order.waiting else order.names
        self._validation.look(order)
        opened = set(self._validation.open_names(order))
        if opened and order.dcv_method == "http-token":
            raise Refusal(400, "file_random_value_not_found", "The random value was not found.")
        self._lifecycle.tick()
        shown = ({"certificate_id": order.primary.id} if order.primary else {}) | {
            "order_status": order.status,
            "dcv_status": "pending" if opened else "valid",
            "dns_name_validations": [{"dns_name": n, "status": "pending" if n in opened else "valid"} for n in names],
        }
        return json_reply(shown, acted=True)

    def _order_method(self, http: Http) -> Reply:
        order, method = self._waiting(http), object_of(http).get("dcv_method")
        if method not in METHODS:
            raise invalid("dcv_method", "The validation method is not known.")
        order.dcv_method = str(method)
        return Reply(204, acted=True) if method == "email" else self._value(order)

    def _order_value(self, http: Http) -> Reply:
        return self._value(self._waiting(http))

    def _value(self, order: Order) -> Reply:
        value = self._validation.random_value(order)
        return json_reply({"dcv_random_value": value, "expiration_date": stamp(order.random_expires)}, acted=True)

    def _resend(self, http: Http) -> Reply:
        if self._waiting(http).dcv_method != "email":
            raise Refusal(400, "invalid_dns_method", "The order is not validated by e-mail.")
        return Reply(204, acted=True)
