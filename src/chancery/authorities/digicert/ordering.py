"""What an order says (B3), and what an account offers to order (B2)."""

from __future__ import annotations

from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.config import DigiCertConfig
from chancery.authorities.digicert.read import number, rows, word
from chancery.authorities.digicert.search import TAG
from chancery.sdk.authority import Request
from chancery.sdk.outcome import Choice

_OTHER_PLATFORM = -1
_LISTS: dict[str, tuple[str, dict[str, str], str, str, str]] = {
    "product": ("product", {}, "products", "name_id", "name"),
    "organization_id": (
        "organization",
        {"filters[status]": "active", "limit": "1000"},
        "organizations",
        "id",
        "name",
    ),
    "container_id": ("container", {}, "containers", "id", "name"),
    "reference_field_id": ("account/metadata", {}, "metadata", "id", "label"),
}
"""Field → (path, query, list, value, label)."""


def order_body(config: DigiCertConfig, request: Request) -> dict[str, Any]:
    """Return the JSON of an order. Days, never years or dates: a date would be meant in DigiCert's time zone."""
    settings: Any = request.settings
    days, tag = request.validity.days, f"{TAG}{request.reference}"
    body: dict[str, Any] = {
        "certificate": _certificate(request, days),
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
    if config.container_id:
        body["container"] = {"id": int(config.container_id)}
    if config.reference_field_id:
        body["custom_fields"] = [{"metadata_id": int(config.reference_field_id), "value": tag}]
    return body


def _certificate(request: Request, days: int) -> dict[str, Any]:
    settings: Any = request.settings
    certificate: dict[str, Any] = {
        "common_name": request.common_name,
        "dns_names": [n.value for n in request.names if n.kind == "dns"],
        "csr": request.csr_pem,
        "signature_hash": settings.signature_hash,
        "server_platform": {"id": _OTHER_PLATFORM},
        "cert_validity": {"days": days},
    }
    if settings.ca_cert_id:
        certificate["ca_cert_id"] = settings.ca_cert_id
    return certificate


def reference_of(order: str, certificate: object) -> str:
    """Return what we remember a certificate by: order and, where it is known, certificate number."""
    return f"{order}/{number(certificate)}" if number(certificate) else order


def choices(client: Client, field: str) -> list[Choice]:
    """Return the pick list of a field; [] for one that has none."""
    if field not in _LISTS:
        return []
    path, query, listed, value, label = _LISTS[field]
    found = [r for r in rows(client.get(path, query or None).get(listed)) if word(r.get(value))]
    return [Choice(word(r.get(value)), word(r.get(label)) or word(r.get(value))) for r in found]
