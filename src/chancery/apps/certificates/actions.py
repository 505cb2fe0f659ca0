"""Revoke and renew: two separate acts, separately permitted. Renewing never revokes."""

from __future__ import annotations

from functools import partial

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import RENEW, PlaceOrder, limits, place
from chancery.apps.shared.action import Act, action, current_clock, record_refusal
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.asked import about
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.returning import held
from chancery.apps.shared.texts import clean
from chancery.core.csr import parse
from chancery.core.errors import Absent, Blocker, Conflict, Invalid, NotPermitted
from chancery.core.order import OPEN, RevocationReason, RevocationState


@action("certificates.revoke", Permission.CERTIFICATE_REVOKE)
def revoke(act: Act, ident: object, reason: str, comment: str = "") -> Certificate:
    """Ask the CA to revoke one certificate, with exactly this reason. Also through an inactive connector."""
    certificate = by_id(queries.visible_to(act.actor).select_for_update(), ident)
    if certificate is None:
        raise Absent("certificate", ident)
    act.require(certificate)
    descriptor = descriptor_of(certificate.connector.authority, certificate.connector.current_id)
    words = clean("comment", comment, 500, lines=True)
    known = [str(r) for r in descriptor.facts.revocation_reasons]
    if "revokes" not in descriptor.powers:
        raise Conflict(
            f"{descriptor.title} cannot revoke through its interface.", remedy="Revoke it at the CA.", code="no_power"
        )
    if not held(Connector, [certificate.connector_id]):
        raise Conflict(
            "The connector that this certificate came through was deleted.",
            remedy="Revoke it in the CA's own console.",
            code="connector_deleted",
        )
    if reason not in known:
        raise Invalid.one(
            "reason", f"This CA does not know the reason {reason[:40]!r}.", f"Choose one of: {', '.join(known)}."
        )
    if certificate.revocation in {RevocationState.REQUESTED, RevocationState.WAITING_AT_CA, RevocationState.CONFIRMED}:
        raise Conflict(
            "Its revocation has been asked for already.", remedy="Look at its page.", code="already_revoking"
        )
    certificate.revocation, certificate.revocation_reason = RevocationState.REQUESTED, reason
    certificate.revocation_comment, certificate.revocation_by = words, act.actor.name
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


def renew(
    actor: Actor, ident: object, csr: str | bytes | None = None, comment: str = "", idem_key: str | None = None
) -> Order:
    """Place an order that replaces a certificate: with a new request, or the old one's key again.

    It is wanted before the certificate ends. `idem_key` is as for orders, among renewals.
    """
    certificate = queries.get(actor, ident)
    if not actor.may(Permission.CERTIFICATE_RENEW, certificate.team_id, certificate.environment_id):
        refusal = NotPermitted(Permission.CERTIFICATE_RENEW)
        record_refusal(actor, RENEW, current_clock().now(), refusal, partial(about, certificate))
        raise refusal
    if certificate.profile.deleted_at is not None:
        raise Conflict(
            f"The profile {certificate.profile.name} was deleted.",
            remedy="Order a new certificate with another profile.",
            code="profile_deleted",
        )
    _not_twice(certificate, idem_key)
    request = _earlier_request(certificate) if csr is None else csr
    if not actor.may(Permission.ORDER_PLACE, certificate.team_id, certificate.environment_id):
        _same_names(certificate, request)
    ask = PlaceOrder(
        str(certificate.profile_id),
        request,
        comment=comment,
        idem_key=idem_key,
        route="renewals",
        replaces=certificate.pk,
        deadline=certificate.not_after,
    )
    return place(actor, ask)


def _not_twice(certificate: Certificate, idem_key: str | None) -> None:
    """Refuse a second renewal while one is open; whoever repeats a request is told of the order that it made."""
    order = Order.objects.filter(replaces=certificate, state__in=list(OPEN)).first()
    if order is not None and (idem_key is None or idem_key != order.idem_key):
        raise Conflict(
            f"A renewal of it is open already: the order {order.pk} is {order.state.replace('_', ' ')}.",
            remedy="Wait for that order, or cancel it.",
            blockers=[Blocker("order", order.common_name, str(order.pk), "replaces this certificate")],
            code="renewal_open",
        )


def _earlier_request(certificate: Certificate) -> bytes:
    if certificate.order is None:
        raise Invalid.one("csr", "There is no earlier request to repeat.", "Send a certificate request.")
    if certificate.revocation_reason == RevocationReason.KEY_COMPROMISE:
        raise Invalid.one("csr", "Its key was reported as compromised.", "Make a new key and send its request.")
    return bytes(certificate.order.csr)


def _same_names(certificate: Certificate, request: str | bytes) -> None:
    """Keep a renewal from becoming an order for other names, by somebody who may renew but not order."""
    asked = [[n.kind, n.value] for n in parse(request, limits()).names]
    if sorted(asked) != sorted(certificate.names):
        raise Invalid.one(
            "csr", "The request asks for other names than the certificate has.", "Ask somebody who may place orders."
        )
