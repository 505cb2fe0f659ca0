"""Log-ins and log-outs in the record: who came and went, who was turned away, and who guesses.

Never a password. A login name that nobody has is recorded cut and cleaned, since some people type a password there; like
every name of a person it stands beside the entry's bytes and can be erased.
"""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from chancery.apps.accounts.models import User
from chancery.apps.audit.record import Note, write
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.texts import glimpse, unfit

LOG_IN, LOG_OUT = "people.log_in", "people.log_out"
HOW = "password"
_MOST_UNKNOWN = 30


def enter(actor: Actor, begin: Callable[[], None]) -> None:
    """Begin a session and record it, in one transaction."""
    _with(begin, actor, LOG_IN)


def leave(actor: Actor, end: Callable[[], None]) -> None:
    """End a session and record it, in one transaction."""
    _with(end, actor, LOG_OUT)


def turn_away(name: str, address: str, *, paused: bool) -> None:
    """Record a log-in that failed; `paused` says that further tries are refused unseen for a while from now on."""
    user = None if unfit({"name": name}) else User.objects.filter(username=name).first()
    if user is None:
        reason, about = "unknown_name", Note("user", "", glimpse(name, _MOST_UNKNOWN))
    else:
        reason = "wrong_password" if user.is_active else "kept_out"
        about = Note("user", str(user.pk), user.username)
    about.outcome, about.reason = "refused", reason
    notes = [about]
    if paused:
        notes.append(Note("user", about.id, about.name, outcome="refused", reason="paused"))
    with transaction.atomic():
        # Nobody yet: an actor for the record alone, who is never asked what they may do.
        write(Actor("", None, HOW, address), LOG_IN, current_clock().now(), notes)


def _with(change: Callable[[], None], actor: Actor, action: str) -> None:
    with transaction.atomic():
        change()
        write(actor, action, current_clock().now(), [Note("user", str(actor.user), actor.name)])
