"""How orders, certificates and requests look in answers (B3.2, B3.3)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chancery.authorities.digicert.simulator.state import Book, Certificate, Order, Request
from chancery.authorities.digicert.simulator.validation import TARGET, Validation
from chancery.core.clock import Clock
from chancery.sandbox.ca import SandboxCa, pem
from chancery.sandbox.dials import Dials


class Showing:
    """Turns what the book holds into documents."""

    def __init__(self, book: Book, validation: Validation, ca: SandboxCa, dials: Dials, clock: Clock) -> None:
        self._book, self._validation, self._ca, self._dials, self._clock = book, validation, ca, dials, clock

    def placed(self, order: Order) -> dict[str, Any]:
        """Return the answer to a new order: issued, open for validation, or waiting for an approver."""
        request = self._book.requests[order.requests[0]]
        answer: dict[str, Any] = {"id": order.id, "requests": [{"id": request.id, "status": request.status}]}
        if order.primary is not None:
            answer["certificate_id"] = order.primary.id
            answer["certificate_chain"] = [
                {"subject_common_name": _common_name(c), "pem": pem([c])} for c in self.chain(order.primary)
            ]
        elif request.status == "approved" and order.product.dv:
            answer["dcv_random_value"] = self._validation.random_value(order)
        elif request.status == "approved":
            answer["domains"] = [self._domain(name) for name in self._validation.open_names(order)]
        return answer

    def _domain(self, name: str) -> dict[str, Any]:
        domain = self._validation.domain_of(name)
        if domain is None:  # pragma: no cover  an open name always has one
            raise AssertionError(name)
        return {"id": domain.id, "dns_name": name, "dcv_token": self.token(domain.token, domain)}

    def token(self, token: str, domain: Any) -> dict[str, Any]:
        """Return a domain's token."""
        shown = {"token": token, "status": "pending", "expiration_date": stamp(domain.token_expires)}
        if domain.method == "dns-cname-token":
            shown["verification_value"] = TARGET
        return shown

    def chain(self, certificate: Certificate) -> list[Any]:
        """Return a certificate with its chain, as the dial `chain` has it."""
        leaf, intermediate, root = certificate.chain
        kinds = {
            "shuffled": [root, leaf, intermediate],
            "missing": [leaf],
            "short": [leaf, intermediate],
            "long": self._ca.crossed(leaf),
        }
        return kinds.get(self._dials.now.chain, [leaf, intermediate, root])

    def order(self, order: Order) -> dict[str, Any]:
        """Return the order as its own page shows it."""
        shown = self.row(order) | {
            "order_valid_from": f"{order.created:%Y-%m-%d}",
            "order_valid_till": f"{order.valid_till:%Y-%m-%d}",
            "is_renewal": bool(order.body.get("renewal_of_order_id")),
            "auto_renew": order.body.get("auto_renew") or 0,
            "dcv_method": order.dcv_method,
            "is_out_of_contract": False,
            "cs_provisioning_method": "none",
            "notes": order.notes,
            "user": {"id": order.user.user, "username": order.user.username},
            "requests": [self.request(self._book.requests[r]) for r in order.requests],
        }
        if order.renewed_by:
            shown["renewed_order_id"] = order.renewed_by
        shown["certificate"] |= self._asked(order)
        return shown

    def _asked(self, order: Order) -> dict[str, Any]:
        primary = order.primary
        asked = order.body["certificate"] if order.waiting is None else order.waiting.certificate
        shown = {
            "csr": primary.csr if primary else asked["csr"],
            "cert_validity": asked.get("cert_validity") or {},
            "server_platform": asked.get("server_platform") or {"id": -1},
            "signature_hash": asked.get("signature_hash") or "sha256",
        }
        return shown | (self.certificate(primary) if primary else {}) | {"dns_names": self._names(order)}

    def row(self, order: Order) -> dict[str, Any]:
        """Return the order as lists show it."""
        primary, product, body = order.primary, order.product, order.body
        short: dict[str, Any] = {"common_name": order.names[0], "dns_names": self._names(order)}
        short["signature_hash"] = body["certificate"].get("signature_hash") or "sha256"
        if primary is not None:
            full = self.certificate(primary)
            short |= {n: full[n] for n in ("id", "valid_till", "days_remaining")}
        organization = body.get("organization") or {}
        return {
            "id": order.id,
            "status": self._dials.now.unknown_status or self.status(order),
            "date_created": stamp(order.created),
            "certificate": short,
            "product": {
                "name_id": product.name_id,
                "name": product.name,
                "type": product.type,
                "validation_type": product.validation,
            },
            "organization": {"id": organization["id"]} if organization.get("id") else {},
            "container": {"id": order.container},
            "custom_fields": _fields(body),
            "has_duplicates": any(c.kind == "duplicate" for c in order.certificates),
            "is_renewed": bool(order.renewed_by),
        }

    def status(self, order: Order) -> str:
        """Return the word for the order's state; an issued one whose paid time is over is expired."""
        over = order.status == "issued" and order.valid_till <= self._clock.now()
        return "expired" if over else order.status

    def _names(self, order: Order) -> list[str]:
        return [" "] if self._dials.now.blank_names else order.names

    def certificate(self, certificate: Certificate) -> dict[str, Any]:
        """Return a certificate as the lists of reissues and duplicates show it."""
        now, leaf = self._clock.now(), certificate.leaf
        return {
            "id": certificate.id,
            "thumbprint": certificate.thumbprint,
            "serial_number": certificate.serial,
            "common_name": certificate.names[0],
            "dns_names": certificate.names,
            "date_created": stamp(certificate.issued_at),
            "date_issued": stamp(certificate.issued_at),
            "valid_from": f"{leaf.not_valid_before_utc:%Y-%m-%d}",
            "valid_till": f"{leaf.not_valid_after_utc:%Y-%m-%d}",
            "days_remaining": max(0, (leaf.not_valid_after_utc - now).days),
            "key_size": getattr(leaf.public_key(), "key_size", 0),
            "ca_cert": {"id": "SANDBOX", "name": _common_name(certificate.chain[1])},
            "csr": certificate.csr,
        }

    def listed(self, certificate: Certificate) -> dict[str, Any]:
        """Return a certificate of an order with its own status."""
        status = certificate.status(self._clock.now())
        if status == "issued" and self._dials.now.certificates_approved:
            status = "approved"
        return self.certificate(certificate) | {"status": status, "archived": "0"}

    def request(self, request: Request) -> dict[str, Any]:
        """Return an approval request."""
        shown: dict[str, Any] = {
            "id": request.id,
            "date": stamp(request.at),
            "type": request.type,
            "status": request.status,
            "requester": {"id": request.requester.user, "username": request.requester.username},
            "comments": request.comments,
        }
        if request.processor is not None:
            shown["processor"] = {"id": request.processor.user, "username": request.processor.username}
            shown["processor_comment"] = request.processor_comment
        return shown

    def request_page(self, request: Request) -> dict[str, Any]:
        """Return an approval request with its order."""
        order = self._book.orders[request.order]
        names = self._validation.open_names(order) if order.waiting else []
        return self.request(request) | {"order": {"id": order.id, "unsubmitted_domains": names}}


def stamp(at: datetime | None) -> str:
    """Return a moment as the API writes it: ISO 8601, UTC."""
    return at.isoformat(timespec="seconds") if at else ""


def _fields(body: dict[str, Any]) -> list[dict[str, Any]]:
    given = body.get("custom_fields") or []
    return [{"metadata_id": int(f["metadata_id"]), "value": f["value"]} for f in given]


def _common_name(certificate: Any) -> str:
    return str(certificate.subject.rfc4514_string().removeprefix("CN="))
