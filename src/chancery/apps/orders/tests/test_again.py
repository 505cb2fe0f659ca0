"""Ordering again takes two people, is about one call, and leaves the earlier call to be searched for."""

from datetime import timedelta

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.orders import actions, again, queries
from chancery.apps.orders.models import AgainRequest, EarlierCall, Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.action import current_clock, use_clock
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.again import OPEN_FOR, call_reference
from chancery.core.clock import ManualClock
from chancery.core.errors import NotPermitted
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
WHY = "Their support sees nothing of it."


@pytest.fixture
def olga(cast):
    """A second CA operator, beside Ada."""
    user = people.create_user(cast.host, "olga", PASSWORD, grants=[("ca_operator", None, None)])
    return who.actor_of(user, how="test")


@pytest.fixture
def clock():
    """A clock that stands still, an hour after whatever the fixtures made."""
    made = ManualClock(current_clock().now() + timedelta(hours=1))
    before = use_clock(made)
    yield made
    use_clock(before)


@pytest.fixture
def lost(cast, account, order, clock):
    """An order of Rob's at a CA that can be searched, sent five minutes ago; nobody knows what became of it."""
    return order(
        "outcome_unknown",
        "Public",
        version=account.current_id,
        intended_at=clock.now() - timedelta(minutes=6),
        submitted_at=clock.now() - timedelta(minutes=5),
        ca_reference="4711",
        searches=3,
        attempt=2,
        reason_code="OutcomeUnknown",
        poll_state={"v": 1, "confirmed": True},
    )


def fresh(order):
    return Order.objects.get(pk=order.pk)


def test_one_asks_and_another_confirms(cast, lost, olga, clock):
    asked = actions.order_again(cast.ada, lost.pk, f" {WHY} ")
    assert (asked.state, asked.again) == ("outcome_unknown", 0)
    assert said("orders.order_again")[-1]["detail"] == {"again": "asked"}
    assert [r.reason for r in queries.asked_again(olga, clock.now())] == [WHY]
    made = actions.confirm_again(olga, lost.pk)
    assert (made.state, made.again, made.due_at) == ("queued", 1, clock.now())
    after = fresh(lost)
    assert (after.intended_at, after.submitted_at, after.version, after.ca_reference) == (None, None, None, "")
    assert (after.searches, after.attempt, after.poll_state, after.reason_code) == (0, 0, {}, "")
    event = after.events.order_by("id").last()
    assert (event.kind, event.actor, event.text) == ("order.ordered_again", "olga", f"Asked for by ada: {WHY}")
    row = AgainRequest.objects.get(order=lost)
    assert (row.outcome, row.asked_by.username, row.decided_by.username) == ("confirmed", "ada", "olga")
    assert queries.asked_again(olga, clock.now()) == []


def test_the_call_that_is_left_behind_is_written_down_and_will_be_searched_for(cast, lost, olga, clock):
    actions.order_again(cast.ada, lost.pk, WHY)
    actions.confirm_again(olga, lost.pk)
    left = EarlierCall.objects.get(order=lost)
    assert (left.number, left.version_id, left.ca_reference) == (0, lost.version_id, "4711")
    assert (left.intended_at, left.submitted_at) == (lost.intended_at, lost.submitted_at)
    assert (left.state, left.looks) == ("watched", 0)
    assert left.due_at > clock.now()


def test_where_a_ca_cannot_be_searched_that_is_said_and_nothing_is_due(cast, local, order, olga, clock):
    lost = order("outcome_unknown")
    actions.order_again(cast.ada, lost.pk, WHY)
    actions.confirm_again(olga, lost.pk)
    left = EarlierCall.objects.get(order=lost)
    assert (left.state, left.due_at) == ("unseen", None)
    assert "can neither be searched nor listed" in again.risk_of(fresh(lost))[1]


def test_a_refusal_leaves_the_order_where_it_is_and_it_can_be_asked_anew(cast, lost, olga, clock):
    actions.order_again(cast.ada, lost.pk, WHY)
    after = actions.refuse_again(olga, lost.pk, "I see it there as 4711.")
    assert (after.state, after.again) == ("outcome_unknown", 0)
    row = AgainRequest.objects.get(order=lost)
    assert (row.outcome, row.answer) == ("refused", "I see it there as 4711.")
    assert said("orders.refuse_again")[-1]["detail"] == {"again": "refused"}
    with conflict("not_asked"):
        actions.confirm_again(olga, lost.pk)
    actions.order_again(olga, lost.pk, "It was another one.")
    assert actions.confirm_again(cast.ada, lost.pk).state == "queued"


DECISIONS = {
    "confirm": lambda actor, pk: actions.confirm_again(actor, pk),
    "refuse": lambda actor, pk: actions.refuse_again(actor, pk, "No."),
}


@pytest.mark.parametrize("decide", DECISIONS)
def test_who_asked_is_never_the_second_person_not_through_a_token_either(cast, lost, clock, decide):
    actions.order_again(cast.ada, lost.pk, WHY)
    for actor in (cast.ada, who.actor_of(cast.users["ada"], how="token:nightly", via="api")):
        with pytest.raises(NotPermitted, match="second person"):
            DECISIONS[decide](actor, lost.pk)
    assert said("orders.confirm_again" if decide == "confirm" else "orders.refuse_again")[-1]["outcome"] == "refused"
    assert fresh(lost).state == "outcome_unknown"


def test_who_placed_the_order_is_not_the_second_person_either_and_may_ask(cast, account, olga, clock):
    own = place(olga_who_places(cast), PlaceOrder("Public", request_pem("own.example.com")))
    Order.objects.filter(pk=own.pk).update(state="outcome_unknown")
    pat = olga_who_places(cast)
    actions.order_again(cast.ada, own.pk, WHY)
    with pytest.raises(NotPermitted):
        actions.confirm_again(pat, own.pk)
    actions.refuse_again(olga, own.pk, "Let pat ask.")
    actions.order_again(pat, own.pk, WHY)
    assert actions.confirm_again(olga, own.pk).state == "queued"


def olga_who_places(cast):
    from chancery.apps.accounts.models import User

    found = User.objects.filter(username="pat").first()
    made = found or people.create_user(cast.host, "pat", PASSWORD, grants=[("administrator", None, None)])
    return who.actor_of(made, how="test")


def test_the_operator_of_the_host_is_no_person_and_neither_asks_nor_confirms(cast, lost, clock):
    with pytest.raises(NotPermitted, match="account of their own"):
        actions.order_again(cast.host, lost.pk, WHY)
    actions.order_again(cast.ada, lost.pk, WHY)
    with pytest.raises(NotPermitted):
        actions.confirm_again(cast.host, lost.pk)


@pytest.mark.parametrize("reason", ["", " \n", "a" * 1001, None])
def test_a_reason_is_wanted(cast, lost, olga, clock, reason):
    with refused("reason"):
        actions.order_again(cast.ada, lost.pk, reason)
    actions.order_again(cast.ada, lost.pk, WHY)
    with refused("reason"):
        actions.refuse_again(olga, lost.pk, reason)
    assert AgainRequest.objects.get(order=lost).outcome == ""


def test_it_is_asked_for_once_and_not_for_good(cast, lost, olga, clock):
    actions.order_again(cast.ada, lost.pk, WHY)
    with conflict("asked_already"):
        actions.order_again(olga, lost.pk, WHY)
    clock.advance(OPEN_FOR)
    assert queries.asked_again(olga, clock.now()) == []
    with conflict("not_asked"):
        actions.confirm_again(olga, lost.pk)
    actions.order_again(olga, lost.pk, "Still nothing.")
    assert sorted(AgainRequest.objects.values_list("outcome", flat=True)) == ["", "expired"]


def test_what_was_asked_about_one_call_is_not_confirmed_for_the_next(cast, lost, olga, clock):
    actions.order_again(cast.ada, lost.pk, WHY)
    # Meanwhile the engine found that it was absent, sent it anew, and lost that answer too.
    Order.objects.filter(pk=lost.pk).update(submitted_at=clock.now() - timedelta(minutes=2))
    assert queries.asked_again(olga, clock.now()) == []
    with conflict("not_asked"):
        actions.confirm_again(olga, lost.pk)
    actions.order_again(cast.ada, lost.pk, "And again.")
    assert sorted(AgainRequest.objects.values_list("outcome", flat=True)) == ["", "overtaken"]


@pytest.mark.parametrize("state", ["pending", "quarantined"])
def test_only_what_nobody_knows_the_outcome_of_is_ordered_again(cast, account, order, state, clock):
    made = order(state, "Public")
    with conflict("wrong_state"):
        actions.order_again(cast.ada, made.pk, WHY)


def test_never_before_the_search_can_know(cast, lost, olga, clock):
    Order.objects.filter(pk=lost.pk).update(submitted_at=clock.now() - timedelta(seconds=59))
    with conflict("too_soon"):
        actions.order_again(cast.ada, lost.pk, WHY)
    clock.advance(timedelta(seconds=1))
    assert actions.order_again(cast.ada, lost.pk, WHY)


def test_never_while_it_is_being_searched_for(cast, lost, olga, clock):
    actions.order_again(cast.ada, lost.pk, WHY)
    Order.objects.filter(pk=lost.pk).update(lease_until=clock.now() + timedelta(seconds=30))
    with conflict("too_soon"):
        actions.confirm_again(olga, lost.pk)
    clock.advance(timedelta(seconds=30))
    assert actions.confirm_again(olga, lost.pk).state == "queued"


def test_each_call_has_its_own_reference_and_leaves_its_own_trace(cast, lost, olga, clock):
    for number in range(2):
        actions.order_again(cast.ada, lost.pk, WHY)
        assert actions.confirm_again(olga, lost.pk).again == number + 1
        Order.objects.filter(pk=lost.pk).update(state="outcome_unknown", submitted_at=clock.now())
        clock.advance(timedelta(minutes=5))
    numbers = list(EarlierCall.objects.order_by("number").values_list("number", flat=True))
    assert numbers == [0, 1]
    assert len({call_reference(lost.pk, n) for n in (*numbers, fresh(lost).again)}) == 3
