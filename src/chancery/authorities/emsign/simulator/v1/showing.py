"""Orders as V1 shows them: numbers for states, and domains by their names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chancery.authorities.emsign.simulator.book import REASONS, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.requests import pem_of

ORDER = {
    "1": "Order Placed", "2": "Order Accepted", "3": "Order In Progress", "4": "Order Rejected", "5": "Order Cancelled",
    "6": "Order Fulfilled", "8": "Order Pending for Approval",
}  # fmt: skip
CERTIFICATE = {
    "1": "Setup Pending", "2": "Pending for Approver", "5": "Rejected by Approver", "9": "Certificate Downloaded",
    "12": "Certificate Expired", "13": "Order Cancelled", "15": "Approved by System", "16": "Pending for LRA",
    "20": "Certificate Generated", "22": "Certificate Revoked", "24": "Pending for Approver",
}  # fmt: skip
_IDS = {
    "pending-dcv": ("2", "24"),
    "pending-organization-verification": ("2", "16"),
    "pending-csr": ("2", "1"),
    "pending-documents": ("2", "16"),
    "pending-agreement": ("2", "24"),
    "pending-approval": ("8", "2"),
    "issued": ("6", "20"),
    "revoked": ("6", "22"),
    "expired": ("6", "12"),
    "cancelled": ("5", "13"),
    "rejected": ("4", "5"),
}
METHODS = {"dns-txt": "DNS TXT Record", "http-url": "HTTP File", "email": "Email"}
_DCV = {"PENDING": ("0", "Pending"), "VERIFIED": ("1", "Validated"), "REJECTED": ("2", "Rejected")}
_REVOKED = {"initiated": ("1", "Revocation Initiated"), "revoked": ("2", "Revoked"), "rejected": ("3", "Rejected")}


def stamp(at: datetime | None) -> str:
    """Return a moment as V1 writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S+00:00") if at is not None else ""


def ids(order: Order, status: str) -> tuple[str, str]:
    """Return the ids of the order's state and of its certificate's."""
    if status == "issued" and order.leaf is None:
        return "3", "15"
    if status == "issued" and order.downloaded:
        return "6", "9"
    return _IDS[status]


def states(order: Order, status: str) -> dict[str, str]:
    """Return both states, as number and words."""
    of_order, of_certificate = ids(order, status)
    return {
        "orderStatusId": of_order,
        "orderStatus": ORDER[of_order],
        "certificateStatusId": of_certificate,
        "certificateStatus": CERTIFICATE[of_certificate],
    }


def tracked(order: Order, lifecycle: Lifecycle) -> dict[str, Any]:
    """Return an order as `TrackOrder` shows it."""
    until = stamp(order.leaf.not_valid_after_utc) if order.leaf is not None else ""
    return {
        "trackingUrl": f"https://sandbox-us.certinext.io/track/{order.number}",
        **states(order, lifecycle.status(order)),
        "certificateExpiryDate": until,
        "requestorInformation": {"requestorEmail": order.email},
        "subscriberAgreement": {"status": "1" if order.signed_by else "0", "signerName": order.signed_by},
        "csr": pem_of(order.csr) if order.csr is not None else "",
        **_revocation(order),
        "domainVerification": _domains(order),
    }


def _revocation(order: Order) -> dict[str, Any]:
    asked = order.revocation
    if asked is None:
        return {}
    ident, words = _REVOKED[asked.state]
    told = {
        "revokeRequestStatusId": ident,
        "revokeRequestStatus": words,
        "revokeReasonId": REASONS.get(asked.reason, ""),
    }
    return {"revocationDetails": {**told, "revokeProcessedDate": stamp(asked.done_at)}}


def _domains(order: Order) -> dict[str, Any]:
    """Return one key for each domain beside the reserved one, whose word stays behind."""
    found: dict[str, Any] = {"status": "Pending"}
    for check in order.checks.values():
        ident, words = _DCV[check.status]
        found[check.domain] = {
            "dcvMethod": METHODS.get(check.method, ""), "dcvStatus": ident, "status": words,
            "verifiedDate": stamp(check.verified_at), "caaStatus": check.caa,
        }  # fmt: skip
    return found


def row(order: Order, lifecycle: Lifecycle, *, tags: bool) -> dict[str, Any]:
    """Return an order as `GetOrderReport` lists it."""
    leaf = order.leaf
    until = stamp(leaf.not_valid_after_utc) if leaf is not None else ""
    found: dict[str, Any] = {
        "orderNumber": order.number, "requestNumber": order.request, **states(order, lifecycle.status(order)),
        "domainName": order.names[0], "organizationName": "", "groupNumber": order.group,
        "productCode": order.product.code, "certificateSerialNumber": order.serial, "certificateExpiryDate": until,
        "issuerCA": leaf.issuer.rfc4514_string().removeprefix("CN=") if leaf is not None else "",
        "certificateTrustType": "1" if order.product.public else "2", "orderDate": stamp(order.created),
        "expiresWithin": "", "customFields": [], "countryName": "United States",
    }  # fmt: skip
    return {**found, "tags": order.tags} if tags else found
