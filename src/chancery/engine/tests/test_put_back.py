"""After a restore nothing is sent before somebody has looked: what may have been sent since is searched for at its CA."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chancery import catalog
from chancery.apps.audit.models import Entry
from chancery.apps.connectors.models import Connector, PoolMember, Status
from chancery.apps.orders import actions, restoring
from chancery.apps.orders.models import Approval, Order, OrderEvent
from chancery.apps.shared.action import use_clock
from chancery.apps.shared.actor import Grant
from chancery.apps.shared.tests.looking import said
from chancery.core.clock import ManualClock
from chancery.core.errors import NotPermitted
from chancery.engine.claim import claim_orders, connector_row
from chancery.engine.jobs import Kind, Missing
from chancery.engine.tests.kit import FENCE
from chancery.sdk.authority import Dedup

pytestmark = pytest.mark.django_db
NOTHING = Missing("DigiCert's search found nothing.")
HOUR = timedelta(hours=1)


def now_of(order):
    return Order.objects.get(pk=order.pk)


def put_back(desk, **more):
    """Put it back an hour after the last entry; returns what was done."""
    before = use_clock(ManualClock(desk.now + HOUR))
    try:
        return restoring.put_back(desk.cast.host, **more)
    finally:
        use_clock(before)


def facts(monkeypatch, connector, **changes):
    """Let the connector's CA be another one."""
    about = restoring.descriptor_of(connector.authority, connector.current_id)
    powers = changes.pop("powers", about.powers)
    other = replace(about, facts=replace(about.facts, **changes), powers=powers)
    monkeypatch.setattr(restoring, "descriptor_of", lambda *_: other)


def test_all_connectors_are_off_and_on_record(desk):
    backup = Entry.objects.order_by("-at").first().at
    found = put_back(desk)
    row = Connector.objects.get(pk=desk.connector.pk)
    assert (row.status, row.epoch) == (Status.INACTIVE, desk.connector.epoch + 1)
    assert (found.connectors, found.since) == (1, backup)
    kinds = [entry["target"]["kind"] for entry in said("orders.put_back")]
    assert kinds == ["connector", "installation"]
    assert put_back(desk).connectors == 0


def test_whoever_settles_for_one_team_puts_back_nothing(desk):
    one = replace(desk.cast.ada, grants=(Grant("ca_operator", desk.connector.team_id),))
    with pytest.raises(NotPermitted):
        restoring.put_back(one)
    assert Connector.objects.get(pk=desk.connector.pk).status == Status.ACTIVE


@pytest.mark.parametrize("state", ["queued", "submitting", "outcome_unknown"])
def test_what_may_have_been_sent_since_is_searched_for(desk, state):
    order = desk.order(state, intended_at=None, due_at=None, poll_state={"v": 1, "confirmed": True}, searches=2)
    found = put_back(desk)
    after = now_of(order)
    lag = catalog.get("digicert").facts.search_lag
    assert (found.searched, found.held) == (1, 0)
    assert (after.state, after.reason_code, after.bound) == ("outcome_unknown", "put_back", True)
    assert (after.intended_at, after.submitted_at, after.due_at) == (
        found.since,
        desk.now + HOUR,
        desk.now + HOUR + lag,
    )
    assert (after.searches, after.poll_state, after.fence) == (0, {}, None)
    assert after.version_id == desk.connector.current_id
    assert f"after {found.since:%Y-%m-%d %H:%M} UTC is not known" in after.reason
    assert after.events.order_by("id").last().kind == "order.put_back"
    assert {"kind": "order", "id": str(order.pk), "name": order.common_name} in [
        entry["target"] for entry in said("orders.put_back")
    ]


def test_it_is_searched_for_while_the_connector_is_off_and_nothing_else_is_done(desk):
    order = desk.order("queued", fence=None, lease_until=None)
    put_back(desk)
    late = desk.now + 2 * HOUR
    jobs, lost = claim_orders(connector_row(desk.connector.pk), late, 10)
    assert ([(job.kind, job.row) for job in jobs], lost) == ([(Kind.SETTLE, order.pk)], [])


def searched(desk, order, times=0):
    """Let so many searches find nothing, or as many as prove it."""
    for _ in range(times or catalog.get("digicert").facts.search_tries):
        Order.objects.filter(pk=order.pk).update(fence=FENCE)
        desk.record((desk.job(now_of(order), Kind.SETTLE), NOTHING))
    return now_of(order)


def test_that_nothing_is_found_proves_nothing_where_the_account_may_be_another(desk):
    order = desk.order("queued")
    put_back(desk)
    after = searched(desk, order, 1)
    assert (after.state, after.due_at) == ("outcome_unknown", None)
    assert "to another account since. A person decides." in after.reason


def test_it_proves_it_where_the_operator_says_that_the_accounts_are_the_same(desk):
    order = desk.order("queued")
    put_back(desk, same_accounts=True)
    after = searched(desk, order)
    assert after.state == "queued", after.reason


def test_it_proves_nothing_where_a_pool_may_have_moved_the_order(desk):
    order = desk.order("queued")
    other = Connector.objects.create(
        name="Other", authority="local", team_id=order.team_id, environment_id=order.environment_id,
        updated_at=desk.now, created_at=desk.now,
    )  # fmt: skip
    PoolMember.objects.create(pool=order.profile.pool, connector=other)
    put_back(desk, same_accounts=True)
    assert "another connector of its pool" in searched(desk, order, 1).reason


def test_what_two_people_order_again_after_that_is_judged_by_its_own_call(desk):
    order = desk.order("queued")
    put_back(desk)
    OrderEvent.objects.create(
        id=order.pk, order=order, kind="order.ordered_again", at=desk.now + HOUR, actor="x", text=""
    )
    OrderEvent.objects.filter(order=order, kind="order.put_back").update(id="00000000-0000-7000-8000-000000000000")
    assert searched(desk, order).state == "queued"


def test_where_a_ca_cannot_be_searched_a_person_decides(desk, monkeypatch):
    facts(monkeypatch, desk.connector, powers=frozenset())
    order = desk.order("queued")
    put_back(desk)
    after = now_of(order)
    assert (after.state, after.due_at) == ("outcome_unknown", None)
    assert after.reason.endswith("This CA cannot be searched, so a person decides.")


def test_what_is_not_installed_any_more_is_for_a_person(desk):
    order = desk.order("queued")
    Connector.objects.filter(pk=desk.connector.pk).update(authority="gone")
    put_back(desk)
    assert (now_of(order).state, now_of(order).due_at) == ("outcome_unknown", None)


def test_a_ca_that_gives_the_original_back_may_be_sent_it_again(desk, monkeypatch):
    facts(monkeypatch, desk.connector, dedup=Dedup.RETURN_ORIGINAL)
    order = desk.order("queued")
    assert put_back(desk).searched == 0
    assert now_of(order).state == "queued"


@pytest.mark.parametrize(
    ("kind", "acts", "state"),
    [
        ("processing", False, "pending"),
        ("processing", True, "outcome_unknown"),
        ("confirmation", False, "outcome_unknown"),
    ],
)
def test_what_waits_at_the_ca_is_polled_on_unless_that_could_order(desk, monkeypatch, kind, acts, state):
    facts(monkeypatch, desk.connector, polls_are_acts=acts)
    order = desk.order("pending", pending_kind=kind, poll_state={"v": 1, "order": 7})
    put_back(desk)
    after = now_of(order)
    assert (after.state, after.poll_state) == (state, {"v": 1, "order": 7} if state == "pending" else {})


def test_what_only_asks_was_not_sent_and_what_was_approved_of_it_counts_no_more(desk):
    asks = desk.order("awaiting_approval", intended_at=None, due_at=None, approvals=1, requested_via="acme")
    approved = desk.order("awaiting_approval", intended_at=None, due_at=None, approvals=1, requested_via="acme")
    assert actions.approve(desk.cast.amy, approved.pk).reason_code == "approved_for_next"
    assert put_back(desk).held == 0
    assert (now_of(asks).state, now_of(asks).intended_at) == ("awaiting_approval", None)
    after = now_of(approved)
    assert (after.state, after.reason_code) == ("cancelled", "approval_taken_back")
    assert "it may have counted since" in after.reason


def test_what_waits_for_approval_is_searched_for_once_it_is_approved(desk):
    order = desk.order("awaiting_approval", intended_at=None, due_at=None, approvals=1)
    fresh = desk.order("awaiting_approval", intended_at=None, due_at=None, approvals=1)
    found = put_back(desk)
    Order.objects.filter(pk=fresh.pk).update(intended_at=None)  # as one that was placed afterwards
    assert (found.searched, found.held) == (0, 2)
    assert now_of(order).state == "awaiting_approval"
    held = {"kind": "order", "id": str(order.pk), "name": order.common_name}
    assert [entry["detail"] for entry in said("orders.put_back") if entry["target"] == held] == [
        {"state": "awaiting_approval"}
    ]
    for one, state in ((order, "outcome_unknown"), (fresh, "queued")):
        actions.approve(desk.cast.amy, one.pk)
        assert Approval.objects.filter(order=one).count() == 1
        assert now_of(one).state == state
    assert "to another account since" in searched(desk, order, 1).reason
