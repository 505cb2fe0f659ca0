"""The evidence about a call, and the explanation of an order, out of the tables."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from chancery import catalog
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector, Health, PoolMember
from chancery.apps.orders import actions, evidence, explaining, queries
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import current_clock
from chancery.core.ids import new_id
from chancery.core.order import State

pytestmark = pytest.mark.django_db


def tell(order, kind, text="", **detail):
    at = current_clock().now()
    return OrderEvent.objects.create(
        id=new_id(at), order=order, at=at, kind=kind, actor="engine", text=text, detail=detail
    )


def known(cast, order):
    return evidence.of(queries.get(cast.ada, order.pk), current_clock().now())


def why(cast, order):
    return explaining.of(queries.get(cast.ada, order.pk), current_clock().now())


def words(found):
    return " ".join(
        [found.summary, *(s.text for part in (found.decided, found.waits_for, found.goes_on) for s in part)]
    )


FAILED = {"cause": "502", "error": "OutcomeUnknown", "doing": "submit", "bytes_sent": True, "said": "502 Bad Gateway"}


def test_what_was_sent_what_came_and_what_the_search_found(cast, account, order):
    now = current_clock().now()
    made = order("outcome_unknown", "Public", submitted_at=now, version=account.current_id, due_at=now, searches=1)
    tell(made, "order.outcome_unknown", "OutcomeUnknown: It broke off.", **FAILED)
    tell(made, "order.searched", "None of 2 orders is ours.", cause="")
    later = now + timedelta(hours=1)
    tell(made, "order.searched", "The search failed.", times=3, last_at=later.isoformat())
    tell(
        made,
        "order.outcome_unknown",
        "NotFound: No such order.",
        error="NotFound",
        doing="poll",
        bytes_sent=True,
        said="",
    )
    found = known(cast, made)
    assert found.sent.csr_sha256 == hashlib.sha256(bytes(made.csr)).hexdigest()
    assert (found.sent.reference, found.sent.version) == (str(made.pk), 1)
    assert (found.arrived.error, found.arrived.bytes_sent, found.arrived.said) == (
        "OutcomeUnknown",
        True,
        "502 Bad Gateway",
    )
    assert [(s.text, s.times) for s in found.searches] == [("None of 2 orders is ours.", 1), ("The search failed.", 3)]
    assert found.searches[1].last_at == later
    assert (found.settling.finds, found.settling.search_lag) == (True, timedelta(seconds=60))
    assert found.settling.next_look_at == made.due_at
    assert str(made.pk) in found.risk[0]


def test_what_was_known_of_a_call_is_no_evidence_of_the_next(cast, account, order):
    made = order("outcome_unknown", "Public")
    tell(made, "order.outcome_unknown", "OutcomeUnknown: It broke off.", **FAILED)
    tell(made, "order.searched", "Nothing.")
    tell(made, "order.settled_absent", "It is sent again.")
    found = known(cast, made)
    assert (found.arrived, found.searches) == (None, ())


def test_what_was_known_of_a_call_counts_again_once_its_answer_came_after_all(cast, account, order):
    made = order("outcome_unknown", "Public")
    tell(made, "order.outcome_unknown", "OutcomeUnknown: It broke off.", **FAILED)
    tell(made, "order.searched", "Nothing.")
    tell(made, "order.settled_absent", "It is sent again.")
    tell(made, "order.answered_late", "The CA has it.")
    found = known(cast, made)
    assert (found.arrived.error, [s.text for s in found.searches]) == ("OutcomeUnknown", ["Nothing."])


def test_an_order_that_is_settled_has_evidence_and_no_risk(cast, account, order):
    found = known(cast, order("issued", "Public"))
    assert (found.risk, found.request, found.settling.next_look_at) == ((), None, None)


def test_where_the_type_of_ca_is_not_installed_both_still_stand(cast, account, order):
    made = order("outcome_unknown", "Public", due_at=current_clock().now())
    Connector.objects.filter(pk=account.pk).update(authority="gone")
    assert known(cast, made).settling.way.startswith("What speaks to this type of CA is not installed")
    assert "is not installed, or cannot be loaded" in words(why(cast, made))


def test_a_search_without_a_lag_is_told_from_one_with():
    about = catalog.get("digicert")
    at_once = replace(about, facts=replace(about.facts, search_lag=timedelta(0)))
    assert "its search knows an order at once" in evidence.way_of(at_once)
    assert "never sooner than 1 minute after" in evidence.way_of(about)


# Why -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", list(State))
def test_every_state_is_explained(cast, account, order, state):
    found = why(cast, order(state, "Public"))
    assert found.summary
    assert "It goes to Public CA, the only connector of its pool." in words(found)


def test_the_connectors_switch_and_breaker_and_the_way_through_the_queue(cast, local, order):
    first, second = order(), order(name="b.example.com")
    assert "0 orders of this team are more urgent, 0 of" in words(why(cast, first))
    assert "1 order of this team is more urgent" in words(why(cast, second))
    soon = current_clock().now() + timedelta(minutes=1)
    busy = order("submitting", name="c.example.com", due_at=soon, lease_until=soon)
    assert "1 of " in words(why(cast, second))
    assert "has until" in words(why(cast, busy))
    Connector.objects.filter(pk=local.pk).update(
        breaker_until=soon, health=Health.LOGIN_REFUSED, health_text="Wrong key."
    )
    assert "login refused (Wrong key): its breaker is open until" in words(why(cast, first))
    connectors.deactivate(cast.ada, local.pk)
    assert "Activate Local." in words(why(cast, first))


def test_a_login_that_is_not_tried_again_and_the_limits_in_force(cast, account, order):
    made = order(profile="Public")
    at = current_clock().now() - timedelta(seconds=1)
    rows = Connector.objects.filter(pk=account.pk)
    rows.update(breaker="half_open", limit_seats=3, limit_rate=2.0, slowed=0.5, slowed_at=at)
    assert "0 of 3 seats taken, at most 1.012 calls a second, and one at a time" in words(why(cast, made))
    rows.update(breaker="stopped", health_text="Wrong key.")
    said = words(why(cast, made))
    assert "refused its login so often (Wrong key) that nothing is tried" in said
    assert "Nobody has to do anything" not in said


def test_rules_decisions_and_errors_are_told_from_the_timeline(cast, local, order):
    made = order(profile="Careful")
    actions.approve(cast.amy, made.pk)
    said = words(why(cast, made))
    assert "Every rule allowed it: some name, key type" in said
    assert "The profile wants a second person's approval. Approved by amy at" in said
    tell(made, "order.requeued", "Throttled: Slowly.", **{**FAILED, "error": "Throttled"})
    assert "The last error was Throttled, when sending it: The CA asked for fewer calls." in words(why(cast, made))
    tell(made, "order.pending", "The CA has it.")
    assert "The last error" not in words(why(cast, made))


def test_an_error_that_a_newer_version_knew_is_not_guessed_at(cast, local, order):
    made = order()
    tell(made, "order.requeued", "x", **{**FAILED, "error": "NeverHeardOf"})
    assert "The last error" not in words(why(cast, made))


def test_the_pool_its_reason_and_the_profiles_changes(cast, local, account, order):
    profile = Profile.objects.get(name="Internal")
    made = order()
    PoolMember.objects.create(pool=profile.pool, connector=account, preference=2)
    assert "the most preferred one that took orders then. Preference: Local, Public CA." in words(why(cast, made))
    tell(made, "order.moved", "Public CA was away for an hour.", routed={"to": "Local"})
    Profile.objects.filter(pk=profile.pk).update(updated_at=current_clock().now())
    said = words(why(cast, made))
    assert "It goes to Local: Public CA was away for an hour." in said
    assert "It has been changed since" in said


def test_settings_and_the_second_person(cast, account, order):
    made = order("outcome_unknown", "Public", version=account.current_id, again=1)
    actions.order_again(cast.ada, made.pk, "Nothing there.")
    said = words(why(cast, made))
    assert "settings version 1 of Public CA, which is in force" in said
    assert "ada wants it ordered again" in said
    assert "ordered again, 1 time" in said
    assert Order.objects.get(pk=made.pk).again == 1
