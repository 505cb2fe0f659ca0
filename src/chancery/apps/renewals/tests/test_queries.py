"""The plan of a certificate, what comes next, and what each week brings against the rates."""

from datetime import timedelta

import pytest
from django.db import connection

from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.connectors.models import Connector
from chancery.apps.renewals import planning, queries
from chancery.apps.renewals.models import Plan
from chancery.core.errors import Invalid

pytestmark = pytest.mark.django_db


def test_a_plan_shows_the_order_that_somebody_placed_meanwhile(cast, planned, issued):
    row = planned()
    assert queries.of(cast.rob, row.pk).order is None
    order = certificates.renew(cast.rob, row.pk)
    assert queries.of(cast.rob, row.pk).order == order
    assert queries.of(cast.rob, issued().pk) is None


def test_what_comes_next_is_listed_first(cast, issued, planned):
    late = issued(not_after=NOW + timedelta(days=200))
    soon = issued(not_after=NOW + timedelta(days=20))
    planning.cover(NOW, {})
    assert [p.pk for p in queries.listing(cast.rob).items] == [soon.pk, late.pk]
    Plan.objects.filter(pk=late.pk).update(state="waiting", due_at=None)
    assert [p.pk for p in queries.listing(cast.rob).items] == [soon.pk]
    assert [p.pk for p in queries.listing(cast.rob, state="waiting").items] == [late.pk]
    with pytest.raises(Invalid):
        queries.listing(cast.rob, state="asleep")


def test_a_forecast_counts_by_week_and_connector(cast, issued):
    for days in (20, 20, 60):
        issued(not_after=NOW + timedelta(days=days))
    planning.cover(NOW, {})
    for n, row in enumerate(Plan.objects.order_by("certificate__not_after", "pk")):
        Plan.objects.filter(pk=row.pk).update(due_at=NOW + timedelta(days=(-1, 3, 15)[n]))
    found = queries.forecast(cast.rob)
    assert found.weeks == [2, 0, 1, *[0] * 10]
    assert (found.overdue, found.starts[0], len(found.starts)) == (1, NOW, 13)
    (load,) = found.loads
    assert (load.total, load.tight, load.limited) == (3, [], False)
    assert load.capacity > 1_000_000


def test_a_week_with_more_than_the_rate_lets_through_is_marked(cast, planned):
    planned()
    Plan.objects.update(due_at=NOW + timedelta(days=8))
    Connector.objects.update(authority="gone")
    (load,) = queries.forecast(cast.rob).loads
    assert (load.capacity, load.tight, load.limited) == (0, [1], True)


def test_nothing_planned_is_a_forecast_too(cast, local):
    found = queries.forecast(cast.rob)
    assert (found.weeks, found.loads, found.overdue) == ([0] * 13, [], 0)


def test_the_questions_are_answered_by_indexes(planned):
    planned()
    if connection.vendor != "sqlite":
        return
    for rows in (
        Plan.objects.filter(due_at__isnull=False, due_at__gte=NOW, due_at__lt=NOW).order_by("due_at", "id"),
        Plan.objects.filter(ask_at__lte=NOW).order_by("ask_at"),
        Plan.objects.filter(state="ordered").order_by("id"),
        Plan.objects.filter(profile=Plan.objects.get().profile_id, revision__lt=2),
    ):
        assert "SCAN renewals_plan" not in rows.explain() or "USING" in rows.explain(), rows.explain()
