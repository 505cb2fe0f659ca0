"""A worker is woken by the commit that gives it work, at most once for each."""

import threading
import time

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from chancery.apps.accounts.models import Team
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.apps.shared.waking import wake
from chancery.engine import listening
from chancery.engine import worker as workers
from chancery.engine.listening import Changes, Listener
from chancery.engine.worker import Worker
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard():
    words = threading.Semaphore(0)
    listener = Listener(words.release)
    listener.start()
    yield listener, words
    listener.close()


def test_sqlite_has_nobody_to_listen_to(heard):
    if connection.vendor == "sqlite":
        listener, words = heard
        wake()
        assert not listener.hears
        assert not words.acquire(blocking=False)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL tells; nobody asks it")
def test_sqlite_says_whether_anybody_else_committed(monkeypatch):
    changes = Changes()
    assert changes.since_the_last_look(), "nobody has looked yet"
    assert not changes.since_the_last_look()
    Team.objects.create(name="Our own")
    assert not changes.since_the_last_look()
    aside(lambda: Team.objects.create(name="Another's"))
    assert changes.since_the_last_look()
    assert not changes.since_the_last_look()

    def broken():
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(connection, "cursor", broken)
    assert changes.since_the_last_look(), "the look for work says what is wrong"


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL tells; nobody asks it")
def test_an_idle_worker_looks_when_something_changed_or_came_back_and_now_and_then(monkeypatch):
    worker, looks = Worker(), []
    monkeypatch.setattr(worker, "_wait", looks.append)
    try:
        worker._idle()
        worker._idle()
        assert len(looks) == 1 + workers._LOOKS
        aside(lambda: Team.objects.create(name="Another's"))
        worker._idle()
        worker._results.put([])
        worker._idle()
        assert len(looks) == 3 + workers._LOOKS
    finally:
        worker.close()


def aside(call):
    """Do something in another thread, so on another connection."""

    def run():
        try:
            call()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite tells nobody")
def test_a_word_comes_with_the_commit_and_not_before(heard):
    listener, words = heard
    assert words.acquire(timeout=5)
    assert listener.hears
    with transaction.atomic():
        wake()
        wake()
        assert not words.acquire(timeout=0.05)
    assert words.acquire(timeout=5)
    assert not words.acquire(timeout=0.05)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite tells nobody")
def test_a_connection_that_breaks_is_made_anew_and_what_was_missed_is_looked_for(heard, monkeypatch, caplog):
    listener, words = heard
    monkeypatch.setattr(listening, "_PATIENCE", 0.05)
    assert words.acquire(timeout=5)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%%' AND datname = current_database()"
        )
    assert words.acquire(timeout=5)
    assert listener.hears
    assert "no word from the database is heard" in caplog.text
    caplog.clear()


def test_a_batch_of_orders_is_told_of_once_and_what_waits_for_a_person_not_at_all(cast, local):
    def told(profile):
        asks = [PlaceOrder(profile, request_pem(f"h{n}.example.com")) for n in range(3)]
        with CaptureQueriesContext(connection) as queries:
            place_many(cast.rob, asks)
        return sum(query["sql"].startswith("NOTIFY") for query in queries.captured_queries)

    assert told("Internal") == (connection.vendor == "postgresql")
    assert told("Careful") == 0


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite tells nobody")
def test_a_worker_that_rests_is_woken(cast, local, monkeypatch):
    from chancery.engine import worker as workers
    from chancery.engine.worker import Worker

    monkeypatch.setattr(workers, "_TOLD", 60.0)
    worker, stop = Worker(processes=1), threading.Event()

    def work():
        worker.run(stop)
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not worker._listener.hears:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        order = place_many(cast.rob, [PlaceOrder("Internal", request_pem("woken.example.com"))])[0]
        while not type(order).objects.filter(pk=order.pk, state="issued").exists():
            assert time.monotonic() < deadline, "nobody woke it"
            time.sleep(0.02)
    finally:
        stop.set()
        worker._results.put([])
        thread.join()
