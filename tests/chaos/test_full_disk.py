"""The disk of an installation fills up at each place where something is written, and gets room again: nothing is spoilt.

Without root, and where the kernel mounts nothing, these are skipped with the reason. The long form fills it some hundred
times, with less and less left, while orders come from several clients, and now and then kills or starts what runs.
"""

import random
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection  # noqa: F401  conditions of marks read it

from chancery.apps.accounts import actions as people
from tests.cast import request_pem
from tests.chaos import full_disk
from tests.chaos.stand import START, until
from tests.chaos.test_random_kills import SEED

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(full_disk.missing()), reason=full_disk.missing() or "it may be mounted"),
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="PostgreSQL's disk is its own server's"),
]
READS = ("/api/v1/health", "/api/v1/orders", "/api/v1/certificates", "/api/v1/connectors", "/login", "/metrics")
LEFT = (0, 1, 5, 12)
"""Pages that are left, in the short form: the first write fails, or the second, or one in the middle of a commit."""
ROUNDS, MOST_LEFT, CLIENTS = 200, 80, 4


@pytest.fixture
def disk(tmp_path):
    made = full_disk.Disk(tmp_path / "disk")
    if made.refused:
        pytest.skip(f"no small file system here: {made.refused}")
    yield made
    made.close()


@pytest.fixture
def machine(disk, cast, digicert, local):
    made = full_disk.Machine(disk, people.create_token(cast.ada, "disk")[1])
    yield made
    made.close()


class Run:
    """What was asked of the machine, and what it said."""

    def __init__(self, machine, simulator):
        self.machine, self.disk, self.simulator = machine, machine.disk, simulator
        self.placed, self.refused, self.reads, self.number = {}, 0, 0, 0

    def place(self, profile):
        """Order once; it is stored and acknowledged, or refused for want of room: nothing else may be answered."""
        self.number += 1
        body = {"profile": profile, "csr": request_pem(f"full-{self.number}.example.com")}
        key = str(uuid.uuid4())
        answer = self.machine.http.post("/api/v1/orders", json=body, headers={"Idempotency-Key": key})
        if answer.status_code == 201:
            self.placed[answer.json()["id"]] = profile
            return
        said = answer.json()
        assert (answer.status_code, said["code"]) == (503, "disk_full"), answer.text
        assert "full" in said["detail"]
        assert "room" in said["remedy"]
        self.refused += 1

    def several(self, number):
        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(self.place, ["Public", "Internal"] * (number // 2)))

    def read(self):
        for path in READS:
            answer = self.machine.http.get(path)
            assert answer.status_code == 200, (path, answer.text)
            self.reads += 1

    def ids(self):
        return {str(uuid.UUID(ident)) for (ident,) in self.machine.ask("SELECT id FROM orders_order")}

    def rest(self):
        """Wait until everything that was acknowledged is issued, and everything of the record is sealed and outside."""
        self.disk.free()
        states = "SELECT state, count(*) FROM orders_order GROUP BY state"
        until(lambda: dict(self.machine.ask(states)) == {"issued": len(self.placed)}, 120, self.machine.said, 0.2)
        until(self.sealed, 120, lambda: f"{self.entries()} entries: {self.machine.said()}", 0.2)

    def entries(self):
        return self.machine.ask("SELECT count(*) FROM audit_entry")[0][0]

    def sealed(self):
        return self.machine.ask("SELECT size FROM audit_anchor") == [(self.entries(),)]

    def judge(self):
        """Compare what was acknowledged, the tables, and what the CA has."""
        assert self.machine.ask("PRAGMA integrity_check") == [("ok",)]
        assert self.machine.ask("PRAGMA foreign_key_check") == []
        assert self.ids() == set(self.placed)
        paid = {tag.removeprefix("chancery:"): n for tag, n in self.simulator.ledger.orders_by_reference().items()}
        assert paid == {ident: 1 for ident, profile in self.placed.items() if profile == "Public"}
        held = self.machine.ask("SELECT order_id, count(*) FROM certificates_certificate GROUP BY order_id")
        assert {str(uuid.UUID(ident)): n for ident, n in held} == dict.fromkeys(self.placed, 1)
        told = Counter(
            ident for (ident,) in self.machine.ask("SELECT order_id FROM orders_orderevent WHERE kind = 'order.issued'")
        )
        assert set(told.values()) == {1}
        # Entries, tree, checkpoints, and the file outside: half a checkpoint there would be a problem.
        verified = self.machine.run("chancery", "audit", "verify")
        assert "Traceback" not in verified.stderr


def begin(machine, simulator):
    simulator.dials.set(issue_delay=0.2)
    for name in ("serve", "worker"):
        machine.start(name)
    run = Run(machine, simulator)
    machine.up()
    run.several(2)
    assert len(run.placed) == 2
    run.rest()
    return run


def test_a_full_disk_refuses_or_stores_wholly_and_all_goes_on_by_itself(machine, simulator, say):
    run = begin(machine, simulator)
    for left in LEFT:
        run.disk.fill(left)
        run.several(4)
        run.read()
        run.disk.free()
        run.place("Public")
    assert run.refused >= 4
    run.rest()
    assert all(process.poll() is None for process in machine.running.values()), "it goes on without a restart"
    run.judge()
    log = (run.disk.folder / "worker.log").read_text()
    assert log.count("Traceback") == 0, log
    say(f"a full disk {len(LEFT)} times: {len(run.placed)} orders stored and issued, {run.refused} refused")


@pytest.mark.long
def test_hundreds_of_full_disks_spoil_nothing(machine, simulator, say, result):
    run, rng = begin(machine, simulator), random.Random(SEED)
    commands = restarts = 0
    for number in range(ROUNDS):
        run.disk.fill(rng.randint(0, MOST_LEFT) if number % 4 else 0)
        run.several(8)
        run.read()
        if number % 20 == 10:
            commands += on_a_full_disk(run)
        if number % 20 == 15:
            restarts += 1
            restart(run, rng.choice(["serve", "worker"]))
        time.sleep(rng.uniform(0, 0.3))
        run.disk.free()
        run.several(2)
    run.rest()
    run.judge()
    assert not list(run.machine.home.glob(".*")), "nothing half written is left"
    unit = (
        f"orders lost, doubled or half stored of {len(run.placed)} that were stored around {ROUNDS} full disks; "
        f"{run.refused} more were refused as such, {run.reads} reads answered, {commands} commands ended with a sentence, "
        f"{restarts} processes killed and started on the full disk; tables, record and ledger agreed"
    )
    say(f"full disks, seed {SEED}: 0 {unit}")
    result("R10", 0, unit, SEED)


def on_a_full_disk(run):
    """Run commands that write, with no room for it; each ends with a sentence and leaves no file. Returns how many."""
    run.disk.fill()
    folder = run.disk.folder
    key, listed, kept = folder / "new.key", folder / "orders.csv", folder / "kept.tar.gz"
    commands = (
        ("orders", "create", "--profile", "Internal", "--name", "cli.example.com", "--new-key", "EC-P256", "--key-out", key),
        ("audit", "export", "--out", listed),
        ("backup", kept),
    )  # fmt: skip
    for command in commands:
        done = run.machine.run("chancery", *map(str, command), code=None)
        assert done.returncode in {1, 2}, (command, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
    assert not [p for p in folder.iterdir() if p.suffix != ".log" and p.name not in {"home", "ballast"}]
    return len(commands)


def restart(run, name):
    """Kill -9 one of the processes while the disk is full, and start it as a supervisor does."""
    run.machine.kill(name)
    run.machine.start(name)
    if name == "serve":
        until(run.machine.answers, START, run.machine.said)
        run.read()
