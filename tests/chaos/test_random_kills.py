"""Workers are killed at random moments while orders flow; the ledger of the CA judges.

`CHANCERY_CHAOS_SEED` repeats a run. The short form is a part of every `make test`, the long one of `make chaos`.
"""

import os
import random
import time
from collections import Counter

import pytest
from django.db import connection

from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from tests.chaos.stand import events, open_orders, paid, place, states

pytestmark = pytest.mark.django_db(transaction=True)
SEED = int(os.environ.get("CHANCERY_CHAOS_SEED") or 20_261_123)
EVERY_LOCAL = 5
"""One order for the local CA, which signs in processes of its own, comes with so many for the simulated one."""
ALONE = [(60, 4, 0.6), pytest.param(1000, 20, 2.5, marks=pytest.mark.long)]
PAIR = [(60, 4, 0.6), pytest.param(1000, 20, 1.0, marks=pytest.mark.long)]
"""Orders, kills, and seconds at most from the arrival of a round's orders to the kill."""


class Killing:
    """Rounds of: orders arrive, workers work, one is killed at a random moment, another takes its place."""

    def __init__(self, stand, simulator, actor, workers, longest):
        self.rng = random.Random(SEED)
        self.stand, self.simulator, self.actor = stand, simulator, actor
        self.workers, self.longest, self.crew = workers, longest, []
        self.placed, self.local, self.caught, self.busy = [], [], set(), 0

    def round(self, number, size):
        while len(self.crew) < self.workers:
            self.crew.append(self.stand.worker())
        self.stand.await_life(self.crew)
        # Some rounds are answered at once, some have to be asked again, some answers are lost.
        self.simulator.dials.reset()
        lost = 0.2 if number % 4 == 3 else 0.0
        self.simulator.dials.set(delay=0.2, issue_delay=self.rng.choice([0.0, 0.5]), fail_after=lost)
        self.placed += place(self.actor, "Public", [f"r{number}-{i}.example.com" for i in range(size)])
        self.local += place(self.actor, "Internal", [f"l{number}-{i}.example.com" for i in range(size // EVERY_LOCAL)])
        time.sleep(self.rng.uniform(0, self.longest))
        self.busy += open_orders() > 0
        self.stand.kill(self.crew.pop(self.rng.randrange(len(self.crew))))
        self.caught |= set(Order.objects.filter(state="submitting").values_list("pk", flat=True))
        assert not [n for n in paid(self.simulator).values() if n > 1], f"doubled, seed {SEED}"

    def finish(self):
        self.simulator.dials.reset()
        for process in self.crew:
            self.stand.kill(process)
        self.caught |= set(Order.objects.filter(state="submitting").values_list("pk", flat=True))
        found = states()
        self.stand.settle(self.workers, 300)
        return found


def judge(killing, digicert):
    """Every order is issued once: by the CA's ledger, by the tables, and with the story of each lost answer told."""
    assert states() == {"issued": len(killing.placed) + len(killing.local)}, f"seed {SEED}"
    assert paid(killing.simulator) == {str(order.pk): 1 for order in killing.placed}, f"seed {SEED}"
    assert Counter(Certificate.objects.values_list("order", flat=True)) == Counter(
        order.pk for order in [*killing.placed, *killing.local]
    )
    for order in Order.objects.filter(pk__in=killing.caught, connector=digicert):
        assert events(order)[-1] in {"order.issued", "order.settled"}, (events(order), SEED)


def run(stand, simulator, actor, digicert, say, size, workers):
    total, kills, longest = size
    killing = Killing(stand, simulator, actor, workers, longest)
    for number in range(kills):
        killing.round(number, total // kills)
    at_kill = killing.finish()
    judge(killing, digicert)
    assert killing.busy > kills // 2, "the kills came when there was nothing to do"
    assert killing.caught, "no kill came during a submission"
    say(
        f"{kills} kills of {workers} worker(s), seed {SEED}: {killing.busy} during work, after the last {at_kill}; "
        f"{len(killing.caught)} caught submitting; issued {len(killing.placed)} + {len(killing.local)} local, "
        "lost 0, doubled 0"
    )


@pytest.mark.long(on="postgresql")  # where two work
@pytest.mark.parametrize(("total", "kills", "longest"), ALONE)
def test_random_kills_lose_and_double_nothing(stand, cast, digicert, local, simulator, say, total, kills, longest):
    run(stand, simulator, cast.rob, digicert, say, (total, kills, longest), 1)


@pytest.mark.skipif("sqlite" in str(connection.vendor), reason="on SQLite there is one worker")
@pytest.mark.parametrize(("total", "kills", "longest"), PAIR)
def test_random_kills_of_one_of_two_workers(stand, cast, digicert, local, simulator, say, total, kills, longest):
    run(stand, simulator, cast.rob, digicert, say, (total, kills, longest), 2)
