"""Changes to webhooks. The secret is shown once, to whoever made it or had it made anew."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict

from chancery.apps.accounts import queries as people
from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit import signing
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.given import networks, parsed
from chancery.apps.shared.texts import clean, clean_folded
from chancery.apps.shared.unique import name_taken
from chancery.apps.webhooks import following, queries
from chancery.apps.webhooks.models import Webhook
from chancery.core import webhook
from chancery.core.errors import Conflict, Invalid, Unavailable
from chancery.core.ids import new_id
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk.http import check_url

_LONGEST = 500
GRACE = timedelta(hours=24)
"""How long messages are signed by the secret before as well."""
_MOST = 8
"""Secrets that count at the same time; each is a signature in the head of every message."""
_URL_HELP = "Write https://host/path; for a private address also name its network."


class WebhookValues(BaseModel):
    """What a door sends; no `environment` and no `events` stand for all."""

    model_config = ConfigDict(extra="forbid")

    name: str
    team: str
    url: str
    environment: str = ""
    events: list[str] = []
    allowed_networks: list[str] = []
    is_active: bool = True


@action("webhooks.create", Permission.WEBHOOK_MANAGE)
def create(act: Act, values: dict[str, Any]) -> tuple[Webhook, Secret]:
    """Add a webhook that is told what happens from now on; returns it and its secret."""
    row = Webhook(id=new_id(act.at), created_at=act.at, position=signing.log().size)
    _fill(act, row, parsed(WebhookValues, values))
    secret = _seal(row, "present")
    with _name_taken(row):
        row.save(force_insert=True)
    act.note("webhook", row.pk, row.name, team=row.team_id)
    return row, secret


@action("webhooks.edit", Permission.WEBHOOK_MANAGE)
def edit(act: Act, ident: object, revision: int, values: dict[str, Any]) -> Webhook:
    """Change a webhook. One that is switched on again is told first what it missed."""
    row = _locked(act, ident)
    if row.revision != revision:
        raise Conflict(
            f"{row.name} was changed while you were editing.",
            remedy="Compare your input with the present values and save again.",
            code="stale",
        )
    names = ("name", "team_id", "environment_id", "url", "events", "allowed_networks", "is_active")
    before = {n: getattr(row, n) for n in names}
    _fill(act, row, parsed(WebhookValues, values))
    row.revision += 1
    row.failures, row.failing_since = 0, None
    with _name_taken(row):
        row.save()
    changed = tuple(n.removesuffix("_id") for n in names if before[n] != getattr(row, n))
    act.note("webhook", row.pk, row.name, team=row.team_id, changed=changed)
    return row


@action("webhooks.delete", Permission.WEBHOOK_MANAGE)
def delete(act: Act, ident: object) -> None:
    """Remove a webhook with its secret; what it was not told yet it is not told any more."""
    row = _locked(act, ident)
    act.note("webhook", row.pk, row.name, team=row.team_id)
    row.delete()


@action("webhooks.rotate", Permission.WEBHOOK_MANAGE)
def rotate(act: Act, ident: object) -> tuple[Webhook, Secret]:
    """Make a new secret; for a day messages are signed by both, so that the program can be changed over.

    Secrets from before count until their own day is over: which of them the program has is not known here. One whose
    sealing key was given up as lost signs nothing any more.
    """
    row = _locked(act, ident)
    row.sealed, row.former_until = _formers(row, act), act.at + GRACE
    secret = _seal(row, "present")
    row.revision, row.updated_at = row.revision + 1, act.at
    row.save()
    act.note("webhook", row.pk, row.name, team=row.team_id, changed=("secret",))
    return row, secret


@action("webhooks.test", Permission.WEBHOOK_MANAGE)
def test(act: Act, ident: object) -> Webhook:
    """Have a worker send a test; `tested_at` or `last_error` says how it went."""
    row = _locked(act, ident)
    if not row.is_active:
        raise Conflict(f"{row.name} is switched off.", remedy="Switch it on, then test it.", code="inactive")
    row.test_asked_at, row.due_at = act.at, act.at
    row.save(update_fields=["test_asked_at", "due_at"])
    act.note("webhook", row.pk, row.name, team=row.team_id)
    return row


def _locked(act: Act, ident: object) -> Webhook:
    row = Webhook.objects.select_for_update().get(pk=queries.get(act.actor, ident).pk)
    act.require(row)
    return row


def _formers(row: Webhook, act: Act) -> dict[str, Any]:
    """Return what is kept beside the next secret: the present one for a day, and those before it until their ends."""
    kept: dict[str, Any] = {}
    for number, (name, end) in enumerate(following.counting(row, act.at).items()):
        try:
            secret = following.unsealed(row, name)
        except Unavailable as error:
            if error.code != "key_lost":
                raise
            continue
        later = "former" if end is None else following.earlier(number, end)
        kept[later] = following.seal(row.pk, later, secret)
    if len(kept) >= _MOST:
        raise Conflict(
            f"{row.name} has {_MOST} secrets that count already: each does for a day after the next was made.",
            remedy="Wait for the end of the oldest, or make another webhook in place of this one.",
            code="too_many",
        )
    return kept


def _seal(row: Webhook, field: str) -> Secret:
    secret = webhook.new_secret(os.urandom(32))
    row.sealed[field] = following.seal(row.pk, field, secret)
    return secret


def _fill(act: Act, row: Webhook, given: WebhookValues) -> None:
    row.name = clean_folded("name", given.name, 120, wanted="Name which program is told.")
    row.team = people.team(given.team)
    row.environment = people.environment(given.environment) if given.environment else None
    row.allowed_networks = networks(given.allowed_networks)
    row.url = _url(given.url, tuple(row.allowed_networks))
    row.events = _events(given.events)
    row.is_active, row.updated_at = given.is_active, act.at
    row.due_at = act.at if given.is_active else None
    act.require(row)


def _url(text: str, allowed: tuple[str, ...]) -> str:
    try:
        return str(check_url(clean("url", text, _LONGEST, wanted=_URL_HELP), AddressPolicy(allowed)))
    except ValueError as error:
        raise Invalid.one("url", f"It cannot be used: {error}.", _URL_HELP, "url") from None


def _events(given: list[str]) -> list[str]:
    wrong = next((text for text in given if not webhook.is_pattern(text)), None)
    if wrong is not None:
        kinds = ", ".join(webhook.KINDS)
        remedy = f"Write order.issued, or order.* for all of a kind. Kinds: {kinds}."
        raise Invalid.one("events", f"There is no event {wrong[:60]!r}.", remedy)
    return sorted(set(given))


def _name_taken(row: Webhook) -> Any:
    return name_taken(f"There is already a webhook {row.name!r}, or one that differs in capitals only.")
