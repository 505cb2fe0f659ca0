"""A key that is reported as compromised: what is open for it ends, whoever placed it and wherever it stands."""

import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.accounts import queries as who
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.tests.conftest import issued  # noqa: F401  a fixture
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions, queries
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared.tests.looking import conflict, said

pytestmark = pytest.mark.django_db
TEXT = "Its key was reported as compromised."
MAY_COME = f"{TEXT} The CA has it or may have it, so it may still be issued."


@pytest.fixture
def open_orders(cast, account, issued):
    """Return a certificate, and state → an open order for the same key."""
    made = issued()
    csr = bytes(made.order.csr)
    wanted = ("awaiting_approval", "queued", "submitting", "pending", "outcome_unknown")
    found = {}
    for state in wanted:
        order = place(cast.rob, PlaceOrder("Public", csr))
        Order.objects.filter(pk=order.pk).update(state=state, due_at=None)
        found[state] = order
    return made, found


def states(found):
    return {name: Order.objects.get(pk=order.pk).state for name, order in found.items()}


def test_what_no_ca_has_seen_is_cancelled_and_says_why(cast, open_orders):
    made, found = open_orders
    certificates.revoke(cast.ada, made.pk, "keyCompromise")
    assert states(found) == {
        "awaiting_approval": "cancelled",
        "queued": "cancelled",
        "submitting": "submitting",
        "pending": "pending",
        "outcome_unknown": "outcome_unknown",
    }
    after = Order.objects.get(pk=found["queued"].pk)
    assert (after.reason, after.due_at, after.finished_at is not None) == (TEXT, None, True)
    event = after.events.order_by("id").last()
    assert (event.kind, event.actor, event.text) == ("order.cancelled", "ada", TEXT)
    assert [e["target"]["kind"] for e in said("certificates.revoke")].count("order") == 3
    for state in ("submitting", "outcome_unknown"):
        event = Order.objects.get(pk=found[state].pk).events.order_by("id").last()
        assert (event.kind, event.actor, event.text) == ("order.key_compromised", "ada", MAY_COME)


def test_another_reason_and_another_key_stop_nothing(cast, open_orders, order):
    made, found = open_orders
    other = order(profile="Public", name="other.example.com")
    certificates.revoke(cast.ada, made.pk, "superseded")
    assert states(found) == {state: state for state in found}
    assert Order.objects.get(pk=other.pk).state == "queued"


def test_what_waits_at_a_ca_is_withdrawn_there_by_the_engine(cast, open_orders):
    made, found = open_orders
    certificates.revoke(cast.ada, made.pk, "keyCompromise")
    waits = Order.objects.get(pk=found["pending"].pk)
    assert (waits.state, waits.cancel_requested, waits.due_at is not None) == ("pending", True, True)
    event = waits.events.order_by("id").last()
    assert (event.kind, event.text) == ("order.cancel_requested", f"{TEXT} The CA is asked to withdraw it.")


def test_what_is_being_withdrawn_already_is_left_to_that(cast, open_orders):
    made, found = open_orders
    Order.objects.filter(pk=found["pending"].pk).update(cancel_requested=True)
    certificates.revoke(cast.ada, made.pk, "keyCompromise")
    waits = Order.objects.get(pk=found["pending"].pk)
    assert (waits.cancel_requested, waits.due_at) == (True, None)
    assert not waits.events.filter(kind__in=("order.cancel_requested", "order.key_compromised")).exists()


def test_a_ca_that_cannot_withdraw_is_not_asked_to(cast, open_orders, monkeypatch):
    made, found = open_orders
    monkeypatch.setattr(queries, "descriptor_of", lambda *_: type("Unable", (), {"powers": frozenset()}))
    certificates.revoke(cast.ada, made.pk, "keyCompromise")
    waits = Order.objects.get(pk=found["pending"].pk)
    assert not waits.cancel_requested
    assert waits.events.order_by("id").last().text == MAY_COME


def test_a_type_of_ca_that_is_not_installed_any_more_keeps_back_nobody(cast, open_orders, account):
    made, found = open_orders
    Connector.objects.filter(pk=account.pk).update(authority="gone")
    certificates.revoke(cast.ada, made.pk, "keyCompromise")
    assert states(found)["queued"] == "cancelled"
    assert not Order.objects.get(pk=found["pending"].pk).cancel_requested


def test_nothing_goes_ahead_with_such_a_key(cast, open_orders):
    made, found = open_orders
    certificates.revoke(cast.ada, made.pk, "keyCompromise")
    Order.objects.filter(pk=found["awaiting_approval"].pk).update(state="awaiting_approval")
    Order.objects.filter(pk=found["pending"].pk).update(pending_kind="approval", cancel_requested=False)
    people.set_grants(cast.ada, cast.users["amy"].pk, [("administrator", None, None), ("approver", None, None)])
    amy = who.actor_of(cast.users["amy"], how="test")
    for act, state in ((actions.approve, "awaiting_approval"), (actions.release, "pending")):
        with conflict("key_compromised"):
            act(amy, found[state].pk)
    Order.objects.filter(pk=found["pending"].pk).update(pending_kind="confirmation")
    with conflict("key_compromised"):
        actions.confirm(cast.ada, found["pending"].pk)
    with conflict("key_compromised"):
        actions.order_again(cast.ada, found["outcome_unknown"].pk, "Nobody has seen it.")
