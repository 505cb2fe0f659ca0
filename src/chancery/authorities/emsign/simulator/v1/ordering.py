"""`GenerateOrderSSL` and `GenerateOrderPrivatePKI`."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from typing import Any

from chancery.authorities.emsign.simulator import account
from chancery.authorities.emsign.simulator.book import Book, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.limiter import Limiter
from chancery.authorities.emsign.simulator.products import DRAFT_ONLY, Product, by_code
from chancery.authorities.emsign.simulator.requests import csr_of
from chancery.authorities.emsign.simulator.v1.envelope import INACTIVE, Refusal
from chancery.core.clock import Clock
from chancery.sandbox.dials import Dials

MOST_NAMES = 250
_YEAR = timedelta(days=365)


class Ordering:
    """Takes orders."""

    def __init__(self, book: Book, lifecycle: Lifecycle, limiter: Limiter, dials: Dials, clock: Clock) -> None:
        self._book, self._lifecycle, self._limiter = book, lifecycle, limiter
        self._dials, self._clock = dials, clock

    def place(self, body: dict[str, Any], *, public: bool) -> dict[str, Any]:
        """Take an order or a draft, or make an order of a draft."""
        if not self._limiter.allows():
            raise Refusal("EMS-939", INACTIVE)
        details = part(body, "orderDetails")
        if details.get("requestNumber"):
            return self._promoted(str(details["requestNumber"]))
        product = by_code(str(details.get("productCode") or ""))
        if product is None or product.public is not public:
            raise Refusal("EMS-1162", "Invalid product code.")
        if product.code == DRAFT_ONLY and details.get("saveAndHold") != "1":
            raise Refusal("EMS-939", "Generic failure.")
        order = self._order(details, product)
        self._check_csr(order, str(details.get("csr") or ""))
        if self._dials.now.reject:
            raise Refusal("EMS-917", "The domain may not be ordered by this account.")
        self._lifecycle.place(order)
        return placed(order)

    def _promoted(self, request: str) -> dict[str, Any]:
        order = self._book.requested(request)
        if order is None or not order.draft or order.ended:
            raise Refusal("EMS-913", "Order not found.")
        self._lifecycle.promote(order, self._book.next_numbers()[0])
        return placed(order)

    def _order(self, details: dict[str, Any], product: Product) -> Order:
        more, paid = part(details, "additionalInformation"), part(details, "subscriptionDetails")
        requestor = part(details, "requestorInformation")
        if not more.get("remarks"):
            raise Refusal("EMS-918", "Additional information is empty.")
        names = ("requestorName", "requestorEmail", "requestorIsdCode", "requestorMobileNumber")
        if not all(requestor.get(name) for name in names):
            raise Refusal("EMS-916", "Requestor information is missing.")
        years, now = str(paid.get("validity") or "1"), self._clock.now()
        if years not in {"1", "2", "3"}:
            raise Refusal("EMS-919", "Subscription information is missing.")
        number, request = self._book.next_numbers()
        draft = details.get("saveAndHold") == "1"
        end = now + int(years) * _YEAR
        order = Order("" if draft else number, request, product, _names(details, product), now, end, "emSign-Hub API")
        order.years, order.email = int(years), str(requestor["requestorEmail"])
        order.auto_renew = paid.get("autoRenew") != "0"
        order.group, order.organization = _group(details), _organization(details, product)
        order.tags = [t for t in more.get("tags") or [] if t]
        order.remarks = str(more["remarks"])
        order.signed_by = "" if self._dials.now.ignores_agreement else _signer(details, product)
        order.signed_at = now if order.signed_by else None
        return order

    def _check_csr(self, order: Order, text: str) -> None:
        if not text:
            return
        csr = csr_of(text)
        if csr is None:
            raise Refusal("EMS-921", "The CSR is malformed.")
        if any(o.csr == csr and not o.ended for o in self._book.orders):
            raise Refusal("EMS-1099", "Duplicate CSR.")
        if not self._dials.now.ignores_csr:
            order.csr = csr


def part(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside a body; {} where there is none."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def placed(order: Order) -> dict[str, Any]:
    """Return the answer to an order; a draft has no order number."""
    number = {"orderNumber": order.number} if order.number else {}
    tracking = f"https://sandbox-us.certinext.io/track/{order.request}"
    return {"orderDetails": {"requestNumber": order.request, **number, "trackingURL": tracking}}


def _names(details: dict[str, Any], product: Product) -> list[str]:
    asked = part(details, "certificateInformation")
    first = str(asked.get("domainName") or "")
    more = [n for n in asked.get("additionalDomains") or [] if n] if product.multi else []
    if len(more) + 1 > MOST_NAMES:
        raise Refusal("EMS-1063", "SAN limit exceeded.")
    names = [first, *more]
    # The switch was seen inside the certificate's part and beside it.
    www = asked.get("autoSecureWWW") or details.get("autoSecureWWW") or "1"
    if product.public and not product.multi and not first.startswith("*.") and www != "0":
        names.append(f"www.{first}" if not first.startswith("www.") else first.removeprefix("www."))
    if any(_is_wrong(n, product) for n in names):
        raise Refusal("EMS-917", "Certificate information is missing.")
    return list(dict.fromkeys(n.lower() for n in names))


def _is_wrong(name: str, product: Product) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return "." not in name or " " in name or (name.startswith("*.") and not product.wildcard)
    return product.public


def _group(details: dict[str, Any]) -> str:
    told = part(details, "delegationInformation").get("groupNumber") or details.get("groupNumber")
    number = str(told or account.DEFAULT_GROUP)
    if not account.group(number):
        raise Refusal("EMS-1269", "The product is not mapped to the group.")
    return number


def _organization(details: dict[str, Any], product: Product) -> str:
    number = str(part(details, "organizationDetails").get("organizationNumber") or "")
    if (product.organization or number) and account.organization(number) is None:
        raise Refusal("EMS-1073", "Invalid organization number.")
    return number


def _signer(details: dict[str, Any], product: Product) -> str:
    given = part(details, "agreementDetails")
    if given.get("acceptAgreement") != "1" or not product.public:
        return ""
    check_signer(given)
    return str(given["signerName"])


def check_signer(given: dict[str, Any]) -> None:
    """Raise the refusal of a signer without a name, a place or a public address."""
    if not given.get("signerName") or not given.get("signerPlace"):
        raise Refusal("EMS-920", "Agreement information is missing.")
    try:
        public = ip_address(str(given.get("signerIP") or "")).is_global
    except ValueError:
        public = False
    if not public:
        raise Refusal("EMS-1091", "Invalid signer IP.")
