"""The proof of the record through every door: REST, command line, console, and the host."""

import json
import subprocess
import sys
import tarfile

import pytest

from chancery.apps.audit import anchors, sequencer, verify_audit
from chancery.apps.audit.models import Entry, Log
from chancery.apps.shared.action import current_clock
from tests.cast import PASSWORD
from tests.journeys.test_cli import cli, data  # noqa: F401  a fixture
from tests.journeys.test_host import Host, host, sqlite_only  # noqa: F401  a fixture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sealed(tmp_path, settings):
    settings.AUDIT_KEY_FILE = tmp_path / "audit-key"
    settings.AUDIT_ANCHORS = ((tmp_path / "outside").as_uri(),)

    def seal():
        while sequencer.sequence():
            pass
        sequencer.checkpoint(current_clock().now())
        anchors.deliver(current_clock().now())

    return seal


def alone(*given):
    command = [sys.executable, "-I", "-S", verify_audit.__file__, *map(str, given)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def test_from_the_command_line_with_nothing_of_ours_to_verify_it(cli, sealed, tmp_path):
    assert "no time yet" in cli("audit", "state").stdout
    assert "not under a checkpoint yet" in cli("audit", "prove", Entry.objects.first().pk, code=3).stderr
    sealed()
    state = data(cli, "audit", "state")
    assert (state["entries"], state["waiting"]) == (Log.objects.get().size, 0)
    assert state["anchors"][0]["size"] == state["entries"]
    assert f"key {state['keys'][0]}" in cli("audit", "state").stdout
    cli("audit", "archive", "--out", "record.tar")
    outside = tmp_path / "outside"
    done = alone("record.tar", "--key", state["keys"][0], "--checkpoints", outside)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    entry = data(cli, "audit", "list")["items"][0]["id"]
    cli("audit", "prove", entry, "--out", "one.tlog-proof", "--entry-out", "one.json")
    done = alone("--proof", "one.tlog-proof", "--entry", "one.json", "--key", state["keys"][0])
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert json.loads((tmp_path / "one.json").read_text())["id"] == entry
    whole = data(cli, "audit", "prove", entry)
    assert whole["body"].encode() == (tmp_path / "one.json").read_bytes()
    assert cli("audit", "growth", 1, 2).stdout.strip() == data(cli, "audit", "growth", 1, 2)["hashes"][0]
    assert "no growth" in cli("audit", "growth", 2, 9999, code=1).stderr
    Entry.objects.filter(tree_index=1).update(body=b"{}")
    cli("audit", "archive", "--out", "again.tar")
    done = alone("again.tar", "--key", state["keys"][0])
    assert (done.returncode, done.stdout.startswith("BAD: entry 1 is not")) == (1, True)


def test_in_the_console(cast, local, sealed, client):
    client.login(username="dan", password=PASSWORD)
    assert "None yet" in client.get("/audit/proof").content.decode()
    assert client.get("/audit/archive").status_code == 503
    sealed()
    page = client.get("/audit/proof").content.decode()
    assert Log.objects.get().key in page
    assert "not reached" not in page
    got = client.get("/audit/archive")
    assert got.headers["Content-Disposition"].startswith("attachment")
    assert b"verify_audit.py" in b"".join(got.streaming_content)
    client.login(username="rob", password=PASSWORD)
    assert (client.get("/audit/proof").status_code, client.get("/audit/archive").status_code) == (403, 403)


SEAL = """
from chancery.engine.notary import bring, seal
while seal():
    pass
bring()
from chancery.apps.audit.models import Log
print(Log.objects.get().origin, Log.objects.get().key)
"""
TAMPER = """
from chancery.apps.audit.models import Entry
Entry.objects.filter(tree_index=3).update(body=b"{}")
"""


@sqlite_only
def test_on_the_host(host, tmp_path, monkeypatch):
    monkeypatch.setenv("CHANCERY_AUDIT_CHECKPOINT_SECONDS", "0")
    monkeypatch.setenv("CHANCERY_AUDIT_ANCHORS", (tmp_path / "outside").as_uri())
    host("init")
    origin, key = host.python(SEAL).split()
    told = host.many(
        ("audit", "verify"),
        ("audit", "verify", "--key", key, "--json"),
        ("audit", "verify", "--key", "nonsense"),
        ("audit", "new-key"),
        ("audit", "verify", "--key", key),
        ("audit", "forget", "os:nobody", "--yes"),
        ("audit", "forget", "os:nobody", "--until", "tomorrow"),
        ("audit", "restored"),
        ("audit", "forget", "engine", "--yes"),
        ("backup", tmp_path / "b.tar.gz"),
        ("doctor", "--json"),
    )
    assert [t.code for t in told] == [0, 0, 2, 0, 0, 0, 2, 0, 1, 0, 1], told
    assert "entries and 1 checkpoints were looked at, 1 of them outside" in told[0].stdout
    assert "Give --key" in told[0].stderr
    assert json.loads(told[1].stdout)["problems"] == []
    assert told[3].stdout.startswith("From here on signs chancery/audit/")
    assert told[5].stdout == "0 entries no longer name os:nobody.\n"
    assert f"{origin}/2" in told[7].stdout
    checks = {c["name"]: c for c in json.loads(told[10].stdout)["checks"]}
    assert (checks["record key"]["ok"], checks["anchor"]["ok"]) == (True, True)
    with tarfile.open(tmp_path / "b.tar.gz") as packed:
        assert "audit-key" in packed.getnames()
    there = Host(tmp_path / "elsewhere", "")
    there("restore", tmp_path / "b.tar.gz")
    assert there.python(SEAL).split()[0] == f"{origin}/3"
    host.python(TAMPER)
    (host.home / "audit-key").rename(host.home / "away")
    bad, doctor = host.many(("audit", "verify"), ("doctor", "--json"))
    assert (bad.code, bad.stdout.startswith("Entry 3 (")) == (1, True)
    assert "the key that signs the record is missing" in doctor.stdout
