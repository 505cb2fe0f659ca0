"""`chancery demo --check`: takes the simulated CAs down while orders arrive, brings them back, judges by their ledgers."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any

from chancery.demo.children import Children, Ended
from chancery.demo.requests import request, wanted
from chancery.demo.sandbox import Where, ask, control

ORDERS = 20
"""Orders for each connector, all of them placed over REST while the simulated CAs are down."""
_NOTICED = 20.0
_DONE = 60.0
Row = dict[str, Any]


def outage(children: Children, where: Where, url: str) -> list[Row]:
    """Run the outage against the server at `url`, and return how each connector came through."""
    from chancery.apps.connectors.models import Connector

    token = _token()
    for one in where.values():
        control(one, "POST", "/down")
    for profile, names, key in wanted(where):
        _order(url, token, profile, [request(names, key) for _ in range(ORDERS)])
    connectors = list(Connector.objects.filter(deleted_at=None).order_by("authority", "name"))
    inside = [c for c in connectors if c.authority not in where]
    children.wait(lambda: all(_issued(c) for c in inside), _NOTICED, "Issuing through what needs no CA outside")
    outside = [c for c in connectors if c.authority in where]
    children.wait(lambda: all(_missed(c) for c in outside), _NOTICED, "Noticing that the CAs are down")
    held = {c.pk: _open(c) for c in connectors}
    for one in where.values():
        control(one, "POST", "/up")
    try:
        children.wait(lambda: all(_issued(c) for c in connectors), _DONE, "Issuing what was held")
    except Ended:
        # What is missing is what the figures are for; a dead process is not.
        children.look()
    ledgers = {name: control(one, "GET", "/ledger")["lines"] for name, one in where.items()}
    return [_judge(c, held[c.pk], ledgers.get(c.authority)) for c in connectors]


def well(row: Row) -> bool:
    """Say whether a connector came through: everything held while its CA was down, and issued once when it was back."""
    held = row["held"] == (ORDERS if row["simulated"] else 0)
    return held and row["issued"] == ORDERS and not row["unknown"] and not row["lost"] and not row["doubled"]


def line(row: Row) -> str:
    """Return a connector's figures as people read them."""
    figures = ("issued", "held", "unknown", "lost", "doubled")
    missing = f"\n  {row['missing']}" if row["missing"] else ""
    return f"{row['connector']}: " + ", ".join(f"{name} {row[name]}" for name in figures) + missing


def _token() -> str:
    """Return an API token of somebody who may order; it ends with the throw-away home."""
    from chancery.apps.accounts import actions, queries
    from chancery.apps.shared.actor import host_actor

    grants = [("requester", None, None)]
    user = actions.create_user(host_actor("demo"), "requester", secrets.token_urlsafe(15), grants=grants)
    return actions.create_token(queries.actor_of(user, how="host"), "demo --check", 1)[1]


def _order(url: str, token: str, profile: str, requests: list[bytes]) -> None:
    from chancery.core import pem

    orders = [{"profile": profile, "csr": pem.encode("CERTIFICATE REQUEST", der)} for der in requests]
    answer = ask(f"{url}/api/v1/orders/batch", "POST", {"orders": orders}, token)
    refused = next((r["problem"] for r in answer["results"] if r["status"] != 201), None)
    if refused is not None:
        raise Ended(f"An order with the profile {profile!r} was refused: {refused['detail']}")


def _judge(connector: Any, held: int, ledger: list[dict[str, Any]] | None) -> Row:
    """Say how a connector's orders stand; `ledger` is the CA's own, None where the CA is Chancery itself."""
    from chancery.apps.orders.models import Order

    orders = {
        str(pk): hashlib.sha256(bytes(csr)).hexdigest()
        for pk, csr in Order.objects.filter(connector=connector).values_list("pk", "csr")
    }
    issued = _count(connector, "issued")
    ended = sum(_count(connector, state) for state in ("failed", "rejected", "cancelled", "denied"))
    paid = {ident: _ordered(ledger or [], ident, csr) for ident, csr in orders.items()}
    lost = ORDERS - len(orders) + ended
    if ledger is not None:
        lost += max(0, issued - sum(1 for times in paid.values() if times))
    return {
        "connector": connector.name,
        "simulated": ledger is not None,
        "issued": issued,
        "held": held,
        "unknown": _count(connector, "outcome_unknown"),
        "lost": lost,
        "doubled": sum(1 for times in paid.values() if times > 1),
        "missing": _missing(connector),
    }


def _missing(connector: Any) -> str:
    """Say why an order of the connector is not issued, empty where all are: what the order's page would say."""
    from chancery.apps.connectors.models import Connector
    from chancery.apps.orders.explaining import of
    from chancery.apps.orders.models import Order, OrderEvent
    from chancery.core.clock import SYSTEM_CLOCK

    order = Order.objects.filter(connector=connector).exclude(state="issued").order_by("placed_at").first()
    if order is None:
        return ""
    now, row = SYSTEM_CLOCK.now(), Connector.objects.get(pk=connector.pk)
    until = f" until {row.breaker_until:%H:%M:%S}" if row.breaker_until else ""
    told = of(order, now)
    events = OrderEvent.objects.filter(order=order).order_by("id")
    return " ".join(
        [
            f"At {now:%H:%M:%S} the connector is {row.health}: {row.health_text}",
            f"Its breaker is {row.breaker}{until}, after {row.failures} failures.",
            f"The order {order.pk} is {order.state}: {told.summary}",
            *(statement.text for statement in told.waits_for),
            *(f"{event.at:%H:%M:%S} {event.text}" for event in events),
        ]
    )


def _ordered(ledger: list[dict[str, Any]], ident: str, csr_sha256: str) -> int:
    """Count the orders at the CA that are this one: by our reference, or by the request where the CA keeps none."""
    lines = [line for line in ledger if line["kind"] == "order"]
    return sum(line["reference"].endswith(ident) or line["csr_sha256"] == csr_sha256 for line in lines)


def _issued(connector: Any) -> bool:
    return _count(connector, "issued") == ORDERS


def _missed(connector: Any) -> bool:
    """Say whether the engine has been told by the network that the CA is away, which it then shows as health."""
    from chancery.apps.connectors.models import Connector, Health

    return Connector.objects.get(pk=connector.pk).health not in {Health.UNKNOWN, Health.HEALTHY}


def _open(connector: Any) -> int:
    from chancery.core.order import OPEN

    return sum(_count(connector, state) for state in OPEN)


def _count(connector: Any, state: str) -> int:
    from chancery.apps.orders.models import Order

    return Order.objects.filter(connector=connector, state=state).count()
