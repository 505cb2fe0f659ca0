"""Faults that a test or a person can turn on."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass, fields
from typing import Any

FAULTS = ("drop", "lose", "page", "error", "throttle", "half", "garbled")
"""What `fail_next` can do to a call: drop it before anything is done, act and drop the answer (lose), answer with a
503 page, act and answer 500 (error), refuse it with 429 (throttle), cut the answer in half, or garble it."""


@dataclass
class Settings:
    """Each dial; 0, '' or False is off. Shares (0 to 1) are chances per request.

    `fail_next` counts down: so many calls whose "METHOD /path" contains `fail_next_path` fail as `fail_next_with`
    says (one of `FAULTS`). `retry_after` is sent as that header with every 429.
    """

    delay: float = 0.0
    fail_before: float = 0.0
    fail_after: float = 0.0
    error_page: float = 0.0
    error_after: float = 0.0
    half_body: float = 0.0
    garbled: float = 0.0
    huge: bool = False
    throttle: bool = False
    retry_after: str = ""
    fail_next: int = 0
    fail_next_with: str = "page"
    fail_next_path: str = ""
    refuse_key: bool = False
    slow_index: float = 0.0
    unknown_status: str = ""
    chain: str = ""
    wrong_key: bool = False
    wrong_name: bool = False
    errors_as_object: bool = False
    numbers_as_strings: bool = False
    issue_delay: float = 0.0
    needs_approval: bool = False
    reject: bool = False
    clock_skew: float = 0.0


class Dials:
    """The settings in force; safe between threads, and reproducible by seed.

    `kind` is a simulator's own dataclass of dials on top of the common ones.
    """

    def __init__(self, seed: int = 0, kind: type[Any] = Settings) -> None:
        self._kind = kind
        self._now: Any = kind()
        self._random = random.Random(seed)  # noqa: S311  chooses faults, keeps no secret
        self._lock = threading.Lock()

    @property
    def now(self) -> Any:
        """Return the settings in force, of the simulator's own kind."""
        return self._now

    def set(self, **values: Any) -> None:
        """Turn dials; an unknown one raises `KeyError`, a value of another type `ValueError`, and nothing is turned."""
        known = {f.name for f in fields(self._kind)}
        for name in values:
            if name not in known:
                raise KeyError(name)
        fitting = {name: _fit(name, value, getattr(self._now, name)) for name, value in values.items()}
        with self._lock:
            for name, value in fitting.items():
                setattr(self._now, name, value)

    def widen(self, kind: type[Any]) -> Dials:
        """Return these dials with those of `kind` too, a dataclass on top of the present one; for a simulator."""
        if not issubclass(self._kind, kind):
            self._now, self._kind = kind(**asdict(self._now)), kind
        return self

    def reset(self) -> None:
        """Turn everything off."""
        self._now = self._kind()

    def hits(self, share: float) -> bool:
        """Say whether a fault with this chance strikes now."""
        with self._lock:
            return share > 0 and self._random.random() < share

    def next_fault(self, call: str) -> str:
        """Return the fault for this call ("METHOD /path") and count it; '' where none is due."""
        with self._lock:
            now: Settings = self._now
            if now.fail_next < 1 or now.fail_next_path not in call:
                return ""
            now.fail_next -= 1
            return now.fail_next_with

    def take(self, name: str) -> bool:
        """Count a counting dial down; say whether there was anything left."""
        with self._lock:
            left: int = getattr(self._now, name)
            setattr(self._now, name, max(0, left - 1))
            return left > 0

    def as_dict(self) -> dict[str, Any]:
        """Return all dials."""
        return asdict(self._now)


def _fit(name: str, value: Any, before: Any) -> Any:
    """Return the value in the dial's own type; raise `ValueError` naming the dial where it does not fit."""
    kind = type(before)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"{name} takes a {kind.__name__}")
    if name == "fail_next_with" and value not in FAULTS:
        raise ValueError(f"{name} is one of {', '.join(FAULTS)}")
    return value
