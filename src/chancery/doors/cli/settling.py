"""What a process that runs for long asks of the interpreter once it has started."""

from __future__ import annotations

import gc
import sys

_YOUNG = 20_000
"""Objects made and not gone before the collector looks at the youngest; a request makes some hundred."""
_TURN = 0.0005
"""Seconds after which a thread that computes lets another go on. Ours mostly wait for the database, and whoever has its answer
should not wait for ten times as long as the answer took."""


def settle() -> None:
    """Leave everything loaded so far out of the search for garbage, which else costs a tenth of the time; take short turns."""
    sys.setswitchinterval(_TURN)
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
