"""Changes to channels. The address is write-only: whoever wants to see where it leads, looks at the service."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from chancery.apps.accounts import queries as people
from chancery.apps.accounts.permissions import Permission
from chancery.apps.notices import queries, sending
from chancery.apps.notices.models import Channel, Delivery, DeliveryState, Kind, What
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.given import networks, parsed
from chancery.apps.shared.texts import clean, clean_folded
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Conflict, Invalid, NotPermitted
from chancery.core.ids import new_id
from chancery.core.secret import Secret
from chancery.net import notify

_LONGEST = 2000
_URL_HELP = "Write an apprise address, as in slack://…, mailtos://…, or json://host/path."


class ChannelValues(BaseModel):
    """What a door sends. An empty `url` keeps the stored one; no `environment` stands for all, no `kinds` for every one."""

    model_config = ConfigDict(extra="forbid")

    name: str
    team: str
    environment: str = ""
    url: str = ""
    kinds: list[str] = []
    allowed_networks: list[str] = []
    is_active: bool = True


def create(actor: Actor, values: dict[str, Any]) -> Channel:
    """Add a channel; its address is looked at first, without connecting to anything."""
    return _create(actor, values, _service(actor, values))


def edit(actor: Actor, ident: object, revision: int, values: dict[str, Any]) -> Channel:
    """Change a channel. With other networks, or for another team, the address must be entered again."""
    return _edit(actor, ident, revision, values, _service(actor, values) if values.get("url") else "")


@action("channels.create", Permission.CHANNEL_MANAGE)
def _create(act: Act, values: dict[str, Any], service: str) -> Channel:
    row = Channel(id=new_id(act.at), created_at=act.at)
    _fill(act, row, parsed(ChannelValues, values), service)
    if not service:
        raise Invalid.one("url", "This is missing.", _URL_HELP, "missing")
    with _name_taken(row):
        row.save(force_insert=True)
    act.note("channel", row.pk, row.name, team=row.team_id)
    return row


@action("channels.edit", Permission.CHANNEL_MANAGE)
def _edit(act: Act, ident: object, revision: int, values: dict[str, Any], service: str) -> Channel:
    row = _locked(act, ident)
    if row.revision != revision:
        raise Conflict(
            f"{row.name} was changed while you were editing.",
            remedy="Compare your input with the present values and save again.",
            code="stale",
        )
    before = {f.name: getattr(row, f.attname) for f in Channel._meta.concrete_fields}
    _fill(act, row, parsed(ChannelValues, values), service)
    after = {f.name: getattr(row, f.attname) for f in Channel._meta.concrete_fields}
    moved = [n for n in ("team", "allowed_networks") if before[n] != after[n]]
    if moved and not service:
        # Else somebody could have a stored token sent elsewhere, or another team's things told to it.
        raise Invalid.one(
            "url", "With another team or other networks the address is asked for again.", _URL_HELP, "secret_needed"
        )
    row.revision += 1
    with _name_taken(row):
        row.save()
    changed = tuple(n for n in before if n not in {"updated_at", "sealed"} and before[n] != after[n])
    act.note("channel", row.pk, row.name, team=row.team_id, changed=(*changed, *(("url",) if service else ())))
    return row


@action("channels.delete", Permission.CHANNEL_MANAGE)
def delete(act: Act, ident: object) -> None:
    """Remove a channel with its address; what was not sent yet is not sent any more."""
    row = _locked(act, ident)
    act.note("channel", row.pk, row.name, team=row.team_id)
    row.delete()


@action("channels.test", Permission.CHANNEL_MANAGE)
def test(act: Act, ident: object) -> Delivery:
    """Ask a worker to send a test; the delivery says how it went."""
    row = _locked(act, ident)
    made = Delivery(id=new_id(act.at), channel=row, what=What.TEST, state=DeliveryState.DUE)
    made.due_at = made.created_at = act.at
    made.asked_by = act.actor.name
    made.save(force_insert=True)
    act.note("channel", row.pk, row.name, team=row.team_id)
    return made


def _locked(act: Act, ident: object) -> Channel:
    row = Channel.objects.select_for_update().get(pk=queries.channel(act.actor, ident).pk)
    act.require(row)
    return row


def _service(actor: Actor, values: dict[str, Any]) -> str:
    """Return the scheme of the address that was sent; '' where it is none, which is then refused by the field's name."""
    if not actor.may(Permission.CHANNEL_MANAGE):
        raise NotPermitted(Permission.CHANNEL_MANAGE)
    url = Secret(clean("url", values.get("url", ""), _LONGEST))
    service = notify.scheme(url)
    if not url.reveal():
        return ""
    trouble = notify.check(url) if service else "It has no scheme."
    if trouble:
        raise Invalid.one("url", f"The address is not understood. {trouble}", _URL_HELP, "url")
    return service


def _fill(act: Act, row: Channel, given: ChannelValues, service: str) -> None:
    row.name = clean_folded("name", given.name, 120, wanted="Name who is told, for example by team and service.")
    row.team = people.team(given.team)
    row.environment = people.environment(given.environment) if given.environment else None
    row.kinds, row.allowed_networks = _kinds(given.kinds), networks(given.allowed_networks)
    row.is_active, row.updated_at = given.is_active, act.at
    act.require(row)
    if service:
        row.service, row.sealed = service, sending.seal(row.pk, Secret(given.url.strip()))


def _kinds(given: list[str]) -> list[str]:
    unknown = [kind for kind in given if kind not in Kind.values]
    if unknown:
        known = ", ".join(Kind.values)
        raise Invalid.one("kinds", f"There is no condition {unknown[0][:60]!r}.", f"Choose from: {known}.")
    return [kind for kind in Kind.values if kind in given]


def _name_taken(row: Channel) -> Any:
    return name_taken(f"There is already a channel {row.name!r}, or one that differs in capitals only.")
