"""Revoke and renew: two separate acts, separately permitted. Renewing never revokes."""

from __future__ import annotations

from functools import partial

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries
from chancery.apps.certificates.models import Certificate
from chancery.apps.certificates.revoking import ask
from chancery.apps.orders.causing import Causes
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import RENEW, PlaceOrder, limits, place, renewal_open, replacing
from chancery.apps.profiles import queries as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Act, action, current_clock, record_refusal
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.asked import about
from chancery.apps.shared.paging import by_id
from chancery.core.csr import parse
from chancery.core.errors import Absent, Conflict, Invalid, NotPermitted


@action("certificates.revoke", Permission.CERTIFICATE_REVOKE)
def revoke(act: Act, ident: object, reason: str, comment: str = "") -> Certificate:
    """Ask the CA to revoke one certificate, with exactly this reason. Also through an inactive connector."""
    certificate = locked(act, ident)
    ask(act, certificate, reason, comment)
    act.note(
        "certificate",
        certificate.pk,
        certificate.common_name,
        team=certificate.team_id,
        changed=("revocation",),
        detail={"reason": reason},
    )
    return certificate


def locked(act: Act, ident: object) -> Certificate:
    """Return a certificate that the action is allowed for, its row held until the commit."""
    certificate = by_id(queries.visible_to(act.actor).select_for_update(), ident)
    if certificate is None:
        raise Absent("certificate", ident)
    act.require(certificate)
    return certificate


def renew(
    actor: Actor,
    ident: object,
    csr: str | bytes | None = None,
    comment: str = "",
    idem_key: str | None = None,
    profile: str = "",
    caused_by: Causes | None = None,
) -> Order:
    """Place an order that replaces a certificate: with a new request, or the old one's key again.

    It is wanted before the certificate ends. `idem_key` is as for orders, among renewals. `profile` (id or name) is for
    a certificate that was not ordered here and has none; it must be of the same team and environment. `caused_by` are the
    people behind the engine.
    """
    certificate = queries.get(actor, ident)
    if not actor.may(Permission.CERTIFICATE_RENEW, certificate.team_id, certificate.environment_id):
        refusal = NotPermitted(Permission.CERTIFICATE_RENEW)
        record_refusal(actor, RENEW, current_clock().now(), refusal, partial(about, certificate))
        raise refusal
    chosen = _profile(actor, certificate, profile)
    not_twice(certificate, idem_key)
    request = _earlier_request(certificate) if csr is None else csr
    if not actor.may(Permission.ORDER_PLACE, certificate.team_id, certificate.environment_id):
        _same_names(certificate, request)
    ask = PlaceOrder(
        str(chosen.pk),
        request,
        comment=comment,
        idem_key=idem_key,
        route="renewals",
        replaces=certificate.pk,
        deadline=certificate.not_after,
        caused_by=caused_by or [],
    )
    try:
        return place(actor, ask)
    except Absent:
        if chosen.deleted_at is None:
            raise
        # Said only now: whoever repeats a renewal that was placed before is told what became of it.
        raise Conflict(
            f"The profile {chosen.name} was deleted.",
            remedy="Order a new certificate with another profile.",
            code="profile_deleted",
        ) from None


def _profile(actor: Actor, certificate: Certificate, named: str) -> Profile:
    """Return the profile by which a certificate is renewed: its own, or the one that is named where it has none."""
    if certificate.profile is None:
        return _named(actor, certificate, named)
    if named and named not in {str(certificate.profile_id), certificate.profile.name}:
        raise Invalid.one(
            "profile", f"It is renewed by the profile {certificate.profile.name}.", "Leave it out, or place an order."
        )
    return certificate.profile


def _named(actor: Actor, certificate: Certificate, named: str) -> Profile:
    if not named:
        raise Invalid.one(
            "profile", "It was not ordered here, so no profile says how it is renewed.", "Name one.", "missing"
        )
    try:
        found = profiles.get(actor, named)
    except Absent:
        raise Invalid.one("profile", f"There is no profile {named[:60]!r} that you may see.", "Name another.") from None
    if (found.team_id, found.environment_id) != (certificate.team_id, certificate.environment_id):
        text = f"The profile {found.name} is of another team or environment than the certificate."
        raise Invalid.one("profile", text, "Name one of the same, or place an order.")
    return found


def not_twice(certificate: Certificate, idem_key: str | None = None) -> None:
    """Refuse a second renewal while one is open; whoever repeats a request is told of the order that it made."""
    order = replacing(certificate.pk)
    if order is not None and (idem_key is None or idem_key != order.idem_key):
        raise renewal_open(order)


def _earlier_request(certificate: Certificate) -> bytes:
    if certificate.order is None:
        raise Invalid.one("csr", "There is no earlier request to repeat.", "Send a certificate request.")
    return bytes(certificate.order.csr)


def _same_names(certificate: Certificate, request: str | bytes) -> None:
    """Keep a renewal from becoming an order for other names, by somebody who may renew but not order."""
    asked = [[n.kind, n.value] for n in parse(request, limits()).names]
    if sorted(asked) != sorted(certificate.names):
        raise Invalid.one(
            "csr", "The request asks for other names than the certificate has.", "Ask somebody who may place orders."
        )
