"""Revoke and renew: two separate acts, separately permitted. Renewing never revokes."""

from __future__ import annotations

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.action import REGISTRY, Act, action
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Conflict, Invalid, NotPermitted
from chancery.core.order import RevocationReason, RevocationState

REGISTRY["certificates.renew"] = Permission.CERTIFICATE_RENEW


@action("certificates.revoke", Permission.CERTIFICATE_REVOKE)
def revoke(act: Act, ident: object, reason: str, comment: str = "") -> Certificate:
    """Ask the CA to revoke one certificate, with exactly this reason. Also through an inactive connector."""
    seen = queries.get(act.actor, ident)
    certificate = Certificate.objects.select_for_update().get(pk=seen.pk)
    act.require(certificate)
    descriptor = catalog.get(certificate.connector.authority)
    known = [str(r) for r in descriptor.facts.revocation_reasons]
    if "revokes" not in descriptor.powers:
        raise Conflict(
            f"{descriptor.title} cannot revoke through its interface.", remedy="Revoke it at the CA.", code="no_power"
        )
    if reason not in known or reason not in set(RevocationReason):
        raise Invalid.one(
            "reason", f"This CA does not know the reason {reason[:40]!r}.", f"Choose one of: {', '.join(known)}."
        )
    if certificate.revocation in {RevocationState.REQUESTED, RevocationState.WAITING_AT_CA, RevocationState.CONFIRMED}:
        raise Conflict(
            "Its revocation has been asked for already.", remedy="Look at its page.", code="already_revoking"
        )
    certificate.revocation, certificate.revocation_reason = RevocationState.REQUESTED, reason
    certificate.revocation_comment, certificate.revocation_by = comment.strip()[:500], act.actor.name
    certificate.revocation_asked_at = certificate.due_at = act.at
    certificate.revocation_text, certificate.revocation_state, certificate.attempt = "", {}, 0
    certificate.save()
    act.note(
        "certificate",
        certificate.pk,
        certificate.common_name,
        team=certificate.team_id,
        changed=("revocation",),
        detail={"reason": reason},
    )
    return certificate


def renew(actor: Actor, ident: object, csr: str | bytes | None = None, comment: str = "") -> Order:
    """Place an order that replaces a certificate: with a new request, or the old one's key again."""
    certificate = queries.get(actor, ident)
    if not actor.may(Permission.CERTIFICATE_RENEW, certificate.team_id, certificate.environment_id):
        raise NotPermitted(Permission.CERTIFICATE_RENEW)
    if csr is None and certificate.order is None:
        raise Invalid.one("csr", "There is no earlier request to repeat.", "Send a certificate request.")
    request = csr if csr is not None else bytes(certificate.order.csr)  # type: ignore[union-attr]  # checked above
    ask = PlaceOrder(str(certificate.profile_id), request, comment=comment, replaces=certificate.pk)
    return place(actor, ask)
