"""What the benchmark asks of listings is answered: with rows, and from indexes."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from bench.catalogue import LISTINGS
from bench.offers import paths
from bench.rows import Filler
from chancery.apps.accounts import actions
from chancery.apps.accounts.models import Environment, Team, User
from chancery.core.clock import SYSTEM_CLOCK
from tests.cast import gathered, lasting, local_ca
from tests.plans import scans

ROWS = 120
ONE = ("search=one", "name=one")
"""A whole serial number, a whole name: the row or two that have it are sorted."""


@pytest.fixture(scope="module")
def filled(django_db_setup, django_db_blocker):
    with lasting(django_db_blocker):
        cast = gathered()
        local_ca(cast)
        teams, environments = (
            Team.objects.values_list("pk", flat=True),
            Environment.objects.values_list("pk", flat=True),
        )
        cast.token = actions.create_token(cast.ada, "bench", 1)[1]
        Filler(SYSTEM_CLOCK.now(), list(teams), list(environments)).everything(ROWS)
        cast.asked = paths(LISTINGS)
        yield cast


@pytest.fixture
def api(db, filled, client):
    """Return what asks the API, and says by which queries of a table it read more than it should."""

    def ask(path, table):
        with CaptureQueriesContext(connection) as seen:
            answer = client.get(path, headers={"Authorization": f"Bearer {filled.token}"})
        assert answer.status_code == 200, (path, answer.content)
        read = [q["sql"] for q in seen.captured_queries if f'FROM "{table}"' in q["sql"]]
        assert read, path
        return answer.json()["items"], [sql for sql in read if scans(sql)]

    return ask


def test_no_listing_is_empty_and_each_offer_is_answered_from_an_index(filled, api):
    for where, listing in LISTINGS.items():
        asked = {name: path for name, (door, path) in paths({where: listing}).items() if door == "api"}
        table = listing.rows(*([listing.of()] if listing.of is not None else [])).model._meta.db_table
        for name, path in asked.items():
            rows, slow = api(path, table)
            assert rows or not name.endswith(("first page", "deep")), name
            assert not slow or name.endswith(ONE), (name, slow)


def test_the_console_shows_each_listing(filled, db, client):
    client.force_login(User.objects.get(username="ada"))
    first = {
        name: path for name, (door, path) in filled.asked.items() if door == "console" and name.endswith("first page")
    }
    assert len(first) == sum(bool(one.page) for one in LISTINGS.values())
    for name, path in first.items():
        assert client.get(path).status_code == 200, name
