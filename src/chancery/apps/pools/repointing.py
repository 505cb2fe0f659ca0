"""What moving a connector's profiles and waiting orders elsewhere would do, before it is done."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import QuerySet
from pydantic import ValidationError

from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector, Pool
from chancery.apps.orders.models import Order
from chancery.apps.pools import queries
from chancery.apps.pools.gathering import Setting, away, installed, setting
from chancery.apps.pools.moving import Moved, movable
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import fold, unfit
from chancery.core.errors import Conflict, Invalid, NotPermitted
from chancery.core.names import Name
from chancery.core.order import State
from chancery.core.standing_in import choose

if TYPE_CHECKING:
    from datetime import datetime

    from chancery.apps.shared.actor import Actor

AT_ONCE = 2000
"""Waiting orders that one re-pointing moves; it is repeated for what is left."""
NAMED = 20
_WAITING = (State.QUEUED, State.AWAITING_APPROVAL)


@dataclass
class Repointing:
    """What moves where, and what does not and why; `digest` stands for all that it was worked out from."""

    source: Connector
    pool: Pool
    target_name: str
    profiles: list[Profile] = field(default_factory=list)
    refused: list[tuple[Profile, str]] = field(default_factory=list)
    moving: list[Moved] = field(default_factory=list)
    staying: list[tuple[Order, str]] = field(default_factory=list)
    bound: int = 0
    """Orders that the present CA has or may have: they end there."""
    more: bool = False
    moved: int = 0
    digest: str = ""


def preview(actor: Actor, ident: object, to: str, vouch: str = "", *, lock: bool = False) -> Repointing:
    """Work out what re-pointing a connector to another connector or pool would do; `lock` keeps the orders for doing it."""
    source = connectors.get(actor, ident)
    pool, name = _target(actor, source, to)
    found = Repointing(source, pool, name)
    for profile in _profiles(source):
        why = _not_permitted(actor, profile) or _cannot(profile, pool)
        if why:
            found.refused.append((profile, why))
        else:
            found.profiles.append(profile)
    _orders(found, vouch=bool(vouch), now=current_clock().now(), lock=lock)
    found.digest = _digest(found, vouch)
    return found


def _target(actor: Actor, source: Connector, to: str) -> tuple[Pool, str]:
    text = "" if unfit({"to": to}) else to
    pool = queries.find(queries.visible_to(actor), text) if actor.may(Permission.POOL_VIEW) and text else None
    if pool is None:
        rows = connectors.visible_to(actor).exclude(pk=source.pk)
        one = by_id(rows, text) or rows.filter(name_key=fold(text), name=text).first()
        if one is None:
            raise Invalid.one("to", f"There is no other connector or pool {text[:80]!r}.", "Name one by its id.")
        pool = connectors.own_pool(one)
        pool.team, pool.environment = one.team, one.environment
        text = one.name
    else:
        text = pool.name
    if (pool.team_id, pool.environment_id) != (source.team_id, source.environment_id):
        raise Conflict(
            f"{text} is in another team or environment than {source.name}.",
            remedy="Choose one of the same team and environment.",
            code="elsewhere",
        )
    return pool, text


def _profiles(source: Connector) -> QuerySet[Profile]:
    own = Pool.objects.filter(members__connector=source, shared=False)
    rows = Profile.objects.filter(pool__in=own, deleted_at=None)
    return rows.select_related("team", "environment").order_by("name_key")


def _not_permitted(actor: Actor, profile: Profile) -> str:
    may = actor.may(Permission.PROFILE_EDIT, profile.team_id, profile.environment_id)
    return "" if may else str(NotPermitted(Permission.PROFILE_EDIT))


def _cannot(profile: Profile, pool: Pool) -> str:
    """Say why a profile cannot order through a pool; '' where every member takes what it asks for."""
    for member in queries.members(pool):
        connector = member.connector
        if not installed(connector):
            return f"The CA type of {connector.name} is not installed."
        descriptor = descriptor_of(connector.authority, connector.current_id)
        facts = descriptor.facts.certificates
        foreign = [k for k in profile.key_types if k not in facts.key_types]
        foreign += [k for k in profile.name_kinds if k not in facts.name_kinds]
        if foreign:
            return f"{connector.name} does not certify {', '.join(foreign)}."
        try:
            descriptor.profile.model_validate(profile.products.get(connector.authority, {}))
        except ValidationError:
            return f"It has no settings for {descriptor.title}; edit the profile and choose {pool.name} there."
    return ""


def _orders(found: Repointing, *, vouch: bool, now: datetime, lock: bool) -> None:
    rows = Order.objects.filter(connector=found.source, state__in=_WAITING)
    found.bound = rows.filter(bound=True).count()
    free = (
        rows.filter(bound=False, fence=None).select_related("profile__pool").defer("csr").order_by("deadline_at", "id")
    )
    if lock and connection.vendor == "postgresql":
        free = free.select_for_update(skip_locked=True, of=("self",))
    waiting = list(free[: AT_ONCE + 1])
    found.more = len(waiting) > AT_ONCE
    settings: dict[Any, Setting] = {}
    for order in (o for o in waiting[:AT_ONCE] if movable(o)):
        made = settings.get(order.profile_id)
        if made is None:
            made = settings[order.profile_id] = _setting(found, order.profile, vouch=vouch)
        _one(found, order, made, now)


def _setting(found: Repointing, profile: Profile, *, vouch: bool) -> Setting:
    moved = {p.pk: p for p in found.profiles}
    return setting(moved.get(profile.pk, profile), found.pool, vouched=vouch)


def _one(found: Repointing, order: Order, made: Setting, now: datetime) -> None:
    home = away(made.home(found.source), f"{found.source.name} is left for {found.target_name}.")
    names = [Name(kind, value) for kind, value in order.names]
    about: dict[str, Any] = {"now": now, "deadline": order.deadline_at, "seed": order.pk}
    wanted = made.wanted(names, order.key_type, order.validity_days, **about)
    members = [m for m in made.members if m.key != home.key]
    choice = choose(members, wanted, home)
    if choice is None or choice.member.key == home.key:
        found.staying.append((order, choice.text if choice is not None else ""))
    else:
        found.moving.append(Moved(order, home, choice, made))


def _digest(found: Repointing, vouch: str) -> str:
    """Stand for what was worked out but for the orders themselves, which come and go meanwhile and are proven anew."""
    parts = [str(found.source.pk), str(found.source.revision), str(found.pool.pk), str(found.pool.revision), vouch]
    parts += [f"{p.pk}.{p.revision}" for p in found.profiles]
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:32]
