"""Pace and breaker hold for all workers together: two of them on one database, under whatever comes."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chancery.apps.accounts.models import Team
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import BreakerState, Connector, Pace
from chancery.apps.orders.models import Order
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.action import use_clock
from chancery.core.clock import ManualClock
from chancery.engine.jobs import Failed, Kind
from chancery.engine.pacing import KEEP
from chancery.engine.tests.conftest import Desk
from chancery.engine.tests.pair import REFUSED, UNREACHABLE, Pair, copies, issued, most_in_any_window, queued

pytestmark = pytest.mark.django_db(transaction=True)
SEATS, RATE, BURST = 4, 2.0, 6


@pytest.fixture
def clock():
    # Later than what the fixtures of the cast wrote under the real one.
    made = ManualClock(datetime(2036, 1, 1, tzinfo=UTC))
    before = use_clock(made)
    yield made
    use_clock(before)


@pytest.fixture
def pair(transactional_db, cast, clock, remote):
    limits = {"limit_seats": SEATS, "limit_rate": RATE, "limit_burst": BURST}
    far = clock.now() + timedelta(days=3650)
    Connector.objects.update(**limits, breaker="closed", health="healthy", probe_at=far)
    made = Pair(clock, remote)
    made.desk = Desk(cast, Connector.objects.get(pk=remote.pk), clock.now())
    yield made
    made.close()


def revocation(pair, number=1):
    """Ask for the revocation of certificates that are there already."""
    rows = list(Certificate.objects.filter(revocation="")[:number])
    Certificate.objects.filter(pk__in=[r.pk for r in rows]).update(
        revocation="requested", revocation_reason="superseded", due_at=pair.clock.now()
    )
    return len(rows)


def work(pair, seconds, answer=issued):
    """Let both workers go on for a time, every act ending within the second."""
    for _ in range(seconds):
        for which in (0, 1):
            pair.turn(which)
            pair.answer(which, answer, 99)
        pair.clock.advance(timedelta(seconds=1))


def test_seats_are_the_connectors_and_not_each_workers(pair):
    queued(pair.desk, 12)
    assert [len(pair.turn(which)) for which in (0, 1, 0, 1)] == [SEATS - 1, 0, 0, 0]


def test_a_revocation_finds_a_seat_and_a_token_whatever_flood_of_orders(pair):
    queued(pair.desk, 40)
    work(pair, 2)
    assert Certificate.objects.exists()
    pair.turn(0)
    revocation(pair)
    assert [j.kind for j in pair.turn(1)] == [Kind.REVOKE]


def test_the_pace_is_kept_by_both_together_and_is_used(pair):
    queued(pair.desk, 60)
    work(pair, 20)
    times = [a["at"] for a in pair.acts]
    assert most_in_any_window(times, BURST, RATE) <= 0
    # A worker learns of the other's free seats with that one's next turn: most of the rate is used, not all.
    assert len(times) >= RATE * 20 * 0.7


def test_a_worker_that_vanished_gives_its_seats_back_soon_and_its_orders_with_their_lease(pair):
    queued(pair.desk, 8)
    pair.turn(0)
    pair.crash(0)
    assert pair.turn(1) == []
    pair.clock.advance(KEEP)
    assert len(pair.turn(1)) == SEATS - 1
    pair.answer(1, issued, 9)
    # What the dead worker left takes no seat from what is still queued.
    assert len(pair.turn(1)) == 2
    pair.answer(1, issued, 9)
    pair.clock.advance(timedelta(seconds=121))
    # It is searched for, never sent again.
    assert [pair.turn(1), pair.turn(1)] == [[], []]
    assert Counter(Order.objects.values_list("state", flat=True)) == {"issued": SEATS + 1, "outcome_unknown": SEATS - 1}


def test_a_worker_that_leaves_gives_its_seats_back_at_once(pair):
    queued(pair.desk, 8)
    pair.turn(0)
    pair.workers[0]._leave()
    assert Pace.objects.get().seats == {}


def test_seats_that_were_given_back_are_told_within_a_second(pair):
    queued(pair.desk, 3)
    pair.turn(0)
    pair.answer(0, issued, 3)
    pair.turn(0)
    pair.clock.advance(timedelta(seconds=1.5))
    pair.turn(0)
    assert Pace.objects.get().seats == {}


def test_a_connector_without_a_row_gets_one_and_one_that_is_held_is_passed_over(pair):
    Pace.objects.all().delete()
    queued(pair.desk, 1)
    assert len(pair.turn(0)) == 1


def test_a_claim_writes_one_statement_more_for_a_batch_and_not_for_an_order(pair):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for number in (1, 3):
        queued(pair.desk, number)
        pair.workers[0]._last_beat = pair.clock.monotonic()
        with CaptureQueriesContext(connection) as seen:
            assert len(pair.turn(0)) == number
        counts.append(sum(q["sql"].startswith("UPDATE connectors_pace") for q in seen.captured_queries))
        pair.answer(0, issued, 9)
        pair.turn(0)
        pair.clock.advance(timedelta(seconds=30))
    assert counts == [1, 1]


def test_a_turn_asks_as_little_however_many_wait(pair):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    # The first makes what is made once.
    for number in (10, 20, 2000):
        copies(queued(pair.desk, 1)[0], number, first=number)
        pair.workers[0]._last_beat = pair.clock.monotonic()
        with CaptureQueriesContext(connection) as seen:
            assert pair.turn(0)
        counts.append(len(seen))
        Order.objects.filter(state="queued").update(due_at=None)  # the turn that records takes up nothing more
        pair.answer(0, issued, 9)
        pair.turn(0)
        pair.clock.advance(timedelta(seconds=30))
    assert counts[1] == counts[2]


def test_a_dead_credential_is_tried_three_times_by_all_workers_together(pair, result):
    queued(pair.desk, 9)
    refusals = 0
    for _ in range(8):
        for which in (0, 1):
            pair.turn(which)
        for which in (0, 1):
            refusals += pair.answer(which, REFUSED, 99)
            refusals += pair.probe(which, REFUSED)
        pair.clock.advance(timedelta(seconds=200))
    assert pair.row().breaker == BreakerState.STOPPED
    assert Order.objects.filter(state="queued").count() == 9
    Connector.objects.update(breaker="half_open", failures=0, refusals=0, breaker_until=None)
    work(pair, 10)
    assert Order.objects.filter(state="issued").count() == 9
    result(
        "R25", refusals, "refused logins, answered by the test, before the CA was left alone; 0 orders failed of 9", 1
    )
    assert refusals <= 3


def test_after_a_credential_changed_one_act_goes_first(pair):
    Connector.objects.update(breaker="half_open")
    queued(pair.desk, 5)
    assert [len(pair.turn(which)) for which in (0, 1)] == [1, 0]
    pair.answer(0, issued)
    pair.turn(0)
    assert pair.row().breaker == BreakerState.CLOSED
    assert len(pair.turn(1)) + len(pair.in_flight()) > 1


def test_after_an_outage_what_is_wanted_first_goes_first(pair):
    orders = queued(pair.desk, 6)
    for hours, order in zip((5, 1, 4, 2, 6, 3), orders, strict=True):
        Order.objects.filter(pk=order.pk).update(deadline_at=pair.clock.now() + timedelta(hours=hours))
    work(pair, 12)
    went = Order.objects.filter(pk__in=[a["job"].row for a in pair.acts])
    deadline = dict(went.values_list("pk", "deadline_at"))
    batches = {}
    for act in pair.acts:
        batches.setdefault((act["at"], pair.workers.index(act["worker"])), []).append(deadline[act["job"].row])
    together = list(batches.values())
    assert len(together) > 1
    assert all(max(before) <= min(after) for before, after in pairwise(together))


@pytest.mark.long
def test_ten_thousand_that_fail_make_no_storm_after_a_restart(pair, result):
    copies(queued(pair.desk, 1)[0], 10_000)
    begun = pair.clock.now()
    late = Failed("Bug", "It failed.", bytes_sent=False)
    work(pair, 60, late)
    times = [a["at"] for a in pair.acts if a["at"] < begun + timedelta(minutes=1)]
    assert most_in_any_window(times, BURST, RATE) <= 0
    waits = list(Order.objects.filter(attempt__gt=0, state="queued").values_list("due_at", flat=True))
    assert len(set(waits)) == len(waits) > 10, "no two of them come again at the same moment"
    result("R16", len(times), f"calls in the first minute; {int(BURST + RATE * 60)} allowed", 1)


def ten_of(pair, team):
    """Place ten orders of a small team, and return how many go before the last of them has gone, and in how many seconds."""
    orders = queued(pair.desk, 10)
    Order.objects.filter(pk__in=[o.pk for o in orders]).update(team=team)
    mine, begun, since = {o.pk for o in orders}, len(pair.acts), pair.clock.now()
    for _ in range(60):
        work(pair, 1)
        went = [a["job"].row for a in pair.acts[begun:]]
        if mine <= set(went):
            last = max(went.index(row) for row in mine) + 1
            return last, (pair.clock.now() - since).total_seconds()
    raise AssertionError(f"{len(mine - set(went))} of ten still wait after a minute")


@pytest.mark.parametrize("number", [300, pytest.param(100_000, marks=pytest.mark.long)])
def test_a_small_team_does_not_wait_behind_a_large_one(pair, number, result):
    small = Team.objects.get(name="Other")
    alone, took = ten_of(pair, small)
    assert alone == 10
    pair.clock.advance(timedelta(minutes=1))
    # All of them are wanted earlier than what the small team asks for next.
    copies(queued(pair.desk, 1)[0], number - 1)
    pair.clock.advance(timedelta(minutes=1))
    among, later = ten_of(pair, small)
    unit = f"orders begun until the tenth of a small team was, behind {number} of another ({alone} alone)"
    result("R15", among, f"{unit}; {later:g} s, {took:g} s alone", 1)
    assert among <= 2 * alone + SEATS
    assert later <= 2 * took + 1


class Together(RuleBasedStateMachine):
    """Two workers, and everything that a CA, an administrator and a machine do to them."""

    pair: Pair

    def __init__(self):
        super().__init__()
        self.pair = Together.made
        self.until = None
        self.revoked = 0
        for which in (0, 1):
            self.pair.crash(which)
        Plan.objects.all().delete()
        Certificate.objects.all().delete()
        Order.objects.all().delete()
        Connector.objects.update(breaker="closed", failures=0, refusals=0, breaker_until=None, sick_since=None)
        Connector.objects.update(health="healthy", slowed=1.0, slowed_at=None)
        self.pair.acts.clear()
        Pace.objects.all().delete()

    @rule(number=st.integers(1, 4))
    def order(self, number):
        if Order.objects.count() < 40:
            queued(self.pair.desk, number)

    @rule()
    def revoke(self):
        self.revoked += revocation(self.pair)

    @rule(which=st.sampled_from([0, 1]))
    def turn(self, which):
        begun, row = self.pair.turn(which), self.pair.row()
        if not begun:
            return
        assert row.breaker != BreakerState.STOPPED
        assert row.breaker_until is None
        if row.breaker == BreakerState.HALF_OPEN:
            assert len(self.pair.in_flight()) == 1
        assert self.until is None or self.pair.clock.now() >= self.until, "before the CA said"

    @rule(which=st.sampled_from([0, 1]), number=st.integers(1, 4), how=st.sampled_from(["issued", "away", "refused"]))
    def answer(self, which, number, how):
        self.pair.answer(which, {"issued": issued, "away": UNREACHABLE, "refused": REFUSED}[how], number)

    @rule(which=st.sampled_from([0, 1]), seconds=st.integers(5, 90))
    def throttle(self, which, seconds):
        until = self.pair.clock.now() + timedelta(seconds=seconds)
        if self.pair.answer(which, Failed("Throttled", "Slow down.", until=until)):
            # The worker that got the answer tells the others with its next turn.
            self.pair.workers[which].turn()
            if self.pair.row().breaker != BreakerState.STOPPED:
                self.until = max(self.until or until, until)

    @rule(which=st.sampled_from([0, 1]), passes=st.booleans())
    def probe(self, which, passes):
        self.pair.probe(which, None if passes else UNREACHABLE)

    @rule(seconds=st.sampled_from([0.2, 1, 7, 40]))
    def wait(self, seconds):
        self.pair.wait(seconds)

    @rule(which=st.sampled_from([0, 1]))
    def crash(self, which):
        self.pair.crash(which)

    @rule()
    def mend(self):
        Connector.objects.filter(breaker="stopped").update(breaker="half_open", failures=0, refusals=0)

    @invariant()
    def seats_hold(self):
        acts = self.pair.in_flight()
        assert len(acts) <= SEATS
        assert sum(a["job"].kind is not Kind.REVOKE for a in acts) <= SEATS - 1

    @invariant()
    def pace_holds(self):
        assert most_in_any_window([a["at"] for a in self.pair.acts], BURST, RATE) <= 0

    @invariant()
    def nothing_is_lost(self):
        states = set(Order.objects.values_list("state", flat=True))
        assert states <= {"queued", "submitting", "issued", "outcome_unknown"}

    def teardown(self):
        for worker in self.pair.workers:
            worker.held = []


def test_whatever_comes_pace_and_breaker_hold_for_both(pair):
    Together.made = pair
    quiet = settings(max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    Together.TestCase.settings = quiet
    Together.TestCase("runTest").runTest()


def test_an_authority_that_signs_here_shares_no_row_and_waits_for_no_other_worker(pair, cast, local):
    from chancery.engine import claim

    with transaction.atomic():
        ready = claim.connector_row(local.pk)
        assert ready.pace is None
        assert pair.workers[0]._pacer.room(ready, pair.clock.now()).others > 100
    Connector.objects.filter(pk=local.pk).update(limit_seats=2)
    with transaction.atomic():
        ready = claim.connector_row(local.pk)
        assert ready.pace is not None
        assert pair.workers[0]._pacer.room(ready, pair.clock.now()).urgent == 2
