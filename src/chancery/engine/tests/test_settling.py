"""An unknown outcome settles by the CA's declared way, never sooner than its search can know: across every authority."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from chancery import catalog
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector, ConnectorVersion
from chancery.apps.orders import evidence
from chancery.apps.orders.models import Order, OrderEvent
from chancery.core.effects import KINDS, Doing, Retry, consequence
from chancery.core.order import State
from chancery.engine.claim import claim_orders, connector_row
from chancery.engine.jobs import Failed, Kind, Missing
from chancery.engine.record import Recorder
from chancery.engine.tests.kit import FENCE, rng

pytestmark = pytest.mark.django_db
TINY = timedelta(milliseconds=1)


WIDENING = {"manager_username": "manager", "search_from": "1"}
"""Settings that give a connector powers which it has not without them."""


def variants():
    """Return every built-in authority, over each transport that it can be set to, with and without what widens its powers."""
    for slug in sorted(catalog.BUILT_IN):
        fields = catalog.get(slug).config.model_fields
        more = {name: value for name, value in WIDENING.items() if name in fields}
        transports = fields["transport"].json_schema_extra["choices"] if "transport" in fields else [""]
        for transport in transports:
            bare = {"transport": transport} if transport else {}
            for settings in [bare, {**bare, **more}] if more else [bare]:
                yield pytest.param((slug, settings), id=" ".join([slug, *settings.values()]))


def test_every_authority_is_there_over_each_transport_and_some_of_them_search_with_a_lag():
    made = [p.values[0] for p in variants()]
    assert {slug for slug, _ in made} == set(catalog.BUILT_IN)
    finding = {slug for slug, settings in made if "finds" in catalog.get(slug, settings).powers}
    assert finding == {slug for slug in catalog.BUILT_IN if "finds" in catalog.get(slug).powers}
    assert any(catalog.get(slug, settings).facts.search_lag for slug, settings in made)


@pytest.fixture(params=list(variants()))
def bench(request, desk):
    """Put the desk's connector into the hands of another authority, at the same address."""
    slug, settings = request.param
    ConnectorVersion.objects.filter(connector=desk.connector).update(settings=settings)
    Connector.objects.filter(pk=desk.connector.pk).update(authority=slug)
    return Bench(desk, slug)


class Bench:
    def __init__(self, desk, slug):
        self.desk, self.slug = desk, slug
        self.about = descriptor_of(slug, desk.connector.current_id)
        self.lag = max(self.about.facts.search_lag, timedelta(seconds=1))
        self.finds = "finds" in self.about.powers

    def record(self, order, kind, result):
        job = replace(self.desk.job(order, kind), authority=self.slug)
        with transaction.atomic():
            Recorder(self.desk.now, rng()).record([(job, result)])
        Connector.objects.update(breaker_until=None, failures=0)
        return Order.objects.get(pk=order.pk)

    def claimed(self, now):
        with transaction.atomic():
            jobs, lost = claim_orders(connector_row(self.desk.connector.pk), now, 10)
            transaction.set_rollback(True)
        return [job.kind for job in jobs], lost

    def back(self, order, state, **columns):
        values = {"fence": FENCE, "lease_until": None, "ca_reference": "", "due_at": self.desk.now, "reason": ""}
        Order.objects.filter(pk=order.pk).update(**{**values, "state": state, "searches": 0, "attempt": 0, **columns})
        return Order.objects.get(pk=order.pk)


def test_an_unknown_outcome_settles_by_the_declared_way_and_never_before_the_lag(bench):
    order = bench.desk.order(version=bench.desk.connector.current)
    whatever_leads_to_one_is_not_searched_for_before_the_lag(bench, order)
    a_worker_that_vanished_leaves_what_only_the_cas_own_way_settles(bench, order)
    if bench.finds:
        each_search_that_finds_nothing_waits_for_the_lag_before_the_next(bench, order)


def whatever_leads_to_one_is_not_searched_for_before_the_lag(bench, order):
    seen = 0
    for kind in KINDS:
        for job, doing, state in ((Kind.SUBMIT, Doing.SUBMIT, "submitting"), (Kind.POLL, Doing.POLL, "pending")):
            rule = consequence(kind, doing, bytes_sent=True)
            if rule.target is not State.OUTCOME_UNKNOWN:
                continue
            assert rule.retry is Retry.AFTER_LAG
            after = bench.record(bench.back(order, state), job, Failed(kind, f"{kind} when {doing}."))
            assert after.state == "outcome_unknown"
            waits_for_the_lag(bench, after)
            seen += 1
    assert seen == 5


def waits_for_the_lag(bench, order):
    if not bench.finds:
        assert order.due_at is None
        assert bench.claimed(bench.desk.now + timedelta(days=30)) == ([], [])
        return
    assert order.due_at >= bench.desk.now + bench.lag
    assert bench.claimed(order.due_at - TINY) == ([], [])
    assert bench.claimed(order.due_at) == ([Kind.SETTLE], [])


def a_worker_that_vanished_leaves_what_only_the_cas_own_way_settles(bench, order):
    now = bench.desk.now
    bench.back(order, "submitting", intended_at=now, lease_until=now)
    kinds, lost = bench.claimed(now)
    if bench.about.facts.dedup.harmless:
        assert (kinds, lost) == ([Kind.SUBMIT], [])
        return
    assert (kinds, lost) == ([], [order.pk])
    with transaction.atomic():
        Recorder(now, rng()).lost(lost, bench.slug)
    waits_for_the_lag(bench, Order.objects.get(pk=order.pk))


def each_search_that_finds_nothing_waits_for_the_lag_before_the_next(bench, order):
    tries = bench.about.facts.search_tries
    for number in range(tries):
        after = bench.record(bench.back(order, "outcome_unknown", searches=number), Kind.SETTLE, Missing("Nothing."))
        if number + 1 < tries:
            assert (after.state, after.searches) == ("outcome_unknown", number + 1)
            waits_for_the_lag(bench, after)
    assert (after.state, after.again) == ("queued", 0)


@pytest.mark.parametrize("variant", list(variants()))
def test_what_is_said_of_a_type_of_ca_is_what_the_engine_does(variant):
    about = catalog.get(*variant)
    said = evidence.way_of(about)
    assert ("a person decides" in said) is not ("finds" in about.powers)
    assert ("sent again" in said) is about.facts.dedup.harmless


def test_a_search_that_fails_alike_is_counted_on_one_line_of_the_timeline(desk):
    order = desk.order("outcome_unknown", submitted_at=desk.now)
    for _ in range(3):
        desk.record((desk.job(order, Kind.SETTLE), Failed("Forbidden", "No right to search.", "403", "Forbidden")))
        Order.objects.filter(pk=order.pk).update(fence=FENCE)
    line = OrderEvent.objects.get(order=order, kind="order.searched")
    assert line.detail["times"] == 3
    assert line.detail["last_at"] == desk.now.isoformat()
    assert (line.detail["error"], line.detail["said"]) == ("Forbidden", "403 Forbidden")
    found = evidence.of(Order.objects.get(pk=order.pk), desk.now)
    assert [(s.times, s.at == s.last_at) for s in found.searches] == [(3, True)]


def test_the_first_search_has_its_line_also_where_it_fails_as_the_request_did(desk):
    order = desk.order("outcome_unknown", reason="Nobody answered.")
    after = desk.record((desk.job(order, Kind.SETTLE), Failed("Unreachable", "Nobody answered.")))[0]
    assert [e.kind for e in after.events.order_by("id")] == ["order.placed", "order.searched"]


def test_searches_that_failed_are_not_counted_as_sendings(desk):
    order = desk.order("outcome_unknown", attempt=7, searches=99)
    after = desk.record((desk.job(order, Kind.SETTLE), Missing("Nothing.")))[0]
    assert (after.state, after.attempt) == ("queued", 8)
