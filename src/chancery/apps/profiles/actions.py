"""Changes to profiles."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector, PoolMember
from chancery.apps.orders.models import Order
from chancery.apps.profiles import queries
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Act, action
from chancery.core.errors import Blocker, Conflict, Invalid, Problem
from chancery.core.ids import new_id
from chancery.core.order import OPEN


class ProfileValues(BaseModel):
    """What a door sends. `product` is for the connector's authority; `connector` names the pool's first member."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=120)
    description: str = Field("", max_length=4000)
    connector: str
    key_types: list[str] = []
    name_kinds: list[str] = ["dns"]
    name_suffixes: list[str] = []
    wildcard: bool = False
    max_names: int = Field(100, ge=1, le=1000)
    validity_days: int = Field(90, ge=1, le=3650)
    validity_days_max: int = Field(199, ge=1, le=3650)
    needs_approval: bool = False
    product: dict[str, Any] = {}


@action("profiles.create", Permission.PROFILE_CREATE)
def create(act: Act, values: dict[str, Any]) -> Profile:
    """Add a profile that orders through one connector, in that connector's team and environment."""
    profile = Profile(id=new_id(act.at), created_at=act.at)
    _fill(act, profile, values)
    profile.save(force_insert=True)
    act.note("profile", profile.pk, profile.name, team=profile.team_id)
    return profile


@action("profiles.edit", Permission.PROFILE_EDIT)
def edit(act: Act, ident: object, revision: int, values: dict[str, Any]) -> Profile:
    """Change a profile; orders already placed keep what they were placed with."""
    profile = queries.get(act.actor, ident)
    act.require(profile)
    if profile.revision != revision:
        raise Conflict(
            f"{profile.name} was changed while you were editing.",
            remedy="Compare your input with the present values and save again.",
            code="stale",
        )
    before = {f.name: getattr(profile, f.attname) for f in Profile._meta.concrete_fields}
    _fill(act, profile, values)
    profile.revision += 1
    profile.save()
    changed = tuple(f.name for f in Profile._meta.concrete_fields if before[f.name] != getattr(profile, f.attname))
    act.note("profile", profile.pk, profile.name, team=profile.team_id, changed=changed)
    return profile


@action("profiles.delete", Permission.PROFILE_DELETE)
def delete(act: Act, ident: object) -> None:
    """Remove a profile that no open order uses."""
    profile = queries.get(act.actor, ident)
    act.require(profile)
    rows = Order.objects.filter(profile=profile, state__in=list(OPEN))[:20]
    blockers = [Blocker("order", o.common_name, str(o.pk), f"is {o.state}") for o in rows]
    if blockers:
        raise Conflict(
            "Orders with this profile are open.",
            remedy="Wait for them or cancel them.",
            blockers=blockers,
            code="in_use",
        )
    profile.deleted_at = act.at
    profile.save()
    act.note("profile", profile.pk, profile.name, team=profile.team_id)


def _fill(act: Act, profile: Profile, values: dict[str, Any]) -> None:
    given = _parse(values)
    connector = _connector(act, given.connector)
    problems = _check(given, connector, profile)
    if problems:
        raise Invalid(problems)
    for name in ProfileValues.model_fields.keys() - {"connector", "product"}:
        setattr(profile, name, getattr(given, name))
    profile.team_id, profile.environment_id = connector.team_id, connector.environment_id
    profile.pool = PoolMember.objects.filter(connector=connector).order_by("pool__created_at")[0].pool
    profile.products = {connector.authority: given.product}
    profile.updated_at = act.at
    act.require(profile)


def _parse(values: dict[str, Any]) -> ProfileValues:
    try:
        return ProfileValues.model_validate(values)
    except ValidationError as error:
        raise Invalid(
            [
                Problem(str(e["loc"][0]), f"{e['msg']}.", "Correct the field.", e["type"])
                for e in error.errors(include_input=False)
            ]
        ) from None


def _connector(act: Act, text: str) -> Connector:
    usable = connectors.visible_to(act.actor)
    found = next((c for c in usable.filter(name=text)[:1]), None)
    if found is not None:
        return found
    try:
        return connectors.get(act.actor, text)
    except Exception:
        raise Invalid.one("connector", f"There is no connector {text[:80]!r}.", "Choose one from the list.") from None


def _check(given: ProfileValues, connector: Connector, profile: Profile) -> list[Problem]:
    problems = []
    same = Profile.objects.filter(name=given.name, deleted_at=None).exclude(pk=profile.pk)
    if same.exists():
        problems.append(Problem("name", f"There is already a profile {given.name!r}.", "Choose another name.", "taken"))
    if given.validity_days > given.validity_days_max:
        problems.append(
            Problem("validity_days", "The usual validity is above the longest.", "Lower it, or raise the longest.")
        )
    model = catalog.get(connector.authority).profile
    try:
        given.product = model.model_validate(given.product).model_dump(mode="json")
    except ValidationError as error:
        problems += [
            Problem(f"product.{'.'.join(map(str, e['loc']))}", f"{e['msg']}.", "Correct the field.", e["type"])
            for e in error.errors(include_input=False)
        ]
    return problems
