"""Changes to profiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chancery.apps.accounts.permissions import Permission
from chancery.apps.acme.models import Credential, Offer
from chancery.apps.bots.models import Target
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector, Pool
from chancery.apps.orders.models import Order
from chancery.apps.pools import queries as pools
from chancery.apps.profiles import queries
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.given import parsed
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.returning import held
from chancery.apps.shared.texts import clean, clean_folded, fold
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Blocker, Conflict, Invalid, Problem
from chancery.core.ids import new_id
from chancery.core.names import parse_name
from chancery.core.order import OPEN
from chancery.core.wrong import sentence
from chancery.sdk.config import extra

_NOT_COLUMNS = frozenset({"connector", "pool", "product", "products", "confirm_environment"})


class ProfileValues(BaseModel):
    """What a door sends: either a `connector` with `product` for its authority, or a `pool` with `products` by authority.

    `region` is where members of a pool are preferred. `confirm_environment` names the environment that an edit moves the
    profile to, where the connector or pool is in another.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    description: str = ""
    connector: str = ""
    pool: str = ""
    region: str = ""
    key_types: list[str] = []
    name_kinds: list[str] = ["dns"]
    name_suffixes: list[str] = []
    wildcard: bool = False
    max_names: int = Field(100, ge=1, le=1000)
    validity_days: int = Field(90, ge=1, le=3650)
    validity_days_max: int = Field(199, ge=1, le=3650)
    deadline_hours: int = Field(24, ge=1, le=8760)
    needs_approval: bool = False
    approvals: int = Field(1, ge=1, le=10)
    renewal: Literal["off", "notice", "same_key"] = "notice"
    renewal_share: int = Field(67, ge=10, le=95)
    product: dict[str, Any] = {}
    products: dict[str, dict[str, Any]] = {}
    confirm_environment: str = ""


@action("profiles.create", Permission.PROFILE_CREATE)
def create(act: Act, values: dict[str, Any]) -> Profile:
    """Add a profile that orders through one connector, in that connector's team and environment."""
    profile = Profile(id=new_id(act.at), created_at=act.at)
    _fill(act, profile, values, None)
    with _name_taken(profile):
        profile.save(force_insert=True)
    act.note("profile", profile.pk, profile.name, team=profile.team_id)
    return profile


@action("profiles.edit", Permission.PROFILE_EDIT)
def edit(act: Act, ident: object, revision: int, values: dict[str, Any]) -> Profile:
    """Change a profile; orders already placed keep what they were placed with.

    The connector is never chosen for anybody: it is the one that is named. It may stay although it is inactive; another
    one must be usable, and one of another environment must be confirmed by that environment's name.
    """
    profile = _locked(act, ident)
    if profile.revision != revision:
        raise Conflict(
            f"{profile.name} was changed while you were editing.",
            remedy="Compare your input with the present values and save again.",
            code="stale",
        )
    before = {f.name: getattr(profile, f.attname) for f in Profile._meta.concrete_fields}
    _fill(act, profile, values, queries.members(profile))
    _bounded(profile)
    after = {f.name: getattr(profile, f.attname) for f in Profile._meta.concrete_fields}
    changed = tuple(name for name in before if name != "updated_at" and before[name] != after[name])
    profile.revision += 1
    with _name_taken(profile):
        profile.save()
    act.note("profile", profile.pk, profile.name, team=profile.team_id, changed=changed)
    return profile


def _bounded(profile: Profile) -> None:
    """Raise `Invalid` where ACME clients would get any name without a proof, and nobody has said that this is meant."""
    if profile.name_suffixes:
        return
    # Whoever changes the offer holds the profile's row too.
    offer = Offer.objects.filter(pk=profile.pk, any_name=False).first()
    if offer is not None and not offer.challenges:
        raise Invalid.one(
            "name_suffixes",
            "ACME clients order with it without a challenge: without domains, each of their credentials would be good for"
            " all names.",
            "Name a domain, or change the offer first: let it have a challenge, or say that any name is meant (any_name).",
        )


@action("profiles.delete", Permission.PROFILE_DELETE)
def delete(act: Act, ident: object) -> None:
    """Remove a profile that no open order, no bot and no ACME client uses."""
    profile = _locked(act, ident)
    targets = Target.objects.filter(profile=profile, deleted_at=None).select_related("bot").order_by("id")[:20]
    rows = Order.objects.filter(profile=profile, state__in=list(OPEN)).order_by("id")[:20]
    blockers = [Blocker("order", o.common_name, str(o.pk), f"is {o.state.replace('_', ' ')}") for o in rows]
    blockers += [Blocker("bot", t.bot.name, str(t.bot_id), f"orders with it for {t.name}") for t in targets]
    clients = Credential.objects.filter(offer=profile.pk, revoked_at=None).order_by("id")[:20]
    blockers += [Blocker("acme_credential", c.name, str(c.pk), "is for this profile") for c in clients]
    if blockers:
        raise Conflict(
            "Orders with this profile are open, or bots or ACME clients order with it.",
            remedy=(
                "Wait for the orders or cancel them; give the bots' targets another profile; revoke the ACME credentials."
            ),
            blockers=blockers,
            code="in_use",
        )
    profile.deleted_at = act.at
    profile.save()
    Offer.objects.filter(pk=profile.pk).update(ended_at=act.at)
    act.note("profile", profile.pk, profile.name, team=profile.team_id)


def _locked(act: Act, ident: object) -> Profile:
    profile = queries.pick(queries.visible_to(act.actor).select_for_update(of=("self",)), ident)
    act.require(profile)
    return profile


def _name_taken(profile: Profile) -> AbstractContextManager[None]:
    return name_taken(f"There is already a profile {profile.name!r}, or one that differs in capitals only.")


def _fill(act: Act, profile: Profile, values: dict[str, Any], present: list[Connector] | None) -> None:
    """Take over what was sent; `present` are the connectors that an existing profile orders through."""
    given = parsed(ProfileValues, values)
    given.name = clean_folded("name", given.name, 120, wanted="Name what is ordered, for example by use and team.")
    given.description = clean("description", given.description, 4000, lines=True)
    given.region = clean("region", given.region, 60)
    if bool(given.pool) == bool(given.connector):
        raise Invalid.one("connector", "A profile orders through a connector or through a pool.", "Name one of them.")
    where = _pool(act, given) if given.pool else _alone(act, given, present or [])
    if present is not None and where.connector in present and not profile.pool.shared:
        where.pool = profile.pool
    problems = [*where.problems, *_domains(given), *_usual(given)]
    if present is not None:
        problems += _moved(given, profile, where)
    if problems:
        raise Invalid(problems)
    for name in ProfileValues.model_fields.keys() - _NOT_COLUMNS:
        setattr(profile, name, getattr(given, name))
    profile.team_id, profile.environment_id = where.team_id, where.environment.pk
    profile.pool, profile.products, profile.updated_at = where.pool, where.products, act.at
    act.require(profile)


@dataclass
class _Where:
    """Where a profile orders: a pool, its place, the settings for each authority in it, and what is wrong with those."""

    name: str
    pool: Pool
    team_id: int
    environment: Any
    products: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    connector: Connector | None = None


def _alone(act: Act, given: ProfileValues, present: list[Connector]) -> _Where:
    """Return the connector that is named, as the pool that it is by itself."""
    connector = _connector(act, given.connector, present)
    where = _Where(connector.name, connectors.own_pool(connector), connector.team_id, connector.environment)
    where.connector = connector
    where.problems = _check(given, [connector])
    where.products[connector.authority] = _product(connector, given.product, "product", where.problems)
    return where


def _pool(act: Act, given: ProfileValues) -> _Where:
    """Return the pool that is named. A type of CA without settings is left out: its members then stand in for nobody."""
    pool = pools.find(pools.visible_to(act.actor), given.pool)
    if pool is None:
        raise Invalid.one("pool", f"There is no pool {given.pool[:80]!r}.", "Choose one from the list.")
    members = [m.connector for m in pools.members(pool)]
    where = _Where(pool.name, pool, pool.team_id or 0, pool.environment)
    where.problems = _check(given, members)
    known = {c.authority: c for c in members}
    for slug in given.products.keys() - known.keys():
        text = f"No member of {pool.name} is of the CA type {slug[:60]!r}."
        where.problems.append(Problem("products", text, f"Members are: {', '.join(sorted(known))}."))
    for slug, connector in known.items():
        wanted, problems = given.products.get(slug), list[Problem]()
        found = _product(connector, wanted or {}, f"products.{slug}", problems)
        if wanted is not None:
            where.problems += problems
        if not problems:
            where.products[slug] = found
    if not where.products and not where.problems:
        text = "The profile has settings for none of the pool's types of CA."
        where.problems.append(Problem("products", text, "Give those of one member at least.", "missing"))
    return where


def _moved(given: ProfileValues, profile: Profile, where: _Where) -> Iterator[Problem]:
    """Hold an edit that would order in another environment than before, until somebody says that it is meant."""
    before, after = profile.environment.name, where.environment.name
    if after not in {before, given.confirm_environment}:
        yield Problem(
            "confirm_environment",
            f"{where.name} is in {after}, and this profile has ordered in {before}.",
            f"Choose a connector in {before}, or confirm the move by the name of the environment: {after}.",
            "environment_changes",
        )


def _connector(act: Act, text: str, present: list[Connector]) -> Connector:
    """Return the connector that is named: one that new work may use, or the one that is there already."""
    rows = connectors.visible_to(act.actor)
    named = list(rows.filter(name_key=fold(text), name=text)[:2])
    if len(named) > 1:
        raise Invalid.one("connector", f"Several CA types have a connector {text[:80]!r}.", "Name it by its id.")
    found = named[0] if named else by_id(rows, text)
    if found is None or not held(Connector, [found.pk]):
        raise Invalid.one("connector", f"There is no connector {text[:80]!r}.", "Choose one from the list.")
    if found not in present and not connectors.usable_connectors(act.actor).filter(pk=found.pk).exists():
        raise Invalid.one("connector", f"{found.name} is inactive.", "Activate it, or choose another.", "inactive")
    return found


def _check(given: ProfileValues, among: list[Connector]) -> list[Problem]:
    """Return what none of the connectors certifies."""
    facts = [descriptor_of(c.authority, c.current_id).facts.certificates for c in among]
    title = " or ".join(sorted({descriptor_of(c.authority, c.current_id).title for c in among}))
    keys = list(dict.fromkeys(k for f in facts for k in f.key_types))
    kinds = list(dict.fromkeys(k for f in facts for k in f.name_kinds))
    return [
        *_offered("key_types", given.key_types, keys, title),
        *_offered("name_kinds", given.name_kinds, kinds, title),
    ]


def _usual(given: ProfileValues) -> Iterator[Problem]:
    if given.validity_days > given.validity_days_max:
        yield Problem("validity_days", "The usual validity is above the longest.", "Lower it, or raise the longest.")


def _product(connector: Connector, given: dict[str, Any], at: str, problems: list[Problem]) -> dict[str, Any]:
    """Return the settings for an authority as they are kept; what is wrong with them is added to `problems` under `at`."""
    model = descriptor_of(connector.authority, connector.current_id).profile
    try:
        found: dict[str, Any] = model.model_validate(given).model_dump(mode="json")
    except ValidationError as error:
        problems += [
            Problem(f"{at}.{'.'.join(map(str, e['loc']))}", sentence(e), _remedy(model, e["loc"]), e["type"])
            for e in error.errors(include_input=False)
        ]
        return {}
    return found


def _remedy(model: Any, loc: Sequence[object]) -> str:
    """Say what a CA type's own field may hold, where it has a list."""
    info = model.model_fields.get(str(loc[0])) if loc else None
    known = extra(info).get("choices") if info is not None else None
    return f"Known are: {', '.join(filter(None, known))}." if known else "Correct the field."


def _offered(field: str, given: Sequence[str], known: Sequence[str], title: str) -> Iterator[Problem]:
    for value in given:
        if value not in known:
            yield Problem(field, f"{title} certifies no {value[:60]!r}.", f"Choose from: {', '.join(known)}.")


def _domains(given: ProfileValues) -> Iterator[Problem]:
    """Bring each domain to its one spelling, which the policy compares names with."""
    for index, text in enumerate(given.name_suffixes):
        try:
            given.name_suffixes[index] = parse_name(text.strip().lstrip("*").lstrip("."), "dns").value
        except Invalid as error:
            yield Problem("name_suffixes", error.problems[0].message, "Write domains, as example.com.")
