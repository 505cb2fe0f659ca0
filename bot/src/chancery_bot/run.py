"""A bot's turn: finish what was begun, ask what there is to do, do it, tell what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from chancery_bot import __version__, kinds, material, posix
from chancery_bot.client import Client
from chancery_bot.clock import Clock
from chancery_bot.deploy import Deployer
from chancery_bot.errors import Away, Refused, Turned
from chancery_bot.local import Local
from chancery_bot.state import State
from chancery_bot.wire import (
    MOST_RECORDS,
    Ask,
    Asked,
    Fetch,
    Found,
    Host,
    Issued,
    Poll,
    Record,
    Recorded,
    Report,
    Task,
    Work,
)

_USUAL, _LONGEST = 30.0, 300.0
_SCAN_EVERY = 6 * 3600.0
_MOST_UNWRITTEN = 100
"""Lines that a bot keeps in memory while its disk is full."""


def describe() -> Host:
    """Return this host as it describes itself."""
    name, system, machine = posix.host()
    return Host(hostname=name, os=system, machine=machine, bot_version=__version__, kinds=list(kinds.TITLES))


class Bot:
    """One enrolled bot."""

    def __init__(
        self,
        state: State,
        local: Local,
        clock: Clock,
        *,
        client: Client | None = None,
        deployer: Deployer | None = None,
        host: Host | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._state, self._local, self._clock = state, local, clock
        self._host = host or describe()
        self._client = client or Client(state, clock, self._host.machine)
        self._deployer = deployer or Deployer(state, local, clock)
        self._rng = rng or random.Random()  # noqa: S311  spreads retries, keeps no secret
        self._misses = 0
        self._unwritten: list[Record] = []
        self._scanned: float | None = None
        self.pause = _USUAL

    def turn(self) -> int:
        """Take one turn; returns how many tasks were done. What the server did not hear is told at a later one."""
        try:
            self._write_down()
            self._deployer.recover()
            # Told first, so that nothing is asked of this host that it has done already.
            self._ship()
            work = self._poll()
            done = sum(self._do(task) for task in work.tasks)
            self._ship()
        except Away as away:
            self._away(str(away))
            return 0
        except (Turned, Refused) as refusal:
            self._away(f"The server refuses this bot: {refusal}")
            return 0
        except Exception as fault:  # one fault must not keep a host from its next renewal
            self._away(f"A fault of the bot: {type(fault).__name__}: {fault}"[:2000])
            return 0
        self._misses, self.pause = 0, work.poll_seconds
        return done

    def run(self, stopped: Callable[[], bool]) -> None:
        """Take turns until told to stop; after work the next one follows at once."""
        with suppress(OSError):
            self.log("info", f"The bot {__version__} is running.")
        while not stopped():
            done = self.turn()
            until = self._clock.monotonic() + (0.0 if done else self.pause)
            while not stopped() and self._clock.monotonic() < until:
                self._clock.sleep(min(0.2, max(0.01, until - self._clock.monotonic())))

    def log(self, level: str, text: str) -> None:
        """Keep a line for the server; where the disk takes none, until it does."""
        at: datetime = self._clock.now()
        line = Record.model_validate({"number": 1, "at": at, "level": level, "text": text[:2000]})
        self._unwritten = [*self._unwritten[: _MOST_UNWRITTEN - 1], line]
        with suppress(OSError):
            self._write_down()

    def _write_down(self) -> None:
        while self._unwritten:
            self._state.tell(self._unwritten[0])
            del self._unwritten[0]

    def _away(self, text: str) -> None:
        if self._misses == 0:
            with suppress(OSError):  # where the disk is full, the bot goes on without this line
                self.log("warning", text)
        self._misses += 1
        # Spread, so that a server that comes back is not met by all its bots at once.
        self.pause = min(_LONGEST, 2.0 ** min(self._misses, 10)) * self._rng.uniform(0.5, 1.0)

    # Asking ------------------------------------------------------------------------------------------

    def _poll(self) -> Work:
        found = self._due_scan()
        work = self._client.ask("poll", Poll(host=self._host, found=found), Work)
        if found is not None:
            self._scanned = self._clock.monotonic()
        self._state.told(work.recorded)
        self._state.remember("work", work.model_dump_json().encode())
        return work

    def _due_scan(self) -> list[Found] | None:
        if self._scanned is not None and self._clock.monotonic() - self._scanned < _SCAN_EVERY:
            return None
        return list(kinds.scan(self._local))[:200]

    def _ship(self) -> None:
        while records := self._state.untold(MOST_RECORDS):
            answer = self._client.ask("report", Report(records=records), Recorded)
            self._state.told(max(answer.recorded, 0))
            if answer.recorded < records[-1].number:
                return

    # Doing -------------------------------------------------------------------------------------------

    def _do(self, task: Task) -> int:
        """Carry out one task; a refusal of the server's is its outcome."""
        try:
            {"request": self._request, "deploy": self._deploy, "rollback": self._roll_back}[task.kind](task)
        except Refused as refusal:
            self._failed(task, str(refusal))
        return 1

    def _request(self, task: Task) -> None:
        key = self._state.keep_key(task.deployment, material.new_key(task.key_type), task.target.id)
        csr = material.request(key, task.names)
        answer = self._client.ask("csr", Ask(deployment=task.deployment, csr=csr), Asked)
        text = "A key was made here, and its request was sent." if answer.state == "ordered" else answer.text
        self._step(task, "request", text, "info" if answer.state == "ordered" else "error")

    def _deploy(self, task: Task) -> None:
        issued = self._client.ask("certificate", Fetch(deployment=task.deployment), Issued)
        if issued.chain_pem:
            self._deployer.begin(task, issued.chain_pem)

    def _roll_back(self, task: Task) -> None:
        self._deployer.begin(task, "")

    def _step(self, task: Task, step: str, text: str, level: str) -> None:
        self._tell(task, {"kind": "step", "step": step, "text": text[:2000], "level": level})

    def _failed(self, task: Task, text: str) -> None:
        self._tell(task, {"kind": "outcome", "outcome": "failed", "text": text[:2000], "level": "error"})

    def _tell(self, task: Task, said: dict[str, object]) -> None:
        whole = {"number": 1, "at": self._clock.now(), "deployment": task.deployment, **said}
        self._state.tell(Record.model_validate(whole))
