"""Revocation by ACME clients (RFC 8555 section 7.6), which is the revocation that everybody asks for."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from chancery.apps.acme import proving
from chancery.apps.acme.accounts import actor_of
from chancery.apps.acme.errors import AcmeError, malformed
from chancery.apps.acme.jose import Key
from chancery.apps.acme.models import Account, AcmeOrder
from chancery.apps.certificates import actions
from chancery.apps.certificates.models import Certificate
from chancery.apps.certificates.revoking import reasons
from chancery.apps.shared.action import current_clock
from chancery.core.errors import Conflict, Invalid
from chancery.core.order import IN_THE_END, RevocationReason

_REASONS = {reason.code: reason for reason in RevocationReason}
"""CRLReason (RFC 5280 section 5.3.1) → ours. A CA's own compromise and a hold are no client's matter."""
_MILDEST = RevocationReason.SUPERSEDED
"""What is said for a client that says nothing, as most do, to a CA that wants a reason: it accuses nobody."""


def revoke(
    der: bytes, reason: Any, *, account: Account | None = None, key: Key | None = None, address: str = ""
) -> None:
    """Ask the CA to revoke a certificate: for the account that ordered it or proved its names, or for its own key."""
    row = Certificate.objects.select_related("team").filter(sha256=sha256(der).hexdigest()).first()
    ordered = _ordered(row)
    if row is None or ordered is None:
        raise malformed("certificate", "No ACME order of this server led to it.", "Ask the CA that issued it.", 404)
    if not _may(row, ordered, account, key):
        text = "Neither did this account order it, nor has it proven its names, nor is it signed by its key."
        raise AcmeError("unauthorized", text, "Sign with the account that ordered it, or with its own key.")
    if row.revocation in IN_THE_END:
        raise AcmeError("alreadyRevoked", "It is revoked already, or that is asked for.", "There is nothing to do.")
    by = account if account is not None else ordered.account
    told = "Asked for over ACME" + ("." if account is not None else ", by the certificate's own key.")
    meant = _reason(reason)
    if meant == RevocationReason.UNSPECIFIED and meant not in (taken := reasons(row)) and _MILDEST in taken:
        meant, told = str(_MILDEST), f"{told} The client gave no reason, and this CA takes no revocation without one."
    try:
        actions.revoke(actor_of(by, address), row.pk, meant, told)
    except Invalid as error:
        raise _bad_reason(str(error), " ".join(p.remedy for p in error.problems)) from None
    except Conflict as error:
        if error.code == "already_revoking":
            raise AcmeError("alreadyRevoked", error.detail, error.remedy) from None
        raise AcmeError("unauthorized", error.detail, error.remedy) from None


def _ordered(row: Certificate | None) -> AcmeOrder | None:
    if row is None or row.order_id is None:
        return None
    return AcmeOrder.objects.select_related("account__credential").filter(placement__order=row.order_id).first()


def _may(row: Certificate, ordered: AcmeOrder, account: Account | None, key: Key | None) -> bool:
    if account is None:
        return key is not None and key.spki_sha256 == row.spki_sha256
    if ordered.account_id == account.pk:
        return True
    same = (account.team_id, account.environment_id) == (row.team_id, row.environment_id)
    return same and proving.holds(account, row.names, current_clock().now())


def _reason(given: Any) -> str:
    if given is None:
        return str(RevocationReason.UNSPECIFIED)
    # A float that equals a code is none either, and a list could not even be looked up.
    if type(given) is not int or given not in _REASONS:
        raise _bad_reason(f"reason: {str(given)[:20]!r} is not taken.", f"Send one of {', '.join(map(str, _REASONS))}.")
    return str(_REASONS[given])


def _bad_reason(wrong: str, remedy: str) -> AcmeError:
    return AcmeError("badRevocationReason", wrong, remedy)
