"""Ordering again what a CA may already have: what each call is known by, what may then exist twice, how long it is looked for.

Pure rules. Why the later call has a reference of its own stands in docs/adr/0020.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

OPEN_FOR = timedelta(days=3)
"""How long a request to order again waits for its second person."""

LOOKS: tuple[timedelta, ...] = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=7),
    timedelta(days=14),
    timedelta(days=30),
)
"""When an earlier call is searched for, counted from the decision to order again. After the last it is given up."""


def call_reference(order: UUID, number: int) -> str:
    """Return what an order's call is known by at the CA: the order's id, or, ordered again, an id derived from it."""
    return str(order if number == 0 else uuid5(order, str(number)))


def next_look(decided_at: datetime, looks: int, lag: timedelta) -> datetime | None:
    """Return when an earlier call is searched for next, after so many looks; None after the last.

    Never sooner than the CA's search lag after the decision.
    """
    if looks >= len(LOOKS):
        return None
    return decided_at + lag + LOOKS[looks]


@dataclass(frozen=True, slots=True)
class Stakes:
    """What a decision to order again depends on: the names, what the call was known by, and what the CA lets us see."""

    common_name: str
    connector: str
    reference: str
    ca_reference: str
    finds: bool
    lists: bool
    team: str


def risk(stakes: Stakes) -> tuple[str, ...]:
    """Say what may exist twice at the CA when an order is sent again, and who then cleans it up."""
    number = f", there as order {stakes.ca_reference}" if stakes.ca_reference else ""
    twice = (
        f"If {stakes.connector} did take the first request, it will have two orders for {stakes.common_name} under the same "
        f"key, and may bill both. The first carries the reference {stakes.reference}{number}."
    )
    return (twice, _cleaner(stakes))


def _cleaner(stakes: Stakes) -> str:
    team = f"whoever may decide about the inventory of {stakes.team}"
    listed = "it is listed in the inventory as being at the CA only"
    if stakes.finds:
        days = LOOKS[-1].days
        text = f"Chancery goes on searching for the first one for {days} days. If it turns up, {listed}"
        return f"{text}, and {team} revokes, adopts or ignores it."
    if stakes.lists:
        return (
            f"This CA cannot be searched. Pull its list later: if the first one is there, {listed}, and {team} decides."
        )
    return (
        "This CA can neither be searched nor listed from here: whoever confirms looks at the CA's own console, now and in "
        "the days after, and has the first one withdrawn or revoked there."
    )
