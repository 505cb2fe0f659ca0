"""The commands that speak REST, group by group."""

from __future__ import annotations

import typer

from chancery.doors.cli import (
    access,
    acme,
    apply,
    audit,
    bots,
    certificates,
    changes,
    connectors,
    credentials,
    inventory,
    notices,
    orders,
    overview,
    people,
    pools,
    posture,
    profiles,
    renewals,
    webhooks,
)

GROUPS: dict[str, typer.Typer] = {
    "authorities": connectors.authorities,
    "connectors": connectors.connectors,
    "credentials": credentials.credentials,
    "pools": pools.pools,
    "changes": changes.changes,
    "profiles": profiles.profiles,
    "orders": orders.orders,
    "certificates": certificates.certificates,
    "inventory": inventory.inventory,
    "renewals": renewals.renewals,
    "notices": notices.notices,
    "channels": notices.channels,
    "webhooks": webhooks.webhooks,
    "bots": bots.bots,
    "posture": posture.posture,
    "acme": acme.acme,
    "people": people.people,
    "teams": people.teams,
    "environments": people.environments,
    "roles": access.roles,
    "providers": access.providers,
    "tokens": access.tokens,
    "sessions": access.sessions,
    "audit": audit.audit,
}


def add(app: typer.Typer) -> None:
    """Register the groups of commands."""
    for name, group in GROUPS.items():
        app.add_typer(group, name=name)
    app.command()(overview.overview)
    app.command()(apply.apply)
    connectors.connectors.command("declare")(apply.declare)
    app.command()(people.whoami)
