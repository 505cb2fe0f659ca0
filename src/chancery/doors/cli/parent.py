"""Ends a process when the one that started it is gone, so that nothing is left behind to hold a port or a lock."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

EVERY = 0.5
"""Seconds between two looks."""


def follow(parent: int, end: Callable[[], object]) -> None:
    """Call `end` once this process is no child of `parent` (a process id) any more, or never was one."""
    threading.Thread(target=_watch, args=(parent, end), name="follow", daemon=True).start()


def _watch(parent: int, end: Callable[[], object]) -> None:
    while os.getppid() == parent:
        time.sleep(EVERY)
    end()
