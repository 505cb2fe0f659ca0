"""Reading bots, their targets, deployments and logs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from chancery.apps.accounts.permissions import Permission
from chancery.apps.bots.models import UNDER_WAY, Bot, Deployment, DeploymentEvent, LogLine, Stage, Standing, Target
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import OrderEvent
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Filter, Page, by_id, one_of, paginate
from chancery.apps.shared.scope import scope, visible
from chancery.apps.shared.texts import fold
from chancery.core.errors import Absent
from chancery.core.order import IN_THE_END

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

_LOOKED_BACK = 50
"""Deployments of a target among which the certificate before the present one is looked for."""
SHOWN = 50
"""Deployments of a bot, and lines of its log, that its page shows."""


def visible_to(actor: Actor) -> QuerySet[Bot]:
    """Return the undeleted bots that the actor may see."""
    return visible(_known(), actor, Permission.BOT_VIEW)


def _known() -> QuerySet[Bot]:
    return Bot.objects.filter(deleted_at=None).select_related("team", "environment")


def get(actor: Actor, ident: object) -> Bot:
    """Return one visible bot, or raise `Absent`."""
    found = by_id(visible_to(actor), ident)
    if found is None:
        raise Absent("bot", ident)
    return found


def listing(actor: Actor, *, status: str = "", search: str = "", cursor: str = "", size: int = 50) -> Page[Bot]:
    """Return one page of bots by name."""
    one_of("status", status, Standing.values)
    wanted = [Filter(_of(status, current_clock().now()), served=False)] if status else []
    span = starting(fold(search)) if search else EVERYTHING
    within = scope(actor, Permission.BOT_VIEW)
    return paginate(_known(), order="name_key", cursor=cursor, size=size, span=span, filters=wanted, scope=within)


def standing(bot: Bot, now: datetime) -> Standing:
    """Return how a bot stands."""
    if bot.stopped_at is not None:
        return Standing.STOPPED
    if bot.enrolled_at is None or not bot.configured:
        return Standing.PENDING
    if bot.problem or bot.clone:
        return Standing.FAILED
    return Standing.ACTIVE if bot.silent_at is not None and bot.silent_at > now else Standing.INACTIVE


def _of(status: str, now: datetime) -> Q:
    """Return what the rows of a standing meet: `standing`, asked of many."""
    stopped, ready = Q(stopped_at__isnull=False), Q(enrolled_at__isnull=False, configured=True)
    well, heard = Q(problem="", clone=""), Q(silent_at__gt=now)
    kept = Q(stopped_at__isnull=True)
    return {
        Standing.STOPPED: stopped,
        Standing.PENDING: kept & (Q(enrolled_at__isnull=True) | Q(configured=False)),
        Standing.FAILED: kept & ready & ~well,
        Standing.ACTIVE: kept & ready & well & heard,
        Standing.INACTIVE: kept & ready & well & (Q(silent_at__isnull=True) | Q(silent_at__lte=now)),
    }[Standing(status)]


def why(bot: Bot, now: datetime) -> str:
    """Say in a sentence what a bot waits for, or what is wrong; '' where all is well."""
    if bot.clone:
        return f"Another machine ({bot.clone}) came with this bot's key. Enrol it anew, with a new own key, on the right host."
    if bot.enrolled_at is None:
        expired = bot.token_expires_at is None or bot.token_expires_at <= now
        return "Its token has expired; make another." if expired else "It has not come with its token yet."
    return bot.problem or ("" if bot.configured else "It has no target yet.")


def targets(bot: Bot) -> QuerySet[Target]:
    """Return a bot's targets, oldest first."""
    rows = Target.objects.filter(bot=bot, deleted_at=None).order_by("id")
    return rows.select_related("profile", "certificate", "deployment", "deployment__order", "team", "environment")


def target(actor: Actor, ident: object) -> Target:
    """Return one visible target, or raise `Absent`."""
    rows = Target.objects.filter(deleted_at=None, bot__deleted_at=None)
    found = by_id(
        visible(rows.select_related("bot", "profile", "team", "environment"), actor, Permission.BOT_VIEW), ident
    )
    if found is None:
        raise Absent("target", ident)
    return found


def serving(actor: Actor, certificate: object) -> list[Target]:
    """Return the targets that serve a certificate, as far as the actor may see their bots."""
    if not actor.may(Permission.BOT_VIEW):
        return []
    rows = Target.objects.filter(certificate=certificate, deleted_at=None, bot__deleted_at=None)  # type: ignore[misc]  # an id
    rows = rows.select_related("bot", "deployment").order_by("id")
    return list(visible(rows, actor, Permission.BOT_VIEW))


def deployments(actor: Actor, bot: str = "", *, cursor: str = "", size: int = 50) -> Page[Deployment]:
    """Return one page of a bot's deployments, newest first."""
    found = [t.pk for t in Target.objects.filter(bot=get(actor, bot)).only("pk")]
    rows = Deployment.objects.select_related("target", "order", "certificate")
    return paginate(rows, order="-id", cursor=cursor, size=size, scope=[Q(target=pk) for pk in found] or [Q(pk__in=[])])


def deployment(actor: Actor, ident: object) -> Deployment:
    """Return one visible deployment, or raise `Absent`."""
    rows = Deployment.objects.select_related("target", "target__bot", "target__profile", "order", "certificate")
    found = by_id(rows, ident)
    if found is None or not visible_to(actor).filter(pk=found.target.bot_id).exists():
        raise Absent("deployment", ident)
    return found


def of_order(actor: Actor, order: object) -> Deployment | None:
    """Return the deployment that an order was placed for, where the actor may see its bot."""
    if not actor.may(Permission.BOT_VIEW):
        return None
    row = Deployment.objects.filter(order=order).select_related("target__bot").first()  # type: ignore[misc]  # an id
    return row if row is not None and visible_to(actor).filter(pk=row.target.bot_id).exists() else None


def open_of(found: Iterable[Target]) -> dict[object, Deployment]:
    """Return target id → its open deployment."""
    rows = Deployment.objects.filter(UNDER_WAY, target__in=[t.pk for t in found])
    return {row.target_id: row for row in rows}


def issued() -> QuerySet[Deployment]:
    """Return the deployments that brought a certificate, newest first: the first of a target's is what is deployed again."""
    return Deployment.objects.filter(kind="issue", certificate__isnull=False).order_by("-id")


def deployed() -> QuerySet[Deployment]:
    """Return the deployments that can be taken back."""
    return Deployment.objects.filter(state=Stage.DEPLOYED)


def before(target: Target) -> Certificate | None:
    """Return the certificate that a target served before its present one; None where there was none, or it is not ours."""
    served = list(_served(Deployment.objects.filter(target=target)).values_list("served", flat=True)[:_LOOKED_BACK])
    print_ = next((one for one in served if one != served[0]), "")
    return Certificate.objects.filter(sha256=print_).first()


def unfit(found: Iterable[Certificate], now: datetime) -> dict[object, tuple[str, str]]:
    """Return certificate id → code and sentence of why it is not deployed any more; those that may be are left out."""
    rows = list(found)
    spoilt = keys.barred((row.spki_sha256, row.team_id) for row in rows)
    why: dict[object, tuple[str, str]] = {}
    for row in rows:
        if (row.spki_sha256, row.team_id) in spoilt:
            why[row.pk] = (keys.CODE, keys.TEXT)
        elif row.revocation in IN_THE_END:
            why[row.pk] = ("revoked", "It is revoked, or its revocation was asked for.")
        elif row.not_after <= now:
            why[row.pk] = ("expired", "It has expired.")
    return why


def offered(found: Iterable[Target], under_way: Mapping[object, Deployment]) -> dict[object, frozenset[str]]:
    """Return target id → which of *issue*, *again*, *roll-back* and *delete* would be done; none while something is under way."""
    own = Deployment.objects.filter(target=OuterRef("pk"))
    newest = issued().filter(target=OuterRef("pk")).values("certificate__sha256")[:1]
    served = _served(own).values("served")
    idle = Target.objects.filter(pk__in=[t.pk for t in found if t.pk not in under_way])
    idle = idle.annotate(newest=Subquery(newest), back=Exists(deployed().filter(target=OuterRef("pk"))))
    idle = idle.annotate(present=Subquery(served[:1]))
    idle = idle.annotate(before=Subquery(served.exclude(served=OuterRef("present"))[:1]))
    rows = list(idle.values_list("pk", "newest", "back", "before"))
    known = Certificate.objects.filter(
        sha256__in={one for _, newest, _, before in rows for one in (newest, before) if one}
    )
    certificates = list(known.only("spki_sha256", "team", "revocation", "not_after", "sha256"))
    why = unfit(certificates, current_clock().now())
    spoilt = {one.sha256 for one in certificates if one.pk in why}
    return {
        pk: frozenset(
            [
                "issue",
                "delete",
                *["again"] * bool(newest and newest not in spoilt),
                *["roll-back"] * bool(back and before not in spoilt),
            ],
        )
        for pk, newest, back, before in rows
    }


def _served(rows: QuerySet[Deployment]) -> QuerySet[Deployment]:
    """Return those of some deployments after which a certificate was seen to be served, newest first."""
    return rows.filter(state__in=(Stage.DEPLOYED, Stage.ROLLED_BACK)).exclude(served="").order_by("-id")


@dataclass(frozen=True)
class Line:
    """One line of a timeline, whatever told it."""

    at: datetime
    kind: str
    actor: str
    text: str
    level: str = "info"
    detail: dict[str, Any] = field(default_factory=dict)


def timeline(row: Deployment) -> list[Line]:
    """Return everything from the wish over the order to what is served, in order of time."""
    ours = DeploymentEvent.objects.filter(deployment=row).order_by("id")[:500]
    theirs = OrderEvent.objects.filter(order=row.order_id).order_by("id")[:500] if row.order_id else ()
    bot = [Line(e.at, e.kind, e.actor, e.text, e.level) for e in ours]
    order = [Line(e.at, e.kind, e.actor, e.text, detail=e.detail) for e in theirs]
    # Of two at one moment the order's comes first: what it did is why the bot has something to do.
    return list(heapq.merge(sorted(order, key=_at), sorted(bot, key=_at), key=_at))


def _at(line: Line) -> datetime:
    return line.at


def log(actor: Actor, bot: object, *, cursor: str = "", size: int = SHOWN) -> Page[LogLine]:
    """Return one page of a bot's log, newest first."""
    rows = LogLine.objects.filter(bot=get(actor, bot))
    return paginate(rows, order="-id", cursor=cursor, size=size)
