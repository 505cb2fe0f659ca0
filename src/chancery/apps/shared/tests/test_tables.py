"""An empty database gets at once what the changes one by one would have made of it."""

import os
import subprocess
import sys
from collections import defaultdict
from urllib.parse import urlsplit

import pytest
from django.db import connection, connections
from django.db.migrations.loader import MigrationLoader

from chancery.apps.shared import tables
from tests.browser.stand import database

INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
CONSTRAINTS = (
    "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0"
)
COLUMNS = (
    "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity"
    " FROM information_schema.columns WHERE table_schema = 'public'"
    # The framework's own changes make its number wider than its own models say; nothing here has groups.
    " AND (table_name, column_name) <> ('auth_group_permissions', 'id')"
)
TABLES = "SELECT type, name, tbl_name, sql FROM sqlite_master"


@pytest.fixture
def empty(django_db_setup, django_db_blocker, tmp_path):
    """Give what opens an empty database of the kind that the tests run on, under a name."""
    opened = []

    def opening(name, url):
        settings = dict(connection.settings_dict)
        settings["NAME"] = urlsplit(url).path[1:] if url else str(tmp_path / name / "chancery.sqlite3")
        connections.databases[name] = settings
        opened.append(name)
        return connections[name]

    with django_db_blocker.unblock():
        yield opening
    for name in opened:
        connections[name].close()
        del connections[name], connections.databases[name]


def described(made):
    """Return everything that a database says of its tables, whatever order columns came in."""
    with made.cursor() as cursor:
        if made.vendor == "postgresql":
            found = {}
            for question in (INDEXES, CONSTRAINTS, COLUMNS):
                cursor.execute(question)
                found[question] = sorted(map(str, cursor.fetchall()))
            return found
        cursor.execute(TABLES)
        rows = cursor.fetchall()
    parts = defaultdict(set)
    for kind, name, table, sql in rows:
        parts[kind, name, table] = _clauses(sql or "")
    return dict(parts)


def _clauses(sql):
    """Return what stands between the outermost commas."""
    depth, found = 0, [""]
    for letter in sql:
        if letter in "()":
            depth += 1 if letter == "(" else -1
        if (letter == "(" and depth == 1) or (letter == "," and depth == 1):
            found.append("")
        elif not (letter == ")" and depth == 0):
            found[-1] += letter
    return sorted(clause.strip() for clause in found)


@pytest.mark.long(on="postgresql")
def test_at_once_comes_to_the_same_as_change_by_change(empty, tmp_path):
    for name in ("once", "steps"):
        (tmp_path / name).mkdir()
    with database() as first, database() as second:
        once, steps = empty("once", first), empty("steps", second)
        assert tables.make(once)
        assert not tables.make(once)
        environ = {**os.environ, "CHANCERY_HOME": str(tmp_path / "steps"), "CHANCERY_DATABASE_URL": second}
        environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
        command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0", "--skip-checks"]
        subprocess.run(command, env=environ, check=True, timeout=300)
        made, expected = described(once), described(steps)
        assert "orders_order" in str(made)
        assert made.keys() == expected.keys()
        for key, value in made.items():
            both = set(value), set(expected[key])
            assert (key, both[0] - both[1], both[1] - both[0]) == (key, set(), set())
        assert MigrationLoader(once).applied_migrations.keys() == MigrationLoader(steps).applied_migrations.keys()
        # Nor do the changes bring rows, but what the framework notes of itself.
        assert _filled(steps) <= {"django_migrations", "django_content_type", "auth_permission"}
        once.close()
        steps.close()


def _filled(made):
    with made.cursor() as cursor:
        found = set()
        for table in made.introspection.table_names(cursor):
            cursor.execute(f"SELECT 1 FROM {made.ops.quote_name(table)} LIMIT 1")
            if cursor.fetchone():
                found.add(table)
        return found


@pytest.mark.django_db(transaction=True)
def test_what_has_tables_is_left_to_the_changes():
    assert not tables.make(connection)
    tables.up_to_date()


def test_what_has_tables_is_not_looked_through_at_each_start(monkeypatch):
    monkeypatch.setattr(connection.introspection, "table_names", lambda: ["orders_order"])
    monkeypatch.setattr(connection, "schema_editor", None)
    assert not tables.make(connection)


@pytest.mark.django_db(transaction=True)
def test_of_two_that_start_together_one_makes_them(monkeypatch):
    looks = [[], ["orders_order"]]
    monkeypatch.setattr(connection.introspection, "table_names", lambda: looks.pop(0))
    assert not tables.make(connection)
    assert looks == []
