"""One deployment: plan, back up, write, switch, test, reload, prove; or all the way back.

Each stage that is reached is written into the target's journal before the next begins. A bot that was ended anywhere goes on
from there: forward while nothing speaks against it, back once something did. What is served is the old or the new at any
time, since the switch is one rename.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chancery_bot import aloud, kinds, posix
from chancery_bot.clock import Clock
from chancery_bot.errors import Refused
from chancery_bot.local import Local
from chancery_bot.material import together, valid
from chancery_bot.probe import prove
from chancery_bot.state import State
from chancery_bot.targets.base import Target
from chancery_bot.wire import Record, Task

PROOF_SECONDS = 6.0
"""How long a proof is tried, unless the target has patience for longer."""
Json = dict[str, Any]
Prove = Callable[..., str]
STAGES = ("plan", "write", "back_up", "switch", "test", "reload", "prove")
_SWITCHED = STAGES.index("switch")


@dataclass
class Journal:
    """Where one deployment is. `before` and `version` are versions of the target; `why` turns it back."""

    task: Task
    chain_pem: str
    stage: str = STAGES[0]
    before: str = ""
    version: str = ""
    why: str = ""

    def dump(self) -> bytes:
        """Return it as bytes."""
        plain = {n: getattr(self, n) for n in ("chain_pem", "stage", "before", "version", "why")}
        return json.dumps({**plain, "task": self.task.model_dump(mode="json")}).encode()

    @classmethod
    def load(cls, raw: Json) -> Journal:
        """Return it from what was written."""
        return cls(
            Task.model_validate(raw["task"]), *(raw[n] for n in ("chain_pem", "stage", "before", "version", "why"))
        )


class Deployer:
    """Deploys on this host. `prove` is the probe."""

    def __init__(self, state: State, local: Local, clock: Clock, prove: Prove = prove) -> None:
        self._state, self._local, self._clock, self._prove = state, local, clock, prove

    def begin(self, task: Task, chain_pem: str) -> str:
        """Carry out a task whose certificate is here; returns its outcome."""
        if self._state.journal(task.target.id).exists():
            return ""
        journal = Journal(task, chain_pem, version=str(task.deployment))
        self._save(journal)
        return self._go(journal)

    def recover(self) -> None:
        """Finish what was begun before the bot was ended."""
        for raw in list(self._state.journals()):
            journal = Journal.load(raw)
            self._note(journal, "recover", f"The bot was ended at the stage {journal.stage}; it goes on.", "warning")
            self._go(journal)

    def _go(self, journal: Journal) -> str:
        try:
            given = journal.task.target
            target: Target[Any] = kinds.build(given.kind, given.id, dict(given.settings), self._local)
        except Refused as refusal:
            return self._end(journal, "failed", str(refusal), "")
        if not journal.why:
            try:
                served = self._forward(journal, target)
            except Exception as error:  # whatever it is: what was begun is not left half done
                journal.why = _said(error)
                with suppress(OSError):  # a disk that is full does not keep what was begun from going back
                    self._save(journal)
            else:
                return self._deployed(journal, target, served)
        return self._back(journal, target)

    # Forward -----------------------------------------------------------------------------------------

    def _forward(self, journal: Journal, target: Target[Any]) -> str:
        """Take every stage from where the journal is; returns what is served, '' where nobody can look."""
        served = ""
        _still_stands(journal, target)
        for stage in STAGES[STAGES.index(journal.stage) :]:
            if stage != journal.stage:
                journal.stage = stage
                self._save(journal)
            served = getattr(self, f"_do_{stage}")(journal, target) or ""
        return served

    def _do_plan(self, journal: Journal, target: Target[Any]) -> None:
        target.check()
        if journal.task.kind == "rollback":
            journal.version = _earlier(target)
            _in_time(target, journal.version, self._clock.now())
            self._note(journal, "plan", f"The version before is put back: {journal.version}.")
        else:
            self._material(journal)
            self._note(journal, "plan", "Key and certificate belong together, and every place may be written.")

    def _do_write(self, journal: Journal, target: Target[Any]) -> None:
        if journal.task.kind != "rollback":
            target.stage(journal.version, self._material(journal))
            self._note(journal, "write", "The new files stand beside the old ones.")

    def _do_back_up(self, journal: Journal, target: Target[Any]) -> None:
        journal.before = target.keep(_found(journal))
        self._save(journal)
        self._note(journal, "back_up", "The way back is kept." if journal.before else "There is nothing to go back to.")

    def _do_switch(self, journal: Journal, target: Target[Any]) -> None:
        target.switch(journal.version)
        self._note(journal, "switch", "The new version is in force on the disk.")

    def _do_test(self, journal: Journal, target: Target[Any]) -> None:
        target.test()
        self._note(journal, "test", "The service takes its configuration.")

    def _do_reload(self, journal: Journal, target: Target[Any]) -> None:
        target.reload()
        self._note(journal, "reload", "The service was told.")

    def _look(self, journal: Journal, target: Target[Any], version: str) -> str:
        endpoint = target.endpoint()
        if endpoint is None:
            return ""
        if not endpoint.server_name and journal.task.names:
            endpoint = type(endpoint)(endpoint.host, endpoint.port, journal.task.names[0])
        seconds = max(PROOF_SECONDS, target.patience)
        return self._prove(endpoint, target.fingerprint(version), seconds, self._clock)

    def _do_prove(self, journal: Journal, target: Target[Any]) -> str:
        return self._look(journal, target, journal.version)

    def _deployed(self, journal: Journal, target: Target[Any], served: str) -> str:
        said = "The new certificate is served." if served else "Deployed; nothing serves it that could be looked at."
        if journal.task.kind == "rollback":
            said = "The version before is served again." if served else "The version before is in force again."
        print_ = served or target.fingerprint(journal.version)
        self._note(journal, "prove", said)
        target.tidy({journal.version, journal.before})
        return self._end(journal, "deployed" if journal.task.kind != "rollback" else "rolled_back", said, print_)

    # Back --------------------------------------------------------------------------------------------

    def _back(self, journal: Journal, target: Target[Any]) -> str:
        """Put the version before into force again, and prove it."""
        self._note(journal, journal.stage, journal.why, "error")
        if STAGES.index(journal.stage) < _SWITCHED:
            _forget(journal, target)
            return self._end(journal, "failed", f"Nothing was changed. {journal.why}", "")
        try:
            target.switch(journal.before)
            if STAGES.index(journal.stage) >= STAGES.index("reload"):
                target.reload()
            served = self._look(journal, target, journal.before) if journal.before else ""
        except Exception as error:  # whatever it is, it is told, and the journal ends
            _forget(journal, target)
            text = f"{journal.why} The way back is not proven: {_said(error)}"
            return self._end(journal, "failed", text, "")
        _forget(journal, target)
        self._note(journal, "roll_back", "The version before is in force again.", "warning")
        return self._end(journal, "failed" if not journal.before else "rolled_back", journal.why, served)

    # Telling -----------------------------------------------------------------------------------------

    def _material(self, journal: Journal) -> Any:
        key = self._state.key(journal.task.key or journal.task.deployment)
        return together(key, journal.chain_pem.encode(), self._clock.now())

    def _save(self, journal: Journal) -> None:
        posix.write_over(self._state.journal(journal.task.target.id), journal.dump())

    def _note(self, journal: Journal, step: str, text: str, level: str = "info") -> None:
        with suppress(OSError):  # a line that finds no room is no reason to stop half way
            self._tell(journal, {"kind": "step", "step": step, "text": text[:2000], "level": level})

    def _end(self, journal: Journal, outcome: str, text: str, served: str) -> str:
        level = "info" if outcome == "deployed" or journal.task.kind == "rollback" else "error"
        said = {"kind": "outcome", "outcome": outcome, "text": text[:2000], "served": served, "level": level}
        self._tell(journal, said)
        # Told first: whoever is ended between the two tells it twice, which the server takes for once.
        posix.remove(self._state.journal(journal.task.target.id))
        return outcome

    def _tell(self, journal: Journal, said: Json) -> None:
        aloud.say(said["level"], f"{journal.task.target.name}, {said.get('step', said['kind'])}: {said['text']}")
        at: datetime = self._clock.now()
        deployment: UUID = journal.task.deployment
        self._state.tell(Record.model_validate({"number": 1, "at": at, "deployment": deployment, **said}))


def _still_stands(journal: Journal, target: Target[Any]) -> None:
    """Raise `Refused` where a deployment went back already, which a disk without room did not let it write down.

    What is in force is then the version before: tested, reloaded and looked at, it would be told as the new one.
    """
    at = STAGES.index(journal.stage)
    gone = at >= _SWITCHED and journal.version not in target.versions()
    if gone or (at > _SWITCHED and target.present() != journal.version):
        raise Refused(
            "It went back, and this could not be written down then.", "Make room on the disk; deploy it again."
        )


def _earlier(target: Target[Any]) -> str:
    """Return the version to go back to: the newest that is not in force."""
    present = target.present()
    others = [v for v in target.versions() if v != present]
    if not others:
        raise Refused("This host keeps no earlier version of this target.", "Order a new certificate.")
    return max(others, key=lambda name: name.removeprefix("found-"))


def _in_time(target: Target[Any], version: str, now: datetime) -> None:
    """Raise `Refused` where a version's certificate is not valid at `now`; what is not known does not hinder."""
    found = target.certificate(version)
    if found is not None and not valid(found, now):
        ends = f"{found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        text = f"The certificate before is not valid at this moment; it ends {ends}."
        raise Refused(text, "Look at this host's clock, or order a new certificate.")


def _forget(journal: Journal, target: Target[Any]) -> None:
    """Remove the version that failed, unless it is in force: nobody who asks for the one before may get it.

    What a rollback brought stays, since it was served once; so does every other version, with the way back that it is.
    """
    if journal.task.kind == "rollback":
        return
    with suppress(Refused, OSError):  # what stays lying there keeps nothing from ending
        target.tidy(set(target.versions()) - ({journal.version, _found(journal)} - {journal.before}))


def _found(journal: Journal) -> str:
    """Return what a version is called that somebody else had put there before this deployment."""
    return f"found-{journal.task.deployment}"


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
