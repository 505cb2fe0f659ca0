"""What is in the tables when a newer Chancery comes is brought along, also where a new rule would not have let it in.

All of it in one test, which `make chaos` runs: going back through every migration and forth again takes half a minute, and what it
holds changes only where a migration that was released is changed.
"""

import gc

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from chancery.apps.certificates.tests.conftest import clock, issued  # noqa: F401  fixtures
from chancery.apps.connectors import queries
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import queries as profile_queries
from chancery.core.ids import new_id
from tests.cast import request_pem

OLD = [("connectors", "0002_listings"), ("profiles", "0002_listings"), ("orders", "0002_listings")]


@pytest.fixture
def before(transactional_db, cast):
    """Return what brings the tables back to what they were before names were folded and renewals were one; rows stay."""
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()

    gc.disable()  # states of the tables in their thousands, which are needed to the end

    def back():
        executor = MigrationExecutor(connection)
        executor.migrate(OLD)
        return executor.loader.project_state(OLD).apps

    yield back
    MigrationExecutor(connection).migrate(latest)
    gc.enable()


@pytest.mark.long
@pytest.mark.django_db(transaction=True)
def test_what_new_rules_would_not_have_let_in_is_brought_along(cast, local, issued, before):
    row = issued()
    orders = [place(cast.rob, PlaceOrder("Internal", request_pem("a.example.com"))) for _ in range(4)]
    old = before()
    _twins(old)
    same = old.get_model("orders", "Order").objects.filter(pk__in=[o.pk for o in orders])
    same.update(replaces_id=row.pk)
    same.filter(pk=orders[0].pk).update(state="issued")
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    _the_oldest_name_stays_and_the_others_get_a_number(cast)
    # The first open renewal stays one, the others stay orders.
    kept = Order.objects.filter(pk__in=[o.pk for o in orders]).order_by("id").values_list("replaces", "state")
    assert list(kept) == [(row.pk, "issued"), (row.pk, "queued"), (None, "queued"), (None, "queued")]


def _twins(old):
    connector, profile = old.get_model("connectors", "Connector"), old.get_model("profiles", "Profile")

    def add(model, like, name, **more):
        row = model.objects.filter(name=like).first()
        row.pk, row.name = new_id(row.created_at), name
        for key, value in more.items():
            setattr(row, key, value)
        row.save(force_insert=True)

    add(connector, "Local", "LOCAL", region="EU")
    add(connector, "Local", "Local (2)")
    add(connector, "Local", "lOCAL", authority="digicert")
    add(connector, "Local", "gone LOCAL", deleted_at=connector.objects.get(name="Local").created_at)
    add(profile, "Internal", "INTERNAL")


def _the_oldest_name_stays_and_the_others_get_a_number(cast):
    found = set(Connector.objects.values_list("authority", "name", "name_key"))
    assert ("local", "Local", "local") in found
    assert ("digicert", "lOCAL", "local") in found
    assert ("local", "gone LOCAL", "gone local") in found
    assert {name for authority, name, _ in found if authority == "local"} in (
        {"Local", "LOCAL (2)", "Local (2) (2)", "gone LOCAL"},
        {"Local", "LOCAL (3)", "Local (2)", "gone LOCAL"},
    )
    assert len({(a, k) for a, _, k in found}) == len(found)
    assert queries.listing(cast.ada, "local", region="eu").items[0].region == "EU"
    assert {p.name for p in profile_queries.listing(cast.ada, search="internal").items} == {"Internal", "INTERNAL (2)"}
