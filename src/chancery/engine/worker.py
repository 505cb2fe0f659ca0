"""One worker: seats call CAs (`seats.py`, under load in a process of their own: `apart.py`), one thread does all writing.

Each turn writes the results that have come in and claims the next work in the same commit; that commit
is what decides the speed, so it is shared by as many orders as are there.
"""

from __future__ import annotations

import fcntl
import logging
import queue
import random
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import suppress
from functools import partial
from math import inf
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, OperationalError, close_old_connections, connection, connections, transaction

from chancery.apps.connectors.models import Call, Pace
from chancery.apps.health import nodes
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.room import said
from chancery.apps.shared.sqlite import give_way
from chancery.apps.shared.waking import hurry_up
from chancery.core.errors import Unavailable
from chancery.core.pacing import Room
from chancery.engine import claim, cpu, inventory, routine, timers
from chancery.engine.apart import Apart
from chancery.engine.bad_keys import with_bad_keys
from chancery.engine.breaking import SETTINGS_UNUSABLE
from chancery.engine.build import Built
from chancery.engine.duties import Duties
from chancery.engine.jobs import Failed, Job, Kind, Result
from chancery.engine.leading import Leading
from chancery.engine.listening import Changes, Listener
from chancery.engine.meter import Meter
from chancery.engine.notary import notary
from chancery.engine.pacing import BATCH, SEATS, Pacer
from chancery.engine.record import Pair, Recorder, unstorable
from chancery.engine.resting import Resting
from chancery.engine.seats import Seats
from chancery.engine.work import unsent
from chancery.sdk.authority import Facts

log = logging.getLogger("chancery.worker")
IDLE, _TOLD = 0.05, 0.5
"""On PostgreSQL: seconds between two looks when there is nothing to do, without and with its word of what is new."""
_LOOK, _LOOKS = 0.025, 20
"""On SQLite: seconds between two questions whether anything changed, and how many are asked before a look all the same."""
_CALLS_AT_ONCE = 8
_DRAIN = 30.0
_BEAT_EVERY = 1.0
_PAUSE = 1.0
_BREATH = 0.003
_BUSY, _FULL, _SHARED, _IDLE_SHARE = 100, 100, 0.1, 3
"""From so many acts within about a second on, a turn with fewer than that many is followed by a pause of so many times as
long as it took, up to that many seconds for both: each turn costs a dozen statements and a commit, which more acts then
share, and whoever waits for a certificate waits for no more of it than that saves. A lone order waits for none of this."""
_NO_CONNECTOR = UUID(int=0)
_CALL_FACTS = Facts(certificates=None, concurrency=_CALLS_AT_ONCE, calls_per_second=50, burst=50)  # type: ignore[arg-type]  # only its pace is read


class Trouble:
    """What the database refuses to do, said once: a log that repeats it every second would fill a disk that is full."""

    def __init__(self) -> None:
        self._text = ""

    def met(self, error: OperationalError) -> None:
        """Log an error that is another than the last one, and have a fresh connection tried."""
        close_old_connections()
        if (text := said(error)) != self._text:
            self._text = text
            log.error("the database does not answer: %s; trying again every second", text)

    def over(self) -> None:
        """Log that it is over, where there was any."""
        if self._text:
            self._text = ""
            log.info("the database answers again")


class Worker:
    """Claims, dispatches and records until it is told to stop."""

    def __init__(self, *, processes: int = 2, rng: random.Random | None = None, apart: bool = False) -> None:
        self.id = uuid.uuid4()
        self._clock = current_clock()
        self._started = self._clock.now()
        self._rng = rng or random.Random()  # noqa: S311  spreads retries, keeps no secret
        self._pacer = Pacer(self._clock, self.id)
        self._results: queue.SimpleQueue[list[Pair]] = queue.SimpleQueue()
        self._seats = Seats(self._clock, SEATS + _CALLS_AT_ONCE)
        self._apart, self._apart_from = Apart(self._clock, self._done, self._own), _BUSY if apart else inf
        self._signers: Executor | None = None
        self._processes = processes
        self._last_beat = float("-inf")
        self._lately, self._looked = 0.0, float("-inf")
        self._meter, self._duties = Meter(), Duties()
        self._resting = Resting(self._clock)
        self._trouble = Trouble()
        self.leading = Leading(self.id, self._clock)
        self._listener = Listener(lambda: self._results.put([]))
        self._changes = Changes()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then let what is under way finish."""
        give_way(connection)
        hurry_up()
        self._listener.start()
        while not stop.is_set():
            begun = self._clock.monotonic()
            try:
                worked = self.turn()
            except OperationalError as error:
                self._trouble.met(error)
                stop.wait(_PAUSE)
                continue
            except Exception:
                # One row that nobody foresaw must not end the work on all the others.
                log.exception("a turn failed; trying again")
                # A fresh one is what a statement needs that was prepared before the tables were changed.
                connection.close()
                stop.wait(_PAUSE)
                continue
            self._trouble.over()
            if not worked:
                self._idle()
            else:
                stop.wait(self._breath(worked, begun))
        self.drain()

    def _breath(self, worked: int, begun: float) -> float:
        """Return the seconds until the next turn: a moment for others to write, and under load time for more to come."""
        now = self._clock.monotonic()
        self._lately = worked + self._lately * max(0.0, 1.0 - (now - self._looked))
        self._looked = now
        if self._lately < _BUSY or worked >= _FULL:
            return _BREATH
        took = now - begun
        return max(_BREATH, min(took * _IDLE_SHARE, _SHARED - took))

    def turn(self) -> int:
        """Record what has come in and claim what is due; returns how many acts were recorded or begun."""
        self.leading.renew()
        if self.leading.held:
            self._duties.come_round(self._clock, self.leading.still)
        self._duties.send(self._clock)
        pairs = self._collect()
        seats = self._pacer.seats()
        try:
            with transaction.atomic():
                now = self._clock.now()
                self._timers(now)
                Recorder(now, self._rng).record(pairs)
                # Before the claim: a seat whose call has ended would else be empty for a turn.
                self._release(pairs)
                claimed = self._claim(now)
        except OperationalError:
            # What came in is not lost: it is recorded in a later turn, or found by its lease.
            self._results.put(pairs)
            self._pacer.back_to(seats)
            raise
        except Exception:
            self._pacer.back_to(seats)
            self._singly(pairs)
            raise
        for built, jobs in claimed:
            self._dispatch(built, jobs)
        return len(pairs) + sum(len(jobs) for _, jobs in claimed)

    def drain(self) -> None:
        """Take nothing new; wait for what is under way and record it."""
        deadline = self._clock.monotonic() + _DRAIN
        while self._pacer.busy() and self._clock.monotonic() < deadline:
            self._wait(0.1)
            try:
                self._singly(self._collect())
            except OperationalError as error:
                self._trouble.met(error)
        self._leave()
        self.close()

    def _leave(self) -> None:
        """Let others lead at once, give the seats back, and have nobody count on this worker.

        The seats of a worker that cannot are free a little later.
        """
        self.leading.resign()
        with suppress(DatabaseError):
            nodes.end(self.id)
        with suppress(Exception), transaction.atomic():
            self._pacer.leave(self._clock.now())

    def _singly(self, pairs: list[Pair]) -> None:
        """Record each result in a commit of its own, so that one that cannot be stored keeps back no other."""
        for done, pair in enumerate(pairs):
            try:
                self._one(pair)
            except OperationalError:
                self._results.put(pairs[done:])
                raise
            self._release([pair])

    def _one(self, pair: Pair) -> None:
        job, result = pair
        for _ in range(2):
            try:
                with transaction.atomic():
                    Recorder(self._clock.now(), self._rng).record([(job, result)])
                return
            except OperationalError:
                raise
            except Exception as error:
                # Not the traceback: it may quote what the CA sent.
                log.error("the result of a %s cannot be stored: %s", job.kind, type(error).__name__)
                result = unstorable(result, error)

    def close(self) -> None:
        """End threads and processes."""
        self._listener.close()
        self._apart.close()
        self._seats.close()
        if self._signers is not None:
            self._signers.shutdown(wait=False, cancel_futures=True)
        self._duties.close()

    def _idle(self) -> None:
        """Wait until there may be something to do: an answer, something new, or what was to wait until now."""
        if connection.vendor == "postgresql":
            self._wait(_TOLD if self._listener.hears else IDLE)
            return
        for _ in range(_LOOKS):
            self._wait(_LOOK)
            if not self._results.empty():
                return
            if self._changes.since_the_last_look():
                self._resting.something_changed()
                return

    def _wait(self, seconds: float) -> None:
        with suppress(queue.Empty):
            self._results.put(self._results.get(timeout=seconds))

    def _collect(self) -> list[Pair]:
        pairs: list[Pair] = []
        while not self._results.empty():
            # Also where it is empty: then PostgreSQL has told that there is something new.
            self._resting.something_changed()
            pairs += self._results.get()
        return pairs

    def _release(self, pairs: list[Pair]) -> None:
        for job, _ in pairs:
            self._pacer.ended(job.connector if job.kind is not Kind.CALL and job.connector else _NO_CONNECTOR)

    def _timers(self, now: Any) -> None:
        if self._clock.monotonic() - self._last_beat < _BEAT_EVERY:
            return
        self._last_beat = self._clock.monotonic()
        timers.beat(self.id, self._started, now)
        # Before anything of a connector is locked: another worker that adds to the same rows may be waited for here.
        self._meter.flush(now, self._last_beat)
        self._pacer.share(now)
        if self.leading.held and self.leading.still():
            timers.probes(now)

    def _claim(self, now: Any) -> list[tuple[Built | None, list[Job]]]:
        claimed = self._claim_calls(now)
        for due in claim.due_connectors(now):
            if self._resting.rests(due.connector):
                continue
            ready = claim.connector_row(due.connector)
            if ready is None:
                continue
            room = self._pacer.room(ready, now)
            if room.urgent == 0:
                continue
            jobs = self._acts(ready, due, room, now)
            if jobs:
                self._pacer.begun(ready, len(jobs), now)
                claimed.append((self._built(ready.authority, ready.version, jobs), jobs))
            elif room.others and not due.inventory:
                # (Comparing an inventory is done in turns, and begins nothing.)
                self._resting.nothing_to_begin(due.connector)
        return claimed

    def _acts(self, ready: claim.Ready, due: claim.Due, room: Room, now: Any) -> list[Job]:
        """Claim what a connector has room for: revocations have a lane of their own, which no flood of orders fills."""
        if ready.one_at_a_time:
            return self._trial(ready, now)
        jobs = claim.claim_revocations(ready, now, room.urgent) if due.revocations else []
        left = min(room.others, room.urgent - len(jobs))
        orders = self._shared(ready, due, now, left)
        # An inventory takes what orders leave of the pace.
        left -= len(orders)
        return [*jobs, *orders, *(inventory.claim(ready, now, left) if left and due.inventory else [])]

    def _shared(self, ready: claim.Ready, due: claim.Due, now: Any, most: int) -> list[Job]:
        """Claim looks at what waits at the CA, and new orders, which share the room: neither keeps the other waiting for long.

        Looks come round for as long as people at a CA take their time, so enough of them would take a slow CA's whole pace.
        What one leaves goes to the next; the odd place is drawn by lot.
        """
        lanes: list[Callable[[int], list[Job]]] = []
        if due.revocations:
            lanes.append(lambda most: claim.claim_revocations(ready, now, most, looks=True))
        if due.orders:
            lanes.append(lambda most: self._orders(ready, now, most, [claim.BEGUN]))
            lanes.append(lambda most: self._orders(ready, now, most, [claim.QUEUED]))
        if not lanes:
            return []
        parts = [most // len(lanes)] * len(lanes)
        for at in self._rng.sample(range(len(lanes)), most % len(lanes)):
            parts[at] += 1
        found: list[Job] = []
        short, given = [], 0
        for lane, part in zip(lanes, parts, strict=True):
            given += part
            free = given - len(found)
            jobs = lane(free) if free else []
            if len(jobs) == free:
                short.append(lane)
            found += jobs
        for lane in short:
            if len(found) < most:
                found += lane(most - len(found))
        return found

    def _trial(self, ready: claim.Ready, now: Any) -> list[Job]:
        """Claim the one act that is to show whether a CA works, of a lane drawn by lot.

        So no lane whose acts fail by themselves keeps the others waiting; within a lane, what failed comes after the rest. An
        inventory goes where nothing else is due: one that succeeds does not close the breaker, and one that fails shuts it.
        """
        lanes: list[Callable[[], list[Job]]] = [
            lambda: claim.claim_revocations(ready, now, 1) or claim.claim_revocations(ready, now, 1, looks=True),
            lambda: self._orders(ready, now, 1, [claim.BEGUN]),
            lambda: self._orders(ready, now, 1, [claim.QUEUED]),
        ]
        self._rng.shuffle(lanes)
        lanes.append(lambda: inventory.claim(ready, now, 1))
        return next((jobs for lane in lanes if (jobs := lane())), [])

    def _orders(self, ready: claim.Ready, now: Any, most: int, lanes: Sequence[str]) -> list[Job]:
        """Claim orders; those that a worker lost, and those whose key was reported, are no acts any more."""
        orders, lost = claim.claim_orders(ready, now, most, lanes, self._rng.choice)
        if lost:
            Recorder(now, self._rng).lost(lost, ready.authority)
        bad = with_bad_keys(job for job in orders if job.kind is Kind.SUBMIT)
        if bad:
            Recorder(now, self._rng).compromised([job.row for job in bad])
        if lost or bad:
            # They took places that others are due for, who are looked for at once.
            self._report([])
        return [job for job in orders if job not in bad]

    def _claim_calls(self, now: Any) -> list[tuple[Built | None, list[Job]]]:
        room = self._pacer.alone(_NO_CONNECTOR, _CALL_FACTS)
        calls = claim.claim_calls(now, room) if room else []
        self._pacer.begun_alone(_NO_CONNECTOR, _CALL_FACTS, len(calls))
        return [self._call(call) for call in calls]

    def _call(self, call: Call) -> tuple[Built | None, list[Job]]:
        epoch = call.connector.epoch if call.connector is not None else 0
        version = call.connector.current_id if call.connector is not None and not call.sealed else None
        extra: dict[str, Any] = {"kind": call.kind, "field": call.field, "door": None}
        extra |= routine.about(call)
        job = Job(
            Kind.CALL, call.pk, call.fence or self.id, call.connector_id, epoch, version, call.authority, extra=extra
        )
        try:
            built = (
                self._seats.builder.version(call.authority, version) if version else self._seats.builder.unsaved(call)
            )
        except Exception as error:
            self._report([(job, Failed("Bug", f"The connector cannot be built: {_safe(error)}"))])
            return None, []
        extra["door"] = built.door
        return built, [job]

    def _built(self, slug: str, version: UUID, jobs: list[Job]) -> Built | None:
        try:
            return self._seats.builder.version(slug, version)
        except Exception as error:
            log.error("connector version %s cannot be built: %s", version, type(error).__name__)
            text = f"The connector's settings cannot be used: {_safe(error)}"
            self._report([(job, Failed("AuthFailed", text, SETTINGS_UNUSABLE, bytes_sent=False)) for job in jobs])
            return None

    def _report(self, pairs: list[Pair]) -> None:
        self._results.put(pairs)

    def _dispatch(self, built: Built | None, jobs: list[Job]) -> None:
        if built is None:
            return
        if built.door is None and jobs[0].kind is not Kind.CALL:
            self._sign(built, jobs)
            return
        if jobs[0].kind is not Kind.CALL and self._elsewhere(built, jobs):
            return
        for job in jobs:
            self._own(built, job)

    def _own(self, built: Built, job: Job) -> None:
        self._seats.take(built, job, partial(self._done, job))

    def _elsewhere(self, built: Built, jobs: list[Job]) -> bool:
        """Have the process for calls do them, which is begun under load; says whether it does."""
        if self._lately >= self._apart_from:
            self._apart.begin()
        return self._apart.take(built, jobs)

    def _done(self, job: Job, result: Result, seconds: float) -> None:
        self._meter.seen([(job, result)], seconds)
        self._report([(job, result)])

    def _sign(self, built: Built, jobs: list[Job]) -> None:
        for start in range(0, len(jobs), BATCH):
            batch, begun = jobs[start : start + BATCH], self._clock.monotonic()
            try:
                pool, future = self._to_signer(built, batch)
            except Exception as error:
                self._lost_signers(self._signers, error)
                self._report([(job, unsent(error)) for job in batch])
            else:
                future.add_done_callback(lambda f, p=pool, b=batch, t=begun: self._signed(p, b, f, t))  # type: ignore[misc]  # the defaults bind this batch

    def _to_signer(self, built: Built, batch: list[Job]) -> tuple[Executor, Future[list[Result]]]:
        """Submit a batch; once more to fresh processes, where those that waited for work were killed meanwhile."""
        if self._signers is not None:
            try:
                return self._signers, self._signers.submit(cpu.run, built.settings, batch)
            except BrokenExecutor as error:
                self._lost_signers(self._signers, error)
        made = self._signers = cpu.pool(self._processes)
        return made, made.submit(cpu.run, built.settings, batch)

    def _lost_signers(self, pool: Executor | None, error: BaseException) -> None:
        """Have the next batch signed by fresh processes, unless that was seen to already."""
        log.error("a signing process ended: %s", type(error).__name__)
        if self._signers is pool:
            self._signers = None

    def _signed(self, pool: Executor, batch: list[Job], future: Future[list[Result]], begun: float) -> None:
        error = future.exception()
        if error is not None:
            self._lost_signers(pool, error)
        results = future.result() if error is None else [unsent(error) for _ in batch]
        pairs = list(zip(batch, results, strict=True))
        self._meter.seen(pairs, self._clock.monotonic() - begun)
        self._report(pairs)


def run(stop: threading.Event, *, processes: int = 2) -> None:
    """Run a worker in this process until `stop`; on SQLite a second one is refused."""
    with _only_one():
        if connection.vendor == "sqlite":
            _free_seats(stop)
        worker = Worker(processes=processes, apart=True)
        with notary(lambda: worker.leading.held):
            worker.run(stop)
    connections.close_all()


def _free_seats(stop: threading.Event) -> None:
    """Whoever had seats before is gone: on SQLite there is one worker. A disk that is full is waited for."""
    trouble = Trouble()
    while not stop.is_set():
        try:
            Pace.objects.exclude(seats={}).update(seats={})
        except OperationalError as error:
            trouble.met(error)
            stop.wait(_PAUSE)
        else:
            trouble.over()
            return


class _only_one:  # noqa: N801  reads as the condition it is
    """Holds a lock file while SQLite is the database: SQLite takes one writer process for the queue."""

    def __enter__(self) -> None:
        self._file: IO[str] | None = None
        if connection.vendor != "sqlite":
            return
        self._file = Path(settings.HOME, "worker.lock").open("w", encoding="ascii")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise Unavailable(
                "A worker is running already, and on SQLite there can be only one.",
                remedy="Stop the other one, or use PostgreSQL for several workers.",
                code="second_worker",
            ) from None

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()


def _safe(error: Exception) -> str:
    return getattr(error, "detail", type(error).__name__)
