"""Log-ins and log-outs in the record: who came and went, who was turned away, and who guesses.

Never a password. Some people type one where the login name belongs, so a name that nobody has is kept nowhere: the record
says that it was unknown, and tries are counted by a keyed digest of it.

Whoever guesses has ten tries an hour at one name, from all addresses together; then nothing is looked at for a while. An
address from which the person has logged in before has ten of its own, so nobody is kept out of where they work by guesses
from elsewhere; and whoever operates the host ends a pause at once (`chancery users unlock`).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.crypto import salted_hmac

from chancery.apps.accounts.models import KnownAddress, LoginTry, Session, User
from chancery.apps.audit.record import Note, write
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.texts import unfit

LOG_IN, LOG_OUT = "people.log_in", "people.log_out"
HOW = "password"
TRIES = 10
PAUSE = timedelta(hours=1)
_MOST_KNOWN = 20
_NAME, _ADDRESS = 150, 64


def attempt(name: str, address: str) -> int:
    """Take one of the tries that are left, before anything is compared; returns how many were left, 0 where none is.

    The try is written first and taken back by `succeeded`, so that many at the same moment have no more between them.
    """
    name, address, now = _fit(name, _NAME), address[:_ADDRESS], current_clock().now()
    with transaction.atomic():
        user = User.objects.select_for_update().filter(username=name).first()
        name = name if user is not None else _digest(name)
        LoginTry.objects.filter(name=name, at__lte=now - PAUSE).delete()
        left = max(0, TRIES - _used(user, name, address))
        if left:
            LoginTry.objects.create(name=name, address=address, at=now)
        return left


def succeeded(user: User, address: str) -> None:
    """Forget the tries from this address, and remember it as one of the person's own."""
    address, now = address[:_ADDRESS], current_clock().now()
    LoginTry.objects.filter(name=user.username, address=address).delete()
    KnownAddress.objects.update_or_create(user=user, address=address, defaults={"at": now})
    newest = KnownAddress.objects.filter(user=user).order_by("-at").values_list("pk", flat=True)[:_MOST_KNOWN]
    KnownAddress.objects.filter(user=user).exclude(pk__in=list(newest)).delete()


def prune(now: datetime) -> None:
    """Forget sessions that have ended and tries that count no longer."""
    Session.objects.filter(expire_date__lte=now).delete()
    LoginTry.objects.filter(at__lte=now - PAUSE).delete()


def _digest(name: str) -> str:
    """Return what stands for a name that nobody has; without the installation's own key it says nothing of it."""
    return salted_hmac("chancery.login_try", name, algorithm="sha256").hexdigest()


def _used(user: User | None, name: str, address: str) -> int:
    tries = LoginTry.objects.filter(name=name)
    known = set(KnownAddress.objects.filter(user=user).values_list("address", flat=True)) if user else set()
    if address in known:
        return tries.filter(address=address).count()
    return tries.exclude(address__in=known).count()


def _fit(name: str, most: int) -> str:
    return name.encode("utf-8", "replace").decode().replace("\x00", "")[:most]


def enter(actor: Actor, begin: Callable[[], None]) -> None:
    """Begin a session and record it, in one transaction."""
    _with(begin, actor, LOG_IN)


def leave(actor: Actor, end: Callable[[], None]) -> None:
    """End a session and record it, in one transaction."""
    _with(end, actor, LOG_OUT)


def turn_away(name: str, address: str, *, paused: bool, reason: str = "") -> None:
    """Record a log-in that failed; `paused` says that further tries are refused unseen for a while from now on.

    `reason` says what was wrong where it was not the password.
    """
    user = None if unfit({"name": name}) else User.objects.filter(username=name).first()
    if user is None:
        reason, about = reason or "unknown_name", Note("user", "")
    else:
        reason = reason or ("wrong_password" if user.is_active else "kept_out")
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
