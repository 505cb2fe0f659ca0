"""Wakes the workers when there is something to do: PostgreSQL carries the word, at the commit and only then.

On SQLite the one worker asks often enough whether anything was committed; a word between processes would cost more than that.
"""

from __future__ import annotations

import threading
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created

CHANNEL = "chancery_work"
_PATIENCE = "8s"


def wake() -> None:
    """Wake every worker once this transaction is committed; said twice in one transaction it is heard once.

    One statement for each transaction, whatever it holds: who commits such a word waits for all others that do.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")


def hurry_up() -> None:
    """Have PostgreSQL end this thread's session where it stands still inside a transaction: others wait for its rows.

    A worker's turn never waits for anybody outside, so one that stands still was stopped, or is cut off. What it held is free
    again after eight seconds; when it goes on it finds its connection gone, and begins the turn anew.
    """
    here = threading.get_ident()

    def tell(connection: Any, **_: Any) -> None:
        if connection.vendor == "postgresql" and threading.get_ident() == here:
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, false)", [_PATIENCE])

    connection_created.connect(tell, weak=False, dispatch_uid=f"hurry-up-{here}")
    if connection.connection is not None:
        tell(connection)
