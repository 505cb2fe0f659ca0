"""A backup brings everything back on a clean machine, with the key and without it; each row is compared."""

import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.chaos.stand import START, until
from tests.journeys.test_host import Host, sqlite_only

MAKE = """
from chancery.apps.accounts import actions as people, queries
from chancery.apps.accounts.models import Team, Environment, User
from chancery.apps.connectors import actions as connectors
from chancery.apps.notices import actions as notices
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.apps.profiles import actions as profiles
from chancery.apps.shared.actor import host_actor
from chancery.apps.webhooks import actions as webhooks
from chancery.core import csr, keys
from chancery.core.names import parse_name
host = host_actor("tester")
user = people.create_user(host, "ada", "correct horse battery", grants=[("administrator", None, None)])
ada = queries.actor_of(user, how="test")
common = {{"team": Team.objects.first().name, "environment": Environment.objects.first().name}}
there = {{"base_url": "http://127.0.0.1:9", "allowed_networks": "127.0.0.0/8", "api_key": "an-api-key-of-the-test"}}
connectors.create(ada, "digicert", {{"name": "DigiCert", **there, **common}})
connectors.create(ada, "local", {{"name": "Local", **common}})
profiles.create(ada, {{"name": "Internal", "connector": "Local", "validity_days": 30}})
notices.create(ada, {{"name": "Chat", "team": common["team"], "url": "json://127.0.0.1:9/hook"}})
webhooks.create(ada, {{"name": "Tickets", "team": common["team"], "url": "https://tickets.example.com/hook", "events": ["order.*"]}})
key = keys.generate("EC-P256")
hosts = [f"h{{n}}.example.com" for n in range({number})]
place_many(ada, [PlaceOrder("Internal", csr.build(key, [parse_name(h)], h)) for h in hosts])
"""
ISSUED = "from chancery.apps.certificates.models import Certificate\nprint(Certificate.objects.count())"
MOVES_ON = (
    "audit_",
    "health_",
    "connectors_workerbeat",
    "connectors_connector",
    "connectors_sealingkey",
    "posture_print",
)
"""Tables to which a restore itself, or a look at them, adds; a connector's settings stand in its versions."""


def rows(file):
    """Return table → its rows, all columns."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(map(repr, db.execute(f'SELECT * FROM "{name}"'))) for name in names}


def same(before, after):
    """Compare every table; returns how many rows are alike, and the record's entries that are still there."""
    assert before.keys() == after.keys()
    for name, found in before.items():
        if not name.startswith(MOVES_ON):
            assert found == after[name], name
    assert set(before["audit_entry"]) <= set(after["audit_entry"]), "entries of the record are missing or changed"
    assert len(before["connectors_connector"]) == len(after["connectors_connector"])
    return sum(len(found) for name, found in before.items() if not name.startswith(MOVES_ON) or name == "audit_entry")


@sqlite_only
@pytest.mark.long
def test_a_clean_machine_has_everything_with_the_key_and_all_but_secrets_without_it(tmp_path, say, result, number=60):
    here, there = Host(tmp_path / "home", ""), Host(tmp_path / "elsewhere", "")
    here("init")
    here.python(MAKE.format(number=number))
    worker = subprocess.Popen([sys.executable, "-m", "chancery", "worker"], env=environ(here))
    try:
        until(lambda: here.python(ISSUED) == str(number), START, "the worker does not issue", 1.0)
    finally:
        worker.terminate()
        worker.wait(60)
    here("backup", tmp_path / "b.tar.gz")
    before = rows(here.home / "chancery.sqlite3")
    began = time.monotonic()
    there("restore", tmp_path / "b.tar.gz")
    took = time.monotonic() - began
    alike = same(before, rows(there.home / "chancery.sqlite3"))
    opened, verified = there.many(("keys", "lost"), ("audit", "verify"))
    assert (opened.stdout, verified.code) == ("Every stored secret can be opened.\n", 0), verified

    (there.home / "kek").unlink()
    assert not there.state()["key file"]["ok"]
    named = there("keys", "lost", code=1).stdout.splitlines()
    heads = [line for line in named if not line.startswith(" ")]
    assert len(named) == 2 * len(heads), "each has a line that says what to do"
    assert {line.partition(":")[0] for line in heads} == {
        "connector 'DigiCert'",
        "connector 'Local'",
        "channel for notices 'Chat'",
        "webhook 'Tickets'",
    }
    given, verified = there.many(("keys", "lost", "--give-up"), ("audit", "verify"))
    assert (given.code, given.stdout.splitlines(), verified.code) == (0, named, 0)
    assert there.state()["key file"]["ok"]
    assert same(before, rows(there.home / "chancery.sqlite3")) == alike
    figure = f"rows come back alike on a clean machine, in {took:.0f} s; the record verifies"
    unit = f"{figure}; without the key {len(heads)} rows are named whose secrets are entered anew, and nothing else is lost"
    say(f"{alike} {unit}")
    result("R41", alike, unit, database="sqlite")


def environ(host):
    import os

    return {**os.environ, "CHANCERY_HOME": str(host.home), "CHANCERY_DATABASE_URL": host.url}
