"""Holds a change back: an action does all of its work, and then nothing of it is kept but what was wanted.

So a change is checked whole when it is proposed. `proposable` stands around an action, where every door calls it, so that no
door leads past it: `hold` inside ends the action where others have to agree, and the caller is told by `Proposed`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from chancery.apps.changes.models import Kind, Rule
from chancery.apps.shared.action import Act
from chancery.apps.shared.actor import Actor
from chancery.core.errors import ChanceryError, Invalid

P = ParamSpec("P")
R = TypeVar("R")
_LATEST = timedelta(days=366)
_agreed: ContextVar[int | None] = ContextVar("agreed", default=None)
"""How many people have agreed to what is being applied; None where an action is asked for by somebody."""
APPLY: dict[str, Callable[..., Any]] = {}
"""Kind of change → the action that makes it."""
DOORS: dict[str, Callable[..., Any]] = {}
"""Kind of change → the action as doors call it, which may only propose it."""
Diff = list[dict[str, Any]]


@dataclass
class Wanted:
    """What an action would do: the thing, what changes about it, and how many have to agree.

    `secrets` are the names among `args["values"]` whose values are credentials.
    """

    kind: Kind
    name: str
    environment: int
    needed: int
    team: int | None = None
    connector: UUID | None = None
    revision: int | None = None
    diff: Diff = field(default_factory=list)
    secrets: frozenset[str] = frozenset()
    not_before: datetime | None = None


class Held(ChanceryError):
    """Raised inside an action to undo it; it never leaves `proposable`, nor what applies a change."""

    code = "held"

    def __init__(self, wanted: Wanted) -> None:
        super().__init__("Others have to approve this.")
        self.wanted = wanted


class Proposed(ChanceryError):
    """What was asked for is written down and waits: for others, or for its time. No failure, and nothing changed yet."""

    code = "proposed"

    def __init__(self, ident: UUID, name: str, needed: int, not_before: datetime | None) -> None:
        people = "1 other person" if needed == 1 else f"{needed} other people"
        waits = (
            f"waits for the approval of {people}" if needed else f"comes into force at {not_before:%Y-%m-%d %H:%M} UTC"
        )
        super().__init__(f"The change to {name} {waits}.", remedy="Changes lists it, with what it will do.")
        self.change = ident


def needed(kind: Kind, *environments: int | None) -> int:
    """Return how many people have to approve a kind of change in the strictest of some environments."""
    rows = Rule.objects.filter(kind=kind, environment__in=[e for e in environments if e is not None])
    return max(rows.values_list("needed", flat=True), default=0)


def hold(act: Act, wanted: Wanted) -> None:
    """End an action here if it has to wait: one that is applied, where more have to agree by now than did."""
    agreed = _agreed.get()
    if agreed is not None:
        if wanted.needed > agreed:
            raise Held(wanted)
        return
    if wanted.not_before is not None and not act.at < wanted.not_before <= act.at + _LATEST:
        raise Invalid.one("not_before", "It is not within the next 366 days.", "Choose a time to come, with its zone.")
    if wanted.needed or wanted.not_before:
        raise Held(wanted)


@contextmanager
def applying(agreed: int) -> Iterator[None]:
    """Let what so many people have agreed to through."""
    token = _agreed.set(agreed)
    try:
        yield
    finally:
        _agreed.reset(token)


def proposable(
    kind: Kind, *names: str
) -> Callable[[Callable[Concatenate[Actor, P], R]], Callable[Concatenate[Actor, P], R]]:
    """Make an action one whose doing may be proposed; `names` are its arguments after the actor, in order."""

    def decorate(act: Callable[Concatenate[Actor, P], R]) -> Callable[Concatenate[Actor, P], R]:
        APPLY[kind] = act

        @functools.wraps(act)
        def run(actor: Actor, *args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return act(actor, *args, **kwargs)
            except Held as held:
                from chancery.apps.changes import actions

                given = {**dict(zip(names, args, strict=False)), **kwargs}
                change = actions.propose(actor, held.wanted, given)
            raise Proposed(change.pk, change.name, change.needed, change.not_before)

        DOORS[kind] = run
        return run  # type: ignore[return-value]  # wraps keeps the name of the first argument, which stays positional

    return decorate


def fields(before: dict[str, Any], after: dict[str, Any], secrets: frozenset[str] = frozenset()) -> Diff:
    """Return what differs, sorted by field; of a credential only that it is another."""
    names = sorted(before.keys() | after.keys())
    plain = [{"field": n, "before": before.get(n), "after": after.get(n)} for n in names if n not in secrets]
    found = [one for one in plain if one["before"] != one["after"] and (one["before"] or one["after"])]
    return found + [{"field": n, "before": None, "after": "changed", "secret": True} for n in sorted(secrets)]
