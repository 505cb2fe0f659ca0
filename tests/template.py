"""The tables are made once for a whole run, and copied from then on: making them takes seconds for each process.

What is copied is what `chancery migrate` made of an empty database with this very code, so nothing is left out.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
_KEPT = ROOT / ".venv" / "tables"
_POSTGRESQL = "chancery_template"


@pytest.fixture(scope="session")
def django_db_keepdb(request):
    """Go on with the copied file; on PostgreSQL the copy is made by the server."""
    return request.config.getvalue("reuse_db") or not _url()


@pytest.fixture(scope="session")
def django_db_createdb():
    return False


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    from django.conf import settings

    test = settings.DATABASES["default"]["TEST"]
    if _url():
        with _alone():
            test["TEMPLATE"] = _in_postgresql()
    else:
        shutil.copy(tables(), test["NAME"])


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_framework_is_written_again():
    """After each test that commits, Django would write its content types and permissions, which nothing here reads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.core.management.commands.flush.emit_post_migrate_signal", lambda *_told, **_more: None)
        patch.setattr("django.core.management.commands.flush.sql_flush", _emptying)
        yield


def _emptying(_style, connection, **_more):
    """Empty the tables that hold rows, a tenth of all, and leave nothing to do: emptying a hundred takes longer than most tests."""
    from django.db import transaction

    name = connection.ops.quote_name
    tables = connection.introspection.django_table_names(include_views=False)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # Once whoever a test has left behind is done with writing; and nobody looks for rows that refer to one which goes.
            cursor.execute(f"LOCK TABLE {', '.join(map(name, tables))} IN EXCLUSIVE MODE")
            cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(" UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT 1 FROM {name(t)})" for t in tables))
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {name(table)}")
    return []


def tables():
    """Return a SQLite file with every table and no rows but what the migrations bring."""
    with _alone():
        kept = _KEPT / f"{_code()}.sqlite3"
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=_KEPT) as home:
                _migrate(CHANCERY_HOME=home, CHANCERY_DATABASE_URL="")
                Path(home, "chancery.sqlite3").rename(kept)
            _remove_old(kept)
    return kept


def _remove_old(kept):
    """Remove the tables of code as it was before; a run that goes on with them has copied or opened them already."""
    for path in kept.parent.glob("*.sqlite3"):
        if path != kept:
            path.unlink(missing_ok=True)


def fill(home, url=""):
    """Give an installation its tables as `chancery migrate` would: the home's file, or the database at `url`.

    That one is empty and beside the database that the tests were given; the server makes it anew, as a copy.
    """
    if not url:
        shutil.copy(tables(), Path(home, "chancery.sqlite3"))
        return
    import psycopg

    name = urlsplit(url).path[1:]
    with _alone():
        made = _in_postgresql()
        with psycopg.connect(_url(), autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}"')
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{made}"')


def _url():
    return os.environ.get("CHANCERY_DATABASE_URL", "")


def _in_postgresql():
    """Return the name of the database that the server copies; it lives as long as the server that the tests were given."""
    import psycopg

    name = f"{_POSTGRESQL}_{_code()}"
    with psycopg.connect(_url(), autocommit=True) as connection:
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            return name
        connection.execute(f'DROP DATABASE IF EXISTS "{name}_new"')
        connection.execute(f'CREATE DATABASE "{name}_new"')
        with tempfile.TemporaryDirectory() as home:
            made = urlsplit(_url())._replace(path=f"/{name}_new").geturl()
            _migrate(CHANCERY_HOME=home, CHANCERY_DATABASE_URL=made)
        connection.execute(f'ALTER DATABASE "{name}_new" RENAME TO "{name}"')
    return name


def _migrate(**environ):
    subprocess.run([sys.executable, "-m", "chancery", "migrate"], env={**os.environ, **environ}, check=True,
                   stdout=subprocess.DEVNULL, cwd=ROOT, timeout=240)  # fmt: skip


@contextmanager
def _alone():
    """Let one process of a run make the tables; the others wait for them."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _code():
    """Return a digest of whatever has to do with how the tables come about."""
    found = hashlib.sha256((ROOT / "uv.lock").read_bytes())
    for path in sorted((ROOT / "src" / "chancery").glob("apps/**/*.py")):
        if "tests" not in path.parts:
            found.update(str(path).encode() + path.read_bytes())
    return found.hexdigest()[:16]
