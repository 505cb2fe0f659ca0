"""What happens to a V1 order after it was placed."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.simulator.book import REASONS, Book, Check, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.requests import csr_of
from chancery.authorities.emsign.simulator.v1.envelope import Refusal
from chancery.authorities.emsign.simulator.v1.ordering import check_signer, part
from chancery.authorities.emsign.simulator.v1.showing import stamp, tracked
from chancery.authorities.emsign.simulator.validation import Validation, file_of
from chancery.core.clock import Clock
from chancery.sandbox.ca import pem
from chancery.sandbox.dials import Dials

METHODS = {"1": "dns-txt", "2": "http-url", "3": "email"}
_WORDS = {number: word for word, number in REASONS.items()}


class Following:
    """Follows orders."""

    def __init__(self, book: Book, lifecycle: Lifecycle, validation: Validation, dials: Dials, clock: Clock) -> None:
        self._book, self._lifecycle, self._validation = book, lifecycle, validation
        self._dials, self._clock = dials, clock

    def track(self, body: dict[str, Any]) -> dict[str, Any]:
        """`TrackOrder`."""
        order = self._order(part(body, "orderDetails"), email=False)
        return {"orderDetails": tracked(order, self._lifecycle)}

    def submit_csr(self, body: dict[str, Any]) -> dict[str, Any]:
        """`SubmitCSR`."""
        details = part(body, "orderDetails")
        order, csr = self._order(details), csr_of(details.get("csr"))
        if csr is None:
            raise Refusal("EMS-921", "The CSR is malformed.")
        if order.ended or order.csr is not None:
            raise Refusal("EMS-956", "Invalid request.")
        self._lifecycle.take_csr(order, csr)
        return {}

    def agree(self, body: dict[str, Any]) -> dict[str, Any]:
        """`AgreementAcceptance`."""
        details = part(body, "agreementDetails")
        order = self._order(details)
        if order.signed_by:
            raise Refusal("EMS-1082", "The agreement is already signed.")
        if details.get("acceptAgreement") != "1":
            raise Refusal("EMS-920", "Agreement information is missing.")
        check_signer(details)
        self._lifecycle.sign(order, str(details["signerName"]))
        return {}

    def challenge(self, body: dict[str, Any]) -> dict[str, Any]:
        """`GetDcv`: the token, and never the name of the TXT record's host."""
        details = part(body, "dcvDetails")
        check, method = self._check(details)
        if check.from_when > self._clock.now():
            raise Refusal("EMS-956", "Invalid request.")
        if check.status == "VERIFIED":
            raise Refusal("EMS-1080", "Domain already verified.")
        self._validation.challenge(check, method)
        found: dict[str, Any] = {"token": check.token, "fileName": "", "fileContent": "", "dcvEmails": []}
        if method == "http-url":
            found |= {"fileName": file_of(check), "fileContent": check.token}
        if method == "email":
            found |= {"token": "", "dcvEmails": [f"admin@{check.domain}", f"postmaster@{check.domain}"]}
        return {"dcvDetails": found}

    def verify(self, body: dict[str, Any]) -> dict[str, Any]:
        """`VerifyDcv`."""
        check, method = self._check(part(body, "dcvDetails"))
        if check.status == "VERIFIED":
            raise Refusal("EMS-1080", "Domain already verified.")
        if not self._validation.look(check, method):
            raise Refusal("EMS-1160", "DCV challenge not found.")
        self._lifecycle.tick()
        return {}

    def certificate(self, body: dict[str, Any]) -> dict[str, Any]:
        """`GetCertificate`; the serial number's field is misspelt, and its value decimal."""
        order = self._order(part(body, "orderDetails"))
        if order.revoked or not self._lifecycle.downloadable(order) or order.leaf is None:
            raise Refusal("EMS-956", "Invalid request.")
        order.downloaded = True
        dial = self._dials.now.chain
        issuing, root = order.chain[::-1] if dial == "shuffled" else order.chain
        missing = dial == "missing"
        return {
            "certificateDetails": {
                "endEntityCertificate": pem([order.leaf], "\n"),
                "caCertificate": "" if missing else pem([issuing], "\n"),
                "rootCertificate": "" if missing else pem([root], "\n"),
                "expiryDate": stamp(order.leaf.not_valid_after_utc),
                "ceritficateSerialNumber": order.serial,
            }
        }

    def revoke(self, body: dict[str, Any]) -> dict[str, Any]:
        """`RevokeOrder`."""
        details = part(body, "revocationDetails")
        order, reason = self._order(details), _WORDS.get(str(details.get("revokeReasonId") or ""))
        if reason is None:
            raise Refusal("EMS-969", "Revoke reason ID missing.")
        if not details.get("revokeRemarks"):
            raise Refusal("EMS-984", "Remarks cannot be empty.")
        if order.leaf is None or (order.revocation is not None and order.revocation.state != "rejected"):
            raise Refusal("EMS-956", "Invalid request.")
        self._lifecycle.revoke(order, reason, str(details["revokeRemarks"]))
        return {}

    def reject(self, body: dict[str, Any], *, draft: bool) -> dict[str, Any]:
        """`RejectOrder`, and `RejectRequest` for a draft."""
        details = part(body, "orderDetails")
        order = (
            self._book.requested(str(details.get("requestNumber") or ""))
            if draft
            else self._order(details, email=False)
        )
        if order is None or order.draft is not draft:
            raise Refusal("EMS-913", "Order not found.")
        if not details.get("rejectRemarks"):
            raise Refusal("EMS-964", "Rejection remarks cannot be empty.")
        if not self._lifecycle.status(order).startswith("pending"):
            raise Refusal("EMS-956", "Invalid request.")
        self._lifecycle.end(order, "cancelled", str(details["rejectRemarks"]))
        return {}

    def _order(self, details: dict[str, Any], *, email: bool = True) -> Order:
        found = self._book.order(str(details.get("orderNumber") or ""))
        if found is None or (email and details.get("requestorEmail") != found.email):
            raise Refusal("EMS-913", "Order not found.")
        return found

    def _check(self, details: dict[str, Any]) -> tuple[Check, str]:
        order, method = self._order(details), METHODS.get(str(details.get("dcvMethod") or ""), "")
        found = order.checks.get(str(details.get("domainName") or "").removeprefix("*."))
        if found is None:
            raise Refusal("EMS-1157", "Domain name cannot be empty.")
        if not method:
            raise Refusal("EMS-1158", "DCV method cannot be empty.")
        return found, method
