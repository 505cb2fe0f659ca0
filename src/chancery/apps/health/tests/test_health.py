"""Measured calls add up, in buckets that are bounded; what is read of them is what was measured."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.health import queries, record
from chancery.apps.health.ages import credential_since
from chancery.apps.health.models import COARSE, EVER, FINE, Bucket, Vital
from chancery.apps.health.record import Tally
from chancery.apps.shared import action
from chancery.core.clock import ManualClock
from chancery.core.errors import Invalid

pytestmark = pytest.mark.django_db


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


NOW = utc(2030, 1, 1, 12, 3, 7)


@pytest.fixture(autouse=True)
def clock():
    manual = ManualClock(NOW)
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


def tally(*seconds):
    made = Tally()
    for one in seconds:
        made.add(1, one)
    return made


def seen(connector, outcome, *seconds, at=NOW, operation="submit"):
    record.add({(connector.pk, operation, outcome): tally(*seconds)}, at)


def test_what_is_counted_twice_for_one_span_adds_up_in_one_row(local):
    seen(local, "ok", 0.02, 40.0)
    seen(local, "ok", 0.3, at=NOW + timedelta(minutes=1))
    rows = {row.width: row for row in Bucket.objects.all()}
    assert sorted(rows) == [EVER, FINE, COARSE]
    assert (rows[FINE].start, rows[COARSE].start) == (utc(2030, 1, 1, 12), utc(2030, 1, 1, 12))
    for row in rows.values():
        assert (row.number, row.slowest, row.last_at) == (3, 40.0, NOW + timedelta(minutes=1))
        assert row.seconds == pytest.approx(40.32)
        assert row.counts == [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1]


def test_another_span_has_another_row_and_what_has_no_end_goes_on(local):
    seen(local, "ok", 1.0)
    seen(local, "ok", 1.0, at=NOW + timedelta(hours=2))
    assert sorted(Bucket.objects.values_list("width", "number")) == [(0, 2), (300, 1), (300, 1), (3600, 1), (3600, 1)]


def test_many_rows_are_written_as_well_and_none_for_a_connector_that_is_gone(local):
    many = {(local.pk, "submit", f"Kind{n}"): tally(1.0) for n in range(30)}
    gone = local.pk.__class__(int=1)
    record.add({**many, (gone, "submit", "ok"): tally(1.0)}, NOW)
    assert Bucket.objects.count() == 90
    record.add({}, NOW)
    assert Bucket.objects.count() == 90


def test_old_buckets_go_the_counters_stay(local):
    seen(local, "ok", 1.0)
    record.prune(NOW + timedelta(days=4))
    assert sorted(Bucket.objects.values_list("width", flat=True)) == [EVER, COARSE]
    assert record.prune(NOW + timedelta(days=91)) == 1
    assert record.prune(NOW + timedelta(days=91)) == 0
    assert list(Bucket.objects.values_list("width", flat=True)) == [EVER]


def test_tallies_merge():
    one = tally(0.2)
    one.merge(tally(3.0, 0.02))
    assert (one.number, one.slowest) == (3, 3.0)
    assert one.seconds == pytest.approx(3.22)
    assert sum(one.counts) == 3


def test_a_day_is_told_in_half_hours(local):
    seen(local, "issued", 0.2, 0.2)
    seen(local, "ok", 0.4, at=NOW - timedelta(hours=3))
    seen(local, "Unreachable", 20.0, at=NOW - timedelta(hours=3))
    seen(local, "ok", 9.0, at=NOW - timedelta(days=2))
    found = queries.history(local)
    assert (found.span, len(found.points)) == ("day", 48)
    assert found.points[-1].start == utc(2030, 1, 1, 12)
    busy = [p for p in found.points if p.calls]
    assert [(p.calls, p.answered, p.issued, p.errors) for p in busy] == [
        (2, 1, 0, {"Unreachable": 1}),
        (2, 2, 2, {}),
    ]
    assert (busy[1].mean, busy[1].p95) == (pytest.approx(0.2), 0.2)
    assert busy[0].p95 == 20.0
    assert (found.points[0].mean, found.points[0].p95) == (None, None)
    assert (found.total.calls, found.total.failed, found.error_kinds) == (4, 1, ["Unreachable"])


@pytest.mark.parametrize(("span", "number"), [("week", 42), ("quarter", 45)])
def test_longer_spans_are_told_in_longer_steps(local, span, number):
    seen(local, "ok", 1.0, at=NOW - timedelta(days=6))
    found = queries.history(local, span)
    assert (len(found.points), found.total.calls) == (number, 1)


def test_an_unknown_span_is_refused_by_name(local):
    with pytest.raises(Invalid) as refused:
        queries.history(local, "century")
    assert refused.value.problems[0].field == "span"


def test_the_slowest_call_bounds_the_last_class(local):
    seen(local, "ok", *[0.01] * 10, 55.0)
    assert queries.history(local).points[-1].p95 == 55.0


def test_each_operation_tells_its_last_success_and_failure(local):
    seen(local, "Unreachable", 1.0, at=NOW - timedelta(minutes=9))
    seen(local, "ok", 1.0, at=NOW - timedelta(minutes=7))
    seen(local, "issued", 1.0, at=NOW - timedelta(minutes=5))
    seen(local, "AuthFailed", 1.0, operation="poll")
    poll, submit = queries.operations(local)
    assert (submit.succeeded_at, submit.failed_at, submit.error) == (
        NOW - timedelta(minutes=5),
        NOW - timedelta(minutes=9),
        "Unreachable",
    )
    assert (submit.calls, submit.failures) == (3, 1)
    assert (poll.name, poll.succeeded_at, poll.failed_at, poll.error) == ("poll", None, NOW, "AuthFailed")


def test_what_ages_is_kept_once_per_subject_and_forgotten_with_it(local):
    record.vital(local.pk, "crl", NOW, "http://a", until=NOW, text="x" * 600)
    record.vital(local.pk, "crl", NOW, "http://a", error="It is gone.")
    record.vital(local.pk, "crl", NOW, "http://b", until=NOW)
    record.vital(local.pk, "clock_skew", NOW, seconds=2.0)
    first = Vital.objects.get(subject="http://a")
    assert (first.until, first.error, first.text) == (None, "It is gone.", "")
    record.forget_vitals(local.pk, "crl", ["http://b"])
    assert [v.subject for v in queries.history(local).vitals] == ["", "http://b"]


def test_a_credential_is_as_old_as_the_first_version_that_had_it(cast, digicert, simulator, clock):
    first = credential_since([digicert])[digicert.pk]
    connectors.edit(cast.ada, digicert.pk, 1, {**values(simulator), "description": "New words.", "api_key": ""})
    clock.advance(timedelta(days=30))
    row = Connector.objects.select_related("current").get()
    connectors.edit(cast.ada, row.pk, row.revision, {**values(simulator), "api_key": ""})
    row = Connector.objects.select_related("current").get()
    assert credential_since([row]) == {row.pk: first}
    assert queries.history(row).credential_since == first
    connectors.edit(cast.ada, row.pk, row.revision, {**values(simulator), "api_key": "another-key-of-the-test"})
    row = Connector.objects.select_related("current").get()
    assert credential_since([row]) == {row.pk: NOW + timedelta(days=30)}


def values(simulator):
    from tests.cast import digicert_values

    return digicert_values(simulator)


def test_a_connector_without_secrets_has_no_credential(local):
    local.current.secrets = {}
    assert queries.history(local).credential_since is None


def test_the_pages_query_is_answered_by_an_index(local):
    rows = Bucket.objects.filter(connector=local, width=FINE, start__gte=NOW).order_by("start")
    if connection.vendor == "sqlite":
        assert "SCAN" not in rows.explain()
        assert "SCAN" not in Bucket.objects.filter(width=FINE, start__lt=NOW).order_by("start").explain()
