"""Transactions on SQLite take turns at a lock file; SQLite's own rules stay as they are."""

import fcntl
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection, connections, transaction

from chancery.apps.accounts.models import Team
from chancery.apps.shared.sqlite import give_way, giving_way

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("CHANCERY_DATABASE_URL" in os.environ, reason="PostgreSQL has locks of its own"),
]


@pytest.fixture
def turn():
    with Path(f"{os.path.realpath(connection.settings_dict['NAME'])}-turn").open("w") as file:
        yield file


def test_the_file_is_its_owners_alone_also_in_a_folder_that_is_open(tmp_path):
    file = tmp_path / "new.sqlite3"
    made = connection.copy()
    made.settings_dict = {**connection.settings_dict, "NAME": file}
    try:
        with made.cursor() as cursor:
            cursor.execute("CREATE TABLE t (a)")
        assert {path.name[11:]: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
            "": 0o600,
            "-wal": 0o600,
            "-shm": 0o600,
        }
    finally:
        made.close()


def free(turn):
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(turn, fcntl.LOCK_UN)
    return True


def test_a_transaction_holds_the_turn_until_its_end(turn):
    with transaction.atomic():
        Team.objects.create(name="one")
        assert not free(turn)
    assert free(turn)


def test_a_rollback_ends_the_turn(turn):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        raise ZeroDivisionError
    assert free(turn)


def test_a_connection_that_is_closed_in_a_transaction_ends_the_turn(turn):
    other = connection.copy()
    begin(other)
    assert not free(turn)
    other.close()
    assert free(turn)


def begin(other):
    other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)


def test_who_waits_too_long_is_told_as_sqlite_tells_it(turn):
    other = connection.copy()
    other.settings_dict["OPTIONS"]["timeout"] = 0.02
    fcntl.flock(turn, fcntl.LOCK_EX)
    with pytest.raises(OperationalError, match="database is locked"):
        begin(other)
    fcntl.flock(turn, fcntl.LOCK_UN)
    begin(other)
    assert not free(turn)
    other.close()


def test_a_transaction_that_sqlite_refuses_ends_the_turn(turn):
    other = connection.copy()
    other.connect()
    other.transaction_mode = "NONSENSE"
    with pytest.raises(OperationalError):
        begin(other)
    assert free(turn)
    other.close()


def test_a_place_that_takes_no_file_is_named(tmp_path):
    other = connection.copy()
    other.connect()
    other.settings_dict["NAME"] = tmp_path / "gone" / "chancery.sqlite3"
    with pytest.raises(OperationalError, match=r"chancery\.sqlite3-queue: No such file"):
        begin(other)
    other.close()


def test_the_engine_lets_whoever_waits_go_first_but_not_for_ever(turn):
    begun, ended = threading.Event(), threading.Event()
    with Path(f"{os.path.realpath(connection.settings_dict['NAME'])}-queue").open("w") as queue:
        fcntl.flock(queue, fcntl.LOCK_SH)  # somebody waits

        def work():
            other = connection.copy()
            give_way(other)
            begun.set()
            begin(other)
            ended.set()
            other.close()

        thread = threading.Thread(target=work)
        start = time.monotonic()
        thread.start()
        assert begun.wait(10)
        assert ended.wait(10)
        assert time.monotonic() - start >= 0.05
        thread.join(10)


def test_what_writes_much_lets_others_go_first_as_long_as_it_lasts():
    # One of its own: a worker that another test ran on this thread's gives way for good.
    other = connection.copy()
    with giving_way(other, much=False):
        assert not other.gives_way
    with giving_way(other, much=True):
        assert other.gives_way
    assert not other.gives_way


def test_postgresql_needs_no_such_word():
    other = SimpleNamespace(vendor="postgresql")
    give_way(other)
    with giving_way(other, much=True):
        pass
    assert vars(other) == {"vendor": "postgresql"}


def test_threads_follow_one_another(turn):
    def count():
        for _ in range(20):
            with transaction.atomic():
                team = Team.objects.get(name="one")
                team.name = "one"
                team.save()
        connections.close_all()

    Team.objects.create(name="one")
    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert free(turn)
