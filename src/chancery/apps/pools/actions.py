"""Changes to pools, and to where profiles and waiting orders go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from chancery.apps.accounts import queries as people
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector, Pool, PoolMember, Trust
from chancery.apps.orders.models import OrderEvent
from chancery.apps.orders.place import EVENT_COLUMNS
from chancery.apps.pools import moving, queries, repointing
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.given import parsed
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.returning import held
from chancery.apps.shared.texts import clean, clean_folded, fold
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Absent, Blocker, Conflict, Invalid, Problem
from chancery.core.ids import new_id

MOST = 50
"""Members of a pool."""


class MemberValues(BaseModel):
    """A connector's place in a pool; `connector` is an id or a name."""

    model_config = ConfigDict(extra="forbid")

    connector: str
    preference: int = Field(1, ge=1, le=1000)
    weight: int = Field(1, ge=1, le=1000)
    validation: Literal["", "dv", "ov", "ev"] = ""


class PoolValues(BaseModel):
    """What a door sends of a pool. `trust_reason` says why members may be trusted alike, where somebody vouches for it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str = ""
    team: str | int
    environment: str | int
    trust: Literal["same_root", "public", "vouched"] = "same_root"
    trust_reason: str = ""
    patience_minutes: int = Field(5, ge=0, le=10_080)
    members: list[MemberValues] = Field(default=[], max_length=MOST)


@action("pools.create", Permission.POOL_CREATE)
def create(act: Act, values: dict[str, Any]) -> Pool:
    """Make a pool of connectors of one team and environment."""
    pool = Pool(id=new_id(act.at), shared=True, created_at=act.at)
    members = _fill(act, pool, parsed(PoolValues, values, deep=True))
    with _name_taken(pool):
        pool.save(force_insert=True)
    _put(pool, members)
    _note(act, pool)
    return pool


@action("pools.edit", Permission.POOL_EDIT)
def edit(act: Act, ident: object, revision: int, values: dict[str, Any]) -> Pool:
    """Change a pool. Orders that wait at a connector which leaves it stay there; whether members drain is kept."""
    pool = _locked(act, ident)
    if pool.revision != revision:
        raise Conflict(
            f"{pool.name} was changed while you were editing.",
            remedy="Compare your input with the present values and save again.",
            code="stale",
        )
    before = (pool.team_id, pool.environment_id)
    members = _fill(act, pool, parsed(PoolValues, values, deep=True))
    used = queries.profiles(pool).first()
    if used is not None and before != (pool.team_id, pool.environment_id):
        text = f"Profiles order through this pool, such as {used.name}; it stays in its team and environment."
        raise Invalid.one("environment", text, "Make another pool, and move the profiles there.", "in_use")
    pool.revision += 1
    with _name_taken(pool):
        pool.save()
    _put(pool, members)
    _note(act, pool, changed=("members",))
    return pool


@action("pools.drain", Permission.POOL_DRAIN)
def drain(act: Act, ident: object, connector_id: object, *, draining: bool) -> PoolMember:
    """Let a member take no new orders, or let it take them again. It finishes those that it has."""
    pool = _locked(act, ident)
    rows = PoolMember.objects.filter(pool=pool, connector__deleted_at=None).select_related("connector")
    member = next((m for m in rows if str(m.connector_id) == str(connector_id)), None)
    if member is None:
        raise Absent("connector", connector_id)
    member.draining = draining
    member.save(update_fields=["draining"])
    pool.revision += 1
    pool.save(update_fields=["revision"])
    _note(act, pool, changed=("members",), detail={"connector": str(connector_id), "draining": draining})
    return member


@action("pools.delete", Permission.POOL_DELETE)
def delete(act: Act, ident: object) -> None:
    """Remove a pool that no profile orders through; its connectors stay."""
    pool = _locked(act, ident)
    blockers = [Blocker("profile", p.name, str(p.pk), "orders through it") for p in queries.profiles(pool)[:20]]
    if blockers:
        text = f"Profiles order through {pool.name}."
        raise Conflict(text, remedy="Give the profiles another pool.", blockers=blockers, code="in_use")
    pool.deleted_at = act.at
    pool.save()
    PoolMember.objects.filter(pool=pool).delete()
    _note(act, pool)


@action("connectors.repoint", Permission.CONNECTOR_REPOINT)
def repoint(act: Act, ident: object, to: str, previewed: str, vouch: str = "") -> repointing.Repointing:
    """Move a connector's profiles and waiting orders to another connector or pool, as a preview showed it.

    `vouch` says why who trusts the one trusts the other, where that is not proven. What a CA has or may have stays.
    """
    vouch = clean("vouch", vouch, 500)
    plan = repointing.preview(act.actor, ident, to, vouch, lock=True)
    act.require(plan.source)
    if plan.digest != previewed:
        text, remedy = "This is no longer what the preview showed.", "Look at the preview again."
        raise Conflict(text, remedy=remedy, code="stale")
    for profile in plan.profiles:
        profile.pool = plan.pool
        profile.revision += 1
        profile.updated_at = act.at
        profile.save()
        act.note("profile", profile.pk, profile.name, team=profile.team_id, changed=("pool",))
    done = moving.move(plan.moving, act.at)
    insert(OrderEvent, EVENT_COLUMNS, moving.events(act.actor, done, act.at))
    act.notes.extend(moving.notes(done))
    detail = {"to": plan.target_name, "profiles": len(plan.profiles), "orders": len(done)}
    detail |= {"vouched": vouch} if vouch else {}
    act.note("connector", plan.source.pk, plan.source.name, team=plan.source.team_id, detail=detail)
    plan.moved = len(done)
    return plan


def _locked(act: Act, ident: object) -> Pool:
    pool = queries.pick(queries.visible_to(act.actor).select_for_update(of=("self",)), ident)
    act.require(pool)  # type: ignore[arg-type]  # one that people made has a team
    return pool


def _fill(act: Act, pool: Pool, given: PoolValues) -> list[PoolMember]:
    pool.name = clean_folded("name", given.name, 120, wanted="Name what its members have in common.")
    pool.description = clean("description", given.description, 4000, lines=True)
    pool.team, pool.environment = people.team(given.team), people.environment(given.environment)
    pool.trust, pool.patience_minutes, pool.updated_at = given.trust, given.patience_minutes, act.at
    pool.trust_reason = clean("trust_reason", given.trust_reason, 500)
    act.require(pool)  # type: ignore[arg-type]  # it has just got its team
    problems = list(_trust(pool))
    members = [m for one in given.members if (m := _member(act, pool, one, problems)) is not None]
    if len({m.connector_id for m in members}) < len(members):
        problems.append(Problem("members", "A connector is named twice.", "Name each once."))
    if not given.members:
        problems.append(Problem("members", "A pool needs a member.", "Name a connector.", "missing"))
    if problems:
        raise Invalid(problems)
    return members


def _trust(pool: Pool) -> Iterator[Problem]:
    if pool.trust == Trust.VOUCHED and not pool.trust_reason:
        text = "Somebody has to vouch that who trusts one member trusts the others."
        yield Problem("trust_reason", text, "Say in a sentence why.", "missing")


def _member(act: Act, pool: Pool, one: MemberValues, problems: list[Problem]) -> PoolMember | None:
    found = _connector(act, one.connector)
    if found is None or not held(Connector, [found.pk]):
        problems.append(
            Problem("members", f"There is no connector {one.connector[:80]!r}.", "Choose one from the list.")
        )
        return None
    if (found.team_id, found.environment_id) != (pool.team_id, pool.environment_id):
        text = f"{found.name} is in {found.team.name}, {found.environment.name}, and the pool is not."
        problems.append(Problem("members", text, "A pool is of one team and environment.", "elsewhere"))
        return None
    return PoolMember(
        pool=pool, connector=found, preference=one.preference, weight=one.weight, validation=one.validation
    )  # fmt: skip


def _connector(act: Act, text: str) -> Connector | None:
    rows = connectors.visible_to(act.actor)
    named = list(rows.filter(name_key=fold(text), name=text)[:2])
    if len(named) > 1:
        raise Invalid.one("members", f"Several CA types have a connector {text[:80]!r}.", "Name it by its id.")
    return named[0] if named else by_id(rows, text)


def _put(pool: Pool, members: list[PoolMember]) -> None:
    draining = set(PoolMember.objects.filter(pool=pool, draining=True).values_list("connector_id", flat=True))
    PoolMember.objects.filter(pool=pool).delete()
    for member in members:
        member.draining = member.connector_id in draining
    PoolMember.objects.bulk_create(members)


def _name_taken(pool: Pool) -> Any:
    return name_taken(f"There is already a pool {pool.name!r}, or one that differs in capitals only.")


def _note(act: Act, pool: Pool, **more: Any) -> None:
    act.note("pool", pool.pk, pool.name, team=pool.team_id, **more)
