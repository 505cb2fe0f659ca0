"""Virtual CAs for workers whose seats are the test's: each answers after its own time, on a clock that the test moves.

So hours of outage take seconds, and what is measured is the engine's own time and not this machine's.
"""

import heapq
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import count

from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.shared.action import use_clock
from chancery.engine.jobs import Answered, Failed, Kind, Missing
from chancery.engine.tests.pair import UNREACHABLE, Hand, issued

STEP, LONGEST = 0.1, 30.0
"""Seconds between two looks while there is something to do, and at most; a farm may be told to look more often."""
LOST = Failed("OutcomeUnknown", "The connection broke off.", bytes_sent=True, remedy="Look at the network.")


class Ca:
    """A CA that answers after `delay` seconds while it is up. `acts` says how often it got each order."""

    def __init__(self, delay=0.05):
        self.delay, self.up, self.acts, self.calls, self.probes = delay, True, Counter(), [], 0

    def asked(self, job, now):
        """Take a job; return the seconds until an answer is there, and whether the CA heard of it."""
        self.calls.append(now)
        if job.kind is Kind.SUBMIT and self.up:
            self.acts[job.row] += 1
        self.probes += job.kind is Kind.CALL
        return (self.delay if self.up else 0.001), self.up

    def answer(self, job, heard):
        """Return the result of a job: `heard` says whether the CA was there when it was asked."""
        if job.kind is Kind.CALL:
            return Answered({"findings": []}, None if heard and self.up else UNREACHABLE)
        if not heard:
            return UNREACHABLE
        if not self.up:
            return LOST
        if job.kind is Kind.SETTLE and not self.acts[job.row]:
            return Missing("The CA has no such order.")
        return issued(job)


class BlackHole(Ca):
    """A CA that takes every call and never answers: the door gives up after its time, and nobody knows what became of it."""

    patience = 30.0

    def asked(self, job, now):
        super().asked(job, now)
        return self.patience, True

    def answer(self, job, heard):
        if job.kind is Kind.CALL:
            return Answered({"findings": []}, UNREACHABLE)
        return LOST


class Skewed:
    """A worker's own wall clock, so many seconds from the true one; its waits are measured on the same steady time."""

    def __init__(self, clock, seconds):
        self._clock, self.ahead = clock, timedelta(seconds=seconds)

    def now(self):
        return self._clock.now() + self.ahead

    def monotonic(self):
        return self._clock.monotonic()


class Farm:
    """Workers, whose clocks are `skews` seconds from the true one, and the CAs of their connectors."""

    def __init__(self, clock, cas, skews=(0,)):
        self.clock, self.cas, self.workers, self.longest = clock, cas, [], LONGEST
        for seconds in skews:
            own = Skewed(clock, seconds)
            use_clock(own)
            self.workers.append((own, Hand()))
        use_clock(clock)
        self._due, self._number = [], count()
        self.changes, self._seen = defaultdict(list), {}

    def step(self):
        """Give the answers that are due, let each worker take a turn, and return how much there was to do."""
        worked, at = 0, self.clock.monotonic()
        while self._due and self._due[0][0] <= at:
            _, _, worker, ca, job, heard = heapq.heappop(self._due)
            worker._report([(job, ca.answer(job, heard))])
            worked += 1
        for own, worker in self.workers:
            use_clock(own)
            worked += worker.turn()
            for job in worker.held:
                ca = self.cas[job.connector]
                delay, heard = ca.asked(job, self.clock.now())
                heapq.heappush(self._due, (at + delay, next(self._number), worker, ca, job, heard))
            worker.held = []
        use_clock(self.clock)
        return worked

    def run(self, seconds, each=lambda passed: None, done=lambda: False):
        """Go on for some seconds, or until `done`; `each` is told at each look how many have passed, and may change things."""
        begun = self.clock.monotonic()
        while (passed := self.clock.monotonic() - begun) < seconds and not done():
            each(passed)
            busy = self.step()
            for ident, breaker in Connector.objects.values_list("pk", "breaker"):
                if self._seen.get(ident) != breaker:
                    self._seen[ident] = breaker
                    self.changes[ident].append(breaker)
            wait = STEP if busy else self._wait()
            self.clock.advance(timedelta(seconds=min(wait, max(seconds - passed, 0.001))))

    def _wait(self):
        """Return the seconds until the next answer, order or probe is due."""
        now = self.clock.now()
        rows = Connector.objects.filter(deleted_at=None)
        held = rows.exclude(breaker_until=None).values_list("pk", flat=True)
        orders = Order.objects.exclude(due_at=None).exclude(connector__in=held)
        moments = [
            rows.exclude(breaker_until=None).order_by("breaker_until").values_list("breaker_until", flat=True).first(),
            rows.filter(breaker_until=None).order_by("probe_at").values_list("probe_at", flat=True).first(),
            orders.order_by("due_at").values_list("due_at", flat=True).first(),
        ]
        known = [(moment - now).total_seconds() for moment in moments if moment is not None]
        known += [self._due[0][0] - self.clock.monotonic()] if self._due else []
        return min(self.longest, max(STEP, min(known, default=self.longest)))

    def close(self):
        for _, worker in self.workers:
            worker.leave_nothing()
