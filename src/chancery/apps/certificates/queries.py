"""Reading certificates."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates.models import Certificate
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import Page, by_id, paginate, prefix, uuid_or_none
from chancery.apps.shared.scope import visible
from chancery.core import pem as text
from chancery.core.errors import Absent
from chancery.core.order import RevocationState

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

SORTS = ("-id", "id", "not_after", "-not_after", "common_name", "-common_name")
SOON = timedelta(days=30)


def visible_to(actor: Actor) -> QuerySet[Certificate]:
    """Return the certificates that the actor may see."""
    return visible(Certificate.objects.all(), actor, Permission.CERTIFICATE_VIEW)


def get(actor: Actor, ident: object) -> Certificate:
    """Return one visible certificate, or raise `Absent`."""
    rows = visible_to(actor).select_related("connector", "profile", "team", "environment", "chain", "order")
    found = by_id(rows, ident)
    if found is None:
        raise Absent("certificate", ident)
    return found


def listing(
    actor: Actor,
    *,
    status: str = "",
    connector: str = "",
    search: str = "",
    sort: str = "-id",
    cursor: str = "",
    size: int = 50,
) -> Page[Certificate]:
    """Return one page of certificates. Status filters by date sort by expiry, which is what their index holds."""
    rows, now = visible_to(actor), current_clock().now()
    if connector:
        rows = rows.filter(connector=uuid_or_none(connector, "connector"))
    if status == "revoked":
        rows = rows.exclude(revocation="")
    elif status in {"valid", "expiring", "expired"}:
        bounds = {"valid": {"not_after__gt": now}, "expiring": {"not_after__gt": now, "not_after__lte": now + SOON}}
        rows = rows.filter(**bounds.get(status, {"not_after__lte": now}))
        sort = "-not_after" if status == "expired" else "not_after"
    if search:
        rows, sort = rows.filter(prefix("common_name", search.lower())), "common_name"
    rows = rows.select_related("connector").defer("der")
    return paginate(rows, order=sort if sort in SORTS else "-id", cursor=cursor, size=size)


def status(certificate: Certificate, now: datetime | None = None) -> str:
    """Return *revoked*, *revoking*, *expired*, *expiring* or *valid*."""
    now = now or current_clock().now()
    if certificate.revocation == RevocationState.CONFIRMED:
        return "revoked"
    if certificate.not_after <= now:
        return "expired"
    if certificate.revocation in {RevocationState.REQUESTED, RevocationState.WAITING_AT_CA}:
        return "revoking"
    return "expiring" if certificate.not_after <= now + SOON else "valid"


def chain_ders(certificate: Certificate) -> list[bytes]:
    """Return the chain above the leaf, issuer first."""
    if certificate.chain is None:
        return []
    return [base64.b64decode(der) for der in certificate.chain.ders]


def pem(certificate: Certificate) -> str:
    """Return the leaf as PEM."""
    return text.encode("CERTIFICATE", bytes(certificate.der))


def chain_pem(certificate: Certificate) -> str:
    """Return leaf and chain as PEM, leaf first."""
    return text.chain_text([bytes(certificate.der), *chain_ders(certificate)])


def pkcs7(certificate: Certificate) -> bytes:
    """Return leaf and chain as a PKCS#7 bundle (DER)."""
    return text.pkcs7_bundle([bytes(certificate.der), *chain_ders(certificate)])
