"""Groups orders that arrive one by one into one commit, which is what makes them fast."""

from __future__ import annotations

from collections.abc import Sequence

from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place_mixed
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.grouped import Grouped
from chancery.core.errors import ChanceryError

Item = tuple[Actor, PlaceOrder]


class Grouper(Grouped[Item, Order]):
    """One writer thread per process."""

    def __init__(self) -> None:
        super().__init__("placer", _together)

    def place(self, actor: Actor, ask: PlaceOrder) -> Order:
        """Place one order as part of the next group; returns when it is committed."""
        return self.do((actor, ask))


def _together(items: Sequence[Item]) -> list[Order | ChanceryError]:
    return place_mixed(items)


_GROUPER = Grouper()


def place_grouped(actor: Actor, ask: PlaceOrder) -> Order:
    """Place one order, sharing its commit with others of this process."""
    return _GROUPER.place(actor, ask)


def close() -> None:
    """End this process's writer thread and its connection."""
    _GROUPER.close()
