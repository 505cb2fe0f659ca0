"""The REST API, version 1. Each route names an action or a query and shows what it returns."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.http import HttpRequest

from chancery import __version__
from chancery.apps.connectors.queries import worker_alive
from chancery.apps.shared.action import current_clock
from chancery.doors.api import (
    access,
    acme,
    answers,
    audit,
    bots,
    certificates,
    changes,
    connectors,
    credentials,
    history,
    inventory,
    notices,
    orders,
    people,
    pools,
    posture,
    profiles,
    refusals,
    unknown,
    webhooks,
)
from chancery.doors.api import health as measured
from chancery.doors.api.describe import Described
from chancery.doors.api.reading import Reader
from chancery.doors.api.routes import Routes
from chancery.doors.api.security import AUTH

service = Routes(tags=["service"])


@service.get("/health", response=answers.Health, auth=None)
def health(request: HttpRequest) -> dict[str, Any]:
    """Say whether the database answers and a worker is alive."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    alive = worker_alive(current_clock().now())
    return {"database": "ok", "worker": "ok" if alive else "none", "version": __version__}


api = Described(title="Chancery", version=__version__, auth=AUTH, docs_url=None, urls_namespace="api", parser=Reader())
for part in (
    service,
    connectors,
    history,
    credentials,
    pools,
    profiles,
    orders,
    unknown,
    certificates,
    inventory,
    bots,
    acme,
    measured,
    notices,
    webhooks,
    posture,
    audit,
    people,
    access,
    changes,
):
    api.add_router("", part if isinstance(part, Routes) else part.router)
refusals.register(api)
