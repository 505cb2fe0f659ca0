"""Faults that a test or a person can turn on."""

from __future__ import annotations

import random
import threading
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass
class Settings:
    """Each dial; 0, '' or False is off. Shares (0 to 1) are chances per request."""

    delay: float = 0.0
    fail_before: float = 0.0
    fail_after: float = 0.0
    error_page: float = 0.0
    error_after: float = 0.0
    half_body: float = 0.0
    garbled: float = 0.0
    huge: bool = False
    throttle: bool = False
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
    """The settings in force; safe between threads, and reproducible by seed."""

    def __init__(self, seed: int = 0) -> None:
        self.now = Settings()
        self._random = random.Random(seed)  # noqa: S311  chooses faults, keeps no secret
        self._lock = threading.Lock()

    def set(self, **values: Any) -> None:
        """Turn dials; an unknown one raises `KeyError`."""
        known = {f.name for f in fields(Settings)}
        for name, value in values.items():
            if name not in known:
                raise KeyError(name)
            setattr(self.now, name, value)

    def reset(self) -> None:
        """Turn everything off."""
        self.now = Settings()

    def hits(self, share: float) -> bool:
        """Say whether a fault with this chance strikes now."""
        with self._lock:
            return share > 0 and self._random.random() < share

    def as_dict(self) -> dict[str, Any]:
        """Return all dials."""
        return asdict(self.now)
