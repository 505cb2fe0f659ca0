"""What an author hands to the conformance suite."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any

from chancery.core.clock import ManualClock

SAMPLES = {"dns": "two.example.com", "ip": "192.0.2.7", "email": "who@example.com", "uri": "https://example.com/app"}
START = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Fault(StrEnum):
    """What a simulated CA can be made to do, until it is told to stop."""

    HOLDS = "accepts requests and issues nothing"
    REJECTS = "refuses every request for good"
    THROTTLES = "asks for patience, and does nothing"
    FAILS_BEFORE = "answers 5xx, and does nothing"
    LOSES_ANSWER = "acts, and drops the connection before the answer"
    DROPS = "drops the connection before it acts"
    GARBLES = "acts, and answers with garbage"
    HUGE = "acts, and answers with far too much"
    DOWN = "does not listen"
    REFUSES_LOGIN = "refuses the credential"
    WRONG_KEY = "issues for another key"
    WRONG_NAME = "issues for another name"
    SHUFFLES_CHAIN = "sends the chain in any order"
    OMITS_CHAIN = "sends no chain"


def _as_ever(dice: Random) -> None:
    """Vary nothing."""
    del dice


def _no_fault(fault: Fault) -> AbstractContextManager[None]:
    raise NotImplementedError(fault)


@dataclass
class Case:
    """An account at a simulated CA, and the handles on that CA.

    `config` and `profile` are the settings as an administrator would type them, secrets as text; `secrets` are further
    texts that must never be seen. `base_url` is '' where the authority reaches nothing outside. `play(fault)` is a
    context manager that keeps a fault up; `playable` names those it can play. `ordered(reference)` returns how many
    orders the CA has under a client reference (by its own ledger), or is None where nobody can tell. `clock` is the
    authority's; the simulator lives by the same one, so that `clock.advance` lets time pass for both. `samples` are
    names that the CA certifies, by kind, beside `names`; `elsewhere` names other hosts (host:port) that the CA's API
    sends its clients to. `root` is the path that all of the API lies below, where the base URL is a document in it (a
    directory of addresses) and not its folder. `vary` is called before each of many orders, and may turn how the CA behaves
    (whether its search shows our references, say), by the dice alone.

    Whatever can go wrong on the way to the CA, from a refused connection to an answer that makes no sense, the suite
    plays by itself: between the authority and `base_url` it puts a line of its own. Only what happens inside the CA
    (holding, rejecting, other keys and chains) is the simulator's to play.
    """

    config: dict[str, Any]
    profile: dict[str, Any] = field(default_factory=dict)
    base_url: str = ""
    secrets: tuple[str, ...] = ()
    play: Callable[[Fault], AbstractContextManager[None]] = _no_fault
    playable: frozenset[Fault] = frozenset()
    ordered: Callable[[str], int] | None = None
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    networks: tuple[str, ...] = ("127.0.0.0/8",)
    names: tuple[str, ...] = ("www.example.com",)
    validity: timedelta = timedelta(days=30)
    elsewhere: tuple[str, ...] = ()
    root: str = ""
    vary: Callable[[Random], None] = _as_ever
    samples: dict[str, str] = field(default_factory=lambda: dict(SAMPLES))
