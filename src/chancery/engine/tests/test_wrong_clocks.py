"""Clocks that are wrong: workers hours and days apart, jumps in both directions, a leap day and the ends of summer time.

Nothing is ordered twice, nothing ends before its time, and no flood of renewals follows.
"""

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection  # noqa: F401  conditions of marks read it

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector, Pace
from chancery.apps.orders.models import Order
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.action import use_clock
from chancery.core.clock import ManualClock
from chancery.core.tests.making import certify, dns
from chancery.engine import duties
from chancery.engine.jobs import Kind
from chancery.engine.tests.conftest import Desk
from chancery.engine.tests.farm import Ca, Farm
from chancery.engine.tests.kit import CA, KEY, Toy, job
from chancery.engine.tests.pair import copies, queued
from chancery.engine.work import do
from chancery.sdk.outcome import Issued

pytestmark = pytest.mark.django_db(transaction=True)
ONCE = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="the engine's own rules, which know no database")
HOURS, LIFE = 3600, timedelta(days=90)
SKEWS = (0, HOURS, -HOURS, 24 * HOURS, -24 * HOURS)
MOMENTS = (
    datetime(2028, 2, 28, 23, 59, 50, tzinfo=UTC),
    datetime(2028, 2, 29, 23, 59, 50, tzinfo=UTC),
    datetime(2028, 3, 26, 0, 59, 50, tzinfo=UTC),
    datetime(2028, 10, 29, 0, 59, 50, tzinfo=UTC),
    datetime(2028, 12, 31, 23, 59, 50, tzinfo=UTC),
)
"""Just before a leap day begins and ends, summer time begins and ends, and a year ends."""
SEED = 20261123


class Dated(Ca):
    """A CA whose certificates begin now, by the true time, and last for ninety days."""

    def __init__(self, clock):
        super().__init__(delay=0.5)
        self._clock = clock

    def answer(self, asked, heard):
        if asked.kind not in {Kind.SUBMIT, Kind.SETTLE} or not (heard and self.up):
            return super().answer(asked, heard)
        now = self._clock.now()
        dates = {"not_before": now - timedelta(minutes=5), "not_after": now + LIFE}
        leaf = certify("www.example.com", key=KEY, issuer=CA, ca=False, extensions=dns("www.example.com"), **dates)
        return do(job(), Toy(submit=Issued(leaf.der, (CA.der,), "ca-1")), self._clock.now)


@pytest.fixture
def clock():
    made = ManualClock(MOMENTS[0])
    before = use_clock(made)
    yield made
    use_clock(before)


@pytest.fixture
def farm(transactional_db, cast, clock, remote, monkeypatch):
    # Of what comes round, what plans and orders renewals; nothing is asked of anybody else here.
    names = {"renewals.plan", "renewals.replan", "renewals.renew"}
    monkeypatch.setattr(duties, "ROUNDS", tuple(one for one in duties.ROUNDS if one.name in names))
    limits = {"limit_seats": 16, "limit_rate": 20.0, "limit_burst": 20}
    Connector.objects.filter(pk=remote.pk).update(**limits, breaker="closed", health="healthy", probe_at=clock.now())
    Pace.objects.all().delete()
    made = Farm(clock, {remote.pk: Dated(clock)}, SKEWS)
    for _, worker in made.workers:
        worker._duties.close()
        worker._duties = duties.Duties()
        worker._duties.send = lambda clock: None
    made.desk = Desk(cast, Connector.objects.get(pk=remote.pk), clock.now())
    yield made
    made.close()


def jump(farm, seconds):
    """Set the machines' wall clocks, as an operator or a time service does; the steady clock goes on."""
    farm.clock.jump(farm.clock.now() + timedelta(seconds=seconds))


def order(farm, number):
    """Put orders into the queue, as of now by the clock that happens to be."""
    now = farm.clock.now()
    base = queued(farm.desk, 1)[0]
    Order.objects.filter(pk=base.pk).update(due_at=now, placed_at=now, deadline_at=now + timedelta(days=2))
    copies(Order.objects.get(pk=base.pk), number - 1, first=Order.objects.count() * 1_000)


@pytest.mark.parametrize(
    ("moments", "jumps", "each"),
    [pytest.param(1, 2, 3, marks=ONCE), pytest.param(len(MOMENTS), 20, 10, marks=pytest.mark.long)],
)
def test_wrong_clocks_do_no_harm(farm, clock, moments, jumps, each, result):
    dice, ca, made = random.Random(SEED), farm.cas[farm.desk.connector.pk], 0
    for moment in MOMENTS[:moments]:
        clock.jump(max(moment, clock.now()))
        for _ in range(jumps):
            order(farm, each)
            farm.run(dice.uniform(0.2, 2.0))
            aside = dice.choice([HOURS, -HOURS, 24 * HOURS, -24 * HOURS])
            jump(farm, aside)
            farm.run(dice.uniform(5.0, 30.0))
            jump(farm, -aside)
            farm.run(3.0)
            made += 2
            over = [row.state for row in Order.objects.exclude(finished_at=None) if row.state != "issued"]
            assert not over, "an order ended before its time"
    number = moments * jumps * each
    farm.run(4 * HOURS, done=lambda: not Order.objects.exclude(state="issued").exists())
    assert set(Order.objects.values_list("state", flat=True)) == {"issued"}
    assert Order.objects.count() == Certificate.objects.count() == number, "something was renewed that nobody asked for"
    assert max(ca.acts.values()) == 1, "a lease was nobody's alone"
    assert len(ca.acts) == number
    farm.run(30.0)
    due = list(Plan.objects.filter(state="planned").values_list("due_at", "certificate__not_before"))
    early = [at - begun for at, begun in due if at is not None and at - begun < LIFE / 2]
    assert not early, "a renewal is planned before its time"
    unit = (
        f"orders doubled, lost or ended early, and renewals before their time, of {number} orders through {len(SKEWS)} workers whose "
        f"clocks are an hour and a day apart, over {made} jumps of an hour or a day at {moments} moments (leap day, summer time, "
        "end of the year)"
    )
    if moments == len(MOMENTS):
        result("R12", 0, unit, SEED)
