"""Reading connectors: overview, listing, export, workers."""

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from chancery.apps.connectors import actions, queries
from chancery.apps.connectors.models import Connector, WorkerBeat
from chancery.apps.connectors.tests.account import API_KEY, values
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.tests.looking import refused
from chancery.core.errors import Absent
from tests.cast import request_pem

pytestmark = pytest.mark.django_db


def test_the_overview_counts_what_one_may_see(cast, account):
    actions.copy(cast.ada, account.pk, "Twin")
    Connector.objects.filter(pk=account.pk).update(health="healthy")
    found = {s.descriptor.slug: s for s in queries.overview(cast.ada)}
    mine = found["digicert"]
    assert (mine.total, mine.active, mine.inactive, mine.health) == (2, 1, 1, {"unknown": 1, "healthy": 1})
    assert found["local"].total == 0
    assert {s.total for s in queries.overview(cast.cleo)} == {0}


def test_a_pick_list_is_bounded_and_holds_what_was_chosen(cast, account, monkeypatch):
    other = actions.copy(cast.ada, account.pk, "Zebra")
    both = [(account.pk, account.name), (other.pk, "Zebra")]
    assert queries.names(cast.ada) == queries.names(cast.ada, str(other.pk)) == both
    monkeypatch.setattr(queries, "NAMES", 1)
    assert queries.names(cast.ada) == queries.names(cast.ada, str(account.pk)) == both[:1]
    assert queries.names(cast.ada, str(other.pk)) == both
    assert queries.names(cast.cleo, str(other.pk)) == []


def test_new_work_may_use_the_active_ones_alone(cast, account):
    assert list(queries.usable_connectors(cast.rob)) == [account]
    actions.deactivate(cast.ada, account.pk)
    assert list(queries.usable_connectors(cast.rob)) == []


def names(page):
    return [c.name for c in page.items]


def test_a_listing_filters_sorts_and_searches(cast, account):
    actions.copy(cast.ada, account.pk, "Apple")
    look = queries.listing
    assert names(look(cast.ada, "digicert")) == ["Apple", "Public CA"]
    assert names(look(cast.ada, "digicert", sort="-name")) == ["Public CA", "Apple"]
    assert names(look(cast.ada, "digicert", sort="created_at")) == ["Public CA", "Apple"]
    assert names(look(cast.ada, "digicert", status="active")) == ["Public CA"]
    assert names(look(cast.ada, "digicert", status="inactive", sort="-created_at")) == ["Apple"]
    assert names(look(cast.ada, "digicert", search="App", sort="-created_at")) == ["Apple"]
    assert names(look(cast.ada, "local")) == []


@pytest.mark.parametrize(("field", "more"), [("status", {"status": "asleep"}), ("sort", {"sort": "owner"})])
def test_what_is_not_offered_is_refused(cast, field, more):
    with refused(field):
        queries.listing(cast.ada, "digicert", **more)


def test_waiting_orders_are_counted_per_connector(cast, local):
    place(cast.rob, PlaceOrder("Internal", request_pem("a.example.com")))
    place(cast.rob, PlaceOrder("Careful", request_pem("a.example.com")))
    twin = actions.copy(cast.ada, local.pk, "Twin")
    assert queries.queues([local, twin]) == {str(local.pk): "1"}
    Order.objects.update(due_at=None)
    assert queries.queues([local]) == {}
    assert queries.queues([]) == {}


def test_the_export_holds_no_secret_and_runs_nothing(cast, account):
    actions.create(cast.ada, "digicert", values(name="=1+1", owner="@cmd", region="-eu", contact="\uff0b49"))
    text = queries.as_csv(queries.visible_to(cast.ada).order_by("name"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert (rows[0]["name"], rows[0]["owner"], rows[0]["region"], rows[0]["contact"]) == (
        "'=1+1",
        "'@cmd",
        "'-eu",
        "'\uff0b49",
    )
    assert (rows[1]["name"], rows[1]["team"], rows[1]["status"]) == ("Public CA", "Operations", "active")
    assert API_KEY not in text


def test_a_worker_lives_while_its_sign_of_life_is_fresh(db):
    now = timezone.now()
    assert not queries.worker_alive(now)
    WorkerBeat.objects.create(host="here", pid=1, started_at=now, seen_at=now)
    assert queries.worker_alive(now + timedelta(seconds=4))
    assert not queries.worker_alive(now + timedelta(seconds=5))


@pytest.mark.parametrize("ident", ["nonsense", "", None, "00000000-0000-7000-8000-000000000000"])
def test_what_is_not_there_is_absent(cast, ident):
    with pytest.raises(Absent):
        queries.get(cast.ada, ident)
