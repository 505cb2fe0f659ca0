"""What happens to a V2 order after it was placed: CSR, agreement, domain control, download, cancel, revoke, reissue."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.authorities.emsign.simulator.book import REASONS, Book, Check, Order
from chancery.authorities.emsign.simulator.lifecycle import Lifecycle
from chancery.authorities.emsign.simulator.requests import csr_of
from chancery.authorities.emsign.simulator.v2.ordering import object_of, part
from chancery.authorities.emsign.simulator.v2.refusal import Refusal, missing, unknown, wrong_state
from chancery.authorities.emsign.simulator.v2.showing import family, stamp, whole
from chancery.authorities.emsign.simulator.validation import METHODS, Validation, file_of
from chancery.sandbox.ca import pem
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply

PRIVATE_REASONS = {*REASONS, "unspecified", "ca-compromise", "certificate-hold", "aa-compromise"}
FAMILIES = ("ssl-certificates", "private-pki-certificates")
_FORMATS = {"application/x-pem-file": "pem", "application/pkix-cert": "der"}


class Following:
    """Follows orders."""

    def __init__(self, book: Book, lifecycle: Lifecycle, validation: Validation, dials: Dials) -> None:
        self._book, self._lifecycle, self._validation, self._dials = book, lifecycle, validation, dials

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return the handlers, of both families."""
        common = (
            ("GET", "/{id}", self._track),
            ("PUT", "/{id}/csr", self._csr),
            ("GET", "/{id}/certificate", self._download),
            ("POST", "/{id}/cancel", self._cancel),
            ("POST", "/{id}/revoke", self._revoke),
        )
        public = (
            ("POST", "/requests/{request}/cancel", self._drop),
            ("POST", "/{id}/agreement", self._agree),
            ("GET", "/{id}/dcv", self._challenge),
            ("POST", "/{id}/dcv/verify", self._verify),
        )
        return [
            *((method, f"/{name}{path}", handler) for name in FAMILIES for method, path, handler in common),
            *((method, f"/{FAMILIES[0]}{path}", handler) for method, path, handler in public),
        ]

    def order(self, asked: Asked) -> Order:
        """Return the order that a path names; raises the 404."""
        found = self._book.order(asked.params["id"])
        if found is None or f"/{family(found)}/" not in asked.path:
            raise unknown(f"Order {asked.params['id']}")
        return found

    def _track(self, asked: Asked) -> Reply:
        return json_reply(whole(self.order(asked), self._lifecycle))

    def _csr(self, asked: Asked) -> Reply:
        order, body = self.order(asked), object_of(asked)
        if order.ended or order.leaf is not None or order.csr is not None:
            raise wrong_state("Order not in a state that supports this operation")
        csr = csr_of(body.get("csr"))
        if csr is None:
            raise Refusal(422, "The CSR is malformed.", "EMS-921")
        self._lifecycle.take_csr(order, csr)
        return Reply(204, acted=True)

    def _agree(self, asked: Asked) -> Reply:
        order, given = self.order(asked), part(object_of(asked), "agreement")
        if order.signed_by:
            raise Refusal(422, "The agreement is already signed.", "EMS-1082")
        if self._lifecycle.status(order) != "pending-agreement":
            raise wrong_state("Order is not in pending-agreement state.")
        if given.get("accepted") is not True or not given.get("signerName") or not given.get("signerPlace"):
            raise Refusal(422, "agreementDetails: the agreement is not accepted.", "EMS-920")
        self._lifecycle.sign(order, str(given["signerName"]))
        return Reply(204, acted=True)

    # Domain control ----------------------------------------------------------------------------------

    def _check(self, order: Order, domain: str, method: str) -> Check:
        found = order.checks.get((domain or order.names[0]).removeprefix("*."))
        if found is None:
            raise Refusal(422, "The domain is not one of the order's.", "EMS-1157")
        if method not in METHODS:
            raise Refusal(422, "DCV method cannot be empty", "EMS-1158")
        return found

    def _challenge(self, asked: Asked) -> Reply:
        order, method = self.order(asked), asked.first("method", "dns-txt")
        check = self._check(order, asked.first("domain"), method)
        if check.status == "VERIFIED":
            raise Refusal(422, "Domain already verified", "EMS-1080")
        return json_reply(self.challenge_of(self._validation.challenge(check, method)))

    def challenge_of(self, check: Check) -> dict[str, Any]:
        """Return what is to be published: as it was seen live, or in the names of the specification's examples."""
        now, until = self._dials.now, stamp(check.expires)
        host = {"dnsHost": self._validation.host(check.domain)} if now.tell_host else {}
        if check.method == "email":
            return {"dcvEmails": [f"admin@{check.domain}", f"postmaster@{check.domain}"], "tokenExpiryDate": until}
        if now.dcv_example:
            held = {"dvFileToken": check.token, "dvFileName": file_of(check)} if check.method == "http-url" else {}
            return {"domainName": check.domain, "tokenExpiryDate": until, **(held or {"txtToken": check.token}), **host}
        file = {"fileName": file_of(check)} if check.method == "http-url" else {}
        return {"token": check.token, "tokenExpiryDate": until, **file, **host}

    def _verify(self, asked: Asked) -> Reply:
        order, body = self.order(asked), object_of(asked)
        if not body.get("domain"):
            raise Refusal(422, "Domain name cannot be empty", "EMS-1157")
        method = str(body.get("method") or "")
        return self.verified(self._check(order, str(body["domain"]), method), method)

    def verified(self, check: Check, method: str) -> Reply:
        """Look for what was published and say what was found."""
        if check.status == "VERIFIED":
            raise Refusal(422, "Domain already verified", "EMS-1080")
        if not self._validation.look(check, method):
            steps = [f"Publish the challenge of {check.domain} and try again."]
            why = {"overallStatus": "FAILED", "failureClass": "RECORD_MISSING", "nextSteps": steps}
            raise Refusal(422, "Domain validation failed.", "EMS-1160", diagnostics=why)
        self._lifecycle.tick()
        if not self._dials.now.verify_body:
            return Reply(204, acted=True)
        done = {"overallStatus": "VERIFIED", "method": method, "verifiedAt": stamp(check.verified_at)}
        return json_reply({**done, "diagnostics": {"consensus": True, "perspectives": []}}, acted=True)

    # The certificate and the end ---------------------------------------------------------------------

    def _download(self, asked: Asked) -> Reply:
        order = self.order(asked)
        wanted = asked.first("format") or _FORMATS.get(asked.headers.get("accept", ""), "json")
        if "pkcs7" in asked.headers.get("accept", ""):
            raise Refusal(406, "The Accept header cannot be satisfied.")
        if order.revoked:
            raise unknown("Certificate")
        if not self._lifecycle.downloadable(order) or order.leaf is None:
            raise self._not_ready(order)
        order.downloaded = True
        chain = self._chain(order)
        if wanted == "pem":
            return Reply(200, pem([order.leaf, *chain], "\n").encode(), "application/x-pem-file")
        if wanted == "der":
            return Reply(200, order.leaf.public_bytes(Encoding.DER), "application/pkix-cert")
        if wanted == "pkcs7":
            bundle = pkcs7.serialize_certificates([order.leaf, *chain], Encoding.DER)
            return Reply(200, bundle, "application/x-pkcs7-certificates")
        return json_reply(_envelope(order, chain))

    def _not_ready(self, order: Order) -> Refusal:
        text = f"Certificate is not yet issued for this order. Current status: {self._lifecycle.status(order)}."
        if self._dials.now.not_ready == 409:
            return Refusal(409, text, kind="order-not-issued")
        return Refusal(422, text, "EMS-1165")

    def _chain(self, order: Order) -> list[Any]:
        dial = self._dials.now.chain
        return [] if dial == "missing" else order.chain[::-1] if dial == "shuffled" else order.chain

    def _cancel(self, asked: Asked) -> Reply:
        order = self.order(asked)
        if order.product.public and not object_of(asked).get("reason"):
            raise Refusal(422, "Cancellation remarks cannot be empty", "EMS-984")
        return self._ended(order, asked)

    def _drop(self, asked: Asked) -> Reply:
        order = self._book.requested(asked.params["request"])
        if order is None or not order.draft:
            raise unknown("Request")
        if not object_of(asked).get("reason"):
            raise Refusal(422, "Rejection remarks cannot be empty", "EMS-964")
        return self._ended(order, asked)

    def _ended(self, order: Order, asked: Asked) -> Reply:
        status = self._lifecycle.status(order)
        if not status.startswith("pending"):
            raise wrong_state(f"Order is already {status}.")
        body = asked.json()
        why = body.get("reason") if isinstance(body, dict) else ""
        self._lifecycle.end(order, "cancelled", str(why or ""))
        return Reply(204, acted=True)

    def _revoke(self, asked: Asked) -> Reply:
        order, body = self.order(asked), object_of(asked)
        reason, note = body.get("reason"), str(body.get("note") or "")
        if not reason:
            raise Refusal(422, "Revoke reason ID missing", "EMS-969")
        if reason not in PRIVATE_REASONS:
            raise missing("reason", "is none of the documented words")
        if ";" in note:
            raise Refusal(422, "The note holds a character that is not allowed.", "EMS-918")
        if order.product.public and reason not in REASONS:
            raise Refusal(422, "The reason is not allowed for this product.", "EMS-969")
        if order.leaf is None or (order.revocation is not None and order.revocation.state != "rejected"):
            raise wrong_state("Certificate is not issued, or already revoked.")
        self._lifecycle.revoke(order, str(reason), note)
        if order.product.public or not self._dials.now.private_body:
            return Reply(204, acted=True)
        at = stamp(order.revocation.asked_at) if order.revocation else None
        return json_reply({"orderId": order.number, "status": "revoked", "revokedAt": at, "reason": reason}, acted=True)


def _envelope(order: Order, chain: list[Any]) -> dict[str, Any]:
    leaf = order.leaf
    if leaf is None:  # pragma: no cover  only what is signed is downloaded
        raise AssertionError(order.number)
    return {
        "orderId": order.number,
        "serialNumber": order.serial,
        "subject": order.names[0],
        "issuer": leaf.issuer.rfc4514_string().removeprefix("CN="),
        "notAfter": stamp(leaf.not_valid_after_utc),
        "certificatePem": pem([leaf], "\n"),
        "chainPem": [pem([c], "\n") for c in chain],
    }
