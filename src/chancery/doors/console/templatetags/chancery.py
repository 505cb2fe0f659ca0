"""Small words for templates."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import template
from django.utils.translation import gettext_lazy as _

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.core.order import State
from chancery.doors.console.forms import as_typed

register = template.Library()

_COLOURS = {
    "done": "green", "adopted": "green", "new": "green", "owner": "blue", "listing": "blue", "comparing": "blue", "fetching": "blue",
    "stopped": "secondary", "ignored": "secondary", "gone": "secondary", "known": "secondary", "authority": "secondary",
    "open": "yellow", "at_ca_only": "yellow", "ours_only": "yellow",
    "active": "green", "healthy": "green", "issued": "green", "valid": "green", "ok": "green", "confirmed": "green",
    "inactive": "secondary", "cancelled": "secondary", "skipped": "secondary", "expired": "secondary", "unknown": "secondary",
    "deployed": "green",
    "info": "blue", "advice": "blue", "serious": "red", "wanted": "blue", "ready": "blue", "deploying": "blue",
    "usable": "green", "used": "secondary", "deactivated": "secondary", "configuration_pending": "yellow", "rolled_back": "yellow",
    "queued": "blue", "submitting": "blue", "pending": "blue", "requested": "blue", "waiting_at_ca": "blue",
    "planned": "blue", "ordered": "blue", "replaced": "green", "off": "secondary", "ended": "secondary", "waiting": "yellow",
    "awaiting_approval": "yellow", "throttled": "yellow", "warning": "yellow", "expiring": "yellow", "revoking": "yellow",
}  # fmt: skip

_WAITS = {
    "approval": _("waits for an approver at the CA"),
    "validation": _("waits for validation"),
    "action": _("waits for an act at the CA"),
    "confirmation": _("waits for a person here: nothing was sent"),
    "processing": _("the CA works on it"),
}
"""Why a pending order waits → for whom."""
_NAMES = {"ca": "CA", "crl": "CRL"}
"""Words of states and roles that are written otherwise on a page."""


@register.filter
def colour(value: object) -> str:
    """Return the badge colour of a state; anything alarming is red."""
    return _COLOURS.get(str(value), "red")


_PHRASES = {
    "unknown": _("Not measured yet"),
    "at_ca_only": "At the CA only",
    "revoked_there": "Revoked at the CA, valid here",
    "revoked_here": "Revoked here, valid at the CA",
}
"""States that a page says in another way."""
_FATES = {
    "new": "New",
    "owner": "New owner",
    "known": "Here already",
    "expired": "Expired",
    "authority": "CA certificate",
    "homeless": "Belongs nowhere",
    "forbidden": "Not permitted",
    "wrong": "Cannot be used",
    "unreadable": "Unreadable",
}


@register.filter
def fate(value: object) -> str:
    """Return what becomes of a certificate of an import, in words."""
    return _FATES.get(str(value), str(value))


@register.filter
def words(value: object) -> str:
    """Return a state as words: outcome_unknown → Outcome unknown, ca_operator → CA operator."""
    if str(value) in _PHRASES:
        return str(_PHRASES[str(value)])
    text = " ".join(_NAMES.get(word, word) for word in str(value).lower().split("_"))
    return text[:1].upper() + text[1:]


@register.filter
def waits(order: Any) -> object:
    """Return for whom a pending order waits; '' for any other."""
    return _WAITS.get(order.pending_kind, "") if order.state == State.PENDING else ""


@register.filter
def split_words(value: str) -> list[str]:
    """Return the words of a text."""
    return value.split()


@register.filter
def moment(value: str) -> datetime:
    """Return the moment that an ISO 8601 text of ours names, so that it is shown in the reader's zone."""
    return datetime.fromisoformat(value)


@register.filter
def number(value: float) -> str:
    """Return a number without the zeros that say nothing: 4.1, 16."""
    return f"{value:g}"


@register.filter
def ca(slug: str) -> str:
    """Return what a CA type is called; its slug where it is not installed."""
    known = catalog.find(slug)
    return known.title if known is not None else slug


@register.filter
def typed(value: object) -> str:
    """Return a value of a setting as a form has it."""
    return as_typed(value)


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
