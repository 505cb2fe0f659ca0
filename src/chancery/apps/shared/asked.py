"""What somebody asked for something about: the target of an entry also where it was refused.

The record looks further than whoever asked: a team's auditors are to see that a stranger tried their connector, by its
name. So nothing from here is ever shown to whoever asked.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import Model

from chancery.apps.audit.record import Note
from chancery.apps.shared.texts import unfit

_KINDS = {
    "connectors": ("connector", "connectors.Connector"),
    "pools": ("pool", "connectors.Pool"),
    "profiles": ("profile", "profiles.Profile"),
    "orders": ("order", "orders.Order"),
    "certificates": ("certificate", "certificates.Certificate"),
    "key_reports": ("key_report", "certificates.KeyReport"),
    "bots": ("bot", "bots.Bot"),
    "targets": ("target", "bots.Target"),
    "deployments": ("deployment", "bots.Deployment"),
    "acme_offers": ("profile", "profiles.Profile"),
    "acme_credentials": ("acme_credential", "acme.Credential"),
    "acme_accounts": ("acme_account", "acme.Account"),
    "people": ("user", "accounts.User"),
    "teams": ("team", "accounts.Team"),
    "environments": ("environment", "accounts.Environment"),
    "pulls": ("pull", "inventory.Pull"),
    "findings": ("finding", "inventory.Finding"),
    "tokens": ("token", "accounts.ApiToken"),
    "roles": ("role", "accounts.Role"),
    "providers": ("provider", "accounts.Provider"),
    "changes": ("change", "changes.Change"),
    "channels": ("channel", "notices.Channel"),
    "webhooks": ("webhook", "webhooks.Webhook"),
}
"""First word of an action → kind of its target, and the table of such things."""
_NAMES = ("ident", "user_id", "token_id", "connector_id")
"""What the argument is called by which actions are told the thing."""


def model(kind: str) -> type[Model] | None:
    """Return the table of things of a kind, None where they have none."""
    label = next((label for name, label in _KINDS.values() if name == kind), None)
    return apps.get_model(label) if label is not None else None


def argument(given: dict[str, Any]) -> object:
    """Return the id of the thing that an action was called about, None where it has no such argument."""
    return next((given[name] for name in _NAMES if given.get(name) is not None), None)


def of(room: str, ident: object) -> Note | None:
    """Return a note of the thing of a room with this id, or name for a profile; None where there can be none."""
    if room not in _KINDS or ident is None:
        return None
    kind, label = _KINDS[room]
    model: type[Model] = apps.get_model(label)
    key = _key(model, ident)
    if key is not None:
        row = model._default_manager.filter(pk=key).first()
        return Note(kind, str(key)) if row is None else about(row, kind)
    named = model._default_manager.filter(name=ident, deleted_at=None).first() if _is_name(kind, ident) else None
    return Note(kind, "") if named is None else about(named, kind)


def about(thing: Any, kind: str = "") -> Note:
    """Return a note of a thing: its kind, id, name and team; what is not stored yet has no id."""
    team = getattr(thing, "team_id", None)
    if not isinstance(thing, Model):
        return Note(kind or "place", "", team=team)
    names = (getattr(thing, field, "") for field in ("username", "common_name", "name"))
    ident = "" if thing._state.adding else str(thing.pk)
    return Note(kind or str(thing._meta.model_name), ident, next((n for n in names if n), ""), team=team)


def _key(model: type[Model], ident: object) -> UUID | int | None:
    """Return an id as the table has it, None for what is none."""
    if model._meta.pk.get_internal_type() != "UUIDField":
        return ident if isinstance(ident, int) and 0 < ident < 2**63 else None
    try:
        return ident if isinstance(ident, UUID) else UUID(str(ident))
    except ValueError:
        return None


def _is_name(kind: str, ident: object) -> bool:
    return kind == "profile" and isinstance(ident, str) and not unfit({"name": ident})
