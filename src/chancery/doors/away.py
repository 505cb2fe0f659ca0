"""What every door says where the database cannot be used: that it does not answer, or that its disk is full."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

from chancery.apps.shared.room import no_room
from chancery.core.errors import Unavailable

AWAY = (OperationalError, InterfaceError)
"""What the database raises where it is not the request's fault."""


def unavailable(error: BaseException | None) -> Unavailable:
    """Return the refusal for an error of the database, which stores a change wholly or not at all."""
    if no_room(error):
        text = "The disk of the database is full, so nothing can be stored now. What is there can be read."
        remedy = "Ask whoever runs this server for room on its disk; then do it again. Nothing has to be restarted."
        return Unavailable(text, remedy=remedy, code="disk_full")
    remedy = "Try again; whoever runs this server finds the cause in its log."
    return Unavailable("The database does not answer.", remedy=remedy, code="database")
