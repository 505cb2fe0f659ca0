"""`POST /order/certificate/{product}`, and reissue and duplicate of an order (B3, B5)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chancery.authorities.digicert.simulator.access import Access
from chancery.authorities.digicert.simulator.account import METADATA, ORGANIZATIONS, REFERENCE_FIELD, Key, visible
from chancery.authorities.digicert.simulator.lifecycle import Lifecycle
from chancery.authorities.digicert.simulator.products import Product, product_of
from chancery.authorities.digicert.simulator.refusal import Refusal, invalid, missing
from chancery.authorities.digicert.simulator.requesting import (
    certificate_of,
    check_duplicate,
    csr_of,
    names_of,
    object_of,
)
from chancery.authorities.digicert.simulator.showing import Showing
from chancery.authorities.digicert.simulator.state import Asked, Book, Order, Request, is_number
from chancery.authorities.digicert.simulator.validation import METHODS, Validation
from chancery.authorities.digicert.simulator.validity import certificate_span, spans, within
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked as Http
from chancery.sandbox.frame import Handler, Reply, json_reply

_WINDOW = (timedelta(days=90), timedelta(days=7))
"""When a renewal may be ordered: so long before the paid term ends, so long after (B5, uncertain: a dial)."""
REQUIRED_FIELD = 13
"""The custom field that the dial `required_field` makes required."""


class Ordering:
    """Everything that asks for a certificate."""

    def __init__(
        self,
        book: Book,
        lifecycle: Lifecycle,
        validation: Validation,
        showing: Showing,
        access: Access,
        dials: Dials,
        clock: Clock,
    ) -> None:
        self._book, self._lifecycle, self._validation, self._showing = book, lifecycle, validation, showing
        self._access, self._dials, self._clock = access, dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("POST", "/order/certificate/{id}/reissue", lambda http: self._again(http, "reissue")),
            ("POST", "/order/certificate/{id}/duplicate", lambda http: self._again(http, "duplicate")),
            ("POST", "/order/certificate/{product}", self._place),
        ]

    def _place(self, http: Http) -> Reply:
        product, body, now = product_of(http.params["product"]), object_of(http), self._clock.now()
        asked = certificate_of(body, product)
        self._check_account(body, product)
        paid, until = spans(body, asked, product, now)
        names, csr = names_of(asked, product), self._csr(asked)
        if self._dials.now.reject:
            raise invalid("common_name", "The domain is not allowed.")
        renewed = self._renewed(body)
        order = self._new(product, body, names, paid, now)
        self._start(order, Asked("original", asked, csr, names, until, 0, now, paid, _is_fixed(asked, body)), body)
        if renewed is not None:
            renewed.renewed_by = order.id
        return self._placed(order)

    def _start(self, order: Order, asked: Asked, body: dict[str, Any]) -> Request:
        kind = "new_request" if asked.kind == "original" else asked.kind
        key = self._access.key
        request = Request(next(self._book.numbers), kind, "pending", order.id, asked.at, key)
        request.comments = str(body.get("comments") or "")
        asked.request = request.id
        approved = self._access.skips_approval(body)
        self._lifecycle.open(order, asked, request, approved=approved)
        return request

    def _new(self, product: Product, body: dict[str, Any], names: list[str], paid: datetime, now: datetime) -> Order:
        number, key = next(self._book.numbers), self._access.key
        container = int((body.get("container") or {}).get("id") or 0) or key.container
        order = Order(number, product, body, names, now, "", _reference(body), container, key, paid)
        order.dcv_method = str(body.get("dcv_method") or "dns-txt-token")
        self._book.orders[number] = order
        return order

    def _placed(self, order: Order) -> Reply:
        status = 200 if self._dials.now.order_status_200 else 201
        return json_reply(self._showing.placed(order), status, acted=True)

    def _again(self, http: Http, kind: str) -> Reply:
        order, body, now = self._access.order(http.params["id"]), object_of(http), self._clock.now()
        if order.status != "issued" or order.waiting is not None:
            raise invalid("order_id", f"The order is {order.status}, or waits for a reissue or duplicate already.")
        if isinstance(body.get("certificate"), dict):
            body["certificate"].setdefault("common_name", order.names[0])
            if kind == "duplicate":
                body["certificate"].setdefault("dns_names", order.names)
        asked = certificate_of(body, order.product)
        span = certificate_span(asked, now)
        until = within(span, order.product, order.valid_till, now)
        if until <= now:
            raise invalid("order_id", "The order has ended.")
        names, csr = names_of(asked, order.product), self._csr(asked, order)
        if kind == "duplicate":
            check_duplicate(names, order)
        fixed = bool(span and span.unit == "custom_expiration_date")
        wanted = Asked(kind, asked, csr, names, until, 0, now, order.valid_till, fixed)
        request = self._start(order, wanted, body)
        return json_reply({"id": order.id, "requests": [{"id": request.id}]}, 201, acted=True)

    def _csr(self, asked: dict[str, Any], own: Order | None = None) -> x509.CertificateSigningRequest:
        csr = csr_of(asked)
        if self._dials.now.refuse_key_reuse and any(
            _same_key(csr, c.leaf) for o in self._book.orders.values() if o is not own for c in o.certificates
        ):
            raise Refusal(400, "csr_invalid_key_reuse", "The key of the CSR was used before.")
        return csr

    def _renewed(self, body: dict[str, Any]) -> Order | None:
        number = body.get("renewal_of_order_id")
        if number in {None, "", 0}:
            return None
        order = self._book.orders.get(int(number)) if is_number(str(number)) else None
        if order is None or not self._access.sees(order):
            raise missing("order", "The order to renew could not be found.")
        early, late = order.valid_till - _WINDOW[0], order.valid_till + _WINDOW[1]
        outside = self._dials.now.renewal_window and not early <= self._clock.now() <= late
        if self._dials.now.refuse_renewals or outside:
            raise Refusal(400, self._dials.now.renewal_refusal, "The order cannot be renewed.")
        return order

    def _check_account(self, body: dict[str, Any], product: Product) -> None:
        _check_organization(body, product)
        _check_container(body, self._access.key)
        method = body.get("dcv_method")
        if method is not None and method not in METHODS:
            raise invalid("dcv_method", "The validation method is not known.")
        required = {REQUIRED_FIELD} if self._dials.now.required_field else set()
        _check_fields(body.get("custom_fields") or [], required)


def _check_organization(body: dict[str, Any], product: Product) -> None:
    part = body.get("organization")
    wanted = part.get("id") if isinstance(part, dict) else None
    active = {str(o["id"]) for o in ORGANIZATIONS if o["is_active"]}
    if not product.dv and str(wanted) not in active:
        raise invalid("organization", "A valid organization is required.")


def _check_container(body: dict[str, Any], key: Key) -> None:
    part = body.get("container")
    if part is None or (isinstance(part, dict) and str(part.get("id")) in {"None", "", "0"}):
        return
    wanted = part.get("id") if isinstance(part, dict) else None
    if str(wanted) not in {str(c) for c in visible(key.container)}:
        raise invalid("container", "The container is not one of the user's.")


def _check_fields(given: Any, required: set[int]) -> None:
    known = {str(m["id"]): m for m in METADATA if m["is_active"]}
    if not isinstance(given, list):
        raise Refusal(400, "invalid_custom_field_value", "The custom fields are not a list.")
    for field in given:
        if not isinstance(field, dict) or str(field.get("metadata_id")) not in known or not field.get("value"):
            raise Refusal(400, "invalid_custom_field_value", "A custom field is unknown, inactive or empty.")
    sent = {str(f["metadata_id"]) for f in given}
    must = {i for i, m in known.items() if m["is_required"]} | {str(i) for i in required}
    if not must <= sent:
        raise Refusal(400, "invalid_custom_field_value", "A required custom field is missing.")


def _reference(body: dict[str, Any]) -> str:
    fields = [f for f in body.get("custom_fields") or [] if str(f.get("metadata_id")) == str(REFERENCE_FIELD)]
    return str(fields[0]["value"]) if fields else ""


def _is_fixed(asked: dict[str, Any], body: dict[str, Any]) -> bool:
    own = asked.get("cert_validity") or body.get("order_validity") or body
    return own.get("custom_expiration_date") is not None


def _same_key(csr: x509.CertificateSigningRequest, leaf: x509.Certificate) -> bool:
    how = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return csr.public_key().public_bytes(*how) == leaf.public_key().public_bytes(*how)
