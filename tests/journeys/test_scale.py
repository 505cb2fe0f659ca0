"""What an organisation has much of costs no page more: the queries of a small one, and no more rows than a page has room for."""

from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.apps import apps
from django.db import transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client

from bench.rows import Filler
from chancery.apps.accounts import actions
from chancery.apps.accounts.models import Environment, Team
from chancery.core.clock import SYSTEM_CLOCK
from tests.browser.routes import PAGES
from tests.cast import gathered, local_ca

FEW, MANY = 30, 1000
ROWS = 700
"""Rows that a page may read: a list of two hundred, some things to pick from, and what belongs to them."""
MORE = 6
"""Queries that a page may have more where there is something to show of each kind."""
NAMED = {
    "connector": ("connectors.Connector", {"name": "Local"}),
    "profile": ("profiles.Profile", {"name": "Internal"}),
}
FIRST = {
    "pool": ("connectors.Pool", {"shared": True}),
    "bot": ("bots.Bot", {}),
    "order": ("orders.Order", {}),
    "certificate": ("certificates.Certificate", {}),
    "finding": ("inventory.Finding", {}),
    "pull": ("inventory.Pull", {}),
    "channel": ("notices.Channel", {}),
    "webhook": ("webhooks.Webhook", {}),
    "deployment": ("bots.Deployment", {}),
    "change": ("changes.Change", {}),
    "acme_credential": ("acme.Credential", {}),
    "acme_account": ("acme.Account", {}),
}
API = (
    "overview",
    "renewals/forecast",
    "posture",
    "connectors/{connector}/impact",
    "connectors/{connector}/delete-preview",
)


@dataclass
class Reads:
    queries: int = 0
    rows: int = 0


@contextmanager
def counted(monkeypatch):
    """Count queries, and the rows that come back."""
    found, execute = Reads(), CursorWrapper.execute

    def kept(rows):
        found.rows += len(rows)
        return rows

    def run(self, sql, params=None):
        found.queries += 1
        return execute(self, sql, params)

    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "fetchmany", lambda self, *a: kept(self.cursor.fetchmany(*a)), raising=False)
        patch.setattr(CursorWrapper, "fetchall", lambda self: kept(self.cursor.fetchall()), raising=False)
        patch.setattr(CursorWrapper, "execute", run)
        yield found


def _with(path, parts):
    for part, other in parts.items():
        path = path.replace(part, other)
    return path


def filled(number):
    """Fill every table, and return the samples that addresses name."""
    Team.objects.bulk_create(Team(name=f"Team {n:04}") for n in range(number))
    places = (list(model.objects.values_list("pk", flat=True)) for model in (Team, Environment))
    Filler(SYSTEM_CLOCK.now(), *places).everything(number)
    return {k: apps.get_model(m).objects.filter(**w).order_by("pk")[0].pk for k, (m, w) in {**NAMED, **FIRST}.items()}


@pytest.fixture
def looked(db, monkeypatch):
    """Return address → what it takes to answer, with so many of everything."""
    cast = gathered()
    local_ca(cast)
    headers = {"Authorization": f"Bearer {actions.create_token(cast.ada, 'scale', 1)[1]}"}
    console, api = Client(), Client(headers=headers)
    console.force_login(cast.users["ada"])
    mine = {"type/digicert": "type/local", "people/1/": f"people/{cast.users['ada'].pk}/"}
    asked = [(console, name, _with(path, mine)) for name, path in PAGES.items()]
    asked += [(api, path, f"/api/v1/{path}") for path in API]

    def look(number):
        found = {}
        with transaction.atomic():
            known = filled(number)
            for client, name, path in asked:
                if "{" in path and not any(f"{{{kind}}}" in path for kind in known):
                    continue
                with counted(monkeypatch) as reads:
                    answer = client.get(path.format(**known))
                assert answer.status_code in {200, 302}, path
                found[name] = reads
            transaction.set_rollback(True)
        return found

    return look


def test_no_page_reads_more_because_there_is_more(looked):
    few, many = looked(FEW), looked(MANY)
    assert {name: r.rows for name, r in many.items() if r.rows > ROWS} == {}
    more = {name: (few[name].queries, r.queries) for name, r in many.items() if r.queries > few[name].queries + MORE}
    assert more == {}
