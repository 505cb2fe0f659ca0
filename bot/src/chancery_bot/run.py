"""A bot's turn: finish what was begun, ask what there is to do, do it, tell what came of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from typing import TypeVar

from pydantic import BaseModel

from chancery_bot import __version__, aloud, kinds, material, posix, wire
from chancery_bot.client import Client
from chancery_bot.clock import Clock
from chancery_bot.deploy import Deployer
from chancery_bot.errors import Away, Refused, Turned, words
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
    TargetSpec,
    Task,
    Work,
)

M = TypeVar("M", bound=BaseModel)
_USUAL, _LONGEST = 30.0, 300.0
_SCAN_EVERY = 6 * 3600.0
_MOST_FOUND, _MOST_SAID = 200, wire.MOST_BYTES // 2
"""Services that are told at most, and bytes of a message that they or records take."""
_MOST_UNWRITTEN = 100
"""Lines that a bot keeps in memory while its disk is full."""


def describe() -> Host:
    """Return this host as it describes itself."""
    name, system, machine = posix.host()
    return Host(
        hostname=name,
        os=system,
        machine=machine,
        bot_version=__version__,
        kinds=list(kinds.TITLES),
        later=list(kinds.LATER),
    )


def said(fault: Exception) -> str:
    """Return what ended a turn, in a sentence."""
    if isinstance(fault, Away):
        return str(fault)
    if isinstance(fault, Turned | Refused):
        return f"The server refuses this bot: {fault}"
    return f"A fault of the bot: {type(fault).__name__}: {words(fault)}"


def _fitting(told: Iterable[M]) -> Iterator[M]:
    """Yield what fits into one message, as it is written; the first always does."""
    size = 0
    for one in told:
        size += len(json.dumps(one.model_dump(mode="json")))
        if size > _MOST_SAID:
            return
        yield one


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
        self._misses, self._told = 0, ""
        self._unwritten: list[Record] = []
        self._scanned: float | None = None
        self._found: list[Found] | None = None
        self.pause = _USUAL
        self.met: Exception | None = None
        """What the last turn ended by; None where it went well."""

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
        except Exception as fault:  # whatever it is: one fault must not keep a host from its next renewal
            self._away(fault)
            return 0
        self._misses, self._told, self.pause, self.met = 0, "", work.poll_seconds, None
        with suppress(OSError):
            self._state.forget("fault")
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
        aloud.say(level, text)
        at: datetime = self._clock.now()
        line = Record.model_validate({"number": 1, "at": at, "level": level, "text": text[:2000]})
        self._unwritten = [*self._unwritten[: _MOST_UNWRITTEN - 1], line]
        with suppress(OSError):
            self._write_down()

    def _write_down(self) -> None:
        while self._unwritten:
            self._state.tell(self._unwritten[0])
            del self._unwritten[0]

    def _away(self, fault: Exception) -> None:
        text = said(fault)[:2000]
        with suppress(OSError):  # where the disk is full, the bot goes on without
            self._state.remember("fault", json.dumps({"at": self._clock.now().isoformat(), "text": text}).encode())
        if text != self._told:
            self.log("warning", text)
        self.met, self._told = fault, text
        self._misses += 1
        # Spread, so that a server that comes back is not met by all its bots at once.
        self.pause = min(_LONGEST, 2.0 ** min(self._misses, 10)) * self._rng.uniform(0.5, 1.0)

    # Asking ------------------------------------------------------------------------------------------

    def _poll(self) -> Work:
        self._scan()
        work = self._client.ask("poll", Poll(host=self._host, found=self._found), Work)
        self._found = None
        self._state.told(work.recorded)
        self._state.remember("work", work.model_dump_json().encode())
        return work

    def _scan(self) -> None:
        """Search anew where that is due; what was found is kept until the server has it."""
        if self._scanned is None or self._clock.monotonic() - self._scanned >= _SCAN_EVERY:
            self._found = list(_fitting(islice(kinds.scan(self._local, self._missed), _MOST_FOUND)))
            self._scanned = self._clock.monotonic()

    def _missed(self, kind: str, error: Exception) -> None:
        self.log("warning", f"The search for {kind} on this host failed: {type(error).__name__}: {words(error)}")

    def _ship(self) -> None:
        while records := list(_fitting(self._state.untold(MOST_RECORDS))):
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
        # Asked first: a certificate that cannot be deployed here may have been paid for.
        self._check(task.target)
        key = self._state.keep_key(task.deployment, material.new_key(task.key_type), task.target.id)
        csr = material.request(key, task.names)
        answer = self._client.ask("csr", Ask(deployment=task.deployment, csr=csr), Asked)
        text = "A key was made here, and its request was sent." if answer.state == "ordered" else answer.text
        self._step(task, "request", text, "info" if answer.state == "ordered" else "error")

    def _check(self, given: TargetSpec) -> None:
        try:
            kinds.build(given.kind, given.id, dict(given.settings), self._local).check()
        except Refused:
            raise
        except Exception as fault:  # one target must not keep the others from their next certificates
            text = (
                f"This host cannot say whether {given.name} could be deployed: {type(fault).__name__}: {words(fault)}."
            )
            raise Refused(text, "Look at the target's settings, and at what they name here.") from None

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
        aloud.say(str(said["level"]), f"{task.target.name}, {said.get('step', said['kind'])}: {said['text']}")
        whole = {"number": 1, "at": self._clock.now(), "deployment": task.deployment, **said}
        self._state.tell(Record.model_validate(whole))
