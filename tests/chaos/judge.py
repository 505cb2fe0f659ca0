"""The judge: holds our ledger (the tables) against the CA's own. What it finds, it lists."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import OrderEvent

BY_PEOPLE = frozenset({"denied", "cancelled"})
"""Ends that somebody wanted."""


@dataclass
class Verdict:
    """How many orders there are, how they stand, and each that broke a promise."""

    orders: int = 0
    issued: int = 0
    unknown: int = 0
    quarantined: int = 0
    lost: list = field(default_factory=list)
    doubled: list = field(default_factory=list)
    silent: list = field(default_factory=list)
    """Unknown outcomes without evidence on the page."""

    def __iadd__(self, other):
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    @property
    def good(self):
        return not (self.lost or self.doubled or self.silent)

    def __str__(self):
        figures = f"{self.orders} orders, issued {self.issued}, lost {len(self.lost)}, doubled {len(self.doubled)}"
        broken = [*self.lost, *self.doubled, *self.silent]
        people = f"unknown with evidence {self.unknown}"
        people += f", quarantined by a wrong clock {self.quarantined}" if self.quarantined else ""
        return f"{figures}, {people}" + (f": {broken[:5]}" if broken else "")


def judge(orders, ledger, *, resting=True, quarantine=False):
    """Return the verdict about these orders; `ledger` is the CA's, None where the CA is Chancery itself.

    While work goes on (`resting` is false) an order that is not there yet is not lost. `quarantine` says that clocks were
    wrong, so that a certificate may have looked as if it were not valid: a person decides about it, and nothing is lost.
    """
    by_csr = ledger.orders_by_csr() if ledger is not None else None
    held = Counter(Certificate.objects.filter(order__in=orders).values_list("order", flat=True))
    keys = dict(Certificate.objects.filter(order__in=orders).values_list("order", "spki_sha256"))
    found = Verdict()
    for order in orders:
        there = by_csr[hashlib.sha256(bytes(order.csr)).hexdigest()] if by_csr is not None else held[order.pk]
        about = (order.connector.name, order.state, order.reason, there, _story(order))
        found.orders += 1
        found.issued += order.state == "issued"
        if there > 1 or held[order.pk] > 1:
            found.doubled.append(about)
        if order.state == "issued" and (there < 1 or keys.get(order.pk) != order.spki_sha256):
            found.lost.append(about)
        elif order.state == "outcome_unknown":
            found.unknown += 1
            if not order.reason or not {"order.outcome_unknown", "order.put_back"} & set(about[-1]):
                found.silent.append(about)
        elif order.state == "quarantined" and quarantine:
            found.quarantined += 1
        elif (resting and order.state not in {"issued", *BY_PEOPLE}) or (order.state in BY_PEOPLE and held[order.pk]):
            found.lost.append(about)
    return found


def _story(order):
    return list(OrderEvent.objects.filter(order=order).order_by("id").values_list("kind", flat=True))
