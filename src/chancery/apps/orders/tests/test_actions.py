"""Approve, deny, cancel, confirm, adopt, give up, order again: in which states, by whom, and what stays on record."""

from datetime import timedelta
from uuid import UUID

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.accounts.models import User
from chancery.apps.bots import actions as bots
from chancery.apps.bots import targets
from chancery.apps.bots.models import Deployment
from chancery.apps.connectors import actions as connectors
from chancery.apps.orders import actions, stopping
from chancery.apps.orders.models import AgainRequest, Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.again import OPEN_FOR
from chancery.core.errors import Absent, NotPermitted
from chancery.core.order import MOVES, Cause, State
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db
FENCE = "00000000-0000-4000-8000-000000000000"
ACTIONS = {
    "approve": lambda actor, pk: actions.approve(actor, pk),
    "deny": lambda actor, pk: actions.deny(actor, pk, "Not this one."),
    "cancel": lambda actor, pk: actions.cancel(actor, pk),
    "confirm": lambda actor, pk: confirm_held(actor, pk),
    "adopt": lambda actor, pk: actions.adopt(actor, pk, "4711"),
    "give_up": lambda actor, pk: actions.give_up(actor, pk, "The CA knows nothing of it."),
    "confirm_again": lambda actor, pk: confirm_asked(actor, pk),
}
POSSIBLE = {
    "approve": {"awaiting_approval": "queued"},
    "deny": {"awaiting_approval": "denied"},
    "cancel": {"awaiting_approval": "cancelled", "queued": "cancelled", "pending": "pending"},
    "confirm": {"pending": "queued"},
    "adopt": {"outcome_unknown": "pending"},
    "give_up": {"pending": "failed", "outcome_unknown": "failed", "quarantined": "failed"},
    "confirm_again": {"outcome_unknown": "queued"},
}


def confirm_held(actor, ident):
    """Confirm an order whose authority asked for it: it was pending for that reason."""
    Order.objects.filter(pk=ident).update(pending_kind="confirmation", reason="It revokes the older ones.")
    return actions.confirm(actor, ident)


def confirm_asked(actor, ident):
    """Confirm ordering again, as somebody else asked for it."""
    order = Order.objects.get(pk=ident)
    amy = User.objects.get(username="amy")
    if not order.again_requests.exists():
        now = current_clock().now()
        AgainRequest.objects.create(order=order, asked_by=amy, asked_at=now, reason="x", expires_at=now + OPEN_FOR)
    return actions.confirm_again(actor, ident)


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_each_action_in_each_state(cast, local, account, order, name, state):
    # At a CA that can cancel; one that cannot is where an order that it has is given up.
    made = order(state, "Internal" if (name, state) == ("give_up", "pending") else "Public")
    target = POSSIBLE[name].get(state)
    if target is None:
        with conflict("wrong_state" if name != "cancel" or state != "pending" else "no_power"):
            ACTIONS[name](cast.ada, made.pk)
        assert Order.objects.get(pk=made.pk).state == state
        assert not Order.objects.get(pk=made.pk).events.exclude(kind="order.placed").exists()
        return
    ACTIONS[name](cast.ada, made.pk)
    after = Order.objects.get(pk=made.pk)
    assert after.state == target
    entry = said(f"orders.{name}")[-1]
    assert entry["target"] == {"kind": "order", "id": str(made.pk), "name": "a.example.com"}
    assert entry["changed"] == (["cancel_requested"] if (name, state) == ("cancel", "pending") else ["state"])
    assert (after.finished_at is not None) == (target in {"denied", "cancelled", "failed"})
    event = after.events.order_by("id").last()
    assert event.actor == "ada"


def test_the_table_above_is_the_table_of_moves():
    mine = {(o, t) for moves in POSSIBLE.values() for o, t in moves.items() if o != t}
    theirs = [m for m in MOVES if m.cause is Cause.PERSON and m.origin is not None]
    # What the host's operator does to all of them at once is in the engine's test_put_back.py.
    assert mine == {(m.origin, m.target) for m in theirs if m.event != "order.put_back"}


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_another_team_does_not_even_see_it(cast, local, order, name):
    made = order()
    with pytest.raises(Absent):
        ACTIONS[name](grant(cast, "olga", "administrator", "Other"), made.pk)


def grant(cast, name, role, team):
    from chancery.apps.accounts.models import Team

    ident = Team.objects.get(name=team).pk
    user = people.create_user(cast.host, name, "correct horse battery", grants=[(role, ident, None)])
    return who.actor_of(user, how="test")


@pytest.mark.parametrize("name", sorted(ACTIONS))
def test_who_reads_may_not_decide(cast, local, order, name):
    made = order()
    with pytest.raises(NotPermitted):
        ACTIONS[name](cast.dan, made.pk)
    assert said(f"orders.{name}")[-1]["outcome"] == "refused"


def test_a_right_elsewhere_is_none_here(cast, local, order):
    from chancery.apps.accounts.models import Team

    ids = {t.name: t.pk for t in Team.objects.all()}
    grants = [("approver", ids["Other"], None), ("requester", ids["Operations"], None)]
    people.set_grants(cast.ada, cast.users["amy"].pk, grants)
    made = order(profile="Careful")
    with pytest.raises(NotPermitted):
        actions.approve(who.actor_of(cast.users["amy"], how="test"), made.pk)
    assert Order.objects.get(pk=made.pk).state == "awaiting_approval"


def test_an_approved_order_is_due_at_once(cast, local, order):
    made = order(profile="Careful")
    assert made.due_at is None
    after = actions.approve(cast.amy, made.pk)
    assert after.due_at is not None
    assert said("orders.approve")[-1]["detail"] == {"state": "queued"}


def test_an_order_whose_key_was_compromised_meanwhile_is_not_approved(cast, local, order, monkeypatch):
    made = order(profile="Careful")
    monkeypatch.setattr(stopping.keys, "bars", lambda order: order.spki_sha256 == made.spki_sha256)
    with conflict("key_compromised"):
        actions.approve(cast.amy, made.pk)
    assert Order.objects.get(pk=made.pk).state == State.AWAITING_APPROVAL
    assert not made.given.exists()
    assert actions.deny(cast.amy, made.pk, "Make a new key.").state == State.DENIED


@pytest.mark.parametrize("decide", ["approve", "deny"])
def test_nobody_decides_about_their_own_order_whatever_their_roles(cast, local, decide):
    own = place(cast.ada, PlaceOrder("Careful", request_pem("a.example.com")))
    with pytest.raises(NotPermitted):
        ACTIONS[decide](cast.ada, own.pk)
    other_way_in = who.actor_of(cast.users["ada"], how="token:nightly", via="api")
    with pytest.raises(NotPermitted):
        ACTIONS[decide](other_way_in, own.pk)
    assert Order.objects.get(pk=own.pk).state == "awaiting_approval"


def test_an_order_of_the_host_is_decided_by_anybody_who_may(cast, local):
    own = place(cast.host, PlaceOrder("Careful", request_pem("a.example.com")))
    assert actions.approve(cast.amy, own.pk).state == "queued"


def test_a_denied_order_tells_its_requester_why(cast, local, order):
    made = actions.deny(cast.amy, order(profile="Careful").pk, " Ask\nnetwork first. ")
    assert (made.state, made.reason) == ("denied", "Ask\nnetwork first.")
    assert made.events.order_by("id").last().text == "Ask\nnetwork first."


@pytest.mark.parametrize("reason", ["", "  \n", "a" * 1001, "bell\x07", None])
def test_a_reason_is_wanted_and_bounded(cast, local, order, reason):
    held, lost = order(profile="Careful"), order("quarantined")
    with refused("reason"):
        actions.deny(cast.amy, held.pk, reason)
    with refused("reason"):
        actions.give_up(cast.ada, lost.pk, reason)
    assert Order.objects.get(pk=held.pk).state == "awaiting_approval"


def test_an_order_at_the_ca_is_cancelled_there(cast, account, order):
    made = actions.cancel(cast.rob, order("pending", "Public", due_at=None).pk)
    assert (made.state, made.cancel_requested) == ("pending", True)
    assert made.due_at is not None
    assert made.events.order_by("id").last().kind == "order.cancel_requested"


def test_where_the_ca_cannot_cancel_it_is_said_at_once(cast, local, order):
    made = order("pending")
    with conflict("no_power"):
        actions.cancel(cast.rob, made.pk)
    assert not Order.objects.get(pk=made.pk).cancel_requested


def test_what_such_a_ca_has_is_given_up_and_everything_behind_it_ends(cast, local, order):
    made = order(
        "pending", poll_state={"v": 1}, due_at=current_clock().now(), lease_until=current_clock().now(), fence=FENCE
    )
    with conflict("no_power") as caught:
        actions.cancel(cast.rob, made.pk)
    assert "give the order up with a reason" in caught.value.remedy
    deployment = deploying(cast, made)
    with pytest.raises(NotPermitted):
        actions.give_up(cast.rob, made.pk, "It will not come.")
    after = actions.give_up(cast.ada, made.pk, "It will not come.")
    assert (after.state, after.reason, after.due_at, after.fence, after.lease_until) == (
        ("failed", "It will not come.", None, None, None)
    )
    told = [(e.kind, e.actor, e.text) for e in after.events.exclude(kind="order.placed").order_by("id")]
    assert told == [
        ("order.left_at_ca", "ada", f"{made.connector.name} had it, and may still issue it."),
        ("order.given_up", "ada", "It will not come."),
    ]
    deployment.refresh_from_db()
    assert (deployment.state, deployment.text) == ("failed", "The order is failed. It will not come.")
    Profile.objects.update(deleted_at=current_clock().now())
    connectors.deactivate(cast.ada, made.connector_id)
    with conflict("in_use") as used:
        connectors.delete(cast.ada, made.connector_id)
    assert {b.kind for b in used.value.blockers} == {"bot"}, "the order is in the way no more"
    with conflict("wrong_state") as late:
        actions.give_up(cast.ada, made.pk, "Once more.")
    assert "its page says what can be done" in late.value.remedy


def test_what_the_ca_can_withdraw_or_is_being_asked_for_is_not_given_up(cast, local, account, order):
    made = order("pending", "Public", pending_kind="approval")
    with conflict("cancel_it"):
        actions.give_up(cast.ada, made.pk, "It will not come.")
    now = current_clock().now()
    asked = order("pending", "Internal", lease_until=now + timedelta(seconds=30), fence=FENCE)
    with conflict("too_soon"):
        actions.give_up(cast.ada, asked.pk, "It will not come.")
    searched = order("outcome_unknown", "Public", lease_until=now + timedelta(seconds=30), fence=FENCE)
    with conflict("too_soon"):
        actions.give_up(cast.ada, searched.pk, "It will not come.")
    states = set(Order.objects.values_list("state", "fence"))
    assert states == {("pending", None), ("pending", UUID(FENCE)), ("outcome_unknown", UUID(FENCE))}


def test_an_unknown_outcome_is_adopted_by_number_alone(cast, account, order):
    made = order("outcome_unknown", "Public", fence="00000000-0000-4000-8000-000000000000")
    after = actions.adopt(cast.ada, made.pk, " 4711 ")
    assert after.poll_state == {"v": 1, "adopt": "4711"}
    assert (after.fence, after.lease_until) == (None, None)
    assert after.due_at is not None


@pytest.mark.parametrize("reference", ["", " ", "a" * 201, "47\n11", "47\x0011"])
def test_a_number_that_no_ca_has_is_refused(cast, account, order, reference):
    made = order("outcome_unknown", "Public")
    with refused("reference"):
        actions.adopt(cast.ada, made.pk, reference)


def test_the_number_of_another_order_is_not_adopted(cast, account, order):
    other = order("issued", "Public", name="b.example.com", ca_reference="4711")
    made = order("outcome_unknown", "Public", ca_reference="4712")
    with refused("reference", code="taken") as caught:
        actions.adopt(cast.ada, made.pk, "4711")
    assert str(other.pk) in str(caught.value)
    assert actions.adopt(cast.ada, made.pk, "4712").state == "pending"


def test_a_ca_without_numbers_is_told_from_a_wrong_one(cast, local, order):
    made = order("outcome_unknown")
    with conflict("no_power"):
        actions.adopt(cast.ada, made.pk, "4711")


@pytest.mark.parametrize("ident", ["nonsense", "", None, "00000000-0000-7000-8000-000000000000"])
def test_an_order_that_is_not_there_is_absent(cast, ident):
    with pytest.raises(Absent):
        actions.cancel(cast.ada, ident)


def test_what_is_confirmed_is_due_with_the_word_for_its_authority(cast, account, order):
    made = confirm_held(cast.ada, order("pending", "Public", due_at=None).pk)
    assert (made.state, made.pending_kind, made.poll_state) == ("queued", "", {"v": 1, "confirmed": True})
    assert made.due_at is not None
    assert made.events.order_by("id").last().text == "Accepted: It revokes the older ones."


def test_an_order_that_waits_for_the_ca_is_not_confirmed(cast, account, order):
    made = order("pending", "Public", pending_kind="approval")
    with conflict("wrong_state"):
        actions.confirm(cast.ada, made.pk)
    assert Order.objects.get(pk=made.pk).state == "pending"


def test_an_order_that_needs_two_goes_ahead_with_the_second_person_who_agrees(cast, local, order):
    Profile.objects.filter(name="Careful").update(approvals=2)
    made = order(profile="Careful")
    first = actions.approve(cast.amy, made.pk)
    assert (first.state, first.due_at) == ("awaiting_approval", None)
    event = first.events.order_by("id").last()
    assert (event.kind, event.actor, event.text) == ("order.agreed", "amy", "1 of 2 approvals.")
    assert said("orders.approve")[-1]["detail"] == {"approvals": 1, "needed": 2}
    with conflict("approved"):
        actions.approve(cast.amy, made.pk)
    with pytest.raises(NotPermitted, match="Only people approve"):
        actions.approve(cast.host, made.pk)
    assert sorted(made.given.values_list("name", flat=True)) == ["amy"]
    assert actions.approve(cast.ada, made.pk).state == "queued"
    assert said("orders.approve")[-1]["detail"] == {"state": "queued"}


def test_the_agreement_of_somebody_who_may_no_more_does_not_count(cast, local, order):
    Profile.objects.filter(name="Careful").update(approvals=2)
    made = order(profile="Careful")
    actions.approve(cast.amy, made.pk)
    people.disable_user(cast.host, cast.users["amy"].pk)
    assert actions.approve(cast.ada, made.pk).state == "awaiting_approval"
    assert said("orders.approve")[-1]["detail"] == {"approvals": 1, "needed": 2}
    people.enable_user(cast.host, cast.users["amy"].pk, PASSWORD)
    people.set_grants(cast.host, cast.users["amy"].pk, [("requester", None, None)])
    third = people.create_user(cast.host, "ute", PASSWORD, grants=[("approver", None, None)])
    assert actions.approve(who.actor_of(third, how="test"), made.pk).state == "queued"


def deploying(cast, made):
    """Return the deployment of a bot of Ada's for which an order was placed."""
    where = {"team": "Operations", "environment": "Production"}
    bot, _ = bots.create(cast.ada, "web-1", **where)
    files = {"certificate": "/etc/nginx/www.pem", "key": "/etc/nginx/www.key"}
    wish = {"name": "www", "kind": "nginx", "profile": made.profile.name, "names": ["a.example.com"], "settings": files}
    target = targets.add(cast.ada, bot.pk, wish)
    return Deployment.objects.create(
        target=target, order=made, asked_by="ada", created_at=made.placed_at, state="ordered"
    )
