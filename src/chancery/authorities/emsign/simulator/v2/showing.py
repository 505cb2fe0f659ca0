"""Orders as V2 shows them: the words of its status, of their state, and of each domain's."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chancery.authorities.emsign.simulator.book import Check, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle

STATES = {
    "issued": ("Order Fulfilled", "Certificate Generated"),
    "revoked": ("Order Fulfilled", "Certificate Revoked"),
    "expired": ("Order Fulfilled", "Certificate Expired"),
    "cancelled": ("Order Cancelled", "Order Cancelled"),
    "rejected": ("Order Rejected", "Order Rejected"),
    "pending-approval": ("Order Pending for Approval", "Pending for Approver"),
    "pending-csr": ("Order Accepted", "Setup Pending"),
}
"""Status → (state of the order, state of the certificate); another one is accepted and waits for an approver."""


def stamp(at: datetime | None) -> str | None:
    """Return a moment as V2 writes it; None for none."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at is not None else None


def states(order: Order, status: str) -> tuple[str, str]:
    """Return the words for the order and for its certificate: signed is another thing than issued."""
    words = STATES.get(status, ("Order Accepted", "Pending for Approver"))
    if status == "issued" and order.leaf is None:
        return "Order In Progress", "Approved by System"
    if status == "issued" and order.downloaded:
        return words[0], "Certificate Downloaded"
    return words


def placed(order: Order, status: str) -> dict[str, Any]:
    """Return the answer to an order."""
    here = f"/api/certinext/v2/{family(order)}/{order.number or order.request}"
    return {
        **({"orderId": order.number} if order.number else {}),
        "requestId": order.request,
        "status": status,
        **_named(order),
        "createdAt": stamp(order.created),
        "resolvedProductCode": order.product.code,
        "_links": {"self": {"href": here}, "csr": {"href": f"{here}/csr"}, "cancel": {"href": f"{here}/cancel"}},
    }


def _named(order: Order) -> dict[str, Any]:
    if not order.product.public:
        more = {"additionalHosts": order.names[1:]} if order.names[1:] else {}
        return {"variant": order.product.variant, "hostname": order.names[0], **more}
    more = {"additionalDomains": order.names[1:]} if order.names[1:] else {}
    return {"productVariant": order.product.variant, "domain": order.names[0], **more}


def family(order: Order) -> str:
    """Return the part of the path that an order belongs to."""
    return "ssl-certificates" if order.product.public else "private-pki-certificates"


def whole(order: Order, lifecycle: Lifecycle) -> dict[str, Any]:
    """Return an order as *track* shows it."""
    status = lifecycle.status(order)
    of_order, of_certificate = states(order, status)
    found = placed(order, status) | {
        "orderState": of_order,
        "certificateState": of_certificate,
        "csrSubmitted": order.csr is not None,
        "interimDvIssued": False,
        "subscription": {"validityYears": order.years, "endDate": stamp(order.until), "status": "ACTIVE"},
        "verifications": _verifications(order),
    }
    if order.product.public:
        found["subscriberAgreement"] = _agreement(order)
    if order.leaf is not None:
        found |= {"issuedAt": stamp(order.issued_at), "expiresAt": stamp(order.leaf.not_valid_after_utc)}
    return found | _revocation(order)


def _agreement(order: Order) -> dict[str, Any]:
    signed = {"signerName": order.signed_by, "signedAt": stamp(order.signed_at)} if order.signed_by else {}
    return {"signed": bool(order.signed_by), **signed}


def _revocation(order: Order) -> dict[str, Any]:
    asked = order.revocation
    if asked is None:
        return {}
    words = {"initiated": "Revocation Initiated", "revoked": "Certificate Revoked", "rejected": "Revocation Rejected"}
    done = {"processedAt": stamp(asked.done_at)} if asked.done_at else {}
    return {"revocation": {"status": words[asked.state], "reason": asked.reason, **done}}


def _verifications(order: Order) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if order.checks:
        # The sum stays behind what its parts say: it was seen so after all of them had changed.
        found["domain"] = {"status": "PENDING", "domains": [check(c) for c in order.checks.values()]}
    if order.product.organization:
        state = "VERIFIED" if order.vetted else "PENDING"
        name = {"organizationName": "Example Corporation", "consentStatus": state, "consentSentTo": "legal@example.com"}
        found["organization"] = {"status": state, **name}
    return found


def check(one: Check) -> dict[str, Any]:
    """Return one domain; method and moment are there only once it is verified."""
    done = {"dcvMethod": one.method, "verifiedAt": stamp(one.verified_at)} if one.status == "VERIFIED" else {}
    return {
        "domain": one.domain, "domainStatus": "ACTIVE", "dcvStatus": one.status, "caaStatus": one.caa, **done,
    }  # fmt: skip
