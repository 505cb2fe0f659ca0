"""Django's PostgreSQL backend, except that a connection which has just answered is not asked whether it still lives.

The framework asks before the first statement of each request; where a request has two statements, that is a third of
the work. A connection that breaks within the second fails one request, which is told to come again.
"""

from __future__ import annotations

import time
from typing import Any

from django.db.backends.postgresql import base

_Base: Any = base.DatabaseWrapper  # the types for Django leave out what a backend may override
_FRESH = 1.0
"""Seconds for which an answer is taken for a sign of life."""


class DatabaseWrapper(_Base):  # type: ignore[misc]  # Any, as said above
    """One connection, and when it was last known to live."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lived = float("-inf")

    def is_usable(self) -> bool:
        """Say whether the server answers on this connection, or did so a moment ago without an error since."""
        if self.errors_occurred or time.monotonic() - self._lived > _FRESH:
            if not super().is_usable():
                return False
            self._lived = time.monotonic()
        return True

    def connect(self) -> None:
        """Connect; what answered before was another connection."""
        self._lived = float("-inf")
        super().connect()
