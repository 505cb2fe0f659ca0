"""Where orders of a pool go, and what moves when a member is out of order: never what its CA has or may have."""

import uuid
from datetime import timedelta

import pytest

from chancery.apps.audit.models import Entry
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import queries as orders
from chancery.apps.orders.models import Order
from chancery.apps.pools import moving
from chancery.apps.profiles.models import Profile
from chancery.core.clock import SYSTEM_CLOCK

pytestmark = pytest.mark.django_db


@pytest.fixture
def now():
    return SYSTEM_CLOCK.now() + timedelta(minutes=1)


def where(order):
    return Order.objects.get(pk=order.pk).connector.name


def test_on_a_good_day_orders_go_to_the_preferred_member(site):
    assert site.order().connector.name == "Berlin"


def test_members_in_the_profiles_region_come_first(site):
    site.use(region="fr")
    assert site.order().connector.name == "Paris"


def test_an_order_placed_while_a_member_is_off_goes_to_another_and_says_why(site):
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    made = site.order()
    event = made.events.get()
    assert made.connector.name == "Paris"
    assert event.text == "Berlin is inactive. Paris may stand in."
    routed = event.detail["routed"]
    assert (routed["home"], routed["chosen"]) == (str(site.berlin.pk), str(site.paris.pk))
    assert all(holds for _what, holds, _text in routed["tried"]["Paris"])


def test_what_waits_at_a_member_that_is_switched_off_is_moved_and_recorded(site, now):
    made = site.order()
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    moving.fail_over(now, {})
    after = Order.objects.get(pk=made.pk)
    assert (after.connector_id, after.state, after.due_at, after.version_id) == (site.paris.pk, "queued", now, None)
    event = after.events.order_by("id").last()
    assert (event.kind, event.actor) == (moving.EVENT, "engine")
    assert event.text == "Berlin is inactive. Paris may stand in."
    assert Entry.objects.filter(action=moving.ACTION, target_id=str(made.pk)).count() == 1
    moving.fail_over(now, {})
    assert after.events.count() == 2


@pytest.mark.parametrize(
    "columns",
    [
        {"bound": True},
        {"state": "pending", "bound": True},
        {"state": "outcome_unknown", "bound": True},
        {"state": "submitting", "fence": uuid.UUID(int=7)},
        {"fence": uuid.UUID(int=7)},
        {"state": "issued"},
        {"state": "cancelled"},
    ],
    ids=str,
)
def test_what_the_ca_has_or_may_have_never_moves(site, now, columns):
    made = site.order(**columns)
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    moving.fail_over(now, {})
    assert where(made) == "Berlin"


def test_a_member_may_be_sick_for_the_patience_of_the_pool(site, now):
    made = site.order()
    site.sick(site.berlin, now - timedelta(minutes=4))
    moving.fail_over(now, {})
    assert where(made) == "Berlin"
    moving.fail_over(now + timedelta(minutes=1), {})
    assert where(made) == "Paris"


def test_an_order_with_little_time_left_goes_sooner(site, now):
    urgent = site.order(deadline_at=now + timedelta(minutes=8))
    patient = site.order("db.example.com", deadline_at=now + timedelta(days=1))
    site.sick(site.berlin, now - timedelta(minutes=3))
    moving.fail_over(now, {})
    assert (where(urgent), where(patient)) == ("Paris", "Berlin")


def test_a_login_that_is_refused_for_good_moves_orders_at_once(site, now):
    made = site.order()
    Connector.objects.filter(pk=site.berlin.pk).update(breaker="stopped", sick_since=now)
    moving.fail_over(now, {})
    assert where(made) == "Paris"


def test_where_nobody_may_stand_in_the_order_says_why_once(site, now):
    made = site.order()
    site.edit(trust="same_root", trust_reason="")
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    for _ in range(2):
        moving.fail_over(now, {})
    after = Order.objects.get(pk=made.pk)
    assert after.connector_id == site.berlin.pk
    assert "No other member may stand in" in orders.why(after)
    assert "has issued nothing yet" in after.reason
    assert after.events.count() == 1


def test_profiles_of_one_connector_wait_for_it(site, now, local):
    made = site.order(profile="Internal")
    connectors.deactivate(site.cast.ada, local.pk)
    moving.fail_over(now, {})
    assert where(made) == "Local"


def test_a_member_that_left_the_pool_is_left_by_what_waits_there(site, now):
    made = site.order()
    site.edit(members=("Paris", {"connector": "Berlin", "preference": 9}))
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    moving.fail_over(now, {})
    assert where(made) == "Paris"


def test_many_are_gone_through_part_by_part_the_most_urgent_first(site, now, monkeypatch):
    monkeypatch.setattr(moving, "_AT_ONCE", 2)
    made = [site.order(f"n{i}.example.com", deadline_at=now + timedelta(hours=9 - i)) for i in range(5)]
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    Order.objects.filter(pk__in=[o.pk for o in made[1:]]).update(bound=True)
    state, rounds = {}, 0
    while where(made[0]) == "Berlin":
        state, rounds = moving.fail_over(now, state), rounds + 1
        assert rounds < 5
    assert rounds == 3
    assert state["marks"] == {}


def test_no_order_is_placed_twice_over_a_thousand_failovers(site, now, result):
    """R27: of orders whose fate is unknown none moves; of the others each moves once."""
    first = site.order()
    rows = [f.attname for f in Order._meta.concrete_fields if f.attname != "id"]
    base = {n: getattr(first, n) for n in rows}
    bound = {"bound": True, "state": "outcome_unknown"}
    made = [Order(id=uuid.UUID(int=i + 1), **{**base, **(bound if i % 2 else {})}) for i in range(1000)]
    Order.objects.bulk_create(made)
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    state = {}
    for _ in range(8):
        state = moving.fail_over(now, state)
    moved = Order.objects.filter(connector=site.paris)
    unknown = Order.objects.filter(state="outcome_unknown")
    assert moved.count() == 501
    assert not moved.filter(bound=True).exists()
    assert set(unknown.values_list("connector", flat=True)) == {site.berlin.pk}
    result("R27", 0, "orders with an unknown outcome that were moved, of 500; 501 others went over once")


def test_settings_of_another_type_of_ca_are_those_of_the_profile(site, now):
    from chancery.apps.connectors.tests.account import values

    connectors.create(site.cast.ada, "digicert", values(name="Public"))
    site.edit(members=("Berlin", "Public"))
    product = {"product": "ssl_basic", "organization_id": "112233"}
    Profile.objects.filter(pk=site.profile.pk).update(products={"local": {}, "digicert": product})
    made = site.order(validity_days=30)
    connectors.deactivate(site.cast.ada, site.berlin.pk)
    Connector.objects.filter(name="Public").update(status="active")
    moving.fail_over(now, {})
    after = Order.objects.get(pk=made.pk)
    assert (after.connector.name, after.product) == ("Public", product)
