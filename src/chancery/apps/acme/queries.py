"""Reading offers, credentials, accounts, and what was ordered by ACME."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.acme.models import Account, AcmeOrder, Credential, Offer
from chancery.apps.orders.models import Order as Placed
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Filter, Page, by_id, paginate
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import fold
from chancery.core.errors import Absent

if TYPE_CHECKING:
    from datetime import datetime

    from chancery.apps.shared.actor import Actor


def visible_offers(actor: Actor) -> QuerySet[Offer]:
    """Return the offers of profiles that the actor may see."""
    rows = Offer.objects.select_related("profile", "team", "environment").filter(ended_at=None)
    return visible(rows, actor, Permission.ACME_VIEW)


def offer_listing(actor: Actor, *, cursor: str = "", size: int = 50) -> Page[Offer]:
    """Return one page of offers, those of the newest profiles first."""
    rows = Offer.objects.select_related("profile", "team", "environment").filter(ended_at=None)
    return paginate(rows, order="-pk", cursor=cursor, size=size, scope=scope(actor, Permission.ACME_VIEW))


def listed() -> list[Offer]:
    """Return the offers whose names the directory shows to anybody."""
    rows = Offer.objects.filter(listed=True, ended_at=None).select_related("profile")
    return list(rows.order_by("profile__name_key")[:200])


def offer(actor: Actor, ident: object) -> Offer:
    """Return the offer of a profile (its id), or raise `Absent`."""
    found = visible_offers(actor).filter(pk=key_of(ident)).first()
    if found is None:
        raise Absent("ACME offer", ident)
    return found


def key_of(ident: object) -> UUID | None:
    """Return an id as tables have it; None for what is none."""
    try:
        return ident if isinstance(ident, UUID) else UUID(str(ident))
    except ValueError:
        return None


def visible_to(actor: Actor) -> QuerySet[Credential]:
    """Return the credentials that the actor may see."""
    rows = Credential.objects.select_related("offer__profile", "team", "environment")
    return visible(rows, actor, Permission.ACME_VIEW)


def get(actor: Actor, ident: object) -> Credential:
    """Return one visible credential, or raise `Absent`."""
    found = by_id(visible_to(actor), ident)
    if found is None:
        raise Absent("ACME credential", ident)
    return found


def listing(actor: Actor, *, search: str = "", cursor: str = "", size: int = 50) -> Page[Credential]:
    """Return one page of credentials by name, revoked ones too."""
    rows = Credential.objects.select_related("offer__profile", "team", "environment")
    span = starting(fold(search)) if search else EVERYTHING
    within = scope(actor, Permission.ACME_VIEW)
    return paginate(rows, order="name_key", cursor=cursor, size=size, span=span, scope=within)


def status(row: Credential, now: datetime) -> str:
    """Return *revoked*, *expired*, *used* (no account is left) or *usable*."""
    if row.revoked_at is not None:
        return "revoked"
    if row.accounts_left == 0:
        return "used"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "usable"


def accounts_visible_to(actor: Actor) -> QuerySet[Account]:
    """Return the accounts that the actor may see."""
    rows = Account.objects.select_related("credential__offer__profile")
    return visible(rows, actor, Permission.ACME_VIEW)


def account(actor: Actor, ident: object) -> Account:
    """Return one visible account, or raise `Absent`."""
    found = by_id(accounts_visible_to(actor), ident)
    if found is None:
        raise Absent("ACME account", ident)
    return found


def accounts(actor: Actor, ident: object, *, cursor: str = "", size: int = 50) -> Page[Account]:
    """Return one page of a credential's accounts, newest first."""
    row = get(actor, ident)
    rows = Account.objects.select_related("credential__offer__profile")
    return paginate(rows, order="-id", cursor=cursor, size=size, filters=[Filter(Q(credential=row))])


def orders(actor: Actor, ident: object, *, cursor: str = "", size: int = 50) -> Page[AcmeOrder]:
    """Return one page of what an account ordered, newest first."""
    row = account(actor, ident)
    rows = AcmeOrder.objects.select_related("placement__order")
    return paginate(rows, order="-id", cursor=cursor, size=size, filters=[Filter(Q(account=row))])


def of_order(actor: Actor, order: Placed) -> AcmeOrder | None:
    """Return the ACME order that placed an order; None where it came another way, or the actor sees no ACME."""
    if not actor.may(Permission.ACME_VIEW, order.team_id, order.environment_id):
        return None
    return AcmeOrder.objects.select_related("account__credential").filter(placement__order=order).first()
