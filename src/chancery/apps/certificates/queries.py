"""Reading certificates."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.look import EVERYTHING, Span, starting
from chancery.apps.shared.paging import Filter, Page, by_id, one_of, paginate, uuid_or_none
from chancery.apps.shared.scope import scope, visible
from chancery.core import pem as text
from chancery.core.errors import Absent
from chancery.core.order import IN_THE_END, RevocationState

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

SORTS = ("-id", "id", "not_after", "-not_after", "common_name", "-common_name")
STATUSES = ("valid", "expiring", "expired", "revoking", "revoked")
SOON = timedelta(days=30)
_MOST_OFFERED = 50


def visible_to(actor: Actor) -> QuerySet[Certificate]:
    """Return the certificates that the actor may see."""
    return visible(Certificate.objects.all(), actor, Permission.CERTIFICATE_VIEW)


def alive_with_key(actor: Actor, key: str) -> list[Certificate]:
    """Return the visible certificates with a public key that are valid, and whose revocation nobody has asked for yet.

    At most fifty, the ones that end last before the others.
    """
    rows = visible_to(actor).filter(spki_sha256=key, revoked_at=None, not_after__gt=current_clock().now())
    rows = rows.exclude(revocation__in=list(IN_THE_END)).select_related("connector").defer("der")
    return list(rows.order_by("-not_after", "-id")[:_MOST_OFFERED])


def get(actor: Actor, ident: object) -> Certificate:
    """Return one visible certificate, or raise `Absent`."""
    rows = visible_to(actor).select_related("connector", "profile", "team", "environment", "chain", "order")
    found = by_id(rows, ident)
    if found is None:
        raise Absent("certificate", ident)
    return found


def key_reports_visible_to(actor: Actor) -> QuerySet[KeyReport]:
    """Return the reports of keys that were made where the actor sees certificates."""
    return visible(KeyReport.objects.all(), actor, Permission.CERTIFICATE_VIEW)


def key_reports(actor: Actor, *, key: str = "", cursor: str = "", size: int = 50) -> Page[KeyReport]:
    """Return one page of reports of keys, the newest first; `key` (SHA-256 of the SPKI, hex) for those of one key."""
    filters = [Filter(Q(spki_sha256=key.strip().lower()))] if key else []
    rows = KeyReport.objects.select_related("team")
    within = scope(actor, Permission.CERTIFICATE_VIEW)
    return paginate(rows, order="-id", cursor=cursor, size=size, filters=filters, scope=within)


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
    """Return one page of certificates.

    A status sorts by the date that it is about, a search by the name: that is what their indexes hold.
    `search` is the beginning of a common name, or a whole serial number in hex.
    """
    one_of("status", status, STATUSES)
    one_of("sort", sort, SORTS)
    rows = Certificate.objects.select_related("connector").defer("der")
    filters = [Filter(Q(connector=uuid_or_none(connector, "connector")))] if connector else []
    serial = _serial(search)
    if serial and Certificate.objects.filter(serial=serial).exists():
        filters.append(Filter(Q(serial=serial)))
        search = ""
    wanted, span, by = _of_status(status, sort)
    if search:
        filters += [Filter(q, served=False) for q in (wanted, span.on(by.lstrip("-"))) if q]
        span, by = starting(search.strip().lower()), "common_name"
    elif status == "revoking":
        filters.append(Filter(wanted, ordered=False))
    else:
        rows = rows.filter(wanted)
    return paginate(
        rows,
        order=by or "-id",
        cursor=cursor,
        size=size,
        span=span,
        filters=filters,
        scope=scope(actor, Permission.CERTIFICATE_VIEW),
    )


def _of_status(status: str, sort: str) -> tuple[Q, Span, str]:
    """Return what the rows of a status meet, and the order in which an index holds them, with what it begins and ends at."""
    if not status:
        return Q(), EVERYTHING, sort
    if status == "revoking":
        return Q(due_at__isnull=False), EVERYTHING, "-id"
    if status == "revoked":
        return Q(revoked_at__isnull=False), EVERYTHING, "-revoked_at"
    kept, after = Q(revoked_at__isnull=True), current_clock().now() + timedelta.resolution
    if status == "expired":
        return kept, Span(high=after), "-not_after"
    return kept, Span(after, after + SOON if status == "expiring" else None), "not_after"


def _serial(search: str) -> str:
    """Return a serial number as it is stored (hex without leading zeros), or '' for what can only be a name."""
    text = re.sub(r"[\s:]", "", search).lower().removeprefix("0x").lstrip("0")
    return text if re.fullmatch("[0-9a-f]{8,40}", text) else ""


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
