"""`POST /ssl-certificates` and `POST /private-pki-certificates`: what an order must say, and what is made of it."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from chancery.authorities.emsign.simulator import account
from chancery.authorities.emsign.simulator.book import Book, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.products import Product, by_code, by_variant
from chancery.authorities.emsign.simulator.requests import csr_of
from chancery.authorities.emsign.simulator.v2.refusal import Refusal, missing
from chancery.authorities.emsign.simulator.v2.showing import placed
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply

MOST_NAMES = 250
_YEAR = timedelta(days=365)


class Ordering:
    """Takes orders."""

    def __init__(self, book: Book, lifecycle: Lifecycle, dials: Dials, clock: Clock) -> None:
        self._book, self._lifecycle, self._dials, self._clock = book, lifecycle, dials, clock

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers."""
        return [
            ("POST", "/ssl-certificates", lambda asked: self._place(asked, public=True)),
            ("POST", "/private-pki-certificates", lambda asked: self._place(asked, public=False)),
        ]

    def _place(self, asked: Asked, *, public: bool) -> Reply:
        body = object_of(asked)
        if body.get("requestId"):
            return self._promoted(str(body["requestId"]))
        product = _product(asked, body, public=public)
        order = self._order(body, product)
        self._check_csr(order, body)
        if self._dials.now.reject:
            raise Refusal(422, "The domain may not be ordered by this account.", "EMS-917")
        self._lifecycle.place(order)
        return json_reply(placed(order, self._lifecycle.status(order)), 201, acted=True)

    def _promoted(self, request: str) -> Reply:
        order = self._book.requested(request)
        if order is None or not order.draft or order.ended:
            raise Refusal(422, "There is no such draft.", "EMS-1165")
        self._lifecycle.promote(order, self._book.next_numbers()[0])
        return json_reply(placed(order, self._lifecycle.status(order)), 201, acted=True)

    def _order(self, body: dict[str, Any], product: Product) -> Order:
        names = _names(body, product)
        requestor = part(body, "requestor")
        for field in ("name", "email"):
            if not requestor.get(field):
                raise missing(f"requestor.{field}")
        now, subscription = self._clock.now(), part(body, "subscription")
        years = _years(subscription.get("validityYears", 1))
        number, request = self._book.next_numbers()
        draft = body.get("saveAsDraft") is True
        order = Order("" if draft else number, request, product, names, now, now + years * _YEAR, "CERTInext API")
        order.years, order.email = years, str(requestor["email"])
        # Without a word on it, the CA renews by itself.
        order.auto_renew = subscription.get("autoRenew", True) is not False
        order.group, order.organization = _group(body), _organization(body, product)
        order.tags, order.remarks = texts(body.get("tags")), str(body.get("remarks") or "")
        order.signed_by = "" if self._dials.now.ignores_agreement else _signer(body, product)
        order.signed_at = now if order.signed_by else None
        return order

    def _check_csr(self, order: Order, body: dict[str, Any]) -> None:
        if not body.get("csr"):
            return
        csr = csr_of(body["csr"])
        if csr is None:
            raise Refusal(422, "The CSR is malformed or its key is not supported.", "EMS-921")
        if self._dials.now.refuse_same_csr and any(o.csr == csr and not o.ended for o in self._book.orders):
            raise Refusal(422, "The CSR was used before.", "EMS-1099")
        if not self._dials.now.ignores_csr:
            order.csr = csr


def object_of(asked: Asked) -> dict[str, Any]:
    """Return the body; raises the framework's 400 where it is no object."""
    body = asked.json()
    if not isinstance(body, dict):
        raise Refusal(400, "The request body could not be read.")
    return body


def part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside a body; {} where there is none."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def texts(value: Any) -> list[str]:
    """Return a list of texts; what is none is left out."""
    return [v for v in value if isinstance(v, str) and v] if isinstance(value, list) else []


def _product(asked: Asked, body: dict[str, Any], *, public: bool) -> Product:
    field = "productVariant" if public else "variant"
    variant = body.get(field)
    if not variant:
        raise missing(field)
    code = asked.headers.get("x-product-code", "")
    found = by_code(code) if code else by_variant(str(variant))
    if found is None or found.public is not public or found.variant != variant:
        raise Refusal(422, "Invalid product code.", "EMS-915")
    return found


def _names(body: dict[str, Any], product: Product) -> list[str]:
    if product.public:
        asked = part(body, "certificate")
        first, more = asked.get("domain"), texts(asked.get("additionalDomains"))
    else:
        first, more = body.get("hostname"), texts(body.get("additionalHosts"))
    if not isinstance(first, str) or not first:
        raise missing("certificate.domain" if product.public else "hostname")
    if len(more) + 1 > MOST_NAMES:
        raise Refusal(422, "Too many additional domains.", "EMS-1063")
    # A single-name variant takes one name, and drops the others without a word.
    names = [first, *more] if product.multi else [first]
    if (
        product.public
        and not product.multi
        and not first.startswith("*.")
        and asked.get("autoSecureWww", True) is not False
    ):
        names.append(f"www.{first}" if not first.startswith("www.") else first.removeprefix("www."))
    if any(_is_wrong(n, product) for n in names):
        raise Refusal(422, "A domain is not valid for this product.", "EMS-917")
    return list(dict.fromkeys(n.lower() for n in names))


def _is_wrong(name: str, product: Product) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or " " in name or (name.startswith("*.") and not product.wildcard)
    return product.public


def _years(value: Any) -> int:
    if value not in {1, 2, 3} or isinstance(value, bool):
        raise Refusal(422, "The subscription is 1, 2 or 3 years.", "EMS-919")
    return int(value)


def _group(body: dict[str, Any]) -> str:
    number = str(body.get("groupNumber") or account.DEFAULT_GROUP)
    if not account.group(number):
        raise Refusal(422, "The group is not one of the account's.", "EMS-1269")
    return number


def _organization(body: dict[str, Any], product: Product) -> str:
    number = str(part(body, "organization").get("organizationNumber") or "")
    if product.organization and not number:
        raise Refusal(422, "Organization Name cannot be empty", "EMS-1180")
    if number and account.organization(number) is None:
        raise Refusal(422, "The organization is not active.", "EMS-1180")
    return number


def _signer(body: dict[str, Any], product: Product) -> str:
    agreement = body.get("agreement")
    if agreement is None or not product.public:
        return ""
    given = part(body, "agreement")
    if given.get("accepted") is not True or not given.get("signerName") or not given.get("signerPlace"):
        # The error speaks of agreementDetails though the field is agreement.
        raise Refusal(422, "agreementDetails: the agreement is not accepted.", "EMS-920")
    return str(given["signerName"])
