"""What a process that runs for long asks of the interpreter once it has started."""

from __future__ import annotations

import ctypes
import gc
import sys
from contextlib import suppress

_YOUNG = 20_000
"""Objects made and not gone before the collector looks at the youngest; a request makes some hundred."""
_MMAP_THRESHOLD = -3
"""The parameter's number in malloc.h."""
_LARGE = 128 * 1024
"""Bytes; what the library itself begins with."""
_TURN = 0.0005
"""Seconds after which a thread that computes lets another go on. Ours mostly wait for the database, and whoever has its answer
should not wait for ten times as long as the answer took."""
SERVING = 0.002
"""The same of a process that serves: there thirty may want to go on at once, and each of them looks up after every turn."""


def give_back() -> None:
    """Let memory of large texts go back to the system as soon as it is free (glibc; elsewhere nothing).

    The library would keep it for each thread after the first large one was freed, and many bodies at once are as many
    threads with one each.
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def spare() -> None:
    """Look for garbage seldom: whatever starts makes much and keeps it, and looking at it again and again is a tenth of a start."""
    gc.set_threshold(_YOUNG, 20, 20)


def settle(turn: float = _TURN) -> None:
    """Leave everything loaded so far out of the search for garbage, which else costs a tenth of the time; take short turns."""
    sys.setswitchinterval(turn)
    gc.collect()
    gc.freeze()
    spare()
