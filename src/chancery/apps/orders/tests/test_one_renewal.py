"""What is open when *one renewal at a time* is installed: the first stays one, the others stay orders."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from chancery.apps.certificates.tests.conftest import clock, issued  # noqa: F401  fixtures
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from tests.cast import request_pem


@pytest.fixture
def before(transactional_db, cast):
    """Bring the tables back to what they were before there was one renewal at a time; rows stay."""
    latest = MigrationExecutor(connection).loader.graph.leaf_nodes()
    yield lambda: MigrationExecutor(connection).migrate([("orders", "0004_published")])
    MigrationExecutor(connection).migrate(latest)


@pytest.mark.django_db(transaction=True)
def test_of_several_open_renewals_the_first_stays_one(cast, local, issued, before):
    row = issued()
    orders = [place(cast.rob, PlaceOrder("Internal", request_pem("a.example.com"))) for _ in range(4)]
    before()
    Order.objects.filter(pk__in=[o.pk for o in orders]).update(replaces=row)
    Order.objects.filter(pk=orders[0].pk).update(state="issued")
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    kept = Order.objects.filter(pk__in=[o.pk for o in orders]).order_by("id").values_list("replaces", "state")
    assert list(kept) == [(row.pk, "issued"), (row.pk, "queued"), (None, "queued"), (None, "queued")]
