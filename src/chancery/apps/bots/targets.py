"""Changes to the targets of bots: where a certificate goes, and how it is ordered."""

from __future__ import annotations

from typing import Any

from chancery_bot import kinds
from chancery_bot.material import KEY_TYPES
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chancery.apps.accounts.permissions import Permission
from chancery.apps.bots import following, queries
from chancery.apps.bots.actions import locked
from chancery.apps.bots.models import OPEN, Bot, Deployment, Purpose, Target
from chancery.apps.bots.window import clean_window
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.pools.gathering import rules_of
from chancery.apps.profiles import queries as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.texts import clean
from chancery.core.errors import Conflict, Invalid, NotPermitted, Problem
from chancery.core.ids import new_id
from chancery.core.names import canonical, parse_name
from chancery.core.policy import Ask, decide
from chancery.core.wrong import sentence

_ORDERED = frozenset({"profile", "names", "key_type"})
"""What of a target its bot asks for."""


class TargetValues(BaseModel):
    """What a door sends. `profile` is an id or a name; `settings` are those of the kind."""

    model_config = ConfigDict(extra="forbid")

    name: str
    kind: str
    profile: str
    names: list[str]
    key_type: str = "EC-P256"
    renew_days: int = Field(0, ge=0, le=365)
    window: str = ""
    settings: dict[str, Any] = {}


@action("targets.create", Permission.BOT_EDIT)
def add(act: Act, bot_id: object, values: dict[str, Any]) -> Target:
    """Add a target to a bot. Whoever does must be allowed to order with its profile: the bot will, for them."""
    bot = locked(act, bot_id)
    if bot.purpose == Purpose.DISCOVERY:
        text = f"{bot.name} is for discovery alone."
        raise Conflict(text, remedy="Give it another purpose, or make another bot.", code="discovery_only")
    target = Target(
        id=new_id(act.at), bot=bot, team_id=bot.team_id, environment_id=bot.environment_id, created_at=act.at
    )
    _fill(act, target, values)
    target.edited_by_user_id = target.names_by_user_id = act.actor.user
    target.save(force_insert=True)
    following.summed_up(bot)
    act.note("target", target.pk, target.name, team=target.team_id, detail={"bot": str(bot.pk), "kind": target.kind})
    return target


@action("targets.edit", Permission.BOT_EDIT)
def edit(act: Act, ident: object, revision: int, values: dict[str, Any]) -> Target:
    """Change a target; what is deployed stays until the next deployment. What failed before is tried at once."""
    target = _locked(act, ident)
    if target.revision != revision:
        raise Conflict(
            f"{target.name} was changed while you were editing.",
            remedy="Compare your input with the present values and save again.",
            code="stale",
        )
    before = {f.name: getattr(target, f.attname) for f in Target._meta.concrete_fields}
    _fill(act, target, values)
    changed = tuple(n for n, v in before.items() if getattr(target, Target._meta.get_field(n).attname) != v)  # type: ignore[union-attr]  # concrete fields
    following.changed(target, act.at)
    target.edited_by_user_id = act.actor.user
    if not _ORDERED.isdisjoint(changed):
        target.names_by_user_id = act.actor.user
    target.revision += 1
    target.save()
    following.summed_up(target.bot)
    act.note("target", target.pk, target.name, team=target.team_id, changed=changed)
    return target


@action("targets.delete", Permission.BOT_EDIT)
def remove(act: Act, ident: object) -> None:
    """Remove a target to which nothing is being deployed. What is on the host stays there."""
    target = _locked(act, ident)
    if Deployment.objects.filter(target=target, state__in=OPEN).exists():
        raise Conflict("A deployment to it is under way.", remedy="Wait for it, or give it up.", code="under_way")
    target.deleted_at, target.due_at, target.problem, target.trouble = act.at, None, "", ""
    target.save()
    following.summed_up(target.bot)
    act.note("target", target.pk, target.name, team=target.team_id)


def _locked(act: Act, ident: object) -> Target:
    target = queries.target(act.actor, ident)
    act.require(target)
    target.bot = Bot.objects.select_for_update().get(pk=target.bot_id)
    return target


def _fill(act: Act, target: Target, values: dict[str, Any]) -> None:
    given = _parse(values)
    profile = _profile(act, target, given.profile)
    target.name = clean("name", given.name, 120, wanted="Name what uses the certificate, for example www on 443.")
    target.window = clean_window(clean("window", given.window, 60))
    target.kind, target.settings = given.kind, _settings(given)
    if given.key_type not in KEY_TYPES:
        raise Invalid.one("key_type", "Bots make no such keys.", f"Choose one of: {', '.join(KEY_TYPES)}.")
    target.key_type, target.renew_days, target.profile = given.key_type, given.renew_days, profile
    target.names = _names(act, given, profile)


def _parse(values: dict[str, Any]) -> TargetValues:
    try:
        return TargetValues.model_validate(values)
    except ValidationError as error:
        raise Invalid([_problem(e, "") for e in error.errors(include_input=False)]) from None


def _problem(error: Any, before: str) -> Problem:
    where = (before + ".".join(map(str, error["loc"]))).strip(".")
    return Problem(where or "values", sentence(error), "Correct the field.", error["type"])


def _settings(given: TargetValues) -> dict[str, Any]:
    if given.kind not in kinds.TITLES:
        raise Invalid.one(
            "kind", f"There is no kind of target {given.kind[:40]!r}.", f"Choose: {', '.join(kinds.TITLES)}."
        )
    try:
        return kinds.settings(given.kind).model_validate(given.settings).model_dump(mode="json")
    except ValidationError as error:
        raise Invalid([_problem(e, "settings.") for e in error.errors(include_input=False)]) from None


def _profile(act: Act, target: Target, name: str) -> Profile:
    """Return a profile of the bot's own team and environment, whose orders go to a connector that may be used."""
    profile = profiles.get(act.actor, name)
    if (profile.team_id, profile.environment_id) != (target.team_id, target.environment_id):
        text = f"{profile.name} belongs to another team or environment than the bot."
        raise Invalid.one("profile", text, "Choose a profile of the bot's own; nothing is shared across environments.")
    if not act.actor.may(Permission.ORDER_PLACE, profile.team_id, profile.environment_id):
        detail = f"The bot would order with {profile.name} for you, which you may not do yourself."
        raise NotPermitted(Permission.ORDER_PLACE, detail)
    if target._state.adding or target.profile_id != profile.pk:
        route = profiles.route(profile)
        if route is None or not connectors.usable_connectors(act.actor).filter(pk=route.pk).exists():
            text = f"The connector of {profile.name} is inactive, or there is none."
            raise Invalid.one("profile", text, "Activate it, or choose another profile.", "inactive")
    return profile


def _names(act: Act, given: TargetValues, profile: Profile) -> list[list[str]]:
    """Return the names if the profile would let them be ordered: the same policy as every order meets."""
    try:
        names = canonical([parse_name(n.strip()) for n in given.names if n.strip()])
    except Invalid as error:
        raise Invalid([Problem("names", p.message, p.remedy, p.code) for p in error.problems]) from None
    if not names:
        raise Invalid.one("names", "This is missing.", "Say for which names the certificate is.", "missing")
    route = profiles.route(profile)
    if route is not None:
        facts = descriptor_of(route.authority, route.current_id).facts.certificates
        ask = Ask(names, given.key_type, profile.validity_days, rules_of(profile), facts, act.at)
        problems = [Problem(_FIELDS.get(p.field, p.field), p.message, p.remedy, p.code) for p in decide(ask).problems]
        if problems:
            raise Invalid(problems)
    first = parse_name(next(n.strip() for n in given.names if n.strip()))
    return [[n.kind, n.value] for n in (first, *(m for m in names if m != first))]


_FIELDS = {"csr": "names"}
