"""An installation with so many rows, and the paths of its listings: `python -m bench.sized NUMBER LISTEN`, until its input ends."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlencode

from bench import stand

_DEEP = 0.5
"""How deep the deep page lies: at two hundred thousand rows it is a hundred thousand deep."""
_CONSOLE = {"connectors": "integrations/ca-connectors/type/local"}
"""Where the console has a listing whose path is not its name."""


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
    filler = Filler(SYSTEM_CLOCK.now(), teams, environments, seed=number)
    # Durable is what is measured, not how the rows came there.
    _tell("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000", "SET synchronous_commit = off")
    with transaction.atomic():
        filler.connectors(number)
        filler.orders(number)
    # PostgreSQL does this by itself within minutes; it belongs to neither size.
    _tell("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA cache_size = -2000", "VACUUM ANALYZE")


def _tell(sqlite: str, postgresql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for statement in (sqlite if connection.vendor == "sqlite" else postgresql).split(";"):
            cursor.execute(statement)


def _paths() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for listing, asked in _offers():
        for door in ("api", "console"):
            where = f"/api/v1/{listing}" if door == "api" else f"/{_CONSOLE.get(listing, listing)}"
            query = urlencode({**asked, **({"authority": "local"} if (listing, door) == ("connectors", "api") else {})})
            found[f"{door} {listing} {_short(asked)}"] = [door, f"{where}?{query}"]
    return found


def _short(asked: dict[str, str]) -> str:
    # Ids and serial numbers are others at each size; the offer is the same.
    said = ("deep" if k == "cursor" else f"{k}={v}" if len(v) < 20 else f"{k}=one" for k, v in asked.items())
    return " ".join(said) or "first page"


def _offers() -> list[tuple[str, dict[str, str]]]:
    from chancery.apps.audit.models import Entry
    from chancery.apps.certificates import queries as certificates
    from chancery.apps.certificates.models import Certificate
    from chancery.apps.connectors import queries as connectors
    from chancery.apps.connectors.models import Connector
    from chancery.apps.orders import queries as orders
    from chancery.apps.orders.models import Order
    from chancery.apps.profiles.models import Profile

    order = _some(Order, "id")
    connector, profile = str(order.connector_id), str(order.profile_id)
    found: list[tuple[str, dict[str, str]]] = []
    found += [("orders", {"sort": sort}) for sort in orders.SORTS]
    found += [("orders", ask) for ask in ({"state": "issued"}, {"state": "failed"}, {"connector": connector})]
    found += [("orders", ask) for ask in ({"profile": profile}, {"search": "host00"}, {"search": "host0000"})]
    found += [("orders", {"state": "issued", "connector": connector, "search": "host0"}), _deep("orders", Order, "-id")]
    found += [("certificates", {"sort": sort}) for sort in certificates.SORTS]
    found += [("certificates", {"status": status}) for status in certificates.STATUSES]
    found += [("certificates", {"connector": connector}), ("certificates", {"search": "host00"})]
    found += [("certificates", {"search": _some(Certificate, "id").serial}), _deep("certificates", Certificate, "-id")]
    found += [("connectors", {"sort": sort}) for sort in connectors.SORTS]
    found += [("connectors", ask) for ask in ({"status": "inactive"}, {"health": "unreachable"}, {"search": "lima"})]
    found += [("connectors", ask) for ask in ({"environment": "Production"}, {"region": "eu"})]
    found += [("connectors", {"region": "EU", "environment": "Production", "health": "healthy", "status": "active"})]
    found += [_deep("connectors", Connector, "name_key"), ("profiles", {}), ("profiles", {"search": "Profile Oslo"})]
    found += [_deep("profiles", Profile, "name_key"), ("audit", {}), ("audit", {"by": "rob"})]
    found += [_deep("audit", Entry, "-id")]
    found += [("audit", {"action": action}) for action in ("orders.place", "orders", "connectors")]
    found += [("audit", ask) for ask in ({"address": "192.0.2.1"}, {"outcome": "refused"}, {"outcome": "done"})]
    found += [("audit", {"since": f"{_some(Entry, 'id').at:%Y-%m-%d}"})]
    return [*found, ("audit", {"target": _some(Entry, "id").target_id})]


def _some(model: Any, order: str) -> Any:
    rows = model.objects.order_by(order)
    return rows[rows.count() // 3]


def _deep(listing: str, model: Any, order: str) -> tuple[str, dict[str, str]]:
    # The pages' own way to write where they go on; nobody but this asks for it without having been there.
    from chancery.apps.shared.look import Look, write

    rows = model.objects.order_by(order)
    edge = Look(model, order, "", 1).key(rows[int(rows.count() * _DEEP)])
    return listing, {"cursor": write(edge, backwards=False)}


if __name__ == "__main__":
    main()
