"""The service: authentication, limits, and one handler per documented call."""

from __future__ import annotations

import hashlib
import itertools
import threading
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, pkcs7

from chancery.authorities.digicert.simulator.limiter import LIMITS, Limiter
from chancery.authorities.digicert.simulator.state import (
    CONTAINERS,
    METADATA,
    ORGANIZATIONS,
    PRODUCTS,
    Certificate,
    Order,
    Request,
)
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.sandbox.ca import SandboxCa, pem
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, Router, Simulator, json_reply
from chancery.sandbox.ledger import Ledger

NAME = "digicert"
PREFIX = "/services/v2"
KEY = "SANDBOX-KEY-0123456789ABCDEF"
REASONS = {"unspecified", "keyCompromise", "affiliationChanged", "superseded", "cessationOfOperation"}


def build(
    *,
    ca: SandboxCa | None = None,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    clock: Clock = SYSTEM_CLOCK,
    limits: tuple[tuple[float, int], ...] = LIMITS,
    key: str = KEY,
) -> Simulator:
    """Return a simulator that is not yet started."""
    ledger, dials = ledger or Ledger(), dials or Dials()
    service = Service(ca or SandboxCa(clock.now()), ledger, dials, clock, Limiter(clock, limits), key)
    made = Simulator(NAME, service.answer, prefix=PREFIX, ledger=ledger, dials=dials, clock=clock)
    made.credentials = {
        "api_key": key,
        "reference_field_id": "12",
        "organization_id": "112233",
        "container_id": "14",
        "products": [p["name_id"] for p in PRODUCTS],
    }
    return made


def _error(status: int, code: str, message: str) -> Reply:
    return json_reply({"errors": [{"code": code, "message": message}]}, status)


class Service:
    """One simulated account."""

    def __init__(self, ca: SandboxCa, ledger: Ledger, dials: Dials, clock: Clock, limiter: Limiter, key: str) -> None:
        self._ca, self._ledger, self._dials, self._clock = ca, ledger, dials, clock
        self._limiter, self._key = limiter, key
        self._orders: dict[int, Order] = {}
        self._requests: dict[int, Request] = {}
        self._certificates: dict[int, Certificate] = {}
        self._numbers = itertools.count(1_000_001)
        self._lock = threading.RLock()
        self._router = self._routes()

    def _routes(self) -> Router:
        router = Router()
        for method, path, handler in (
            ("GET", "/user/me", self._me),
            ("GET", "/account", self._account),
            ("GET", "/account/metadata", self._metadata),
            ("GET", "/product", self._products),
            ("GET", "/product/{id}", self._product),
            ("GET", "/organization", self._organizations),
            ("GET", "/container", self._containers),
            ("GET", "/request", self._list_requests),
            ("GET", "/request/{id}", self._request),
            ("PUT", "/request/{id}/status", self._decide),
            ("GET", "/order/certificate/status-changes", self._changes),
            ("POST", "/order/certificate/{product}", self._place),
            ("GET", "/order/certificate", self._list),
            ("GET", "/order/certificate/{id}", self._info),
            ("GET", "/order/certificate/{id}/validation", self._validation),
            ("PUT", "/order/certificate/{id}/status", self._cancel),
            ("PUT", "/order/certificate/{id}/revoke", self._revoke_order),
            ("GET", "/certificate/{id}/download/format/{format}", self._download),
            ("GET", "/certificate/{id}/chain", self._chain),
            ("PUT", "/certificate/{id}/revoke", self._revoke),
        ):
            router.add(method, PREFIX + path, handler)
        return router

    def answer(self, asked: Asked) -> Reply:
        """Answer one request: limits and key first, as the service does."""
        if self._dials.now.throttle or not self._limiter.allows():
            return _error(429, "request_limit_exceeded", "Service unavailable, please limit request volume")
        if self._dials.now.refuse_key or asked.headers.get("x-dc-devkey") != self._key:
            code = "access_denied_invalid_key"
            return self._shape(_error(403, f"access_denied|{code}", f"Access denied due to {code}."))
        handler = self._router.find(asked)
        if handler is None:
            return self._shape(_error(404, "not_found|route", "The specified route could not be found."))
        with self._lock:
            self._tick()
            return self._shape(handler(asked))

    def _shape(self, reply: Reply) -> Reply:
        if self._dials.now.errors_as_object and b'"errors": [' in reply.body:
            reply.body = reply.body.replace(b'"errors": [', b'"errors": ').replace(b"}]}", b"}}")
        return reply

    def _tick(self) -> None:
        now = self._clock.now()
        for order in self._orders.values():
            if order.status == "processing" and order.ready_at is not None and order.ready_at <= now:
                self._issue(order, now)

    # Reference data ----------------------------------------------------------------------------------

    def _me(self, asked: Asked) -> Reply:
        del asked
        roles = [{"id": 1, "name": "Administrator"}]
        me = {
            "id": 7,
            "username": "svc-chancery",
            "account": {"id": 4711},
            "container": {"id": 14},
            "access_roles": roles,
        }
        return json_reply(me)

    def _account(self, asked: Asked) -> Reply:
        del asked
        return json_reply({"id": 4711, "primary_organization_id": 112233, "root_container_id": 14})

    def _metadata(self, asked: Asked) -> Reply:
        del asked
        return json_reply({"metadata": METADATA})

    def _products(self, asked: Asked) -> Reply:
        del asked
        return json_reply(
            {"products": [{k: p[k] for k in ("group_name", "name_id", "name", "type")} for p in PRODUCTS]}
        )

    def _product(self, asked: Asked) -> Reply:
        found = next((p for p in PRODUCTS if p["name_id"] == asked.params["id"]), None)
        if found is None:
            return _error(404, "not_found|product", "The specified product could not be found.")
        hashes = {"allowed_hash_types": [{"id": "sha256", "name": "SHA-256"}], "default_hash_type_id": "sha256"}
        return json_reply(
            {"name_id": found["name_id"], "name": found["name"], "signature_hash_types": hashes, "csr_required": True}
        )

    def _organizations(self, asked: Asked) -> Reply:
        del asked
        return json_reply({"organizations": ORGANIZATIONS, "page": {"total": 1, "limit": 0, "offset": 0}})

    def _containers(self, asked: Asked) -> Reply:
        del asked
        return json_reply({"containers": CONTAINERS})

    # Ordering ----------------------------------------------------------------------------------------

    def _place(self, asked: Asked) -> Reply:
        product = next((p for p in PRODUCTS if p["name_id"] == asked.params["product"]), None)
        if product is None:
            return _error(404, "not_found|product", "The specified product could not be found.")
        body = asked.json()
        refusal = self._check(body, product)
        if refusal is not None:
            return refusal
        now = self._clock.now()
        order = self._new_order(product, body, now)
        self._ledger.add(now, "order", order=str(order.id), reference=order.reference, spki_sha256=_spki(order.csr))
        return self._placed(order)

    def _check(self, body: Any, product: dict[str, Any]) -> Reply | None:
        asked = body.get("certificate") if isinstance(body, dict) else None
        if not isinstance(asked, dict):
            return _error(400, "bad_request_format", "The request body could not be parsed.")
        if not asked.get("common_name"):
            return _error(400, "invalid_value:common_name", "The common name is required.")
        if not product["dv"] and not asked.get("signature_hash"):
            return _error(400, "invalid_value:signature_hash", "The signature hash is required.")
        if not product["dv"] and (body.get("organization") or {}).get("id") not in {o["id"] for o in ORGANIZATIONS}:
            return _error(400, "invalid_value:organization", "A valid organization is required.")
        days = (asked.get("cert_validity") or {}).get("days") or body.get("validity_days") or 0
        if not 1 <= int(days) <= product["days"]:
            return _error(400, "invalid_value:days", "The validity is not allowed for this product.")
        paid = (body.get("order_validity") or {}).get("days")
        if paid is not None and int(days) > int(paid):
            return _error(400, "cert_validity_exceeds_order_validity", "Certificate validity exceeds order validity.")
        if self._dials.now.reject:
            return _error(400, "invalid_value:common_name", "The domain is not allowed.")
        return self._check_csr(asked)

    def _check_csr(self, asked: dict[str, Any]) -> Reply | None:
        try:
            csr = x509.load_pem_x509_csr(str(asked.get("csr", "")).encode())
            valid = csr.is_signature_valid
        except ValueError:
            return _error(400, "csr_invalid_cannot_parse", "The CSR could not be parsed.")
        return None if valid else _error(400, "csr_invalid_signature", "The CSR signature is invalid.")

    def _new_order(self, product: dict[str, Any], body: dict[str, Any], now: datetime) -> Order:
        csr = x509.load_pem_x509_csr(body["certificate"]["csr"].encode())
        fields = body.get("custom_fields") or []
        reference = str(fields[0].get("value", "")) if fields else str(body.get("comments", ""))
        number = next(self._numbers)
        order = Order(number, product, body, csr, now, "processing", reference)
        waits = self._dials.now.needs_approval and not body.get("skip_approval")
        order.status = "needs_approval" if waits else "processing"
        request = Request(next(self._numbers), "new_request", "pending" if waits else "approved", number)
        self._requests[request.id], order.request = request, request.id
        if not waits:
            order.ready_at = now + timedelta(seconds=self._dials.now.issue_delay)
        self._orders[number] = order
        if order.ready_at is not None and order.ready_at <= now:
            self._issue(order, now)
        return order

    def _placed(self, order: Order) -> Reply:
        request = self._requests[order.request]
        answer: dict[str, Any] = {"id": order.id, "requests": [{"id": request.id, "status": request.status}]}
        if order.certificates:
            certificate = order.certificates[0]
            answer["certificate_id"] = certificate.id
            answer["certificate_chain"] = [
                {"subject_common_name": c.subject.rfc4514_string(), "pem": pem([c])}
                for c in self._shown_chain(certificate)
            ]
        elif order.product["dv"]:
            answer["dcv_random_value"] = hashlib.sha256(str(order.id).encode()).hexdigest()[:32]
        if self._dials.now.numbers_as_strings:
            answer["id"] = str(answer["id"])
        return json_reply(answer, 201, acted=True)

    def _issue(self, order: Order, now: datetime) -> None:
        dials = self._dials.now
        key: Any = ec.generate_private_key(ec.SECP256R1()).public_key() if dials.wrong_key else order.csr.public_key()
        names = ["wrong.example.net"] if dials.wrong_name else order.names
        asked = order.body["certificate"]
        days = int((asked.get("cert_validity") or {}).get("days") or order.body.get("validity_days") or 0)
        leaf = self._ca.issue(key, names[0], names, now, days)
        certificate = Certificate(next(self._numbers), leaf, self._ca.chain(leaf), now)
        self._certificates[certificate.id] = certificate
        order.certificates.append(certificate)
        order.status = "issued"

    def _shown_chain(self, certificate: Certificate) -> list[x509.Certificate]:
        leaf, intermediate, root = certificate.chain
        kinds = {"shuffled": [root, leaf, intermediate], "missing": [leaf], "short": [leaf, intermediate]}
        return kinds.get(self._dials.now.chain, [leaf, intermediate, root])

    # Reading -----------------------------------------------------------------------------------------

    def _find(self, ident: str) -> Order | None:
        return self._orders.get(int(ident)) if ident.isdigit() else None

    def _info(self, asked: Asked) -> Reply:
        order = self._find(asked.params["id"])
        return json_reply(self._show(order)) if order else _missing_order()

    def _show(self, order: Order) -> dict[str, Any]:
        asked = order.body["certificate"]
        shown: dict[str, Any] = {
            "common_name": asked["common_name"],
            "dns_names": order.names,
            "csr": asked["csr"],
            "signature_hash": asked.get("signature_hash"),
        }
        if order.certificates:
            certificate = order.certificates[-1]
            shown |= {
                "id": certificate.id,
                "serial_number": certificate.serial,
                "valid_from": f"{certificate.leaf.not_valid_before_utc:%Y-%m-%d}",
                "valid_till": f"{certificate.leaf.not_valid_after_utc:%Y-%m-%d}",
            }
        fields = [
            {"metadata_id": f.get("metadata_id"), "value": f.get("value")}
            for f in order.body.get("custom_fields") or []
        ]
        return {
            "id": order.id,
            "status": self._dials.now.unknown_status or order.status,
            "date_created": order.created.isoformat(),
            "certificate": shown,
            "product": {"name_id": order.product["name_id"], "name": order.product["name"]},
            "organization": order.body.get("organization") or {},
            "container": {"id": 14},
            "custom_fields": fields,
            "requests": [vars(self._requests[order.request])],
        }

    def _list(self, asked: Asked) -> Reply:
        hidden = self._clock.now() - timedelta(seconds=self._dials.now.slow_index)
        rows = [o for o in self._orders.values() if self._dials.now.slow_index == 0 or o.created <= hidden]
        for name, value in asked.query:
            if name.startswith("filters[") and name.endswith("]"):
                rows = [o for o in rows if _matches(o, name[8:-1], value)]
        rows.sort(key=lambda o: o.id, reverse=asked.first("sort") == "-date_created")
        limit, offset = int(asked.first("limit", "1000") or 1000), int(asked.first("offset", "0") or 0)
        shown = [self._show(o) for o in rows[offset : offset + limit]]
        for row in shown:
            row["certificate"].pop("csr")
        return json_reply({"orders": shown, "page": {"total": len(rows), "limit": limit, "offset": offset}})

    def _validation(self, asked: Asked) -> Reply:
        order = self._find(asked.params["id"])
        if order is None:
            return _missing_order()
        names = [{"dns_names": order.names, "status": "valid", "method": "dns-txt-token"}]
        return json_reply({"order_status": order.status, "organization_validations": [], "dns_name_validations": names})

    def _changes(self, asked: Asked) -> Reply:
        minutes = asked.first("minutes", "0")
        if not minutes.isdigit() or int(minutes) > 10080:
            return _error(400, "time_frame_too_long", "The time frame is too long.")
        since = self._clock.now() - timedelta(minutes=int(minutes))
        rows = [o for o in self._orders.values() if o.certificates and o.certificates[-1].issued_at >= since]
        if not rows:
            return json_reply({})
        return json_reply(
            {"orders": [{"order_id": o.id, "certificate_id": o.certificates[-1].id, "status": o.status} for o in rows]}
        )

    def _download(self, asked: Asked) -> Reply:
        found = self._certificate(asked.params["id"])
        if found is None:
            return _error(404, "not_found", "The certificate could not be found.")
        kind, chain = asked.params["format"], self._shown_chain(found)
        if kind in {"p7b", "cer"}:
            body = pkcs7.serialize_certificates(chain, Encoding.PEM)
            return Reply(200, body, "application/x-pkcs7-certificates")
        shown = {"pem_all": chain, "pem_noroot": chain[:2], "pem_nointermediate": chain[:1]}.get(kind)
        if shown is None:
            return _error(400, "invalid_value:format", "The format is not known.")
        return Reply(200, pem(shown).encode(), "application/x-pem-file")

    def _chain(self, asked: Asked) -> Reply:
        found = self._certificate(asked.params["id"])
        if found is None:
            return _error(404, "not_found", "The certificate could not be found.")
        rows = [{"subject_common_name": c.subject.rfc4514_string(), "pem": pem([c])} for c in found.chain[1:]]
        return json_reply({"intermediates": rows})

    def _certificate(self, ident: str) -> Certificate | None:
        if ident.isdigit() and int(ident) in self._certificates:
            return self._certificates[int(ident)]
        return next((c for c in self._certificates.values() if c.serial.lower() == ident.lower()), None)

    # Approvals, cancel, revoke -----------------------------------------------------------------------

    def _list_requests(self, asked: Asked) -> Reply:
        wanted = asked.first("filters[status]")
        rows = [vars(r) for r in self._requests.values() if not wanted or r.status == wanted]
        return json_reply({"requests": rows, "page": {"total": len(rows), "limit": 0, "offset": 0}})

    def _request(self, asked: Asked) -> Reply:
        ident = asked.params["id"]
        found = self._requests.get(int(ident)) if ident.isdigit() else None
        return json_reply(vars(found)) if found else _error(404, "not_found", "The request could not be found.")

    def _decide(self, asked: Asked) -> Reply:
        ident, body = asked.params["id"], asked.json() or {}
        request = self._requests.get(int(ident)) if ident.isdigit() else None
        if request is None:
            return _error(404, "not_found", "The request could not be found.")
        if request.status != "pending":
            return _error(400, "invalid_value:status", "The request is no longer pending.")
        request.status = str(body.get("status"))
        approved = request.status == "approved"
        if request.type == "revoke" and approved:
            self._do_revoke(self._certificates[request.certificate], request.reason, str(request.order))
        elif request.type == "new_request":
            order = self._orders[request.order]
            order.status = "processing" if approved else "rejected"
            order.ready_at = self._clock.now() + timedelta(seconds=self._dials.now.issue_delay) if approved else None
        return Reply(204, acted=True)

    def _cancel(self, asked: Asked) -> Reply:
        order = self._find(asked.params["id"])
        if order is None:
            return _missing_order()
        if (asked.json() or {}).get("status") != "CANCELED":
            return _error(400, "invalid_value:status", "The status is not allowed.")
        if order.status not in {"pending", "processing", "needs_approval", "waiting_pickup"}:
            return _error(400, "invalid_value:status", "The order can no longer be canceled.")
        order.status = "canceled"
        self._requests[order.request].status = "rejected"
        self._ledger.add(self._clock.now(), "cancel", order=str(order.id), reference=order.reference)
        return Reply(204, acted=True)

    def _revoke(self, asked: Asked) -> Reply:
        found = self._certificate(asked.params["id"])
        if found is None:
            return _error(404, "not_found", "The certificate could not be found.")
        body = asked.json() or {}
        reason = str(body.get("revocation_reason", "unspecified"))
        if reason not in REASONS:
            return _error(400, "invalid_value:revocation_reason", "The revocation reason is not allowed.")
        if found.revoked:
            return _error(400, "already_revoked", "The certificate has already been revoked.")
        order = next(str(o.id) for o in self._orders.values() if found in o.certificates)
        if body.get("skip_approval"):
            self._do_revoke(found, reason, order)
            return Reply(204, acted=True)
        request = Request(
            next(self._numbers), "revoke", "pending", int(order), found.id, reason, str(body.get("comments", ""))
        )
        self._requests[request.id] = request
        return json_reply({"id": request.id, "type": "revoke", "status": "pending"}, 201, acted=True)

    def _do_revoke(self, certificate: Certificate, reason: str, order: str) -> None:
        certificate.revoked, certificate.reason = True, reason
        self._ledger.add(self._clock.now(), "revoke", order=order, detail=reason)

    def _revoke_order(self, asked: Asked) -> Reply:
        order = self._find(asked.params["id"])
        if order is None:
            return _missing_order()
        for certificate in order.certificates:
            self._do_revoke(
                certificate, str((asked.json() or {}).get("revocation_reason", "unspecified")), str(order.id)
            )
        order.status = "revoked"
        return Reply(204, acted=True)


def _missing_order() -> Reply:
    return _error(404, "not_found|order", "The specified order could not be found.")


def _matches(order: Order, name: str, value: str) -> bool:
    asked = order.body["certificate"]
    if name == "common_name":
        return bool(asked["common_name"] == value)
    if name == "domain_name":
        return value in order.names
    if name == "status":
        return order.status == value
    if name == "date_created":
        day = f"{order.created:%Y-%m-%d}"
        if value[:1] in {"<", ">"}:
            return day < value[1:] if value[0] == "<" else day >= value[1:]
        low, _, high = value.partition("...")
        return low <= day <= (high or low)
    if name == "product_name_id":
        return bool(order.product["name_id"] == value)
    if name == "metadata_id":
        return any(str(f.get("metadata_id")) == value for f in order.body.get("custom_fields") or [])
    if name == "serial_number":
        return any(c.serial.lower() == value.lower() for c in order.certificates)
    return True


def _spki(csr: x509.CertificateSigningRequest) -> str:
    der = csr.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()
