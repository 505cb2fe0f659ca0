"""An installation with so many rows, and the paths of its listings: `python -m bench.sized NUMBER LISTEN`, until its input ends."""

from __future__ import annotations

import json
import sys

from bench import stand


def main() -> None:
    """Make it, serve it, and print a token and the paths: name → door → path."""
    number, listen = int(sys.argv[1]), sys.argv[2]
    with stand.installation(), stand.server(listen):
        _fill(number)
        print(json.dumps({"token": stand.token(), "paths": _paths()}), flush=True)
        sys.stdin.read()


def _fill(number: int) -> None:
    from django.db import transaction

    from bench.rows import Filler
    from chancery.apps.accounts.models import Environment, Team
    from chancery.core.clock import SYSTEM_CLOCK

    teams = list(Team.objects.values_list("pk", flat=True))
    environments = list(Environment.objects.values_list("pk", flat=True))
    # Durable is what is measured, not how the rows came there.
    _tell("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000", "SET synchronous_commit = off")
    with transaction.atomic():
        Filler(SYSTEM_CLOCK.now(), teams, environments, seed=number).everything(number)
    # PostgreSQL does this by itself within minutes; it belongs to neither size.
    _tell("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = -2000", "VACUUM ANALYZE")


def _tell(sqlite: str, postgresql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in (sqlite if connection.vendor == "sqlite" else postgresql).split(";"):
            cursor.execute(statement)


def _paths() -> dict[str, list[str]]:
    from bench.catalogue import LISTINGS
    from bench.offers import paths

    return paths(LISTINGS)


if __name__ == "__main__":
    main()
