"""Who brought an order about, beside the person who placed it: none of them decides about it.

A machine places orders for people: one left the request, another made the credential. Who they are is written to the order
when it is placed, by id, so that nothing that is changed later makes somebody else of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from chancery.apps.accounts.models import User
from chancery.apps.orders.models import Order
from chancery.apps.shared.action import Act
from chancery.core.errors import NotPermitted


class How(StrEnum):
    """In which way somebody brought an order about."""

    PLACED = "placed"
    REQUEST = "request"
    REPEATED = "repeated"
    CREDENTIAL = "credential"
    BOT = "bot"
    TOKEN = "token"  # noqa: S105  a way, not a credential
    TARGET = "target"
    NAMES = "names"
    ASKED = "asked"


_WORDS = {
    How.PLACED: "placed it",
    How.REQUEST: "left the request that it sends",
    How.REPEATED: "is behind the order whose request it sends again",
    How.CREDENTIAL: "made the ACME credential with which it was placed",
    How.BOT: "made the bot that placed it",
    How.TOKEN: "took the token with which the bot that placed it was enrolled",
    How.TARGET: "was the last to change the bot's target that it is for",
    How.NAMES: "chose the names, the key type or the profile of the bot's target that it is for",
    How.ASKED: "asked for the deployment that it is for",
}
Causes = list[list[int | str]]
"""As an order keeps them: id of a person, and how."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A person who brought an order about, and how, as the end of a sentence about them."""

    name: str
    words: str


def causes(*found: tuple[int | None, How]) -> Causes:
    """Return who is behind an order as it keeps them: people alone, each way once."""
    return [list(one) for one in dict.fromkeys((who, str(how)) for who, how in found if who is not None)]


def behind(order: Order) -> dict[int, How]:
    """Return the ids of the people who brought an order about, and how; whoever placed it first."""
    return dict(reversed(_ways(order)))


def _ways(order: Order) -> list[tuple[int, How]]:
    placed = [] if order.requested_by_id is None else [(order.requested_by_id, How.PLACED)]
    return [*placed, *((int(who), How(how)) for who, how in order.caused_by)]


def repeated(order: Order) -> Causes:
    """Return who is behind an order that sends another one's request again: who knows its key."""
    return causes(*((who, How.REPEATED) for who in behind(order)))


def told(order: Order) -> list[Cause]:
    """Return everybody who brought an order about, in words, by name and way."""
    ways = _ways(order)
    names = dict(User.objects.filter(pk__in=[who for who, _ in ways]).values_list("pk", "username"))
    return [Cause(names.get(who, str(who)), _WORDS[how]) for who, how in ways]


def names(order: Order) -> list[str]:
    """Return the names of everybody who brought an order about, each once."""
    return list(dict.fromkeys(one.name for one in told(order)))


def said_to(order: Order, who: int | None) -> str:
    """Return why somebody may not decide about an order, '' for who may."""
    how = None if who is None else behind(order).get(who)
    if how is None:
        return ""
    if how is How.PLACED:
        return "Nobody decides about an order that they placed themselves."
    return f"Nobody decides about an order that they brought about themselves: whoever {_WORDS[how]} did."


def refuse(act: Act, order: Order) -> None:
    """Refuse a decision to whoever brought the order about."""
    why = said_to(order, act.actor.user)
    if why:
        raise NotPermitted(act.permission, why, "Ask a second person with that right to decide.")


def whole(found: Iterable[Iterable[int | str]]) -> list[dict[str, int | str]]:
    """Return causes as the API tells them."""
    return [{"user": who, "how": how} for who, how in found]
