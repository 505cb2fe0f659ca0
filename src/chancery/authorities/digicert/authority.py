"""DigiCert CertCentral as an authority: order, poll, revoke, cancel, find, adopt, choose."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, ClassVar

from chancery.authorities.digicert.client import Client, segment
from chancery.authorities.digicert.config import DigiCertConfig, DigiCertProfile
from chancery.core import pem
from chancery.core.certificate import spki_of
from chancery.core.csr import parse
from chancery.core.errors import Invalid
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.sdk.authority import Context, Dedup, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.errors import (
    AlreadyDone,
    OutcomeUnknown,
    RejectedByPolicy,
)
from chancery.sdk.finding import Finding, Level
from chancery.sdk.outcome import (
    Absence,
    Choice,
    Found,
    Issued,
    Outcome,
    Pending,
    PendingKind,
    PollState,
    RevocationPending,
    Revoked,
)

US = "https://www.digicert.com/services/v2"
EU = "https://certcentral.digicert.eu/services/v2"
_SOON, _LATER = timedelta(seconds=2), timedelta(minutes=1)
_TAG = "chancery:"
_ENDED = {"rejected", "canceled", "cancelled"}
_KINDS = {
    "needs_approval": (PendingKind.APPROVAL, "Waits for an approver at DigiCert."),
    "needs_csr": (PendingKind.ACTION, "DigiCert says that the request is missing."),
    "pending": (PendingKind.VALIDATION, "DigiCert validates the domain or the organisation."),
    "processing": (PendingKind.PROCESSING, "DigiCert is issuing it."),
    "approved": (PendingKind.PROCESSING, "Approved; DigiCert is issuing it."),
    "waiting_pickup": (PendingKind.ACTION, "Waits for the recipient."),
    "reissue_pending": (PendingKind.PROCESSING, "A reissue is under way at DigiCert."),
}


class DigiCert:
    """CertCentral, Services API v2 (reference B)."""

    slug: ClassVar[str] = "digicert"
    title: ClassVar[str] = "DigiCert"
    maker: ClassVar[str] = "DigiCert CertCentral"
    proof: ClassVar[str] = "bronze"
    config: ClassVar[type[Config]] = DigiCertConfig
    profile: ClassVar[type[ProfileSettings]] = DigiCertProfile
    api: ClassVar[tuple[int, int]] = (1, 1)
    default_base_url: ClassVar[str] = US
    base_urls: ClassVar[tuple[tuple[str, str], ...]] = ((US, "United States"), (EU, "Europe"))
    facts: ClassVar[Facts] = Facts(
        certificates=AuthorityFacts(
            key_types=("RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384"),
            name_kinds=("dns",),
            max_names=250,
        ),
        # 80 % of 1,000 in 3 minutes (B1); the burst stays under 80 % of 100 in 5 seconds.
        calls_per_second=4.4,
        burst=60,
        concurrency=16,
        dedup=Dedup.NONE,
        search_lag=timedelta(seconds=60),
        search_tries=4,
    )

    def __init__(self, config: DigiCertConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._client = Client(context.http, config.api_key, context.clock)

    # Diagnosis ---------------------------------------------------------------------------------------

    def check(self) -> Iterable[Finding]:
        """Login, rights, custom field and division, by reading only."""
        me = self._client.get("user/me")
        roles = [str(r.get("name", "")) for r in me.get("access_roles") or [] if isinstance(r, dict)]
        who = f"{me.get('username', '?')} in account {(me.get('account') or {}).get('id', '?')}"
        yield Finding("login", Level.OK, "ok", "The API key is accepted.", who)
        yield self._rights(roles)
        yield from self._products()
        yield from self._reference_field()
        yield Finding("quota", Level.SKIPPED, "not_offered", "CertCentral does not say how much of the rate is left.")

    def _rights(self, roles: list[str]) -> Finding:
        text = ", ".join(roles) or "none named"
        strong = any(r.lower() in {"administrator", "manager"} for r in roles)
        if self._config.skip_approval and roles and not strong:
            remedy = "Give the service user the role Manager, or do not skip approvals."
            return Finding("rights", Level.FAILED, "skip_approval", "The key may not skip approvals.", text, remedy)
        return Finding("rights", Level.OK, "ok", "Roles of the key's user were read.", text)

    def _products(self) -> Iterator[Finding]:
        products = self._client.get("product").get("products") or []
        names = ", ".join(str(p.get("name_id")) for p in products[:8])
        if products:
            yield Finding("product", Level.OK, "ok", f"{len(products)} products can be ordered.", names)
        else:
            yield Finding(
                "product", Level.FAILED, "none", "The account offers no product.", "", "Ask DigiCert to enable one."
            )

    def _reference_field(self) -> Iterator[Finding]:
        wanted = self._config.reference_field_id
        if not wanted:
            text = "No custom field carries our reference; a lost answer is then settled by key and name."
            yield Finding(
                "product",
                Level.WARNING,
                "no_reference_field",
                text,
                "",
                "Make a text field in CertCentral and enter its id.",
            )
            return
        fields = self._client.get("account/metadata").get("metadata") or []
        found = next((f for f in fields if str(f.get("id")) == wanted), None)
        if found is None or not found.get("is_active", True):
            yield Finding(
                "product",
                Level.FAILED,
                "reference_field",
                "The custom field is missing or inactive.",
                wanted,
                "Correct its id.",
            )
        else:
            yield Finding(
                "product", Level.OK, "ok", "The custom field for our reference is active.", str(found.get("label", ""))
            )

    # Ordering ----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Place one order (B3). Names travel in the JSON: the API ignores those inside the request."""
        settings: Any = request.settings
        _, answer = self._client.act("POST", f"order/certificate/{settings.product}", self._order(request))
        if not isinstance(answer, dict) or not str(answer.get("id") or "").isdigit():
            raise OutcomeUnknown("DigiCert's answer to the order has no order number.", text=str(answer)[:500])
        order = str(answer["id"])
        chain = [c.get("pem") for c in answer.get("certificate_chain") or [] if isinstance(c, dict)]
        if chain and all(isinstance(c, str) for c in chain):
            # The certificate's number rides along: revocation goes by it, never by the whole order.
            reference = _reference(order, answer.get("certificate_id"))
            issued = _pick("\n".join(map(str, chain)).encode(), request, reference)
            if issued is not None:
                return issued
        return self._accepted(order, answer)

    def _order(self, request: Request) -> dict[str, Any]:
        settings: Any = request.settings
        days = request.validity.days
        dns = [n.value for n in request.names if n.kind == "dns"]
        certificate = {
            "common_name": request.common_name,
            "dns_names": dns,
            "csr": request.csr_pem,
            "signature_hash": settings.signature_hash,
            "server_platform": {"id": -1},
            "cert_validity": {"days": days},
        }
        if settings.ca_cert_id:
            certificate["ca_cert_id"] = settings.ca_cert_id
        body: dict[str, Any] = {
            "certificate": certificate,
            "order_validity": {"days": max(settings.order_days, days)},
            "comments": f"{_TAG}{request.reference}",
            "skip_approval": self._config.skip_approval,
            "disable_renewal_notifications": True,
            "auto_renew": 0,
        }
        if settings.organization_id:
            body["organization"] = {"id": int(settings.organization_id)}
        if settings.dcv_method:
            body["dcv_method"] = settings.dcv_method
        if self._config.container_id:
            body["container"] = {"id": int(self._config.container_id)}
        if self._config.reference_field_id:
            field = {"metadata_id": int(self._config.reference_field_id), "value": f"{_TAG}{request.reference}"}
            body["custom_fields"] = [field]
        return body

    def _accepted(self, order: str, answer: dict[str, Any]) -> Pending:
        requests = answer.get("requests") or [{}]
        waiting = str(requests[0].get("status", "")) == "pending"
        kind = PendingKind.APPROVAL if waiting else PendingKind.PROCESSING
        text = "Waits for an approver at DigiCert." if waiting else "Accepted by DigiCert."
        return Pending({"v": 1, "order": order}, kind, _LATER if waiting else _SOON, text, order)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Read the order (B3.2); a status that is not known waits with a warning, it never fails."""
        order = segment(state["order"])
        return self._stand(order, self._client.get(f"order/certificate/{order}"), request)

    def _stand(self, order: str, info: dict[str, Any], request: Request) -> Outcome:
        status = str(info.get("status", "")).lower()
        if status in _ENDED:
            raise RejectedByPolicy(
                f"The order is {status} at DigiCert.", code=status, remedy="Ask the CA's administrators why."
            )
        if status in {"issued", "revoked", "expired"}:
            return self._download(order, info, request)
        kind, text = _KINDS.get(
            status, (PendingKind.PROCESSING, f"DigiCert reports the unknown status {status[:40]!r}.")
        )
        wait = _SOON if status in {"processing", "approved"} else _LATER
        return Pending({"v": 1, "order": order}, kind, wait, text, order)

    def _download(self, order: str, info: dict[str, Any], request: Request) -> Outcome:
        certificate = (info.get("certificate") or {}).get("id")
        if certificate is None:
            return Pending(
                {"v": 1, "order": order}, next_check=_SOON, text="Issued; not yet downloadable.", reference=order
            )
        raw = self._client.raw(f"certificate/{segment(certificate)}/download/format/pem_all")
        issued = _pick(raw, request, _reference(order, certificate))
        if issued is None:
            # A documented fault: downloads of one order fetched together may hold another's certificate.
            text = "The download held a certificate for another key; it is fetched again."
            return Pending({"v": 1, "order": order}, next_check=_LATER, text=text, reference=order)
        return issued

    # Lost answers ------------------------------------------------------------------------------------

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search as B8.4 says: newest first by name and day, then by our reference, else by the key."""
        params = [
            ("filters[common_name]", request.common_name),
            ("filters[date_created]", f">{since:%Y-%m-%d}"),
            ("sort", "-date_created"),
            ("limit", "100"),
        ]
        rows = self._client.get("order/certificate", params).get("orders") or []
        for row in rows:
            info = self._client.get(f"order/certificate/{segment(row['id'])}")
            if self._is_ours(info, request):
                order = segment(row["id"])
                return Found(self._stand(order, info, request), f"DigiCert's search found order {order}.")
        return Absence(f"DigiCert's search by name and day found {len(rows)} orders, none of them ours.")

    def _is_ours(self, info: dict[str, Any], request: Request) -> bool:
        tag = f"{_TAG}{request.reference}"
        fields = [f for f in info.get("custom_fields") or [] if isinstance(f, dict)]
        values = [str(f.get("value", "")) for f in fields]
        if tag in values:
            return True
        if any(v.startswith(_TAG) for v in values):
            return False
        return _same_key(str((info.get("certificate") or {}).get("csr") or ""), request)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names; its key must be the request's."""
        order = segment(reference)
        info = self._client.get(f"order/certificate/{order}")
        csr = str((info.get("certificate") or {}).get("csr") or "")
        if csr and not _same_key(csr, request):
            raise RejectedByPolicy("That order is for another key.", code="wrong_key", remedy="Check the order number.")
        return Found(self._stand(order, info, request), f"A person named DigiCert's order {order}.")

    # Revoke, cancel, choose --------------------------------------------------------------------------

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate (B6): 204 is done, 201 is a request that somebody must approve."""
        body = {"revocation_reason": str(reason), "comments": comment, "skip_approval": self._config.skip_approval}
        ident = _certificate_of(target)
        try:
            status, answer = self._client.act("PUT", f"certificate/{ident}/revoke", body)
        except RejectedByPolicy as error:
            if "revoked" in f"{error.code} {error.text}".lower():
                raise AlreadyDone("DigiCert had revoked it already.", code=error.code, text=error.text) from None
            raise
        if status == 204:
            return Revoked("Revoked by DigiCert.")
        request = str((answer or {}).get("id") or "")
        state = {"v": 1, "request": request}
        return RevocationPending(state, text=f"Request {request} waits for an approver at DigiCert.")

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look at the approval request of a revocation."""
        del target
        info = self._client.get(f"request/{segment(state['request'])}")
        status = str(info.get("status", ""))
        if status == "approved":
            return Revoked("Approved and revoked at DigiCert.")
        if status == "rejected":
            raise RejectedByPolicy("An approver at DigiCert rejected the revocation.", code="rejected")
        return RevocationPending(state, text=f"Request {state['request']} waits for an approver at DigiCert.")

    def cancel(self, state: PollState, request: Request) -> None:
        """Cancel a pending order (B4)."""
        del request
        body = {"status": "CANCELED", "note": "Cancelled in Chancery."}
        try:
            self._client.act("PUT", f"order/certificate/{segment(state['order'])}/status", body)
        except RejectedByPolicy as error:
            raise AlreadyDone(error.message, code=error.code, text=error.text) from None

    def choices(self, field: str) -> list[Choice]:
        """Return products, organisations, divisions or custom fields of the account (B2)."""
        if field == "product":
            rows = self._client.get("product").get("products") or []
            return [Choice(str(p["name_id"]), str(p.get("name", p["name_id"]))) for p in rows]
        if field == "organization_id":
            rows = self._client.get("organization", {"filters[status]": "active"}).get("organizations") or []
            return [Choice(str(o["id"]), str(o.get("name", o["id"]))) for o in rows]
        if field == "container_id":
            rows = self._client.get("container").get("containers") or []
            return [Choice(str(c["id"]), str(c.get("name", c["id"]))) for c in rows]
        if field == "reference_field_id":
            rows = self._client.get("account/metadata").get("metadata") or []
            return [Choice(str(m["id"]), str(m.get("label", m["id"]))) for m in rows]
        return []


def _pick(raw: bytes, request: Request, reference: str) -> Issued | None:
    try:
        ders = [der for label, der in pem.split(raw) if label == "CERTIFICATE"]
    except Invalid:
        return None
    leaf = next((d for d in ders if spki_of(d) == request.spki_sha256), None)
    if leaf is None:
        return None
    return Issued(leaf, tuple(d for d in ders if d != leaf), reference)


def _reference(order: str, certificate: object) -> str:
    return f"{order}/{certificate}" if certificate else order


def _certificate_of(target: Target) -> str:
    _, _, certificate = target.reference.partition("/")
    return segment(certificate or target.serial)


def _same_key(text: str, request: Request) -> bool:
    try:
        return parse(text).key.spki_sha256 == request.spki_sha256
    except Invalid:
        return False
