"""Which processes there are, and what is said of them."""

from datetime import timedelta
from uuid import uuid4

import pytest

from chancery import __version__
from chancery.apps.connectors.models import WorkerBeat
from chancery.apps.connectors.queries import worker_alive
from chancery.apps.health import nodes
from chancery.apps.health.models import Lead
from chancery.apps.health.tests.test_health import NOW

pytestmark = pytest.mark.django_db


def test_each_node_has_a_name_a_kind_a_release_and_one_leads(settings):
    settings.NODE = "frankfurt-1"
    first, second, web = uuid4(), uuid4(), uuid4()
    nodes.beat(first, NOW, NOW)
    nodes.beat(second, NOW, NOW - timedelta(seconds=9))
    nodes.beat(web, NOW, NOW - timedelta(seconds=9), nodes.WEB)
    Lead.objects.create(name=nodes.TIMERS, holder=first, fence=3, until=NOW)
    found = {(n.kind, n.alive, n.leads): n for n in nodes.listing(NOW)}
    assert set(found) == {("web", True, False), ("worker", True, True), ("worker", False, False)}
    assert {(n.name, n.version) for n in found.values()} == {("frankfurt-1", __version__)}
    assert [n.kind for n in nodes.listing(NOW)] == ["web", "worker", "worker"]


def test_a_process_that_serves_is_no_worker():
    nodes.beat(uuid4(), NOW, NOW, nodes.WEB)
    assert not worker_alive(NOW)
    nodes.beat(uuid4(), NOW, NOW)
    assert worker_alive(NOW)


def test_one_of_the_release_before_writes_what_it_always_wrote():
    """Its INSERT knows neither kind nor name nor release."""
    from django.db import connection

    columns = "id, host, pid, started_at, seen_at"
    values = [uuid4().hex if connection.vendor == "sqlite" else uuid4(), "old-host", 7, NOW, NOW]
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO connectors_workerbeat ({columns}) VALUES (%s, %s, %s, %s, %s)", values)
    (node,) = nodes.listing(NOW)
    assert (node.name, node.kind, node.version) == ("old-host", "worker", "")


def test_who_ends_or_is_silent_for_long_is_forgotten():
    first, second = uuid4(), uuid4()
    nodes.beat(first, NOW, NOW)
    nodes.end(first)
    nodes.beat(second, NOW, NOW)
    nodes.beat(first, NOW, NOW + timedelta(minutes=11))
    assert [b.pk for b in WorkerBeat.objects.all()] == [first]
