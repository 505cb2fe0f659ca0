"""Small words for templates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template

from chancery.apps.accounts.permissions import Permission

register = template.Library()

_COLOURS = {
    "active": "green", "healthy": "green", "issued": "green", "valid": "green", "ok": "green", "confirmed": "green",
    "inactive": "secondary", "cancelled": "secondary", "skipped": "secondary", "expired": "secondary", "unknown": "secondary",
    "deployed": "green",
    "stopped": "secondary", "info": "blue", "wanted": "blue", "ordered": "blue", "ready": "blue", "deploying": "blue",
    "configuration_pending": "yellow", "rolled_back": "yellow",
    "queued": "blue", "submitting": "blue", "pending": "blue", "requested": "blue", "waiting_at_ca": "blue",
    "awaiting_approval": "yellow", "throttled": "yellow", "warning": "yellow", "expiring": "yellow", "revoking": "yellow",
}  # fmt: skip

_NAMES = {"ca": "CA"}
"""Words of states and roles that are written otherwise on a page."""


@register.filter
def colour(value: object) -> str:
    """Return the badge colour of a state; anything alarming is red."""
    return _COLOURS.get(str(value), "red")


@register.filter
def words(value: object) -> str:
    """Return a state as words: outcome_unknown → Outcome unknown, ca_operator → CA operator."""
    text = " ".join(_NAMES.get(word, word) for word in str(value).lower().split("_"))
    return text[:1].upper() + text[1:]


@register.filter
def split_words(value: str) -> list[str]:
    """Return the words of a text."""
    return value.split()


@register.filter
def moment(value: str) -> datetime:
    """Return the moment that an ISO 8601 text of ours names, so that it is shown in the reader's zone."""
    return datetime.fromisoformat(value)


class Allowed:
    """What somebody may do with one thing, by the names of permissions: `can.CONNECTOR_EDIT`."""

    def __init__(self, actor: Any, thing: Any) -> None:
        self._actor, self._thing = actor, thing

    def __getitem__(self, name: str) -> bool:
        may: bool = self._actor.may(Permission[name], self._thing.team_id, self._thing.environment_id)
        return may

    def any(self) -> bool:
        """Say whether there is anything to offer in the menu of a connector."""
        return any(self[f"CONNECTOR_{n}"] for n in ("EDIT", "TEST", "COPY", "ACTIVATE", "DEACTIVATE", "DELETE"))


@register.simple_tag(takes_context=True)
def allowed(context: Any, thing: Any) -> Allowed:
    """Return what the reader may do with a thing of a team in an environment."""
    return Allowed(context["actor"], thing)
