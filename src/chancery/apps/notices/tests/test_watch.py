"""A condition is told once when it begins, again while it lasts, and once when it is over."""

from datetime import timedelta

import pytest
from django.db import OperationalError

from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.connectors.models import Connector
from chancery.apps.notices import watch
from chancery.apps.notices.conditions import Look
from chancery.apps.notices.models import Delivery, Kind, Notice

pytestmark = pytest.mark.django_db


@pytest.fixture
def sick(local):
    def turn(failures=2, text="Nobody answers."):
        health = "unreachable" if failures else "healthy"
        Connector.objects.filter(pk=local.pk).update(health=health, failures=failures, health_text=text)

    turn()
    return turn


def look(hours=0.0):
    watch.watch(NOW + timedelta(hours=hours), {})


def told():
    rows = Delivery.objects.select_related("notice").order_by("created_at", "id")
    return [(d.what, d.round, d.state, d.notice.kind) for d in rows]


def test_it_is_told_once_then_daily_then_that_it_is_over(sick, channel):
    channel()
    look()
    look(1)
    assert told() == [("opened", 1, "due", "connector_sick")]
    look(24)
    look(25)
    sick(0)
    look(26)
    look(27)
    assert [(what, round_) for what, round_, *_ in told()] == [("opened", 1), ("again", 2), ("resolved", 2)]
    row = Notice.objects.get()
    assert (row.opened_at, row.told_at, row.resolved_at) == (NOW, NOW + timedelta(hours=24), NOW + timedelta(hours=26))
    sick()
    look(28)
    assert Notice.objects.count() == 2


def test_without_repetition_it_is_told_once(sick, channel, settings):
    settings.NOTICE_REPEAT_HOURS = 0
    channel()
    look()
    look(999)
    assert len(told()) == 1


def test_its_words_stay_those_of_today(sick, channel):
    look()
    sick(text="x" * 500)
    look(1)
    row = Notice.objects.get()
    assert (row.text, row.rounds) == ("x" * 500, 1)


def test_each_channel_hears_what_it_wants_of_its_own(sick, channel, cast):
    from chancery.apps.accounts import actions as people

    people.create_environment(cast.host, "QA")
    all_of_it = channel("All")
    wanted = channel("Sick", kinds=["connector_sick"], environment="Production")
    channel("Other kind", kinds=["credential_old"])
    channel("Other team", team="Other")
    channel("Other environment", environment="QA")
    channel("Off", is_active=False)
    look()
    assert set(Delivery.objects.values_list("channel", flat=True)) == {all_of_it.pk, wanted.pk}


def test_who_was_not_told_that_it_began_is_not_told_that_it_is_over(sick, channel):
    channel("First")
    look()
    channel("Later")
    sick(0)
    look(1)
    assert [(d.channel.name, d.what) for d in Delivery.objects.order_by("created_at", "id")] == [
        ("First", "opened"),
        ("First", "resolved"),
    ]


def test_what_was_only_partly_looked_at_is_not_called_over(sick, channel, monkeypatch):
    look()
    monkeypatch.setitem(watch.CONDITIONS, Kind.CONNECTOR_SICK, lambda now: Look([], whole=False))
    look(1)
    assert Notice.objects.get().resolved_at is None
    monkeypatch.setitem(watch.CONDITIONS, Kind.CONNECTOR_SICK, lambda now: Look([]))
    look(2)
    assert Notice.objects.get().resolved_at is not None


def test_one_condition_that_cannot_be_judged_silences_no_other(sick, channel, monkeypatch, caplog):
    def broken(now):
        raise ValueError("a secret")

    monkeypatch.setitem(watch.CONDITIONS, Kind.CA_STALE, broken)
    look()
    assert Notice.objects.get().kind == "connector_sick"
    assert "the condition ca_stale cannot be judged: ValueError" in caplog.text
    assert "a secret" not in caplog.text
    caplog.clear()


def test_a_database_that_goes_away_is_the_engines_to_handle(sick, monkeypatch):
    def gone(now):
        raise OperationalError

    monkeypatch.setitem(watch.CONDITIONS, Kind.CA_STALE, gone)
    with pytest.raises(OperationalError):
        look()


def test_what_has_been_over_for_three_months_is_forgotten(sick, channel):
    channel()
    look()
    sick(0)
    look(1)
    assert watch.prune(NOW + timedelta(days=90)) == 0
    watch.prune(NOW + timedelta(days=91))
    assert (Notice.objects.count(), Delivery.objects.count()) == (0, 0)
