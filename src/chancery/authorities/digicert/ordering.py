"""What an order says (B3), and what an account offers to order (B2)."""

from __future__ import annotations

from datetime import date
from typing import Any

from chancery.authorities.digicert.ceilings import days_of
from chancery.authorities.digicert.config import DigiCertConfig
from chancery.authorities.digicert.read import number
from chancery.authorities.digicert.search import TAG
from chancery.sdk.authority import Request

_OTHER_PLATFORM = -1


def order_body(config: DigiCertConfig, request: Request, today: date) -> dict[str, Any]:
    """Return the JSON of an order. Days, never years or dates: a date would be meant in DigiCert's time zone."""
    settings: Any = request.settings
    certificate, tag = certificate_of(request, today), f"{TAG}{request.reference}"
    days = certificate["cert_validity"]["days"]
    container = settings.container_id or config.container_id
    body: dict[str, Any] = {
        "certificate": certificate,
        "order_validity": {"days": max(settings.order_days, days)},
        "comments": tag,
        "skip_approval": config.skip_approval,
        "disable_renewal_notifications": True,
        "auto_renew": 0,
    }
    if settings.organization_id:
        body["organization"] = {"id": int(settings.organization_id)}
    if settings.dcv_method:
        body["dcv_method"] = settings.dcv_method
    if container:
        body["container"] = {"id": int(container)}
    if config.reference_field_id:
        body["custom_fields"] = [{"metadata_id": int(config.reference_field_id), "value": tag}]
    return body


def certificate_of(request: Request, today: date, days: int = 0, free: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the part that asks for the certificate; every name stands in it, since those in the request do not count.

    `days` is what a paid order has left, 0 where that is no limit; `free` are names on top of those that were asked for.
    """
    settings: Any = request.settings
    certificate: dict[str, Any] = {
        "common_name": request.common_name,
        "dns_names": [*(n.value for n in request.names if n.kind == "dns"), *free],
        "csr": request.csr_pem,
        "signature_hash": settings.signature_hash,
        "server_platform": {"id": _OTHER_PLATFORM},
        "cert_validity": {"days": days or days_of(request, today)},
    }
    if settings.ca_cert_id:
        certificate["ca_cert_id"] = settings.ca_cert_id
    if settings.profile_option:
        certificate["profile_option"] = settings.profile_option
    return certificate


def reference_of(order: str, certificate: object) -> str:
    """Return what we remember a certificate by: order and, where it is known, certificate number."""
    found = number(certificate)
    return f"{order}/{found}" if found else order
