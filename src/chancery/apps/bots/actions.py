"""What people do to bots and their targets."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime, timedelta
from typing import Any

from chancery.apps.accounts import queries as people
from chancery.apps.accounts.permissions import Permission
from chancery.apps.bots import queries
from chancery.apps.bots.following import asked_by_itself, put_off, say
from chancery.apps.bots.models import OPEN, Bot, Deployment, Purpose, Stage, Target
from chancery.apps.certificates.models import Certificate
from chancery.apps.shared.action import Act, Place, action
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean, clean_folded
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Absent, Conflict, Invalid
from chancery.core.ids import new_id

TOKEN_PREFIX = "cbt_"  # noqa: S105  the recognisable start, not a credential
MOST_DAYS, USUAL_DAYS = 90, 30
_MOST_TAGS = 20
_POLL = (1, 3600)


@action("bots.create", Permission.BOT_CREATE)
def create(
    act: Act,
    name: str,
    *,
    team: object,
    environment: object,
    purpose: str = Purpose.BOTH,
    tags: dict[str, str] | None = None,
    poll_seconds: int = 30,
    days: int = USUAL_DAYS,
    host: str = "",
) -> tuple[Bot, str]:
    """Make a bot and its one-time token; the text is returned once and kept nowhere."""
    place = Place(people.team(team).pk, people.environment(environment).pk)
    act.require(place)
    bot = Bot(id=new_id(act.at), team_id=place.team_id, environment_id=place.environment_id, created_at=act.at)
    bot.created_by, bot.created_by_user_id = act.actor.name, act.actor.user
    _fill(bot, name, purpose, tags or {}, poll_seconds)
    token = _tokened(act, bot, days, host)
    with _taken(bot):
        bot.save(force_insert=True)
    act.note("bot", bot.pk, bot.name, team=bot.team_id)
    return bot, token


@action("bots.edit", Permission.BOT_EDIT)
def edit(
    act: Act, ident: object, *, name: str, purpose: str, tags: dict[str, str] | None = None, poll_seconds: int = 30
) -> Bot:
    """Change what a bot is called, what it is for, and how often it asks."""
    bot = locked(act, ident)
    _fill(bot, name, purpose, tags or {}, poll_seconds)
    with _taken(bot):
        bot.save()
    act.note("bot", bot.pk, bot.name, team=bot.team_id, changed=("name", "purpose", "tags", "poll_seconds"))
    return bot


@action("bots.token", Permission.BOT_CREATE)
def new_token(act: Act, ident: object, *, days: int = USUAL_DAYS, host: str = "") -> tuple[Bot, str]:
    """Make a fresh token for a bot: before it came, or to enrol it anew. The key it has counts until then."""
    bot = locked(act, ident)
    token = _tokened(act, bot, days, host)
    bot.save()
    act.note("bot", bot.pk, bot.name, team=bot.team_id, changed=("token",))
    return bot, token


@action("bots.stop", Permission.BOT_STOP)
def stop(act: Act, ident: object) -> Bot:
    """Give a bot nothing more to do; what it has begun it finishes, and it goes on to tell."""
    return _switch(act, ident, act.at)


@action("bots.start", Permission.BOT_STOP)
def start(act: Act, ident: object) -> Bot:
    """Give a stopped bot work again."""
    return _switch(act, ident, None)


@action("bots.delete", Permission.BOT_DELETE)
def delete(act: Act, ident: object) -> None:
    """Remove a bot: its key counts no longer. What is on its host stays there and is served on."""
    bot = locked(act, ident)
    for row in Deployment.objects.filter(target__bot=bot, state__in=OPEN):
        _cancelled(row, act.at, act.actor.name)
    bot.targets.filter(deleted_at=None).update(deleted_at=act.at, due_at=None)
    bot.deleted_at, bot.public_key, bot.token_digest = act.at, "", ""
    bot.save()
    act.note("bot", bot.pk, bot.name, team=bot.team_id)


@action("deployments.issue", Permission.BOT_DEPLOY)
def issue(act: Act, ident: object) -> Deployment:
    """Order a new certificate for a target now, and deploy it."""
    return _begin(act, _target(act, ident), "issue")


@action("deployments.again", Permission.BOT_DEPLOY)
def again(act: Act, ident: object) -> Deployment:
    """Deploy the newest certificate of a target once more, with the key that its host has."""
    target = _target(act, ident)
    last = queries.issued().filter(target=target).select_related("certificate").first()
    if last is None:
        raise Conflict("It has no certificate yet.", remedy="Order one.", code="nothing_there")
    _may_be_served(act, last.certificate)
    return _begin(act, target, "again", state=Stage.READY, certificate=last.certificate, key_of=last.pk)


@action("deployments.roll_back", Permission.BOT_DEPLOY)
def roll_back(act: Act, ident: object) -> Deployment:
    """Put back what the target served before its last deployment."""
    target = _target(act, ident)
    if not queries.deployed().filter(target=target).exists():
        raise Conflict("Nothing was deployed there yet.", remedy="There is nothing to take back.", code="nothing_there")
    _may_be_served(act, queries.before(target), "The certificate before may not be put back. ")
    return _begin(act, target, "rollback", state=Stage.READY)


@action("deployments.cancel", Permission.BOT_DEPLOY)
def cancel(act: Act, ident: object) -> Deployment:
    """Give up a deployment that its bot has not begun. An order that was placed for it goes on by itself."""
    row = by_id(Deployment.objects.select_for_update(of=("self",)).select_related("target__bot"), ident)
    if row is None or not queries.visible_to(act.actor).filter(pk=row.target.bot_id).exists():
        raise Absent("deployment", ident)
    act.require(row.target)
    if row.state not in OPEN or row.state == Stage.DEPLOYING:
        raise Conflict(
            f"It is {row.get_state_display().lower()}.", remedy="There is nothing to give up.", code="wrong_state"
        )
    _cancelled(row, act.at, act.actor.name)
    if row.kind == "again" and asked_by_itself(row):
        # Whoever gives up what is tried by itself wants it tried no more.
        Target.objects.filter(pk=row.target_id).update(due_at=None)
    elif row.kind == "issue" and asked_by_itself(row):
        put_off(row, act.at, act.actor.name)
    act.note("deployment", row.pk, row.target.name, team=row.target.team_id, changed=("state",))
    return row


def locked(act: Act, ident: object) -> Bot:
    """Return a visible bot that nobody else changes until the commit."""
    bot = by_id(queries.visible_to(act.actor).select_for_update(of=("self",)), ident)
    if bot is None:
        raise Absent("bot", ident)
    act.require(bot)
    return bot


def _target(act: Act, ident: object) -> Target:
    target = queries.target(act.actor, ident)
    act.require(target)
    # The bot's row stands for all of its targets: two deployments of one are not begun at the same moment.
    Bot.objects.select_for_update().get(pk=target.bot_id)
    return target


def _may_be_served(act: Act, certificate: Certificate | None, said: str = "") -> None:
    """Raise `Conflict` for a certificate that whoever meets it would refuse, or should; of what is not known its host judges."""
    found = [certificate] if certificate is not None else []
    for code, text in queries.unfit(found, act.at).values():
        raise Conflict(f"{said}{text}", remedy="Order a new certificate.", code=code)


def _begin(act: Act, target: Target, kind: str, **more: Any) -> Deployment:
    if Deployment.objects.filter(target=target, state__in=OPEN).exists():
        raise Conflict(
            f"A deployment to {target.name} is under way.", remedy="Wait for it, or give it up.", code="under_way"
        )
    who = {"asked_by": act.actor.name, "asked_by_user_id": act.actor.user}
    row = Deployment(id=new_id(act.at), target=target, kind=kind, created_at=act.at, **who, **more)
    row.save(force_insert=True)
    say(row.pk, act.at, "asked", act.actor.name, _ASKED[kind])
    act.note("deployment", row.pk, target.name, team=target.team_id, detail={"kind": kind})
    return row


_ASKED = {
    "issue": "A new certificate is wanted.",
    "again": "The certificate is to be deployed once more.",
    "rollback": "What was there before is to be put back.",
}


def _cancelled(row: Deployment, at: datetime, who: str) -> None:
    row.state, row.finished_at, row.text = Stage.CANCELLED, at, f"Given up by {who}."[:2000]
    row.save(update_fields=["state", "finished_at", "text"])
    say(row.pk, at, "cancelled", who, "It is given up.", "warning")


def _fill(bot: Bot, name: str, purpose: str, tags: dict[str, str], poll_seconds: int) -> None:
    bot.name = clean_folded("name", name, 120, wanted="Name the bot, for example by its host.")
    if purpose not in Purpose.values:
        raise Invalid.one("purpose", f"There is no purpose {purpose[:40]!r}.", f"Choose: {', '.join(Purpose.values)}.")
    if purpose == Purpose.DISCOVERY and bot.configured:
        raise Invalid.one("purpose", "It has targets, so it is not for discovery alone.", "Delete its targets first.")
    bot.purpose = purpose
    if not _POLL[0] <= poll_seconds <= _POLL[1]:
        raise Invalid.one(
            "poll_seconds", f"A bot asks every {_POLL[0]} to {_POLL[1]} seconds.", "Choose between these."
        )
    bot.poll_seconds = poll_seconds
    if len(tags) > _MOST_TAGS:
        raise Invalid.one("tags", f"{_MOST_TAGS} tags are the most.", "Leave some out.")
    bot.tags = {clean("tags", n, 60, wanted="Name the tag."): clean("tags", v, 200) for n, v in tags.items()}


def _tokened(act: Act, bot: Bot, days: int, host: str) -> str:
    if not 1 <= days <= MOST_DAYS:
        raise Invalid.one("days", f"A bot's token lives 1 to {MOST_DAYS} days.", "Choose fewer days.")
    bot.token_host = clean("host", host, 200)
    if bot.token_host and not re.fullmatch("[A-Za-z0-9._-]+", bot.token_host):
        raise Invalid.one("host", "This is no name of a host.", "Write what `hostname` prints there, or nothing.")
    text = TOKEN_PREFIX + secrets.token_urlsafe(30)
    bot.token_digest, bot.token_expires_at = digest(text), act.at + timedelta(days=days)
    bot.token_by_user_id = act.actor.user
    return text


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def _taken(bot: Bot) -> Any:
    return name_taken(f"There is already a bot {bot.name!r}, or one that differs in capitals only.")


def _switch(act: Act, ident: object, at: datetime | None) -> Bot:
    bot = locked(act, ident)
    if (bot.stopped_at is None) == (at is None):
        said = "is stopped already" if at else "is not stopped"
        raise Conflict(f"{bot.name} {said}.", remedy="There is nothing left to do.", code="wrong_state")
    bot.stopped_at = at
    bot.save(update_fields=["stopped_at"])
    act.note("bot", bot.pk, bot.name, team=bot.team_id, changed=("stopped_at",))
    return bot
