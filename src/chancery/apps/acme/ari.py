"""When a certificate should be renewed (RFC 9773), and which one an order replaces."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography import x509

from chancery.apps.acme.errors import AcmeError, malformed
from chancery.apps.acme.jose import decode, encode
from chancery.apps.acme.models import Account, AcmeOrder
from chancery.apps.certificates import keys
from chancery.apps.certificates.actions import not_twice
from chancery.apps.certificates.models import Certificate
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.action import current_clock
from chancery.core.names import Name
from chancery.core.order import ENDS, RevocationState, State

RETRY = timedelta(hours=6)
_SPREAD = 0.05
_PAST, _WIDTH = timedelta(days=1), timedelta(hours=1)
_REVOKED = {RevocationState.REQUESTED, RevocationState.WAITING_AT_CA, RevocationState.CONFIRMED}
_MOST_SERIAL, _LONGEST = 20, 200
_LIVES = [str(s) for s in State if s not in {*ENDS, State.AWAITING_APPROVAL} or s is State.ISSUED]
"""States of an order by which a certificate is replaced, or may still be; one that is held only asks."""


@dataclass(frozen=True, slots=True)
class Window:
    """Between which moments a client should renew, and a page that says why, if there is one."""

    start: datetime
    end: datetime
    explanation: str = ""


def window(ident: str) -> Window:
    """Return the window that is suggested for a certificate (RFC 9773 section 4.2); raises `AcmeError` with 404.

    It lies in the past once the certificate is revoked, or asked to be, and while its key is reported as compromised: the
    client is to renew at once.
    """
    row = find(ident)
    if row is None:
        raise malformed("renewalInfo", "This server knows no such certificate.", "Ask the CA that issued it.", 404)
    now = current_clock().now()
    if row.revocation in _REVOKED or keys.bars(row):
        start = max(row.not_before, now - _PAST) - _WIDTH
        return Window(start, start + _WIDTH)
    plan = Plan.objects.filter(pk=row.pk).first()
    if plan is not None and plan.hint_start is not None and plan.hint_end is not None:
        return Window(plan.hint_start, plan.hint_end, plan.hint_url)
    share = row.profile.renewal_share / 100 if row.profile is not None else 2 / 3
    life = row.not_after - row.not_before
    return Window(row.not_before + life * (share - _SPREAD), row.not_before + life * min(share + _SPREAD, 1))


def ident_of(der: bytes) -> str:
    """Return the identifier of a certificate in ARI (RFC 9773 section 4.1); '' without an authority key identifier."""
    found = x509.load_der_x509_certificate(der)
    key = _authority_key(found)
    serial = found.serial_number
    return f"{encode(key)}.{encode(serial.to_bytes(serial.bit_length() // 8 + 1, 'big'))}" if key else ""


def reflected(order: AcmeOrder) -> str:
    """Return the identifier of the certificate that an order replaces, as its client sent it (RFC 9773 section 5); '' for none.

    It is made anew: nothing but the very text that is made of a certificate has found that certificate.
    """
    return ident_of(bytes(order.replaces.der)) if order.replaces is not None else ""


def find(ident: str) -> Certificate | None:
    """Return the certificate that an identifier names; None where there is none here. Raises *malformed*."""
    key, dot, serial = ident.partition(".")
    if not dot or len(ident) > _LONGEST:
        raise malformed("certID", "It is not of the form AKI.serial.", "Build it as RFC 9773 section 4.1 says.")
    raw = decode(serial, "certID")
    if not decode(key, "certID") or not 0 < len(raw) <= _MOST_SERIAL + 1:
        raise malformed("certID", "A part of it is empty or too long.", "Build it as RFC 9773 section 4.1 says.")
    rows = Certificate.objects.select_related("profile").filter(serial=raw.hex().lstrip("0"))
    return next((row for row in rows[:20] if ident_of(bytes(row.der)) == ident), None)


def _authority_key(found: x509.Certificate) -> bytes:
    try:
        value = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except (x509.ExtensionNotFound, ValueError):
        return b""
    return value.key_identifier or b""


def replaced(account: Account, ident: Any, names: Sequence[Name]) -> UUID:
    """Return the certificate that an order says it replaces (RFC 9773 section 5).

    It must be of the same account and share a name with the order, and nothing else may replace it already.
    """
    if not isinstance(ident, str):
        raise malformed("replaces", "It is no text.", "Send the certificate's identifier.")
    row = find(ident)
    ordered = (
        AcmeOrder.objects.filter(placement__order=row.order_id).first() if row is not None and row.order_id else None
    )
    if row is None or ordered is None or ordered.account_id != account.pk:
        raise malformed("replaces", "It names no certificate that this account ordered.", "Leave it out.")
    if not {(n.kind, n.value) for n in names} & {(k, v) for k, v in row.names}:
        raise malformed("replaces", "That certificate has none of the names of this order.", "Leave it out.")
    if replaced_already([row.pk]):
        raise taken()
    not_twice(row)
    return row.pk


def replaced_already(certificates: Collection[UUID]) -> set[UUID]:
    """Return which of some certificates an ACME order has replaced, or may still."""
    if not certificates:
        return set()
    rows = AcmeOrder.objects.filter(replaces__in=certificates, placement__order__state__in=_LIVES)
    return {ident for ident in rows.values_list("replaces", flat=True) if ident is not None}


def taken() -> AcmeError:
    """Return the refusal of a second order that says it replaces the same (RFC 9773 section 5)."""
    text = "replaces: That certificate has been replaced already, or is being."
    return AcmeError("alreadyReplaced", text, "Order without it.")
