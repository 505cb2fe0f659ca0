"""Two workers on one database whose clock and CA are the test's: what they begin is held until the test answers it."""

from datetime import datetime, timedelta

from django.db import transaction

from chancery.apps.connectors.models import BreakerState, Call, CallKind, Connector
from chancery.core.clock import ManualClock
from chancery.core.order import State
from chancery.engine.jobs import Answered, Failed, Kind
from chancery.engine.tests.kit import leaf, rng
from chancery.engine.worker import Worker

REFUSED = Failed("AuthFailed", "The key is refused.")
UNREACHABLE = Failed("Unreachable", "Nobody answers.", bytes_sent=False)


class Hand(Worker):
    """A worker whose seats are the test's hand: `held` is what it has begun."""

    def __init__(self):
        super().__init__(rng=rng())
        self.held = []
        # What comes round for the whole installation is another test's.
        self._duties.come_round = lambda clock, still: None
        self._duties.send = lambda clock: None

    def _dispatch(self, built, jobs):
        self.held += jobs

    def leave_nothing(self):
        self.held = []
        self.close()


class Pair:
    """The workers, and a record of every act that was begun: when, of which lane, by whom, and whether it has ended."""

    def __init__(self, clock: ManualClock, connector):
        self.clock, self.connector = clock, connector
        self.workers = [Hand(), Hand()]
        self.acts = []
        self.probes = 0

    def row(self):
        return Connector.objects.get(pk=self.connector.pk)

    def turn(self, which):
        """Let a worker take a turn; return the acts that it began. Probes are answered by `probe`."""
        worker = self.workers[which]
        before = len(worker.held)
        worker.turn()
        begun = [j for j in worker.held[before:] if j.kind is not Kind.CALL]
        now = self.clock.now()
        self.acts += [{"at": now, "job": j, "worker": worker, "ended": False} for j in begun]
        return begun

    def in_flight(self):
        """Return the acts that the CA may still be at: those of a worker that lives."""
        return [a for a in self.acts if not a["ended"] and a["worker"] in self.workers]

    def answer(self, which, result, number=1):
        """Give the oldest acts of a worker their result."""
        worker = self.workers[which]
        jobs = [j for j in worker.held if j.kind is not Kind.CALL][:number]
        for job in jobs:
            worker.held.remove(job)
            next(a for a in self.acts if a["job"] is job)["ended"] = True
            worker._report([(job, result(job) if callable(result) else result)])
        return len(jobs)

    def probe(self, which, fault=None):
        """Answer the probes that a worker has begun."""
        worker = self.workers[which]
        calls = [j for j in worker.held if j.kind is Kind.CALL]
        for job in calls:
            worker.held.remove(job)
            self.probes += 1
            worker._report([(job, Answered({"findings": []}, fault))])
        return len(calls)

    def wait(self, seconds):
        """Let time pass; workers that live say so every other second."""
        while seconds > 0:
            self.clock.advance(timedelta(seconds=min(seconds, 2)))
            seconds -= 2
            for worker in self.workers:
                with transaction.atomic():
                    worker._pacer.share(self.clock.now())

    def crash(self, which):
        """Lose a worker with all that it has begun, and start another."""
        self.workers[which].leave_nothing()
        self.workers[which] = Hand()

    def close(self):
        for worker in self.workers:
            worker.leave_nothing()


def issued(job):
    """Return a certificate for a job, or the end of a revocation."""
    from chancery.engine.tests.test_record import good
    from chancery.sdk.outcome import Revoked

    return Revoked() if job.kind is Kind.REVOKE else good(leaf())


def most_in_any_window(times: list[datetime], burst: int, rate: float) -> float:
    """Return by how many acts the busiest window exceeded `burst + rate * seconds`; at most 0 where the pace was kept."""
    worst = float("-inf")
    for start, first in enumerate(times):
        for end in range(start, len(times)):
            allowed = burst + rate * (times[end] - first).total_seconds()
            worst = max(worst, end - start + 1 - allowed)
    return worst


def queued(desk, number):
    """Put orders into the queue."""
    return [desk.order("queued", fence=None, intended_at=None) for _ in range(number)]


def copies(order, number, first=0):
    """Put many copies of a queued order into the queue at once."""
    from uuid import UUID

    from chancery.apps.orders.models import Order

    names = [f.attname for f in Order._meta.concrete_fields if f.attname != "id"]
    base = {n: getattr(order, n) for n in names}
    Order.objects.bulk_create([Order(id=UUID(int=first + i), **base) for i in range(1, number + 1)], batch_size=500)


__all__ = ["REFUSED", "UNREACHABLE", "BreakerState", "Call", "CallKind", "Pair", "State", "copies", "issued", "queued"]
