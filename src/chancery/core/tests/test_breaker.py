"""What keeps orders back while a CA is away, and how it is tried again."""

import random
from datetime import UTC, datetime, timedelta

from chancery.core.breaker import LOGIN_GAPS, LOGIN_TRIES, LONGEST, Breaker, Fault, Standing, failed, probed
from chancery.core.effects import Effect

NOW = datetime(2026, 3, 1, tzinfo=UTC)
AWAY, REFUSED = Fault(Effect.OPEN_BREAKER), Fault(Effect.STOP_LOGIN, refused_login=True)
PROBE = Fault(Effect.OPEN_BREAKER, probe=True)


def after(standing, fault, now=NOW):
    return failed(standing, fault, now, random.Random(1))


def test_one_outage_counts_once_and_only_probes_prolong_it():
    open_ = after(Standing(), AWAY)
    assert (open_.state, open_.failures, open_.sick_since, open_.holds) == (Breaker.OPEN, 1, NOW, True)
    assert after(open_, AWAY) == open_
    longer = after(open_, PROBE, NOW + LONGEST)
    assert (longer.failures, longer.sick_since) == (2, NOW)
    for _ in range(20):
        longer = after(longer, PROBE)
        assert longer.until - NOW <= LONGEST


def test_a_fault_that_may_be_one_rows_own_shuts_nothing_unless_nobody_knows_whether_the_ca_works():
    doubt = Fault(Effect.ASK)
    assert after(Standing(), doubt) == Standing()
    open_ = after(Standing(), AWAY)
    assert after(open_, doubt, NOW + LONGEST) == open_
    half = probed(open_, NOW)
    for _ in range(9):
        again = after(half, doubt)
        assert (again.state, again.refusals) == (Breaker.OPEN, 0)
        assert again.until - NOW <= LONGEST
        half = probed(again, NOW)


def test_a_probe_that_passes_lets_one_act_through_and_the_failures_stay_counted():
    half = probed(after(Standing(), AWAY), NOW)
    assert (half.state, half.until, half.failures, half.holds) == (Breaker.HALF_OPEN, None, 1, False)
    assert probed(half, NOW) == half
    assert after(half, AWAY).failures == 2
    assert probed(Standing(failures=1), NOW) == Standing()


def test_a_login_page_that_works_while_orders_are_refused_is_tried_ever_more_rarely():
    standing, gaps = Standing(), []
    for _ in range(4):
        standing = after(standing, Fault(Effect.STOP_LOGIN))
        gaps.append(standing.until - NOW)
        standing = probed(standing, NOW)
    assert gaps == [*LOGIN_GAPS, LOGIN_GAPS[-1]]


def test_a_refused_login_is_tried_three_times_and_then_waits_for_a_person():
    standing = Standing()
    for _ in range(LOGIN_TRIES):
        standing = after(standing, REFUSED)
    assert (standing.state, standing.until, standing.holds) == (Breaker.STOPPED, None, True)
    assert after(standing, REFUSED).refusals == LOGIN_TRIES + 1
    assert after(standing, AWAY) == standing
    half = probed(standing, NOW)
    assert half.state is Breaker.HALF_OPEN
    assert after(half, REFUSED).state is Breaker.STOPPED
    assert after(standing, PROBE) == standing, "a test by a person that fails starts no probes"


def test_a_longer_patience_is_kept_and_a_shorter_one_changes_nothing():
    def asked(minutes):
        return Fault(Effect.SLOW_DOWN, until=NOW + timedelta(minutes=minutes))

    first = after(Standing(), asked(5))
    assert first.until == NOW + timedelta(minutes=5)
    assert after(first, asked(2)).until == first.until
    assert after(first, asked(9)).until == NOW + timedelta(minutes=9)
    assert after(first, AWAY).until == first.until
    assert after(Standing(), asked(-5)).until > NOW
    assert after(Standing(), Fault(Effect.SLOW_DOWN)).until > NOW


def test_an_answer_without_sense_is_looked_at_at_once_and_then_later():
    first = after(Standing(), Fault(Effect.LOOK_FIRST))
    assert first.until == NOW
    assert after(probed(first, NOW), Fault(Effect.LOOK_FIRST)).until > NOW
