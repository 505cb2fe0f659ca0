"""What a clock that was ahead has put off is taken back with it."""

from datetime import timedelta

import pytest

from chancery.apps.certificates.models import Certificate
from chancery.apps.certificates.tests.conftest import NOW, clock, issued  # noqa: F401  fixtures
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.engine import clocks, duties

pytestmark = pytest.mark.django_db
AHEAD, GAP = timedelta(days=400), timedelta(minutes=5)


def test_what_was_put_off_under_a_clock_that_was_ahead_comes_by_as_much_sooner(cast, issued):
    row = issued()
    far, near = NOW + AHEAD + GAP, NOW + GAP
    orders = Order.objects.filter(pk=row.order_id)
    Connector.objects.update(breaker_until=far, probe_at=near)
    Certificate.objects.update(due_at=far)
    state = clocks.put_back(NOW + AHEAD, {"kept": 1})
    found = {}
    for name, columns in {
        "queued": {},
        "pending": {"state": "pending"},
        "leased": {"state": "submitting", "lease_until": far},
        "unknown": {"state": "outcome_unknown"},
    }.items():
        orders.update(**{"state": "queued", "due_at": far, "lease_until": None, **columns})
        after = clocks.put_back(NOW, state)
        found[name] = orders.get().due_at
    assert found == {"queued": near, "pending": near, "leased": far, "unknown": far}
    assert (Connector.objects.get().breaker_until, Connector.objects.get().probe_at) == (near, near)
    assert Certificate.objects.get().due_at == near
    assert after == {"kept": 1, "at": NOW.isoformat()}
    # A clock that goes on, or is put back by less than workers' clocks differ, changes nothing.
    orders.update(state="queued", due_at=far)
    for now in (NOW - timedelta(seconds=59), NOW, NOW + GAP):
        clocks.put_back(now, after)
    assert orders.get().due_at == far


def test_it_comes_round(db):
    assert clocks.put_back in {one.act for one in duties.ROUNDS}
