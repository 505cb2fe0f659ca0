"""What to do once a key that sealed secrets is gone for good: name what has to be entered anew, and go on without it.

Nothing but those secrets depends on the key. Until it is given up nothing new is sealed, since a key file that is only missing
may come back; one that comes back later, in `CHANCERY_KEK_OLD`, opens what it sealed all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import transaction

from chancery.apps.audit import occasions
from chancery.apps.connectors import ring, sealed
from chancery.apps.connectors.models import SealingKey
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Conflict, Unavailable

_KINDS = {
    sealed.VERSION_TABLE: (
        "connector",
        "Edit it and enter them anew. The key of a CA that stood here alone is lost: make a new CA, and delete this one.",
    ),
    sealed.CHANGE_TABLE: (
        "credential that was to replace another, of connector",
        "End the rotation of its credential; begin another where it is still wanted.",
    ),
    sealed.CALL_TABLE: (
        "test of unsaved settings for",
        "Nothing: a worker lets it fail and erases them. Test again from the form.",
    ),
    sealed.CHANNEL_TABLE: ("channel for notices", "Edit it and enter its address anew."),
    sealed.PROPOSAL_TABLE: ("change that waits for approval", "Deny it or have it withdrawn, and propose it again."),
    sealed.PROVIDER_TABLE: ("provider of log-ins", "Save it with the client's secret anew."),
    sealed.FACTOR_TABLE: (
        "second factor of",
        "They come in with a recovery code or a passkey, or somebody removes their factors; then they add their app anew.",
    ),
    sealed.ACME_TABLE: (
        "ACME credential",
        "Accounts that it made go on. For another one make a new credential; revoke this one when nobody needs it.",
    ),
    sealed.WEBHOOK_TABLE: ("webhook", "Make a new secret for it, and give that to the program that is told."),
}
"""Table → what a row of it is to people, and what somebody does about its lost secrets."""


@dataclass(frozen=True)
class Gone:
    """Secrets of one row that cannot be opened: what it is, its name, the names of the fields, and what is to be done."""

    kind: str
    name: str
    fields: tuple[str, ...]
    remedy: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}: {', '.join(self.fields)}"


def gone() -> list[Gone]:
    """Return every secret that no key which is there can open, those of keys given up before among them."""
    missing = _missing() | ring.lost()
    found = []
    for place in sealed.PLACES:
        if place.table == sealed.PRINT_TABLE:
            continue  # nobody enters it: the key of fingerprints is made anew
        for row in place.rows.order_by("pk").iterator():
            values = place.values(getattr(row, place.column))
            fields = tuple(sorted(name for name, value in values.items() if value.get("kid") in missing))
            if fields:
                kind, remedy = _KINDS[place.table]
                found.append(Gone(kind, _name(row), fields, remedy))
    return found


def give_up(actor: Actor) -> list[Gone]:
    """Go on without the keys that are gone; returns what has to be entered anew. Raises `Conflict` where none is."""
    kids = _missing()
    if not kids:
        raise Conflict("Every key that stored secrets need is there.", remedy="Nothing has to be done.", code="no_loss")
    found, now = gone(), current_clock().now()
    with transaction.atomic():
        for kid in sorted(kids):
            SealingKey.objects.update_or_create(
                kid=kid, defaults={"store": ring.LOST, "wrapped": "", "created_at": now, "done_at": now}
            )
        key = apps.get_model("posture.PrintKey").objects
        if any(value.get("kid") in kids for row in key.all() for value in row.sealed.values()):
            apps.get_model("posture.Print").objects.all().delete()
            key.all().delete()
        detail = {"keys": sorted(kids), "secrets": [str(one)[:200] for one in found][:100]}
        occasions.note(actor, "keys.lost", "sealing_key", "", detail)
    ring.forget()
    return found


def _missing() -> set[str]:
    return {kid for kid in ring.sealed_with() if not _there(kid)}


def _there(kid: str) -> bool:
    try:
        ring.key(kid)
    except Unavailable:
        return False
    return True


def _name(row: Any) -> str:
    for attribute in ("connector", "user"):
        if getattr(row, f"{attribute}_id", None) is not None:
            return str(getattr(row, attribute))
    # A call has neither: settings that were never saved are named by their CA type.
    return next(filter(None, (str(getattr(row, name, "")) for name in ("title", "name", "authority"))), str(row))
