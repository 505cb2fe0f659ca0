"""Placing: who may, once per key, each item of a batch on its own, never at a deleted connector."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import Team
from chancery.apps.certificates import keys
from chancery.apps.connectors.models import Connector, PoolMember
from chancery.apps.orders import place as placing
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.orders.place import PlaceOrder, place, place_many
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared import action
from chancery.apps.shared.tests.looking import conflict, refused, said, tell
from chancery.core.clock import ManualClock
from chancery.core.errors import Absent, ChanceryError, NotPermitted
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
CSR = request_pem("a.example.com")


def outcome(result):
    return tell(result) if isinstance(result, ChanceryError) else result.state


def test_an_order_its_event_and_its_entry_come_together(cast, local):
    made = place(cast.rob, PlaceOrder("Internal", CSR, comment="for Kim"))
    stored = Order.objects.get(pk=made.pk)
    assert (stored.state, stored.requested_by_id, stored.comment) == ("queued", cast.users["rob"].pk, "for Kim")
    assert (stored.common_name, stored.names, stored.validity_days) == ("a.example.com", [["dns", "a.example.com"]], 30)
    assert stored.connector == local
    event = OrderEvent.objects.get(order=stored)
    assert (event.kind, event.actor) == ("order.placed", "rob")
    assert [rule for rule, verdict in event.detail["rules"] if verdict != "allow"] == []
    (entry,) = said("orders.place")
    assert (entry["target"]["id"], entry["detail"]) == (str(made.pk), {"state": "queued"})


def test_a_request_as_der_is_the_same(cast, local):
    der = bytes(Order.objects.get(pk=place(cast.rob, PlaceOrder("Internal", CSR)).pk).csr)
    assert place(cast.rob, PlaceOrder("Internal", der)).common_name == "a.example.com"


@pytest.mark.parametrize(
    ("field", "ask"),
    [
        ("csr", PlaceOrder("Internal", "nonsense")),
        ("csr", PlaceOrder("Internal", b"")),
        ("validity_days", PlaceOrder("Internal", CSR, validity_days=0)),
        ("validity_days", PlaceOrder("Internal", CSR, validity_days=5000)),
        ("comment", PlaceOrder("Internal", CSR, comment="a" * 501)),
        ("comment", PlaceOrder("Internal", CSR, comment="\x00")),
        ("Idempotency-Key", PlaceOrder("Internal", CSR, idem_key="k\x00")),
        ("Idempotency-Key", PlaceOrder("Internal", CSR, idem_key="")),
        ("Idempotency-Key", PlaceOrder("Internal", CSR, idem_key="k" * 201)),
    ],
)
def test_what_cannot_be_ordered_is_refused_by_its_field(cast, local, field, ask):
    with refused(field):
        place(cast.rob, ask)
    assert not Order.objects.exists()


def test_only_with_the_right_and_in_its_team(cast, local):
    for actor in (cast.amy, cast.dan):
        with pytest.raises(NotPermitted):
            place(actor, PlaceOrder("Internal", CSR))
    with pytest.raises(Absent):
        place(cast.cleo, PlaceOrder("Internal", CSR))
    assert [(e["actor"]["name"], e["outcome"]) for e in said("orders.place")] == [
        ("amy", "refused"),
        ("dan", "refused"),
    ]


def test_who_sees_a_profile_may_not_therefore_order_with_it(cast, local):
    ids = {t.name: t.pk for t in Team.objects.all()}
    grants = [("approver", ids["Operations"], None), ("requester", ids["Other"], None)]
    pat = who.actor_of(people.create_user(cast.host, "pat", PASSWORD, grants=grants), how="test")
    with pytest.raises(NotPermitted):
        place(pat, PlaceOrder("Internal", CSR))


def test_one_key_one_order_for_good(cast, local):
    clock = ManualClock(datetime(2030, 1, 1, tzinfo=UTC))
    before = action.use_clock(clock)
    try:
        first = place(cast.rob, PlaceOrder("Internal", CSR, idem_key="k"))
        clock.advance(timedelta(days=4000))
        again = place(cast.rob, PlaceOrder("Internal", CSR, idem_key="k"))
    finally:
        action.use_clock(before)
    assert again.pk == first.pk
    assert not hasattr(first, "repeated")
    assert again.repeated
    assert Order.objects.count() == 1
    assert len(said("orders.place")) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"csr": request_pem("b.example.com")},
        {"validity_days": 29},
        {"comment": "other"},
        {"profile": "Careful"},
    ],
)
def test_a_key_used_for_another_request_is_refused(cast, local, other):
    same = {"profile": "Internal", "csr": CSR, "idem_key": "k"}
    place(cast.rob, PlaceOrder(**same))
    with conflict("idempotency_mismatch"):
        place(cast.rob, PlaceOrder(**{**same, **other}))


def test_a_key_is_a_persons_own_and_a_routes_own(cast, local):
    orders = {
        place(cast.rob, PlaceOrder("Internal", CSR, idem_key="k")).pk,
        place(cast.ada, PlaceOrder("Internal", CSR, idem_key="k")).pk,
        place(cast.rob, PlaceOrder("Internal", CSR, idem_key="k", route="other")).pk,
        place(cast.rob, PlaceOrder("Internal", CSR)).pk,
    }
    assert len(orders) == 4


def test_a_key_whose_order_came_from_elsewhere_at_the_same_moment(cast, local, monkeypatch):
    first = place(cast.rob, PlaceOrder("Internal", CSR, idem_key="k"))
    batch = [PlaceOrder("Internal", CSR), PlaceOrder("Internal", CSR, idem_key="k")]
    # The batch, then each item by itself, looks before the other's commit is there.
    plain, blind = placing._known, iter([True] * 3)
    monkeypatch.setattr(placing, "_known", lambda items: {} if next(blind, False) else plain(items))
    fresh, again = place_many(cast.rob, batch)
    assert again.pk == first.pk
    assert again.repeated
    assert outcome(fresh) == "queued"
    assert Order.objects.count() == 2


def test_what_no_key_explains_is_to_be_sent_again(cast, local, monkeypatch):
    def full(items, prepared):
        raise IntegrityError("some other index")

    monkeypatch.setattr(placing, "_write", full)
    asks = [PlaceOrder("Internal", CSR), PlaceOrder("Internal", CSR, idem_key="k")]
    assert [outcome(r) for r in place_many(cast.rob, asks)] == ["retry", "retry"]


def test_a_repeated_request_gets_its_order_whatever_the_rules_are_by_now(cast, local):
    from chancery.apps.profiles.models import Profile

    ask = PlaceOrder("Internal", CSR, idem_key="k")
    first = place(cast.rob, ask)
    Profile.objects.filter(name="Internal").update(key_types=["RSA-2048"])
    assert place(cast.rob, ask).pk == first.pk
    Profile.objects.filter(name="Internal").update(deleted_at=first.placed_at)
    assert place(cast.rob, ask).pk == first.pk
    assert outcome(place_many(cast.rob, [PlaceOrder("Internal", "nonsense", idem_key="k")])[0]) == "invalid"
    assert outcome(place_many(cast.rob, [PlaceOrder("Internal", CSR, idem_key="l")])[0]) == "not_found"


def test_an_order_is_wanted_when_its_profile_says(cast, local):
    from datetime import timedelta

    from chancery.apps.profiles.models import Profile

    Profile.objects.filter(name="Internal").update(deadline_hours=3)
    order = place(cast.rob, PlaceOrder("Internal", CSR))
    assert order.deadline_at - order.placed_at == timedelta(hours=3)
    soon, gone = order.placed_at + timedelta(days=9), order.placed_at - timedelta(days=9)
    assert place(cast.rob, PlaceOrder("Internal", CSR, deadline=soon)).deadline_at == soon
    assert place(cast.rob, PlaceOrder("Internal", CSR, deadline=gone)).deadline_at > order.placed_at


def test_each_item_of_a_batch_has_its_own_result(cast, local):
    asks = [
        PlaceOrder("Internal", CSR, idem_key="k"),
        PlaceOrder("Internal", "nonsense"),
        PlaceOrder("Nowhere", CSR),
        PlaceOrder("Nowhere", CSR),
        PlaceOrder("Careful", CSR),
        PlaceOrder("Internal", CSR, idem_key="k"),
        PlaceOrder("Careful", CSR, idem_key="k"),
    ]
    results = place_many(cast.rob, asks)
    expected = ["queued", "invalid", "not_found", "not_found", "awaiting_approval", "queued", "idempotency_mismatch"]
    assert [outcome(r) for r in results] == expected
    assert results[5].pk == results[0].pk
    assert Order.objects.count() == 2
    assert len(said("orders.place")) == 2


def test_a_batch_of_several_people_is_recorded_by_person(cast, local):
    placing.place_mixed([(a, PlaceOrder("Internal", CSR)) for a in (cast.rob, cast.ada, cast.rob)])
    assert sorted(e["actor"]["name"] for e in said("orders.place")) == ["ada", "rob", "rob"]


def test_nothing_is_stored_for_nothing(cast):
    assert place_many(cast.rob, []) == []


def test_a_pool_without_a_connector_says_so(cast, local):
    PoolMember.objects.all().delete()
    with conflict("no_connector"):
        place(cast.rob, PlaceOrder("Internal", CSR))


def test_a_connector_deleted_meanwhile_takes_no_order(cast, local, monkeypatch):
    plain = placing._decide

    def deleted_meanwhile(*arguments):
        Connector.objects.update(deleted_at=local.created_at)
        return plain(*arguments)

    monkeypatch.setattr(placing, "_decide", deleted_meanwhile)
    with conflict("no_connector"):
        place(cast.rob, PlaceOrder("Internal", CSR))
    assert not Order.objects.exists()


def test_a_profile_deleted_meanwhile_takes_no_order(cast, local, monkeypatch):
    plain = placing._decide

    def deleted_meanwhile(*arguments):
        profiles.delete(cast.ada, Profile.objects.get(name="Internal").pk)
        return plain(*arguments)

    monkeypatch.setattr(placing, "_decide", deleted_meanwhile)
    with pytest.raises(Absent):
        place(cast.rob, PlaceOrder("Internal", CSR))
    assert not Order.objects.exists()


def test_an_inactive_connector_takes_orders_and_keeps_them(cast, local):
    Connector.objects.update(status="inactive")
    assert place(cast.rob, PlaceOrder("Internal", CSR)).connector == local


def test_the_profile_is_found_by_id_and_by_name(cast, local):
    ident = str(Profile.objects.get(name="Internal").pk)
    assert place(cast.rob, PlaceOrder(ident, CSR)).profile_id == place(cast.rob, PlaceOrder("Internal", CSR)).profile_id
    with pytest.raises(Absent):
        place(cast.rob, PlaceOrder("Internal\x00", CSR))


def test_a_key_that_somebody_has_reported_as_compromised_gets_no_other_certificate(cast, local):
    made = place(cast.rob, PlaceOrder("Internal", CSR))
    Order.objects.filter(pk=made.pk).update(state="issued")
    assert place(cast.rob, PlaceOrder("Internal", CSR)).state == "queued", "one key may have several certificates"
    keys.record(made.spki_sha256, made, "ada", made.placed_at)
    other = PlaceOrder("Internal", request_pem("other.example.com"))
    found = place_many(cast.rob, [PlaceOrder("Internal", CSR), other, PlaceOrder("Internal", "nonsense")])
    assert [outcome(one) for one in found[1:2]] == ["queued"]
    assert [p.code for p in found[0].problems] == ["key_compromised"]
    assert [p.code for p in found[2].problems] == ["csr_garbled"]
