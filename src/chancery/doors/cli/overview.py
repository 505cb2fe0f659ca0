"""The command that shows the installation at a glance."""

from __future__ import annotations

from typing import Any

from chancery.doors.cli.output import Json, show
from chancery.doors.cli.rest import Rest


def overview(as_json: Json = False) -> None:
    """Show how connectors are, which orders are on their way, how they end, and what comes."""
    whole = Rest().call("GET", "/overview")
    show(_rows(whole), ("what", "number"), whole, as_json)


def _rows(whole: dict[str, Any]) -> list[dict[str, object]]:
    said = [(f"connectors: {health}", n) for health, n in whole["connectors"].items()]
    said += [(f"orders: {state}", n) for state, n in whole["orders"].items()]
    said += [(f"orders: {state}, of the newest 10 000", n) for state, n in whole["ended"].items()]
    month = sum(day["issued"] for day in whole["days"])
    said += [("issued today", whole["days"][-1]["issued"]), ("issued in 30 days", month)]
    said += [("certificates that end within a week", whole["expiring"][0])]
    said += [("certificates that end within 13 weeks", sum(whole["expiring"]))]
    said += [("renewals within a week", whole["renewals"][0]), ("renewals within 13 weeks", sum(whole["renewals"]))]
    return [{"what": what, "number": number} for what, number in said]
