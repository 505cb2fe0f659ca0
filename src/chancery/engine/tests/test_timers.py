"""What comes round by itself."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chancery.apps.connectors.models import Call, CallKind, Connector, Health, WorkerBeat
from chancery.engine import timers

pytestmark = pytest.mark.django_db


def probes(desk):
    timers.probes(desk.now)
    return Call.objects.filter(kind=CallKind.PROBE).count()


def test_a_connector_is_probed_on_the_timer_and_not_before(desk):
    assert (probes(desk), probes(desk)) == (1, 1)
    desk.now += timers.PROBE_EVERY
    assert probes(desk) == 2


def test_a_doubt_is_looked_into_at_once_and_however_many_there_are_not_all_the_time(desk):
    assert probes(desk) == 1
    for seconds, number in ((0, 1), (9, 1), (10, 2), (11, 2)):
        now = desk.now + timedelta(seconds=seconds)
        Connector.objects.update(probe_at=timers.sooner(Connector.objects.get().probe_at, now))
        timers.probes(now)
        assert Call.objects.filter(kind=CallKind.PROBE).count() == number
    assert timers.sooner(None, desk.now) == desk.now
    assert timers.sooner(desk.now - timedelta(hours=1), desk.now) == desk.now - timedelta(hours=1)


def test_inactive_and_deleted_connectors_are_left_alone(desk):
    Connector.objects.update(status="inactive")
    assert probes(desk) == 0
    Connector.objects.update(status="active", deleted_at=desk.now)
    assert probes(desk) == 0


def test_a_pause_that_is_over_is_followed_by_one_probe(desk):
    Connector.objects.update(breaker_until=desk.now, health=Health.UNREACHABLE)
    assert (probes(desk), probes(desk)) == (1, 1)
    row = Connector.objects.get()
    assert row.breaker_until > desk.now


def test_a_throttled_connector_goes_on_by_itself(desk):
    Connector.objects.update(breaker_until=desk.now, health=Health.THROTTLED, probe_at=desk.now + timedelta(hours=1))
    assert probes(desk) == 0
    assert Connector.objects.get().breaker_until is None


def test_old_probes_and_old_signs_of_life_go(desk):
    probes(desk)
    Call.objects.update(finished_at=desk.now)
    first, second = uuid4(), uuid4()
    timers.beat(first, desk.now, desk.now)
    desk.now += timedelta(hours=2)
    Connector.objects.update(probe_at=desk.now + timedelta(hours=1))
    timers.beat(second, desk.now, desk.now)
    assert probes(desk) == 0
    assert [b.pk for b in WorkerBeat.objects.all()] == [second]


@pytest.mark.parametrize(
    "columns", [{}, {"breaker_until": "now", "health": Health.UNREACHABLE}], ids=["timer", "pause"]
)
def test_of_two_leaders_that_see_the_same_probes_due_each_is_written_once(desk, local, monkeypatch, columns):
    """While the one is at the first, the other writes what is left; the first then finds its condition gone."""
    Connector.objects.update(**{n: desk.now if v == "now" else v for n, v in columns.items()})
    plain, seen = timers._probe, []

    def probe(row, now):
        seen.append(row.name)
        plain(row, now)
        if len(seen) == 1:
            timers.probes(now)

    monkeypatch.setattr(timers, "_probe", probe)
    timers.probes(desk.now)
    assert sorted(seen) == ["DigiCert", "Local"]
    assert Call.objects.filter(kind=CallKind.PROBE).count() == 2
