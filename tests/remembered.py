"""What most tests begin with is made once in a process by the actions, and then put into the tables as it came out.

The actions ask and check a hundred things for it; a thousand times the same ones would be a quarter of all that is run.
"""

import copy
import os
from dataclasses import dataclass
from datetime import date, datetime
from functools import wraps
from pathlib import Path

anew = False
"""Whether everything is made by the actions each time: where one of their parts is taken away, what they made says nothing."""
_kept = {}


def remembered(make):
    """Let what a fixture makes be made once: the rows, and what it returns.

    It is made anew where the clock or the key that seals is a test's own, where what it builds upon was made anew, and
    where there are rows in its place already.
    """

    @wraps(make)
    def run(*given):
        from django.db import IntegrityError, transaction

        if anew or _own() or not all(getattr(one, "remembered", False) for one in given):
            return make(*given)
        kept = _kept.get(make.__qualname__)
        if kept is None or not kept.made.remembered:
            return _watched(make, given)
        try:
            with transaction.atomic():
                _put(kept.rows)
        except IntegrityError:
            return make(*given)
        return copy.deepcopy(kept.made)

    return run


@dataclass
class Kept:
    """Table → rows that came of it, and what was returned; that one is `remembered` once the same came of it twice."""

    rows: dict
    made: object


def _own():
    """Say whether the test has a clock or a key of its own."""
    from django.conf import settings

    from chancery.apps.shared.action import current_clock
    from chancery.core.clock import SYSTEM_CLOCK

    return current_clock() is not SYSTEM_CLOCK or not Path(settings.KEK_FILE).is_relative_to(
        os.environ["CHANCERY_HOME"]
    )


def _watched(make, given):
    """Make it and keep what came of it: as many rows of each table twice, so that no other process wrote any of them."""
    before = _tables()
    made = make(*given)
    after = _tables()
    if not all(before[table].items() <= after[table].items() for table in before):
        return made
    fresh = {table: [row for key, row in rows.items() if key not in before[table]] for table, rows in after.items()}
    fresh = {table: rows for table, rows in fresh.items() if rows}
    last = _kept.get(make.__qualname__)
    made.remembered = last is not None and _sizes(last.rows) == _sizes(fresh)
    _kept[make.__qualname__] = Kept(fresh, copy.deepcopy(made))
    return made


def _sizes(rows):
    return {table: len(some) for table, some in rows.items()}


def _tables():
    """Return (table, columns) → key → row, as the database has it."""
    from django.apps import apps
    from django.db import connection

    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            fields = model._meta.local_concrete_fields
            names = tuple(connection.ops.quote_name(f.column) for f in fields)
            key = fields.index(model._meta.pk)
            cursor.execute(f"SELECT {', '.join(names)} FROM {connection.ops.quote_name(model._meta.db_table)}")
            rows = [tuple(map(_plain, row)) for row in cursor.fetchall()]
            found[model._meta.db_table, names] = {row[key]: row for row in rows}
    return found


def _plain(value):
    """Return what SQLite's own adapters would make of it; PostgreSQL reads both."""
    return str(value) if isinstance(value, date | datetime) else value


def _put(rows):
    from django.db import connection

    with connection.cursor() as cursor:
        for (table, names), some in rows.items():
            one = f"({', '.join(['%s'] * len(names))})"
            values = ", ".join([one] * len(some))
            statement = f"INSERT INTO {connection.ops.quote_name(table)} ({', '.join(names)}) VALUES {values}"
            cursor.execute(statement, [value for row in some for value in row])
