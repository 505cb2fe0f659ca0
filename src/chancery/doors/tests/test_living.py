"""A process that serves leaves signs of life, whatever becomes of the database, and takes the last one away."""

import time

import pytest
from django.db import DatabaseError

from chancery.apps.connectors.models import WorkerBeat
from chancery.apps.health import nodes
from chancery.doors.living import Living

pytestmark = pytest.mark.django_db(transaction=True)


def until(done):
    deadline = time.monotonic() + 5
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_shows_while_it_serves():
    one = Living(every=0.01)
    one.start()
    until(lambda: WorkerBeat.objects.filter(pk=one.id, kind="web").exists())
    one.close()
    assert not WorkerBeat.objects.exists()


def test_a_database_that_is_away_is_said_once(monkeypatch, caplog):
    calls = []

    def gone(*args):
        calls.append(args)
        raise DatabaseError

    monkeypatch.setattr(nodes, "beat", gone)
    monkeypatch.setattr(nodes, "end", gone)
    one = Living(every=0.01)
    one.start()
    until(lambda: len(calls) > 2)
    one.close()
    said = [r.getMessage() for r in caplog.records]
    assert said == [
        "the database does not answer: DatabaseError",
        "the database does not answer; this process is shown as silent instead of ended",
    ]
