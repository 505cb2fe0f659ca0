"""`/metrics` for Prometheus: asked of the tables at each scrape, so that every web process gives the same answer."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import CharField, Count, Min
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import actor_of_token
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector, Status, WorkerBeat
from chancery.apps.health import queries as health
from chancery.apps.health.models import BOUNDS, ISSUED
from chancery.apps.notices.models import Delivery, Notice
from chancery.apps.orders.models import Order
from chancery.apps.renewals.models import Plan
from chancery.apps.shared.action import current_clock
from chancery.core.ids import made_at
from chancery.core.order import OPEN

_WITHIN = (("7d", 7), ("30d", 30))
_LOOPBACK = {"127.0.0.1", "::1"}
_FORWARDED = ("X-Forwarded-For", "Forwarded", "Via")
_CONNECTOR = ["connector", "authority"]


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a scrape of whoever may: a token with `metrics.view`, or this machine where the setting says so."""
    if not _may(request):
        text = "A token with the permission metrics.view is wanted (Authorization: Bearer …).\n"
        answer = HttpResponse(text, status=401, content_type="text/plain; charset=utf-8")
        answer.headers["WWW-Authenticate"] = 'Bearer realm="chancery"'
        return answer
    registry = CollectorRegistry()
    registry.register(Tables(current_clock().now()))
    answer = HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _may(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    address = request.META.get("REMOTE_ADDR", "")
    if scheme.lower() == "bearer" and token:
        actor = actor_of_token(token.strip(), address)
        return actor is not None and actor.may(Permission.METRICS_VIEW)
    # What a proxy on this machine passes on comes from there as well, and is not of this machine.
    proxied = any(name in request.headers for name in _FORWARDED)
    return bool(settings.METRICS_ON_LOOPBACK) and address in _LOOPBACK and not proxied


class Tables(Collector):
    """Everything that is told, as it stands in the tables at one moment."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._rows = list(Connector.objects.filter(deleted_at=None).order_by("authority", "name_key"))
        self._labels = {row.pk: [row.name, row.authority] for row in self._rows}

    def collect(self) -> Iterator[Any]:
        """Return every family of metrics."""
        yield from self._orders()
        yield from self._connectors()
        yield from self._calls()
        yield from self._certificates()
        yield from self._service()

    def _orders(self) -> Iterator[Any]:
        """Orders that are open; those that ended are counted by what the CAs answered."""
        orders = GaugeMetricFamily(
            "chancery_orders", "Open orders, by state and connector.", labels=["state", *_CONNECTOR]
        )
        counted = Order.objects.filter(state__in=sorted(OPEN)).order_by().values_list("state", "connector")
        for state, connector, number in counted.annotate(n=Count("pk")):
            if connector in self._labels:
                orders.add_metric([state, *self._labels[connector]], number)
        yield orders
        age = GaugeMetricFamily(
            "chancery_queue_age_seconds", "How long the oldest queued order has been waiting.", labels=_CONNECTOR
        )
        # Ids are in order of time, and stand in the index of the queue, so that no row is read.
        oldest = Order.objects.filter(state="queued").order_by().values_list("connector")
        for connector, ident in oldest.annotate(first=Min(Cast("id", CharField()))):
            if connector in self._labels:
                waited = (self._now - made_at(UUID(ident))).total_seconds()
                age.add_metric(self._labels[connector], max(waited, 0.0))
        yield age

    def _connectors(self) -> Iterator[Any]:
        active = GaugeMetricFamily("chancery_connector_active", "The administrator's switch.", labels=_CONNECTOR)
        paused = GaugeMetricFamily(
            "chancery_connector_breaker_open", "Whether orders wait since the CA failed.", labels=_CONNECTOR
        )
        state = GaugeMetricFamily(
            "chancery_connector_health", "1 for the health as measured.", labels=[*_CONNECTOR, "health"]
        )
        failures = GaugeMetricFamily("chancery_connector_failures", "Failures in a row.", labels=_CONNECTOR)
        for row in self._rows:
            labels = self._labels[row.pk]
            active.add_metric(labels, row.status == Status.ACTIVE)
            paused.add_metric(labels, row.breaker_until is not None or row.breaker == "stopped")
            state.add_metric([*labels, row.health], 1)
            failures.add_metric(labels, row.failures)
        yield from (active, paused, state, failures)

    def _calls(self) -> Iterator[Any]:
        calls = CounterMetricFamily(
            "chancery_calls", "Calls to CAs, by outcome.", labels=[*_CONNECTOR, "operation", "outcome"]
        )
        issued = CounterMetricFamily("chancery_certificates_issued", "Certificates that CAs gave.", labels=_CONNECTOR)
        sums: dict[tuple[UUID, str], tuple[list[int], float]] = {}
        given: dict[UUID, int] = {}
        for row in health.ever():
            labels = [row.connector.name, row.connector.authority]
            calls.add_metric([*labels, row.operation, row.outcome], row.number)
            counts, seconds = sums.get((row.connector_id, row.operation), ([0] * (len(BOUNDS) + 1), 0.0))
            added = [a + b for a, b in zip(counts, row.counts, strict=True)]
            sums[row.connector_id, row.operation] = added, seconds + row.seconds
            if row.outcome == ISSUED:
                given[row.connector_id] = given.get(row.connector_id, 0) + row.number
        for connector, number in given.items():
            issued.add_metric(self._labels[connector], number)
        yield from (calls, issued, self._latency(sums))

    def _latency(self, sums: dict[tuple[UUID, str], tuple[list[int], float]]) -> HistogramMetricFamily:
        family = HistogramMetricFamily(
            "chancery_call_duration_seconds", "How long calls took.", labels=[*_CONNECTOR, "operation"]
        )
        for (connector, operation), (counts, seconds) in sums.items():
            below, buckets = 0, []
            for bound, number in zip((*map(str, BOUNDS), "+Inf"), counts, strict=True):
                below += number
                buckets.append((bound, float(below)))
            family.add_metric([*self._labels[connector], operation], buckets, seconds)
        return family

    def _certificates(self) -> Iterator[Any]:
        expiring = GaugeMetricFamily(
            "chancery_certificates_expiring", "Valid certificates that end within so long.", labels=["within"]
        )
        rows = Certificate.objects.filter(revoked_at__isnull=True, not_after__gt=self._now)
        for label, days in _WITHIN:
            expiring.add_metric([label], rows.filter(not_after__lte=self._now + timedelta(days=days)).count())
        yield expiring
        due = Plan.objects.filter(due_at__lte=self._now).count()
        yield GaugeMetricFamily("chancery_renewals_overdue", "Renewals whose time has come.", value=due)

    def _service(self) -> Iterator[Any]:
        beats = GaugeMetricFamily(
            "chancery_worker_last_beat_seconds",
            "Seconds since a worker's last sign of life.",
            labels=["worker", "host"],
        )
        for beat in WorkerBeat.objects.filter(kind="worker").order_by("pk"):
            beats.add_metric([str(beat.pk), beat.host], max((self._now - beat.seen_at).total_seconds(), 0.0))
        yield beats
        notices = GaugeMetricFamily("chancery_notices_open", "Conditions that people are told of.", labels=["kind"])
        counted = Notice.objects.filter(resolved_at__isnull=True).order_by().values_list("kind")
        for kind, number in counted.annotate(n=Count("pk")):
            notices.add_metric([kind], number)
        yield notices
        waiting = Delivery.objects.filter(due_at__isnull=False).count()
        yield GaugeMetricFamily("chancery_notices_unsent", "Notices that wait to be sent.", value=waiting)
