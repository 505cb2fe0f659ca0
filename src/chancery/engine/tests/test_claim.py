"""What is taken out of the tables, as what, and under which lease."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from chancery import catalog
from chancery.apps.accounts.models import Team
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.profiles import actions as profiles
from chancery.engine import claim
from chancery.engine.jobs import Kind
from chancery.engine.record import Recorder
from chancery.engine.tests.kit import CA, Toy, at, job, leaf, rng
from chancery.engine.work import do
from chancery.sdk.authority import Dedup
from chancery.sdk.outcome import Issued

pytestmark = pytest.mark.django_db(transaction=True)


def ready(desk):
    from django.db import transaction

    with transaction.atomic():
        return claim.connector_row(desk.connector.pk)


def claimed(desk, most=10):
    with transaction.atomic():
        row = claim.connector_row(desk.connector.pk)
        return claim.claim_orders(row, desk.now, most)


def test_a_connector_that_cannot_be_used_is_passed_over(desk, monkeypatch):
    assert ready(desk).takes_new
    monkeypatch.setattr(catalog, "load", lambda: catalog.Catalog({}, ()))
    assert ready(desk) is None
    monkeypatch.undo()
    Connector.objects.filter(pk=desk.connector.pk).update(current=None)
    assert ready(desk) is None
    Connector.objects.filter(pk=desk.connector.pk).update(deleted_at=desk.now)
    assert ready(desk) is None


def test_a_connector_whose_pace_another_worker_holds_is_left_for_the_next_turn(desk, monkeypatch):
    """PostgreSQL shows no row that is locked: it looks as if there was none, and yet no other is written."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    desk.order("queued")
    assert ready(desk).pace is not None
    monkeypatch.setattr(claim, "_pace", lambda ident: None)
    with CaptureQueriesContext(connection) as asked:
        assert ready(desk) is None
    assert not [q["sql"] for q in asked if q["sql"].startswith("INSERT")]
    monkeypatch.undo()
    assert [j.kind for j in claimed(desk)[0]] == [Kind.SUBMIT]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"state": "queued"}, Kind.SUBMIT),
        ({"state": "pending"}, Kind.POLL),
        ({"state": "pending", "poll_state": {"adopt": "77"}}, Kind.ADOPT),
        ({"state": "pending", "cancel_requested": True}, Kind.CANCEL),
        ({"state": "pending", "poll_state": {"adopt": "77"}, "cancel_requested": True}, Kind.ADOPT),
        ({"state": "pending", "poll_state": {"release": {"v": 1}}}, Kind.POLL),  # this CA has no such power
        ({"state": "outcome_unknown"}, Kind.SETTLE),
    ],
)
def test_each_state_asks_for_its_own_act(desk, columns, expected):
    order = desk.order(**columns)
    jobs, lost = claimed(desk)
    assert [(j.row, j.kind) for j in jobs] == [(order.pk, expected)]
    assert lost == []
    order.refresh_from_db()
    assert order.lease_until == order.due_at == desk.now + catalog.get("digicert").facts.lease
    assert order.fence == jobs[0].fence
    assert claimed(desk) == ([], [])


@pytest.mark.parametrize("state", ["awaiting_approval", "issued", "quarantined", "failed"])
def test_what_waits_for_nobody_is_left_alone(desk, state):
    desk.order(state)
    assert claimed(desk) == ([], [])


def test_a_lease_that_ran_out_is_never_sent_again_where_the_ca_would_make_a_second(desk):
    order = desk.order("submitting")
    assert claimed(desk) == ([], [order.pk])


def local_order(desk, local, **columns):
    desk.connector = local
    return desk.order("submitting", profile="Internal", **columns)


def test_a_lease_that_ran_out_is_sent_again_where_the_ca_gives_the_original_back(desk, local):
    first_intent = desk.now - timedelta(hours=1)
    order = local_order(desk, local, intended_at=first_intent)
    without = local_order(desk, local, intended_at=None)
    jobs, lost = claimed(desk)
    assert ({j.row for j in jobs}, {j.kind for j in jobs}, lost) == ({order.pk, without.pk}, {Kind.SUBMIT}, [])
    order.refresh_from_db()
    without.refresh_from_db()
    assert (order.intended_at, without.intended_at) == (first_intent, desk.now)
    assert order.submitted_at == desk.now


def test_a_lease_that_ran_out_is_sent_again_where_nothing_is_issued_before_a_poll(desk, monkeypatch):
    from dataclasses import replace

    from chancery.authorities.digicert.authority import DigiCert
    from chancery.sdk.authority import Dedup

    monkeypatch.setattr(DigiCert, "facts", replace(DigiCert.facts, dedup=Dedup.ISSUES_LATER))
    order = desk.order("submitting")
    jobs, lost = claimed(desk)
    assert ([(j.row, j.kind) for j in jobs], lost) == ([(order.pk, Kind.SUBMIT)], [])


@pytest.mark.parametrize(
    ("facts", "repeated"),
    [
        ({}, True),
        ({"polls_are_acts": True}, False),
        ({"polls_are_acts": True, "dedup": Dedup.RETURN_ORIGINAL}, True),
    ],
)
def test_a_poll_that_may_order_is_not_repeated_after_its_worker_vanished(desk, monkeypatch, facts, repeated):
    """A recorded poll holds no lease: one that is there when the order is due belongs to a worker that is gone."""
    cls = catalog.build("digicert")
    monkeypatch.setattr(cls, "facts", replace(cls.facts, **facts))
    order = desk.order("pending", lease_until=desk.now, poll_state={"v": 1})
    jobs, lost = claimed(desk)
    assert ([j.kind for j in jobs], lost) == (([Kind.POLL], []) if repeated else ([], [order.pk]))
    Order.objects.filter(pk=order.pk).update(lease_until=None, due_at=desk.now)
    assert [j.kind for j in claimed(desk)[0]] == [Kind.POLL]


def test_it_is_not_sent_again_through_an_inactive_connector(desk, local):
    order = local_order(desk, local)
    Connector.objects.filter(pk=local.pk).update(status="inactive")
    assert claimed(desk) == ([], [order.pk])


def test_the_window_in_which_the_ca_remembers_counts_from_the_first_intent(desk, local, monkeypatch):
    from dataclasses import replace

    from chancery.authorities.local.authority import Local

    monkeypatch.setattr(Local, "facts", replace(Local.facts, dedup_window=timedelta(hours=1)))
    inside = local_order(desk, local, intended_at=desk.now - timedelta(minutes=59))
    outside = local_order(desk, local, intended_at=desk.now - timedelta(minutes=61))
    jobs, lost = claimed(desk)
    assert ([j.row for j in jobs], lost) == ([inside.pk], [outside.pk])


def test_inactive_and_broken_connectors_submit_nothing_new(desk):
    desk.order("queued")
    pending = desk.order("pending")
    rows = Connector.objects.filter(pk=desk.connector.pk)
    rows.update(status="inactive")
    assert [j.row for j in claimed(desk)[0]] == [pending.pk]
    rows.update(status="active", breaker_until=desk.now)
    desk.order("pending")
    assert claimed(desk) == ([], [])


def test_the_most_urgent_come_first_and_room_is_kept(desk):
    hour = timedelta(hours=1)
    patient = desk.order("queued", due_at=desk.now - 2 * hour, deadline_at=desk.now + 9 * hour)
    urgent = desk.order("queued", due_at=desk.now - hour, deadline_at=desk.now + hour)
    desk.order("queued", due_at=desk.now + timedelta(seconds=1), deadline_at=desk.now)
    assert [j.row for j in claimed(desk, most=1)[0]] == [urgent.pk]
    assert [j.row for j in claimed(desk, most=5)[0]] == [patient.pk]


def plan_of(sql, params):
    """Return how the database would read it, where sorting and reading everything are no choice."""
    from django.db import connection, transaction

    adapted = [p.hex if isinstance(p, UUID) and connection.vendor == "sqlite" else p for p in params]
    # Outside of a transaction it would hold for nothing.
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{sql}", adapted)
        return " ".join(str(row[-1]) for row in cursor.fetchall())


def test_the_queue_is_read_in_the_order_of_its_index(desk):
    # Of an empty table, or one that was never looked at, PostgreSQL may take either.
    row = desk.order("queued")
    teams = row.team_id, Team.objects.get(name="Other").pk
    for number in range(300):
        row.pk, row.team_id = uuid4(), teams[number % 2]
        row.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE orders_order")
    sql = claim._DUE.format(lock="").partition("WITH due AS (")[2].removesuffix(")")
    team = Team.objects.get(name="Operations").pk
    for index, one, params in (
        ("order_by_urgency", sql, [desk.connector.pk, desk.now, 5]),
        ("order_by_turn", claim._PART, [desk.connector.pk, team, desk.now, 5]),
        ("order_by_turn", claim._TEAMS, [*[desk.connector.pk] * 3, desk.now]),
    ):
        plan = plan_of(one, params)
        assert index in plan
        assert "TEMP B-TREE" not in plan
        assert "Sort" not in plan


def of_team(desk, name, number, hours):
    """Queue orders of a team that are wanted in so many hours."""
    team = Team.objects.get(name=name).pk
    wanted = desk.now + timedelta(hours=hours)
    return [desk.order("queued", fence=None, team_id=team, deadline_at=wanted).pk for _ in range(number)]


def test_teams_take_turns_and_what_one_leaves_goes_to_the_other(desk):
    Connector.objects.update(breaker="closed")
    many, few = of_team(desk, "Operations", 6, 1), of_team(desk, "Other", 3, 9)
    rows = {j.row for j in claimed(desk, most=4)[0]}
    assert (len(rows & set(many)), len(rows & set(few))) == (2, 2)
    rows = {j.row for j in claimed(desk, most=4)[0]}
    assert (len(rows & set(many)), len(rows & set(few))) == (3, 1)
    assert [j.row in many for j in claimed(desk, most=4)[0]] == [True]
    assert claimed(desk, most=4)[0] == []


def test_teams_that_have_nothing_due_take_no_places(desk):
    of_team(desk, "Operations", 1, 1)
    of_team(desk, "Other", 1, 1)
    Order.objects.update(due_at=desk.now + timedelta(seconds=1))
    assert claimed(desk, most=4)[0] == []


def test_where_there_are_more_teams_than_places_the_next_one_begins(desk):
    rows = {name: of_team(desk, name, 3, 1) for name in ("Operations", "Other")}
    pace, begun = SimpleNamespace(turn=0), []
    for _ in range(4):
        with transaction.atomic():
            row = replace(claim.connector_row(desk.connector.pk), pace=pace)
            (one,) = claim.claim_orders(row, desk.now, 1)[0]
        begun.append(next(name for name, some in rows.items() if one.row in some))
    assert begun == ["Operations", "Other", "Operations", "Other"]
    with transaction.atomic():
        alone = replace(claim.connector_row(desk.connector.pk), pace=None)
        assert len(claim.claim_orders(alone, desk.now, 1)[0]) == 1


@pytest.mark.parametrize("half_open", [False, True])
def test_a_team_whose_orders_are_not_due_yet_holds_up_no_other(desk, half_open):
    later, due = of_team(desk, "Operations", 1, 1), of_team(desk, "Other", 2, 9)
    Order.objects.filter(pk__in=later).update(due_at=desk.now + timedelta(minutes=15))
    first, second = (Order.objects.get(pk=rows[0]).team_id for rows in (later, due))
    for turn in (0, second):  # the one that waits comes next, after nobody and after the other
        with transaction.atomic():
            row = replace(claim.connector_row(desk.connector.pk), half_open=half_open)
            row.pace.turn = turn
            assert [j.row in due for j in claim.claim_orders(row, desk.now, 1)[0]] == [True]
        assert row.pace.turn == second != first


def test_where_one_act_shows_whether_the_ca_works_its_profile_is_drawn_by_lot(desk):
    """A profile whose orders all fail has one after another that never failed: by urgency alone, they would all go first."""
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(desk.cast.ada, {"name": "Second", "connector": "DigiCert", "product": product})
    for _ in range(3):
        desk.order("queued", fence=None, deadline_at=desk.now + timedelta(hours=1))
    desk.order("queued", "Second", fence=None, deadline_at=desk.now + timedelta(hours=9))
    went = set()
    for draw in (min, max):
        with transaction.atomic():
            row = replace(claim.connector_row(desk.connector.pk), half_open=True)
            (one,) = claim.claim_orders(row, desk.now, 1, [claim.QUEUED], draw)[0]
        went.add(Order.objects.get(pk=one.row).profile.name)
    assert went == {"Public", "Second"}


@pytest.mark.parametrize("teams", [("Operations", "Operations"), ("Operations", "Other")])
def test_where_one_act_shows_whether_the_ca_works_what_failed_least_goes_before_what_is_urgent(desk, teams):
    (urgent,), (patient,) = of_team(desk, teams[0], 1, 1), of_team(desk, teams[1], 1, 9)
    third = of_team(desk, teams[0], 1, 5)[0]
    Order.objects.filter(pk=urgent).update(attempt=3)
    found = []
    for _ in range(3):
        with transaction.atomic():
            row = replace(claim.connector_row(desk.connector.pk), half_open=True)
            assert row.one_at_a_time
            found += [j.row for j in claim.claim_orders(row, desk.now, 1, [claim.QUEUED])[0]]
            assert claim.claim_orders(row, desk.now, 1, [claim.BEGUN]) == ([], [])
    assert (set(found[:2]), found[2]) == ({third, patient}, urgent) or teams[0] != teams[1]
    assert found.index(third) < found.index(urgent)


def test_an_order_that_is_cancelled_while_its_profile_is_drawn_is_no_fault(desk, monkeypatch):
    """On PostgreSQL each statement sees what was committed until then."""
    desk.order("queued", fence=None)
    plain = claim.read

    def read(sql, params):
        if sql == claim._PROFILES:
            Order.objects.update(state="cancelled", due_at=None)
        return plain(sql, params)

    monkeypatch.setattr(claim, "read", read)
    with transaction.atomic():
        row = replace(claim.connector_row(desk.connector.pk), half_open=True)
        assert claim.claim_orders(row, desk.now, 1, [claim.QUEUED], rng().choice) == ([], [])


def issued(desk):
    order = desk.order()
    desk.record((desk.job(order, Kind.SUBMIT), do(job(), Toy(submit=Issued(leaf().der, (CA.der,), "ca-1")), at)))
    return Certificate.objects.get(order=order)


def test_a_renewal_tells_the_ca_what_it_replaces(desk):
    before = issued(desk)
    renewal = desk.order("queued", replaces_id=before.pk)
    jobs, _ = claimed(desk)
    assert [(j.row, j.asked.previous) for j in jobs] == [(renewal.pk, "ca-1")]


def test_a_renewal_elsewhere_tells_nothing_that_the_ca_could_misread(desk, local):
    before = issued(desk)
    Certificate.objects.filter(pk=before.pk).update(connector=local)
    desk.order("queued", replaces_id=before.pk)
    jobs, _ = claimed(desk)
    assert [j.asked.previous for j in jobs] == [""]


def revocations(desk, **columns):
    from django.db import transaction

    made = issued(desk)
    Certificate.objects.filter(pk=made.pk).update(due_at=desk.now, revocation_reason="superseded", **columns)
    with transaction.atomic():
        row, looks = claim.connector_row(desk.connector.pk), columns.get("revocation") == "waiting_at_ca"
        assert claim.claim_revocations(row, desk.now, 5, looks=not looks) == []
        return claim.claim_revocations(row, desk.now, 5, looks=looks)


@pytest.mark.parametrize(("state", "kind"), [("requested", Kind.REVOKE), ("waiting_at_ca", Kind.POLL_REVOCATION)])
def test_revocations_go_on_while_the_connector_is_inactive(desk, state, kind):
    Connector.objects.filter(pk=desk.connector.pk).update(status="inactive")
    found = revocations(desk, revocation=state)
    assert [(j.kind, j.extra["reference"]) for j in found] == [(kind, "ca-1")]
    assert claim.due_connectors(desk.now + timedelta(hours=1)) == [
        claim.Due(desk.connector.pk, orders=False, revocations=True, inventory=False)
    ]


def test_revocations_wait_while_the_ca_is_away(desk):
    made = issued(desk)
    Connector.objects.filter(pk=made.connector_id).update(breaker_until=desk.now)
    assert claim.claim_revocations(ready(desk), desk.now, 5) == []


def test_two_workers_never_hold_the_same_order(desk):
    desk.order("queued")
    first, _ = claimed(desk)
    assert claimed(desk) == ([], [])
    later = desk.now + timedelta(hours=1)
    Recorder(later, rng()).lost([first[0].row], "digicert")
    assert Order.objects.get(pk=first[0].row).fence is None
    assert UUID(str(first[0].fence)) == first[0].fence


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL chooses by how many rows there are")
def test_what_the_ca_has_is_found_without_reading_what_is_queued(desk):
    sql = claim._BEGUN.format(some="IN (%s)", lock="")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN SELECT id {sql}", [desk.connector.pk.hex, str(desk.now), "pending", 64])
        assert "order_begun" in str(cursor.fetchall())
