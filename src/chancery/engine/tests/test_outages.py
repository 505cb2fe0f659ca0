"""CAs that are away for hours, come and go, or are slow: what waits goes afterwards, once each, and nobody else waits for it.

All of it on a clock of the test's and against CAs of its own, so that eight hours take seconds.
"""

from datetime import UTC, datetime, timedelta
from math import ceil
from uuid import UUID

import pytest
from django.db import connection  # noqa: F401  conditions of marks read it

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector, Pace
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.profiles import actions as profiles
from chancery.apps.shared.action import use_clock
from chancery.core.clock import ManualClock
from chancery.engine.jobs import ORIGIN, Failed, Kind
from chancery.engine.tests.conftest import Desk
from chancery.engine.tests.farm import LONGEST, STEP, BlackHole, Ca, Farm
from chancery.engine.tests.kit import leaf
from chancery.engine.tests.pair import copies, most_in_any_window, queued
from chancery.engine.tests.test_record import good

pytestmark = pytest.mark.django_db(transaction=True)
ONCE = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the engine's own rules, which know no database")


@pytest.fixture
def clock():
    # Later than what the fixtures of the cast wrote under the real one.
    made = ManualClock(datetime(2036, 1, 1, tzinfo=UTC))
    before = use_clock(made)
    yield made
    use_clock(before)


@pytest.fixture
def farm(transactional_db, cast, clock, remote):
    made = Farm(clock, {remote.pk: Ca()})
    made.remote, made.cast = remote, cast
    paced(remote, 16, 10.0, 20, clock)
    yield made
    made.close()


def paced(row, seats, rate, burst, clock):
    """Set a connector's pace, as an administrator does."""
    limits = {"limit_seats": seats, "limit_rate": rate, "limit_burst": burst}
    Connector.objects.filter(pk=row.pk).update(**limits, breaker="closed", health="healthy", probe_at=clock.now())
    Pace.objects.filter(pk=row.pk).delete()


def ordered(farm, number, deadline=timedelta(days=30)):
    """Put orders into the queue at once; return them."""
    now = farm.clock.now()
    desk = Desk(farm.cast, Connector.objects.get(pk=farm.remote.pk), now)
    first = queued(desk, 1)[0]
    Order.objects.filter(pk=first.pk).update(due_at=now, placed_at=now, deadline_at=now + deadline)
    copies(Order.objects.get(pk=first.pk), number - 1, first=Order.objects.count() * 1_000_000)
    return Order.objects.count()


@pytest.mark.parametrize(
    ("number", "hours", "rate"),
    [pytest.param(40, 0.2, 10.0, marks=ONCE), pytest.param(10_000, 8, 100.0, marks=pytest.mark.long)],
)
def test_orders_outlive_an_outage_and_then_go_at_the_connectors_pace(farm, clock, number, hours, rate, result):
    ca, burst = farm.cas[farm.remote.pk], int(rate)
    paced(farm.remote, 100, rate, burst, clock)
    ca.up = False
    ordered(farm, number)
    farm.run(hours * 3600)
    assert set(Order.objects.values_list("state", flat=True)) == {"queued"}
    away = len(ca.calls)
    ca.up, ca.calls, healed = True, [], clock.now()
    first = []

    def look(passed):
        if not first and Certificate.objects.exists():
            first.append(passed)

    farm.run(7200, look, lambda: not Order.objects.exclude(state="issued").exists())
    assert set(Order.objects.values_list("state", flat=True)) == {"issued"}
    assert Certificate.objects.count() == number
    assert set(ca.acts.values()) == {1}
    assert len(ca.acts) == number
    waited, took = first[0], (clock.now() - healed).total_seconds()
    assert waited <= 60
    over = most_over(ca.calls, burst, rate)
    assert over <= 0
    # While it is away it is asked rarely, and by probes.
    assert away <= hours * 3600 / 10
    result(
        "R4",
        number,
        f"orders of {number} issued after an outage of {hours} hours, each once; the first {waited:.0f} s after healing, the"
        f" last after {took:.0f} s, never above the connector's {rate:.0f} calls a second; {away} calls while it was away",
    )


def most_over(times, burst, rate):
    """Return by how many calls the busiest window exceeded the pace; a window begins where a burst could."""
    if len(times) <= 2_000:
        return most_in_any_window(times, burst, rate)
    # The same in one pass: a bucket that is refilled at the rate, and how far below nothing it would have gone.
    tokens, last, worst = float(burst), times[0], 0.0
    for at in times:
        tokens = min(float(burst), tokens + (at - last).total_seconds() * rate) - 1
        last, worst = at, max(worst, -tokens)
    return worst


@pytest.mark.parametrize(
    ("number", "seconds"), [pytest.param(12, 45, marks=ONCE), pytest.param(1_000, 3600, marks=pytest.mark.long)]
)
def test_a_ca_that_comes_and_goes_gets_each_order_once(farm, clock, number, seconds, result):
    ca, begun = farm.cas[farm.remote.pk], clock.now()
    ca.delay = 0.4
    desk = Desk(farm.cast, Connector.objects.get(pk=farm.remote.pk), begun)
    base = queued(desk, 1)[0]
    Order.objects.filter(pk=base.pk).update(due_at=begun, placed_at=begun, deadline_at=begun + timedelta(days=30))
    base = Order.objects.get(pk=base.pk)
    gap, placed = seconds / number, [1]

    def each(passed):
        ca.up = int(passed / 3) % 2 == 0
        while placed[0] < number and placed[0] * gap <= passed:
            base.due_at = base.placed_at = clock.now()
            copies(base, 1, first=placed[0])
            placed[0] += 1

    # Often enough to see it come and go.
    farm.longest = 0.5
    farm.run(seconds, each)
    while_flapping, ca.up, farm.longest = len(ca.calls), True, LONGEST
    farm.run(21_600, done=lambda: not Order.objects.exclude(state="issued").exists())
    assert set(Order.objects.values_list("state", flat=True)) == {"issued"}
    assert Order.objects.count() == Certificate.objects.count() == number
    assert {*ca.acts.values()} == {1}
    assert len(ca.acts) == number
    opened = sum(state == "open" for state in farm.changes[farm.remote.pk])
    assert opened >= 2
    unknown = OrderEvent.objects.filter(kind="order.outcome_unknown").count()
    # In a steady hour: a call for each order, and a probe in each minute that has begun.
    steady = number + ceil(seconds / 60)
    assert while_flapping <= 2 * steady
    result(
        "R6",
        0,
        f"orders lost or doubled of {number} while the CA was up and down every three seconds for {seconds // 60} minutes; "
        f"the breaker opened {opened} times, {unknown} answers were lost and settled, and there were {while_flapping} calls where"
        f" a steady CA gets {steady}",
    )


AWAY = Failed("Unreachable", "The CA answered 503.", "503")
EVERY = [Kind.POLL, Kind.CANCEL, Kind.SETTLE, Kind.REVOKE, Kind.SUBMIT]


class Poisoned(Ca):
    """A CA that works, but for some rows: each act on one of them fails, whenever it is tried."""

    def __init__(self, fault):
        super().__init__()
        self.fault, self.rows, self.tries = fault, set(), []

    def answer(self, job, heard):
        if job.row in self.rows:
            self.tries.append(job.kind)
            return self.fault
        return super().answer(job, heard)


def poisoned(farm, ca, kinds):
    """Put rows into the tables whose acts fail at their CA: one for each of these kinds, all of them due before the rest."""
    now = farm.clock.now()
    desk = Desk(farm.cast, farm.remote, now)
    columns = {Kind.POLL: {}, Kind.CANCEL: {"cancel_requested": True}, Kind.SETTLE: {}, Kind.SUBMIT: {}}
    wanted = {"due_at": now - timedelta(hours=1), "placed_at": now, "deadline_at": now + timedelta(hours=9)}
    for kind in kinds:
        if kind is Kind.REVOKE:
            made = ordered_and_issued(desk)
            Certificate.objects.filter(pk=made).update(revocation="requested", due_at=now - timedelta(hours=2))
            ca.rows.add(made)
            continue
        state = "queued" if kind is Kind.SUBMIT else str(ORIGIN[kind])
        row = desk.order(state, fence=None, intended_at=None if kind is Kind.SUBMIT else now)
        Order.objects.filter(pk=row.pk).update(**wanted, **columns[kind])
        ca.rows.add(row.pk)


def ordered_and_issued(desk):
    order = desk.order()
    desk.record((desk.job(order, Kind.SUBMIT), good(leaf())))
    Order.objects.filter(pk=order.pk).update(finished_at=desk.now)
    return Certificate.objects.get(order=order).pk


@ONCE
@pytest.mark.parametrize(
    ("fault", "begins", "kinds"),
    [
        pytest.param(AWAY, "closed", EVERY, id="closed"),
        pytest.param(AWAY, "half_open", EVERY, id="half_open"),
        pytest.param(
            Failed("AuthFailed", "The managing account is refused.", "401"), "closed", [Kind.REVOKE], id="login"
        ),
    ],
)
def test_rows_that_fail_whenever_they_are_tried_keep_nobody_waiting_and_stop_no_connector(
    farm, clock, fault, begins, kinds
):
    ca = farm.cas[farm.remote.pk] = Poisoned(fault)
    poisoned(farm, ca, kinds)
    Connector.objects.filter(pk=farm.remote.pk).update(breaker=begins)
    ordered(farm, 12)
    queue = Order.objects.exclude(pk__in=ca.rows).filter(state__in=["queued", "submitting"])
    assert queue.count() == 12
    farm.run(300, done=lambda: not queue.exists())
    assert not queue.exists(), farm.changes
    farm.run(120)
    # Each is tried by its own spacing, and the connector is probed hardly more than by the timer.
    assert len(ca.tries) <= 8 * len(kinds)
    assert ca.probes <= 10 + 8 * len(kinds)
    ordered(farm, 1)
    farm.run(90, done=lambda: not queue.exists())
    assert not queue.exists()
    row = Connector.objects.get(pk=farm.remote.pk)
    assert (row.breaker, row.breaker_until, row.health, row.refusals) == ("closed", None, "healthy", 0)


def other(farm, name):
    """Make another connector with a profile of its own, and its CA."""
    values = {
        "name": name,
        "base_url": "http://127.0.0.1:9",
        "allowed_networks": "127.0.0.0/8",
        "team": "Operations",
        "environment": "Production",
        "api_key": "an-api-key-of-the-test",
        "reference_field_id": "11",
    }
    made = connectors.create(farm.cast.ada, "digicert", values)
    product = {"product": "ssl_basic", "organization_id": "112233"}
    profiles.create(farm.cast.ada, {"name": f"{name} profile", "connector": name, "product": product})
    paced(made, 100, 100.0, 100, farm.clock)
    return made


def waits(farm, number, seconds):
    """Order evenly through the quick connector, and return how long each order took, in seconds, sorted."""
    begun, placed = farm.clock.now(), [0]
    desk = Desk(farm.cast, farm.remote, begun)
    base, first = queued(desk, 1)[0], Order.objects.count() * 1_000_000
    Order.objects.filter(pk=base.pk).update(state="cancelled", due_at=None)
    base.deadline_at = begun + timedelta(days=30)

    def each(passed):
        while placed[0] < number and placed[0] * seconds / number <= passed:
            base.due_at = base.placed_at = farm.clock.now()
            copies(base, 1, first=first + placed[0])
            placed[0] += 1

    farm.longest = STEP
    mine = Order.objects.filter(pk__gt=UUID(int=first), pk__lte=UUID(int=first + number))
    farm.run(
        seconds + 600,
        each,
        lambda: placed[0] == number and mine.filter(state="issued").count() == number,
    )
    found = [(end - start).total_seconds() for start, end in mine.values_list("placed_at", "finished_at")]
    assert len(found) == number
    return sorted(found)


@pytest.mark.parametrize(
    ("number", "seconds", "queue"),
    [pytest.param(20, 10, 60, marks=ONCE), pytest.param(1_000, 500, 5_000, marks=pytest.mark.long)],
)
def test_a_slow_ca_and_one_that_never_answers_slow_no_other(farm, clock, number, seconds, queue, result):
    alone = waits(farm, number, seconds)
    slow, hole = other(farm, "Slow"), other(farm, "Hole")
    farm.cas |= {slow.pk: Ca(delay=60.0), hole.pk: BlackHole()}
    for row in (slow, hole):
        base = queued(Desk(farm.cast, row, clock.now()), 1)[0]
        values = {"connector": row, "version_id": row.current_id, "due_at": clock.now()}
        Order.objects.filter(pk=base.pk).update(**values, deadline_at=clock.now() + timedelta(days=1))
        copies(Order.objects.get(pk=base.pk), queue, first=row.pk.int >> 64 << 32)
    farm.run(5)
    beside = waits(farm, number, seconds)
    assert len(farm.cas[slow.pk].calls) > 20, "the slow one is busy"
    assert len(farm.cas[hole.pk].calls) > 20
    before, after = (times[int(len(times) * 0.95)] for times in (alone, beside))
    assert after <= before * 1.1
    result(
        "R5",
        f"{after:.2f}",
        f"seconds of the engine's clock, in which 95 of 100 orders of a quick CA were issued, beside one that answers after a"
        f" minute and one that never does, with {queue} orders each; {before:.2f} without them, {number} orders",
    )
