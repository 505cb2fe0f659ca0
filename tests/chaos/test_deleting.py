"""A deletion and an order or a renewal at one moment: either the one or the other, and never an order that hangs in the air."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chancery.apps.audit.models import Entry
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions as orders
from chancery.apps.orders import place as placing
from chancery.apps.orders.models import Order
from chancery.apps.profiles import actions as profiles
from chancery.core.errors import ChanceryError
from chancery.core.order import OPEN
from tests.cast import request_pem
from tests.chaos.stand import disband
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"team": "Operations", "environment": "Production"}
MOMENTS = ("together", "between", "after", "behind")
"""Both at one moment; the deletion after the order's rules were looked at and before it is written; the order begins
first; the deletion begins when the order is there."""


class Race:
    """A connector with its profile, made anew whenever it was deleted, and two who act on it."""

    def __init__(self, cast, monkeypatch):
        self.cast, self.rng, self.made = cast, random.Random(SEED), 0
        self.placed = self.deleted = self.refused = 0
        self._pool, self.within = ThreadPoolExecutor(2), None
        plain = placing._prepare

        def prepare(*given):
            found = plain(*given)
            if self.within is not None:
                wait, self.within = self.within, None
                wait()
            return found

        monkeypatch.setattr(placing, "_prepare", prepare)
        self.renew()

    def renew(self):
        """Make the connector, its profile, and a certificate that may be renewed."""
        self.made += 1
        name = f"Deleted {self.made}"
        self.connector = connectors.create(self.cast.ada, "local", {"name": name, **PLACE})
        self.profile = profiles.create(self.cast.ada, {"name": name, "connector": name})

    def order(self, number):
        ask = placing.PlaceOrder(self.profile.name, request_pem("raced.example.com"), comment=str(number))
        try:
            placing.place(self.cast.rob, ask)
        except ChanceryError as refusal:
            return refusal
        return None

    def renewal(self, certificate):
        try:
            certificates.renew(self.cast.ada, certificate.pk)
        except ChanceryError as refusal:
            return refusal
        return None

    def delete(self):
        try:
            profiles.delete(self.cast.ada, self.profile.pk)
            connectors.delete(self.cast.ada, self.connector.pk, self.connector.name)
        except ChanceryError as refusal:
            return refusal
        return None

    def one(self, number, certificate):
        """Let one order or renew while the other deletes; returns how both went."""
        moment = MOMENTS[(number + number // 4) % len(MOMENTS)]
        start = threading.Barrier(2 if moment == "together" else 1)
        ordered = (lambda: self.renewal(certificate)) if certificate else (lambda: self.order(number))
        if moment == "between":
            self.within = lambda: self._pool.submit(self.delete).result(60)
            return ordered(), None
        second = self._pool.submit(self._after, start, ordered)
        if moment == "behind":
            second.result(60)
        if moment == "after":
            threading.Event().wait(self.rng.uniform(0, 0.03))
        first = self._pool.submit(self._after, start, self.delete)
        return second.result(60), first.result(60)

    def _after(self, start, act):
        start.wait(60)
        return act()

    def judge(self):
        """Nothing open may hang on what was deleted; then clear up for the next one."""
        waiting = list(Order.objects.filter(state__in=list(OPEN)).select_related("profile", "connector"))
        for order in waiting:
            assert order.profile.deleted_at is None, f"seed {SEED}: its profile is gone"
            assert order.connector.deleted_at is None, f"seed {SEED}: its connector is gone"
            orders.cancel(self.cast.ada, order.pk)
        self.placed += len(waiting)
        self.profile.refresh_from_db()
        self.connector.refresh_from_db()
        gone = self.profile.deleted_at is not None
        assert gone or waiting, "neither was done"
        assert not (gone and waiting)
        self.deleted += gone
        if gone:
            if self.connector.deleted_at is None:
                connectors.delete(self.cast.ada, self.connector.pk, self.connector.name)
            self.renew()

    def close(self):
        disband(self._pool, 2)


def certified(race, engine):
    """Return a certificate of the present profile, issued before the race."""
    made = placing.place(race.cast.rob, placing.PlaceOrder(race.profile.name, request_pem("raced.example.com")))
    engine.until(lambda: Certificate.objects.filter(order=made).exists())
    return Certificate.objects.get(order=made)


@pytest.mark.parametrize("number", [24, pytest.param(1000, marks=pytest.mark.long)])
def test_whatever_races_with_a_deletion_no_order_hangs_in_the_air(
    cast, local, engine, monkeypatch, say, result, number
):
    race = Race(cast, monkeypatch)
    try:
        for at in range(number):
            # Every fourth is a renewal of what this very profile issued.
            race.one(at, certified(race, engine) if at % 4 == 3 else None)
            race.judge()
    finally:
        race.close()
    unit = (
        f"orders left hanging in {number} races of a deletion with an order or a renewal: "
        f"{race.placed} were placed, {race.deleted} times the deletion was first"
    )
    say(f"seed {SEED}: 0 {unit}")
    assert min(race.placed, race.deleted) > number // 8
    for gone in Connector.objects.filter(deleted_at__isnull=False):
        entry = Entry.objects.get(action="connectors.delete", target_id=str(gone.pk), refusal=None)
        assert gone.name.encode() in bytes(entry.body)
    history = Order.objects.filter(connector__deleted_at__isnull=False).select_related("connector", "profile")
    assert all(row.connector.name.startswith("Deleted") and row.profile.name for row in history)
    result("R22", 0, unit, SEED)
