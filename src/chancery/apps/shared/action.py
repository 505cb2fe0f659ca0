"""The one shape of every change: permission, one transaction, at least one audit entry.

An action is a function whose first argument is an `Act`. Doors call it with an `Actor` instead; the
decorator opens the transaction, checks the permission and writes the audit entries that the function
noted with `act.note`. A refusal is audited too, in a transaction of its own, with the thing that was asked about.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from django.db import OperationalError, connection, transaction

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.record import Note, write
from chancery.apps.shared import asked
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.texts import check
from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.core.errors import ChanceryError, Conflict, NotPermitted

_DEADLOCK = "40P01"
"""What PostgreSQL calls it (its manual, appendix A)."""
P = ParamSpec("P")
R = TypeVar("R")


class Scoped(Protocol):
    """Something that belongs to a team and an environment."""

    @property
    def team_id(self) -> int:
        """The id of its team."""
        ...

    @property
    def environment_id(self) -> int | None:
        """The id of its environment; None for what is of all of them."""
        ...


@dataclass(frozen=True)
class Place:
    """Where something not yet stored would belong."""

    team_id: int
    environment_id: int


@dataclass
class Act:
    """One running action: who, when, what it did, and what it is about, in case that it is refused."""

    name: str
    permission: Permission
    actor: Actor
    clock: Clock
    at: datetime
    notes: list[Note] = field(default_factory=list)
    about: Note | None = None

    def require(self, thing: Scoped | None = None, permission: Permission | None = None) -> None:
        """Raise `NotPermitted` unless the actor has the permission for this very thing."""
        wanted = permission or self.permission
        if thing is not None:
            self.about = asked.about(thing)
        team = thing.team_id if thing is not None else None
        environment = thing.environment_id if thing is not None else None
        if not self.actor.may(wanted, team, environment):
            raise NotPermitted(wanted)

    def note(self, kind: str, ident: object, name: str = "", **more: Any) -> None:
        """Note one audit entry: a target by kind, id and name; `changed` are field names, never values."""
        self.notes.append(Note(kind=kind, id=str(ident), name=name, **more))


NAMES: dict[Callable[..., Any], str] = {}
"""The function that an action is made of → its name."""
REGISTRY: dict[str, Permission] = {}
"""Action name → permission: what docs and the role matrix are made from."""


def action(
    name: str, permission: Permission
) -> Callable[[Callable[Concatenate[Act, P], R]], Callable[Concatenate[Actor, P], R]]:
    """Turn a function of an `Act` into an action that doors call with an `Actor`."""

    def decorate(body: Callable[Concatenate[Act, P], R]) -> Callable[Concatenate[Actor, P], R]:
        REGISTRY[name] = permission
        names = list(inspect.signature(body).parameters)[1:]

        @functools.wraps(body)
        def run(actor: Actor, *args: P.args, **kwargs: P.kwargs) -> R:
            clock = _clock
            act = Act(name, permission, actor, clock, clock.now())
            called = dict(zip(names, args, strict=False)) | kwargs

            def once() -> R:
                with transaction.atomic():
                    act.require()
                    check(called)
                    result = body(act, *args, **kwargs)
                    if not act.notes:
                        msg = f"the action {name} wrote no audit entry"
                        raise AssertionError(msg)
                    write(act.actor, act.name, act.at, act.notes)
                return result

            try:
                return _again_after_a_deadlock(once, act.notes)
            except ChanceryError as refusal:
                record_refusal(act.actor, name, act.at, refusal, lambda: act.about or _called_about(name, called))
                raise

        NAMES[inspect.unwrap(run)] = name
        return run  # type: ignore[return-value]  # wraps keeps the name of the first argument, which stays positional

    return decorate


def _again_after_a_deadlock(once: Callable[[], R], notes: list[Note]) -> R:
    """Do something once more that the database broke off for the sake of another transaction: nothing of it was done."""
    inside = connection.in_atomic_block
    try:
        return once()
    except OperationalError as error:
        # Inside of another transaction there is nothing to repeat: that one is over as well.
        if inside or getattr(error.__cause__, "sqlstate", "") != _DEADLOCK:
            raise
    notes.clear()
    return once()


_clock: Clock = SYSTEM_CLOCK


def use_clock(clock: Clock) -> Clock:
    """Set the clock that actions read, and return the one before (for tests and the demo)."""
    global _clock
    before, _clock = _clock, clock
    return before


def current_clock() -> Clock:
    """Return the clock that actions read."""
    return _clock


def _called_about(name: str, called: dict[str, Any]) -> Note | None:
    return asked.of(name.partition(".")[0], asked.argument(called))


def record_refusal(
    actor: Actor, name: str, at: datetime, refusal: ChanceryError, about: Callable[[], Note | None] = lambda: None
) -> None:
    """Record that somebody tried what they may not do, or to remove what is in use, and about which thing.

    What merely could not be used is not recorded.
    """
    if not (isinstance(refusal, NotPermitted) or (isinstance(refusal, Conflict) and refusal.code == "in_use")):
        return
    with transaction.atomic():
        note = about() or Note(kind="action", id=name)
        write(actor, name, at, [replace(note, outcome="refused", reason=refusal.code)])
