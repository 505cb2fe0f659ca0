"""Reading orders: filters, searches, what waits for people, and waiting for an end."""

from datetime import UTC, datetime

import pytest

from chancery.apps.connectors.models import Connector
from chancery.apps.orders import queries
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.tests.looking import refused
from chancery.core.errors import Absent

pytestmark = pytest.mark.django_db


def names(page):
    return [o.common_name for o in page.items]


def test_a_listing_filters_sorts_and_searches(cast, local, account, order):
    order(name="b.example.com")
    order("issued", name="a.example.com")
    order(profile="Public", name="c.example.com")
    look = queries.listing
    assert names(look(cast.rob)) == ["c.example.com", "a.example.com", "b.example.com"]
    assert names(look(cast.rob, sort="id"))[0] == "b.example.com"
    assert names(look(cast.rob, sort="common_name"))[0] == "a.example.com"
    assert names(look(cast.rob, state="issued")) == ["a.example.com"]
    assert names(look(cast.rob, connector=str(account.pk))) == ["c.example.com"]
    internal = str(Profile.objects.get(name="Internal").pk)
    assert names(look(cast.rob, profile=internal, state="queued")) == ["b.example.com"]
    assert names(look(cast.rob, search="B.ex")) == ["b.example.com"]
    assert names(look(cast.cleo)) == []


@pytest.mark.parametrize("field", ["state", "sort", "connector", "profile"])
def test_what_is_not_offered_is_refused(cast, field):
    with refused(field):
        queries.listing(cast.ada, **{field: "nonsense"})


@pytest.mark.parametrize("text", ["\x00", "a\ud800", "a\nb"])
def test_a_search_for_what_no_name_holds_is_refused(cast, text):
    with refused("search"):
        queries.listing(cast.ada, search=text)


def test_what_waits_for_people_is_counted(cast, local, order):
    for state in ("queued", "outcome_unknown", "quarantined", "outcome_unknown"):
        order(state)
    order(profile="Careful")
    expected = {"awaiting_approval": "1", "outcome_unknown": "2", "quarantined": "1"}
    assert queries.waiting_for_people(cast.rob) == expected
    assert queries.waiting_for_people(cast.cleo) == {}


def test_a_timeline_begins_with_its_placing(cast, local, order):
    made = order()
    assert [e.kind for e in queries.timeline(made)] == ["order.placed"]
    assert str(made) == f"a.example.com ({made.pk})"


@pytest.mark.parametrize("state", ["issued", "failed", "outcome_unknown", "awaiting_approval"])
def test_waiting_ends_where_nothing_moves_by_itself(cast, local, order, state, monkeypatch):
    monkeypatch.setattr(queries.time, "sleep", lambda seconds: pytest.fail("it waited"))
    assert queries.wait(cast.rob, order(state).pk, 60).state == state


def test_waiting_ends_with_the_order_or_with_the_time(cast, local, order, monkeypatch):
    made, naps = order(), []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            Order.objects.filter(pk=made.pk).update(state="issued")

    monkeypatch.setattr(queries.time, "sleep", nap)
    assert queries.wait(cast.rob, made.pk, 60).state == "issued"
    assert len(naps) == 3
    assert queries.wait(cast.rob, order().pk, 0).state == "queued"


def test_one_waits_for_what_one_may_see(cast, local, order):
    with pytest.raises(Absent):
        queries.wait(cast.cleo, order().pk, 60)


@pytest.mark.parametrize(
    ("state", "columns", "expected"),
    [
        ("awaiting_approval", {}, "A second person must approve it."),
        ("queued", {}, "The next free seat takes it."),
        ("submitting", {}, "It is on its way to the CA."),
        ("pending", {}, "The CA has it and has not issued it yet."),
        ("pending", {"reason": "The domain is not validated."}, "The domain is not validated."),
        ("outcome_unknown", {}, ""),
        ("issued", {}, ""),
        ("failed", {"reason": "The CA refused it."}, "The CA refused it."),
    ],
)
def test_an_order_says_what_it_waits_for(local, order, state, columns, expected):
    assert queries.why(order(state, **columns)) == expected


def test_an_order_of_an_inactive_connector_names_it_and_what_to_do(local, order):
    Connector.objects.filter(pk=local.pk).update(status="inactive")
    assert queries.why(order("queued")) == "Local is inactive; the order goes out when it is activated."
    assert "inactive" not in queries.why(order("submitting"))


@pytest.mark.parametrize(("text", "shown"), [("", ""), ("no answer in 30 s", " (no answer in 30 s)")])
def test_an_order_held_by_an_unhealthy_connector_says_until_when(local, order, text, shown):
    until = datetime(2026, 11, 23, 9, 30, 5, tzinfo=UTC)
    Connector.objects.filter(pk=local.pk).update(health="unreachable", health_text=text, breaker_until=until)
    assert queries.why(order("queued")) == f"Local is unreachable{shown}; looked at again at 09:30:05 UTC."
