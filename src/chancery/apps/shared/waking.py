"""Wakes the workers when there is something to do: PostgreSQL carries the word, at the commit and only then.

On SQLite the one worker looks often enough, and a word between processes would cost more than it brings.
"""

from __future__ import annotations

from django.db import connection

CHANNEL = "chancery_work"


def wake() -> None:
    """Wake every worker once this transaction is committed; said twice in one transaction it is heard once.

    One statement for each transaction, whatever it holds: who commits such a word waits for all others that do.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
