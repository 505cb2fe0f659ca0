"""Reading notices and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.notices.models import Channel, Delivery, Kind, Notice
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Filter, Page, by_id, one_of, paginate
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import fold, unfit
from chancery.core.errors import Absent

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

KINDS = tuple(Kind.values)
STATES = ("open", "over", "all")
_SHOWN = 20


def listing(actor: Actor, *, state: str = "open", kind: str = "", cursor: str = "", size: int = 50) -> Page[Notice]:
    """Return one page of notices, newest first: those that are open, over, or all."""
    one_of("state", state, STATES)
    one_of("kind", kind, KINDS)
    rows = Notice.objects.select_related("team", "environment")
    filters = [Filter(Q(kind=kind), served=False)] if kind else []
    if state == "over":
        filters.append(Filter(Q(resolved_at__isnull=False), served=False))
    elif state != "all":
        rows = rows.filter(resolved_at__isnull=True)
    within = scope(actor, Permission.NOTICE_VIEW)
    return paginate(rows, order="-id", cursor=cursor, size=size, filters=filters, scope=within)


def channels(actor: Actor) -> QuerySet[Channel]:
    """Return the channels of the teams that the actor may see them for."""
    rows = visible(Channel.objects.all(), actor, Permission.CHANNEL_VIEW)
    return rows.select_related("team", "environment").order_by("name_key")


def channel_listing(actor: Actor, *, search: str = "", cursor: str = "", size: int = 50) -> Page[Channel]:
    """Return one page of channels by name."""
    rows = Channel.objects.select_related("team", "environment")
    span, within = starting(fold(search)) if search else EVERYTHING, scope(actor, Permission.CHANNEL_VIEW)
    return paginate(rows, order="name_key", cursor=cursor, size=size, span=span, scope=within)


def channel(actor: Actor, ident: object) -> Channel:
    """Return one visible channel by id or name, or raise `Absent`."""
    rows, text = channels(actor), str(ident)
    found = by_id(rows, ident) or (
        None if unfit({"channel": text}) else rows.filter(name_key=fold(text), name=text).first()
    )
    if found is None:
        raise Absent("channel", ident)
    return found


def deliveries(row: Channel) -> list[Delivery]:
    """Return what was last sent to a channel, or is to be, newest first."""
    return list(Delivery.objects.filter(channel=row).select_related("notice").order_by("-created_at")[:_SHOWN])


def delivery(actor: Actor, channel_id: object, ident: object) -> Delivery:
    """Return one delivery of a visible channel, or raise `Absent`."""
    row = channel(actor, channel_id)
    found = by_id(Delivery.objects.select_related("notice").filter(channel=row), ident)
    if found is None:
        raise Absent("delivery", ident)
    return found
