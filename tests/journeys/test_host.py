"""The commands on the host, as an operator runs them: each in a process of its own, in a home of its own."""

import contextlib
import io
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tarfile
from dataclasses import dataclass

import pytest

from tests import warm
from tests.browser.stand import database
from tests.template import fill

ON_POSTGRESQL = bool(os.environ.get("CHANCERY_DATABASE_URL"))
sqlite_only = pytest.mark.skipif(ON_POSTGRESQL, reason="about the file of SQLite")
of_files = pytest.mark.skipif(
    ON_POSTGRESQL, reason="about files and archives alone: which database it is has no part in it"
)
of_people = pytest.mark.skipif(ON_POSTGRESQL, reason="the same commands and rows as where the administrator is let in")
long_there = pytest.mark.long(on="postgresql")
postgresql_only = pytest.mark.skipif(not ON_POSTGRESQL, reason="about PostgreSQL")


@dataclass
class Told:
    """How a command ended and what it said."""

    code: int
    stdout: str
    stderr: str


MANY = """
import gc
gc.disable()  # looking for garbage would be a fifth of a life as short as this
import json
from chancery.core.errors import ChanceryError
from tests.commands import invoke
found = []
for command in {commands!r}:
    done = invoke(command)
    refused = f"{{done.exception}} {{done.exception.remedy}}" if isinstance(done.exception, ChanceryError) else ""
    assert refused or done.exception is None or isinstance(done.exception, SystemExit), done.exception
    found.append((done.exit_code, done.stdout, done.stderr + refused))
print(json.dumps(found))
"""


class Host:
    """One machine: a home, and commands in it."""

    def __init__(self, home, url):
        self.home, self.url = home, url

    def __call__(self, *command, code=0):
        environ = {**os.environ, "CHANCERY_HOME": str(self.home), "CHANCERY_DATABASE_URL": self.url}
        environ.pop("DJANGO_SETTINGS_MODULE", None)
        done = warm.run([*map(str, command)], environ)
        assert done.returncode == code, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def many(self, *commands, then=""):
        """Run several commands one after the other in one process, `then` some lines; starting one takes a second."""
        whole = MANY.format(commands=[list(map(str, c)) for c in commands]) + then
        environ = {**os.environ, "CHANCERY_HOME": str(self.home), "CHANCERY_DATABASE_URL": self.url}
        environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
        done = warm.run(whole, environ)
        assert done.returncode == 0, done.stderr
        return [Told(*told) for told in json.loads(done.stdout.splitlines()[-1])]

    def python(self, text):
        """Run something in the installation's own tables."""
        environ = {**os.environ, "CHANCERY_HOME": str(self.home), "CHANCERY_DATABASE_URL": self.url}
        environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
        whole = f"import gc; gc.disable(); import django; django.setup()\n{text}"
        done = warm.run(whole, environ)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def state(self, code=1):
        found = json.loads(self("doctor", "--json", code=code).stdout)
        assert found["ok"] is (code == 0)
        assert all(c["ok"] or c["remedy"] for c in found["checks"])
        return {c["name"]: c for c in found["checks"]}


@contextlib.contextmanager
def like(machine, folder):
    """Give a machine that is as `machine` is now: `init` takes seconds, a copy of what it made does not."""
    with database(machine.url) as url:
        shutil.copytree(machine.home, folder / "home")
        yield Host(folder / "home", url)


@pytest.fixture
def host(tmp_path):
    """A machine on which nothing has been run."""
    with database() as url:
        yield Host(tmp_path / "home", url)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """What `ready` is copied from."""
    with database() as url:
        made = Host(tmp_path_factory.mktemp("first") / "home", url)
        made.home.mkdir(mode=0o700)
        fill(made.home, url)
        made("init")
        yield made


@pytest.fixture(scope="module")
def first_sealed(first, tmp_path_factory):
    """What `sealed` is copied from."""
    with like(first, tmp_path_factory.mktemp("sealed")) as made:
        assert made.python(SEAL) == "True"
        yield made


@pytest.fixture
def ready(first, tmp_path):
    """A machine after `chancery init`."""
    with like(first, tmp_path) as made:
        yield made


@pytest.fixture
def sealed(first_sealed, tmp_path):
    """A machine after `chancery init`, with a secret that its key has sealed."""
    with like(first_sealed, tmp_path) as made:
        yield made


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


SEAL = """
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.connectors import actions
from chancery.apps.shared.actor import host_actor
made = actions.create(host_actor("root"), "local", {"name": "Local", "team": "Operations", "environment": "Production"})
print(made.current.secrets != {})
"""
ACTIONS = """
from chancery.apps.audit.models import Entry
print(*Entry.objects.order_by("id").values_list("actor", "action", "target_kind", "subject"), sep="\\n")
"""


# Before anything is there


@long_there
def test_on_a_fresh_machine_each_command_says_what_to_run_and_makes_nothing(host, tmp_path):
    told = host("worker", code=1)
    assert (told.stdout, "chancery init" in told.stderr) == ("", True)
    commands = (("users", "list"), ("users", "reset-password", "x"), ("backup", tmp_path / "b"), ("doctor",))
    for told in host.many(*commands):
        assert (told.code, "chancery init" in told.stdout + told.stderr) == (1, True)
    found = host.state()
    assert not found["home"]["ok"]
    assert "chancery init" in found["home"]["remedy"] + found["database"]["remedy"]
    assert not host.home.exists()


@sqlite_only
def test_an_empty_file_is_no_database_and_stays_empty(host):
    host.home.mkdir(mode=0o700)
    (host.home / "chancery.sqlite3").touch()
    assert not host.state()["database"]["ok"]
    host("worker", code=1)
    assert sorted(p.name for p in host.home.iterdir()) == ["chancery.sqlite3"]
    assert (host.home / "chancery.sqlite3").stat().st_size == 0


@postgresql_only
def test_a_database_that_does_not_answer_is_said(host):
    host.url = "postgresql://chancery@/nowhere?host=/nowhere"
    assert "CHANCERY_DATABASE_URL" in host("worker", code=1).stderr
    assert "cannot be used" in host.state()["database"]["text"]


# Doctor


@long_there
def test_doctor_says_what_is_wrong_and_changes_nothing(ready):
    found = ready.state()
    assert [name for name, check in found.items() if not check["ok"]] == ["worker"]
    assert {"home", "secret-key", "disk", "database", "key file", "clock", "worker", "nodes"} == found.keys()
    assert not (ready.home / "kek").exists(), "looking makes no key"
    assert ready.python(SEAL) == "True"
    ready.home.chmod(0o755)
    (ready.home / "kek").chmod(0o644)
    ready.python("from chancery.apps.connectors.models import WorkerBeat\n"
                "from django.utils.timezone import now\n"
                "from datetime import timedelta\n"
                "at = now() + timedelta(minutes=5)\n"
                "WorkerBeat.objects.create(host='x', pid=1, started_at=at, seen_at=at)\n"
                "from django.db import connection\n"
                "connection.cursor().execute(\"DELETE FROM django_migrations WHERE app = 'audit' AND name <> '0001_initial'\")")  # fmt: skip
    found = ready.state()
    assert [name for name, check in found.items() if not check["ok"]] == ["home", "kek", "database"]
    assert "chmod 700" in found["home"]["remedy"]
    assert "chancery migrate" in found["database"]["remedy"]
    assert "chancery migrate" in ready("worker", code=1).stderr


@long_there
def test_all_well_is_exit_status_0_and_a_clock_that_went_back_is_not(ready):
    alive = (
        "from chancery.apps.connectors.models import WorkerBeat\n"
        "from django.utils.timezone import now\n"
        "from datetime import timedelta\n"
        "at = now() + timedelta(minutes=5)\n"
        "WorkerBeat.objects.create(host='x', pid=1, started_at=at, seen_at=at)\n"
    )
    ready.python(alive)
    assert "WRONG" not in ready("doctor").stdout
    ready.state(code=0)
    ready.python(
        "from chancery.apps.audit.record import Note, write\n"
        "from chancery.apps.shared.actor import engine_actor\n"
        "from django.utils.timezone import now\n"
        "from datetime import timedelta\n"
        "write(engine_actor(), 'x.y', now() + timedelta(hours=1), [Note('x', '1')])"
    )
    found = ready.state()
    assert not found["clock"]["ok"]
    assert "NTP" in found["clock"]["remedy"]


@long_there
def test_a_key_file_that_is_missing_is_said_and_never_replaced(sealed):
    kek = sealed.home / "kek"
    kek.unlink()
    commands = (("worker",), ("serve", "--listen", "127.0.0.1:1"), ("backup", sealed.home / "b"), ("doctor",))
    for told in sealed.many(*commands):
        assert told.code == 1
        assert str(kek) in told.stdout + told.stderr
        assert "another node" in told.stdout + told.stderr
    assert not kek.exists()


@of_files
def test_another_key_file_than_secrets_were_sealed_with_is_said(sealed):
    kek = sealed.home / "kek"
    key = kek.read_bytes()
    kek.write_bytes(os.urandom(32))
    assert "sealed with another key" in sealed.state()["key file"]["text"]
    kek.write_bytes(b"short")
    assert "5 bytes" in sealed.state()["key file"]["text"]
    kek.write_bytes(key)
    assert sealed.state()["key file"]["ok"]


@long_there
def test_keys_are_rotated_on_the_host(sealed, monkeypatch):
    before, rotated, again, shown = sealed.many(
        ("keys", "show"), ("keys", "rotate"), ("keys", "rewrap"), ("keys", "show", "--json")
    )
    assert "1 of 1 secrets are sealed with it." in before.stdout
    assert f"file {sealed.home / 'kek'}" in before.stdout
    assert "1 of 1 secrets are sealed with the key" in rotated.stdout
    assert rotated.stdout.splitlines()[-1] == again.stdout.strip()
    found = json.loads(shown.stdout)
    assert (found["done"], found["total"], found["erased"]) == (1, 1, False)
    assert found["kid"] in rotated.stdout
    monkeypatch.setenv("CHANCERY_KEK", "env:MY_KEK")
    (refused,) = sealed.many(("keys", "rotate"))
    assert (refused.code, "MY_KEK" in refused.stderr) == (1, True)


# The way back in


@long_there
def test_the_only_administrator_gets_a_new_password_on_the_host_and_the_record_says_so(host):
    first = host("init").stdout.split()[-1]
    commands = (
        ("users", "list"),
        ("users", "reset-password", "ADMIN", "--json"),
        ("users", "reset-password", "nobody"),
    )
    listed, reset, nobody, enabled = host.many(*commands, ("users", "enable", "admin"))
    assert "administrator" in listed.stdout
    fresh = json.loads(reset.stdout)["one_time_password"]
    assert fresh != first
    check = f"from chancery.apps.accounts.models import User\nprint(User.objects.get().check_password({fresh!r}))"
    assert host.python(check + ACTIONS).startswith("True")
    actor, action, *_ = eval(host.python(ACTIONS).splitlines()[-1])
    assert (actor.startswith("os:"), action) == (True, "people.password")
    assert (nobody.code, "users list" in nobody.stderr) == (1, True)
    assert (enabled.code, "not kept out" in enabled.stderr) == (1, True)


@of_people
def test_somebody_kept_out_is_let_in_on_the_host(ready):
    ready.python("from chancery.apps.accounts import actions\n"
                "from chancery.apps.shared.actor import host_actor\n"
                "made = actions.create_user(host_actor('x'), 'eve', 'correct horse battery')\n"
                "actions.disable_user(host_actor('x'), made.pk)")  # fmt: skip
    reset, enabled, listed = ready.many(
        ("users", "reset-password", "eve"), ("users", "enable", "eve"), ("users", "list", "--json")
    )
    assert "people enable" in reset.stderr
    assert "may log in again" in enabled.stdout
    eve = {u["username"]: u for u in json.loads(listed.stdout)["items"]}["eve"]
    assert (eve["active"], eve["roles"]) == (True, [])


# Backup and restore


@pytest.fixture(scope="module")
def first_saved(first_sealed, tmp_path_factory):
    """What `saved` is copied from, with its backup beside its home, and nothing else."""
    folder = tmp_path_factory.mktemp("saved")
    with like(first_sealed, folder) as made:
        made("backup", folder / "b.tar.gz")
        assert {p.name for p in folder.iterdir()} == {"home", "b.tar.gz"}
        yield made


@pytest.fixture
def saved(first_saved, tmp_path):
    """A machine with a person and a sealed secret, of which a backup was made."""
    with like(first_saved, tmp_path) as made:
        yield made


@pytest.fixture
def kept(first_saved, tmp_path):
    """That backup."""
    return shutil.copy2(first_saved.home.parent / "b.tar.gz", tmp_path / "b.tar.gz")


def names(file):
    with tarfile.open(file) as archive:
        return set(archive.getnames())


@sqlite_only
def test_a_backup_comes_back_whole_in_another_home(saved, kept, tmp_path):
    assert mode(kept) == 0o600
    assert names(kept) == {"manifest.json", "chancery.sqlite3", "kek", "secret-key"}
    there = Host(tmp_path / "elsewhere", "")
    there("restore", kept)
    assert {mode(there.home / n) for n in ("kek", "secret-key", "chancery.sqlite3")} == {0o600}
    assert mode(there.home) == 0o700
    assert (there.home / "kek").read_bytes() == (saved.home / "kek").read_bytes()
    assert there.state()["key file"]["ok"]
    said = there.python(ACTIONS)
    assert "host.backup" in said
    assert "host.restore" in said.splitlines()[-1]
    there("users", "list")


@sqlite_only
def test_a_home_with_people_is_put_aside_only_when_told(saved, kept):
    saved("users", "reset-password", "admin")
    before = saved.python(ACTIONS)
    refused = saved("restore", kept, code=1)
    assert "--replace" in refused.stderr
    assert saved.python(ACTIONS) == before
    aside = saved("restore", kept, "--replace").stdout
    (folder,) = saved.home.glob("before-restore-*")
    assert str(folder) in aside
    assert "people.password" not in saved.python(ACTIONS)
    with contextlib.closing(sqlite3.connect(folder / "chancery.sqlite3")) as old:
        assert old.execute("SELECT COUNT(*) FROM audit_entry WHERE action = 'people.password'").fetchone() == (1,)


@sqlite_only
def test_nothing_is_replaced_under_a_process_that_works(saved, kept):
    import fcntl

    with contextlib.closing(sqlite3.connect(saved.home / "chancery.sqlite3")) as open_elsewhere:
        open_elsewhere.execute("SELECT COUNT(*) FROM accounts_user").fetchone()
        assert "is in use" in saved("restore", kept, "--replace", code=1).stderr
    with (saved.home / "worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "worker is running" in saved("restore", kept, "--replace", code=1).stderr
    assert not list(saved.home.glob("before-restore-*"))


@sqlite_only
def test_a_backup_is_consistent_while_others_write(ready, tmp_path):
    writer = (
        "import threading\n"
        "from chancery.apps.accounts.models import Environment, Team\n"
        "from django.db import transaction\n"
        "while True:\n"
        "    with transaction.atomic():\n"
        "        Team.objects.create(name=f't{Team.objects.count()}')\n"
        "        Environment.objects.create(name=f'e{Environment.objects.count()}')\n"
    )
    environ = {**os.environ, "CHANCERY_HOME": str(ready.home), "CHANCERY_DATABASE_URL": ""}
    environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    busy = subprocess.Popen([sys.executable, "-c", f"import django; django.setup()\n{writer}"], env=environ)
    try:
        made = [tmp_path / f"b{n}" for n in range(3)]
        for file in made:
            ready("backup", file)
        assert busy.poll() is None
    finally:
        busy.kill()
        busy.wait()
    counted = []
    for file in made:
        with tarfile.open(file) as archive:
            (tmp_path / "chancery.sqlite3").write_bytes(archive.extractfile("chancery.sqlite3").read())
        with contextlib.closing(sqlite3.connect(tmp_path / "chancery.sqlite3")) as copy:
            teams = copy.execute("SELECT COUNT(*) FROM accounts_team").fetchone()[0]
            assert teams - 1 == copy.execute("SELECT COUNT(*) FROM accounts_environment").fetchone()[0] - 2
            assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        counted.append(teams)
    assert counted == sorted(counted)
    assert counted[-1] > counted[0]


@of_files
def test_a_backup_overwrites_nothing(saved, kept, tmp_path):
    before = kept.read_bytes()
    assert "such a file already" in saved("backup", kept, code=2).stderr
    assert kept.read_bytes() == before
    assert "no such folder" in saved("backup", tmp_path / "nowhere" / "b", code=2).stderr


def rewritten(file, target, **changes):
    """Write a copy of an archive in which some members are other bytes, or are not there."""
    with tarfile.open(file) as old, tarfile.open(target, "w:gz") as new:
        members = {m.name: old.extractfile(m).read() for m in old}
        for name, data in {**members, **changes}.items():
            if data is not None:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    return target


@of_files
def test_what_is_no_whole_backup_of_ours_is_not_taken(saved, kept, tmp_path):
    there = Host(tmp_path / "elsewhere", saved.url)
    (cut := tmp_path / "cut").write_bytes(kept.read_bytes()[:-500])
    changed = [
        rewritten(kept, tmp_path / f"bad{n}", **change)
        for n, change in enumerate(
            (
                {"kek": b"x" * 32},
                {"kek": None},
                {"../../etc/passwd": b""},
                {"manifest.json": b"[]"},
                {"manifest.json": None},
            )
        )
    ]
    later = rewritten(kept, tmp_path / "later", **{"manifest.json": b'{"format": 2}'})
    told = there.many(*(("restore", file) for file in (cut, *changed, later)), ("restore", tmp_path / "none"))
    assert [t.code for t in told] == [1] * 7 + [2]
    assert all("no whole backup" in t.stderr for t in told[:-1]), told
    assert "its format is 2" in told[-2].stderr
    assert {p.name for p in there.home.iterdir()} <= {"worker.lock"}


@sqlite_only
def test_a_backup_of_a_later_release_or_of_another_database_is_refused(saved, kept, tmp_path):
    there = Host(tmp_path / "elsewhere", "")
    saved.python("from django.db import connection\n"
                'connection.cursor().execute("INSERT INTO django_migrations (app, name, applied)'
                " VALUES ('audit', '9999_later', '2030-01-01')\")")  # fmt: skip
    (later := tmp_path / "later").unlink(missing_ok=True)
    saved("backup", later)
    assert "later release" in there("restore", later, code=1).stderr
    there.url = "postgresql://chancery:hunter2@db.example/chancery"
    told = there("restore", kept, code=1).stderr
    assert "CHANCERY_DATABASE_URL" in told
    assert "hunter2" not in told


@postgresql_only
def test_with_postgresql_the_keys_are_packed_and_it_is_said_what_to_run(sealed, tmp_path):
    told = sealed("backup", tmp_path / "b")
    assert "pg_dump" in told.stderr
    assert names(tmp_path / "b") == {"manifest.json", "kek", "secret-key"}
    there = Host(tmp_path / "elsewhere", sealed.url)
    assert "pg_restore" in there("restore", tmp_path / "b").stderr
    assert (there.home / "kek").read_bytes() == (sealed.home / "kek").read_bytes()
    assert there.state()["key file"]["ok"]
    (there.home / "kek").write_bytes(os.urandom(32))
    assert "another key" in there("restore", tmp_path / "b", code=1).stderr
    there("restore", tmp_path / "b", "--replace")
    assert there.state()["key file"]["ok"]
    assert len(list(there.home.glob("before-restore-*/kek"))) == 1


@postgresql_only
def test_the_password_of_the_database_is_not_printed(ready, tmp_path):
    ready.url = ready.url.replace("chancery@", "chancery:hunter2@")
    told = ready("backup", tmp_path / "b")
    assert "hunter2" not in told.stdout + told.stderr
    assert "chancery@" in told.stderr
