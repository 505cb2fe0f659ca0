"""What comes round is done by one worker at a time, and what fails takes nothing with it."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from chancery.apps.health.models import Duty
from chancery.apps.health.tests.test_health import NOW
from chancery.core.clock import ManualClock
from chancery.engine import duties
from chancery.engine.duties import Duties, Round, once

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def done(monkeypatch):
    calls = []

    def act(now, state):
        calls.append(now)
        return {"times": state.get("times", 0) + 1}

    monkeypatch.setattr(duties, "ROUNDS", (Round("a", MINUTE, act),))
    return calls


@pytest.fixture
def mine(db):
    made = Duties()
    yield made
    made.close()


def test_a_duty_begins_a_while_after_it_is_first_seen_and_comes_round(mine, clock, done):
    mine.come_round(clock)
    assert done == []
    for _step in range(4):
        clock.advance(timedelta(seconds=30))
        mine.come_round(clock)
    assert done == [NOW + MINUTE, NOW + 2 * MINUTE]
    assert Duty.objects.get().state == {"times": 2}


def test_it_is_looked_after_once_a_second(mine, clock, done, django_assert_num_queries):
    mine.come_round(clock)
    clock.advance(timedelta(seconds=0.5))
    with django_assert_num_queries(0):
        mine.come_round(clock)


def test_a_time_far_ahead_was_written_under_a_wrong_clock(mine, clock, done):
    Duty.objects.create(name="a", next_at=NOW + timedelta(days=900))
    mine.come_round(clock)
    assert done == [NOW]


def test_whoever_comes_second_does_nothing(done):
    one = duties.ROUNDS[0]
    assert once(one, NOW) is False
    Duty.objects.create(name="a", next_at=NOW)
    assert [once(one, NOW), once(one, NOW)] == [True, False]


def test_a_duty_that_fails_waits_for_its_next_time_and_the_others_go_on(mine, clock, done, monkeypatch, caplog):
    def broken(now, state):
        Duty.objects.filter(name="a").update(state={"half": "done"})
        raise ValueError("a secret")

    monkeypatch.setattr(duties, "ROUNDS", (Round("broken", MINUTE, broken), *duties.ROUNDS))
    Duty.objects.bulk_create([Duty(name=name, next_at=NOW) for name in ("broken", "a")])
    mine.come_round(clock)
    assert done == [NOW]
    assert "broken failed: ValueError" in caplog.text
    assert "a secret" not in caplog.text
    caplog.clear()
    assert dict(Duty.objects.values_list("name", "next_at")) == {"broken": NOW + MINUTE, "a": NOW + MINUTE}
    assert Duty.objects.get(name="a").state == {"times": 1}


def test_a_database_that_goes_away_is_the_workers_to_handle(mine, clock, monkeypatch):
    def gone(now, state):
        raise OperationalError

    monkeypatch.setattr(duties, "ROUNDS", (Round("gone", MINUTE, gone),))
    Duty.objects.create(name="gone", next_at=NOW)
    with pytest.raises(OperationalError):
        mine.come_round(clock)


def test_every_duty_of_the_engine_runs_on_an_empty_installation(mine, clock):
    for one in duties.ROUNDS:
        Duty.objects.create(name=one.name, next_at=NOW)
        assert once(one, NOW) is True


def test_changes_whose_time_has_come_are_applied_by_the_engine(monkeypatch):
    made = []
    monkeypatch.setattr(duties.changes, "due", lambda now: ["first", "second"] if now == NOW else [])
    monkeypatch.setattr(duties.changes, "apply_due", lambda actor, ident: made.append((actor.name, ident)))
    (one,) = [r for r in duties.ROUNDS if r.name == "changes.apply"]
    assert one.act(NOW, {"kept": 1}) == {"kept": 1}
    assert made == [("engine", "first"), ("engine", "second")]
