"""People, connectors and profiles of the demo: made once, and afterwards only what has to follow the simulators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from chancery.demo.sandbox import Where, examples

LOCAL = ("Local CA", "Internal TLS")
"""Connector and profile of the CA that needs nothing outside."""
COMMON = {"team": "Operations", "environment": "Production"}
_MEMORY = "demo.json"
Made = dict[str, Any]
"""What a run before made: "CA type/connector" → id, and the settings that it gave."""


def prepare(home: Path, where: Where) -> str | None:
    """Make what is not there yet; returns the administrator's one-time password if this made the administrator."""
    from chancery.apps.accounts import start
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.connectors.models import Connector
    from chancery.apps.profiles import actions as profiles
    from chancery.apps.shared.actor import host_actor

    actor = host_actor("demo")
    password = start.first_administrator(actor, "admin")
    if not Connector.objects.filter(authority="local").exists():
        connectors.create(actor, "local", {"name": LOCAL[0], **COMMON})
        profiles.create(actor, {"name": LOCAL[1], "connector": LOCAL[0], "validity_days": 90, "wildcard": True})
    memory = home / _MEMORY
    made: Made = json.loads(memory.read_text(encoding="utf-8")) if memory.exists() else {}
    for authority, example in examples(where):
        _follow(actor, authority, example, where[authority]["url"], made)
        # After each one: a run that is broken off here makes nothing twice.
        memory.write_text(json.dumps(made), encoding="utf-8")
    memory.chmod(0o600)
    return password


def _follow(actor: Any, authority: str, example: dict[str, Any], url: str, made: Made) -> None:
    from chancery.apps.connectors.models import Connector

    given = {"base_url": example["base_url"] or url, "allowed_networks": ["127.0.0.0/8"], **example["settings"]}
    key = f"{authority}/{example['connector']}"
    before = made.get(key)
    rows = Connector.objects.filter(authority=authority)
    row = rows.filter(**({"pk": before["id"]} if before else {"name": example["connector"]})).first()
    if row is None:
        row = _make(actor, authority, example, given)
    elif row.deleted_at is None:
        _bring_up(actor, row, before["given"] if before else {}, given)
    made[key] = {"id": str(row.pk), "given": _open(authority, given)}


def _make(actor: Any, authority: str, example: dict[str, Any], given: dict[str, Any]) -> Any:
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.profiles import actions as profiles

    row = connectors.create(actor, authority, {"name": example["connector"], **COMMON, **given})
    about = {"name": example["profile"], "connector": str(row.pk), "product": example["product"]}
    profiles.create(actor, {**about, "validity_days": example["validity_days"]})
    return row


def _bring_up(actor: Any, row: Any, before: dict[str, Any], given: dict[str, Any]) -> None:
    """Take over where the simulator is now, its credentials, and settings that nobody changed; nothing else."""
    from chancery import catalog
    from chancery.apps.connectors import actions as connectors
    from chancery.apps.connectors import configure
    from chancery.sdk.config import destination_names, secret_names

    config, version = catalog.get(row.authority).config, connectors.current(row)
    stored = {**{n: getattr(version, n) for n in configure.WHERE}, **version.settings}
    must = {"base_url", *secret_names(config), *destination_names(config)}
    follow = {n: v for n, v in given.items() if n in must or before.get(n) == stored.get(n)}
    plain = {n: getattr(row, n) for n in (*configure.TEXTS, "tags")}
    about = {**plain, "team": row.team.name, "environment": row.environment.name}
    connectors.edit(actor, row.pk, row.revision, {**about, **stored, **follow})


def _open(authority: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given without its secrets: they are kept sealed, in the database alone."""
    from chancery import catalog
    from chancery.sdk.config import secret_names

    return {n: v for n, v in given.items() if n not in secret_names(catalog.get(authority).config)}
