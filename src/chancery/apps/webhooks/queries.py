"""Reading webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Page, by_id, paginate
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import fold, unfit
from chancery.apps.webhooks.models import Webhook
from chancery.core.errors import Absent

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor


def visible_to(actor: Actor) -> QuerySet[Webhook]:
    """Return the webhooks of the teams that the actor may see them for."""
    return visible(Webhook.objects.all(), actor, Permission.WEBHOOK_VIEW).select_related("team", "environment")


def listing(actor: Actor, *, search: str = "", cursor: str = "", size: int = 50) -> Page[Webhook]:
    """Return one page of webhooks by name."""
    span, within = starting(fold(search)) if search else EVERYTHING, scope(actor, Permission.WEBHOOK_VIEW)
    rows = Webhook.objects.select_related("team", "environment")
    return paginate(rows, order="name_key", cursor=cursor, size=size, span=span, scope=within)


def get(actor: Actor, ident: object) -> Webhook:
    """Return one visible webhook by id or name, or raise `Absent`."""
    rows, text = visible_to(actor), str(ident)
    found = by_id(rows, ident) or (
        None if unfit({"webhook": text}) else rows.filter(name_key=fold(text), name=text).first()
    )
    if found is None:
        raise Absent("webhook", ident)
    return found
