"""What a process that runs for long does about memory once it has started."""

from __future__ import annotations

import gc

_YOUNG = 20_000
"""Objects made and not gone before the collector looks at the youngest; a request makes some hundred."""


def settle() -> None:
    """Leave everything loaded so far out of the search for garbage, which else costs more than a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)
