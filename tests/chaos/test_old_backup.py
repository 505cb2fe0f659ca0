"""Yesterday's state is put back while the CAs went on: nothing that they were sent since is sent to them again.

Every simulated CA takes part, by each of its transports. The database is saved while orders stand in every state that could
have them sent; then all of them are sent and issued, or withheld; then what was saved is put back.
"""

import os
import random
import sqlite3
import subprocess
from contextlib import closing, suppress

import pytest
from django.db import connection, connections

from chancery.apps.audit import anchors, checking, keeping, sequencer
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions, restoring
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.core.order import ENDS
from tests.chaos.judge import Verdict
from tests.chaos.test_random_kills import SEED
from tests.chaos.world import World

pytestmark = pytest.mark.django_db(transaction=True)
DAY = 24 * 3600.0
FEW = ("digicert",)
"""CAs of the short form; what becomes of orders at one that cannot be searched is in test_put_back.py beside the engine."""
ONCE = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="short, and on the other database: test_put_back")
ROUNDS = 80
AFTER = 400.0
"""Seconds after which every lease is over."""


def save(folder):
    """Save the database by its own tools, as an operator does."""
    file = folder / "saved"
    if connection.vendor == "postgresql":
        tool("pg_dump", "--format=custom", f"--file={file}", url())
    else:
        connection.ensure_connection()
        with closing(sqlite3.connect(file)) as copy:
            connection.connection.backup(copy)
    return file


def put_back(file):
    """Put it back in place of what is there now."""
    connections.close_all()
    if connection.vendor == "postgresql":
        tool("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={url()}", str(file))
        return
    with closing(sqlite3.connect(file)) as saved, closing(sqlite3.connect(connection.settings_dict["NAME"])) as live:
        saved.backup(live)


def url():
    where = connection.settings_dict
    return f"postgresql://{where['USER']}@/{where['NAME']}?host={where['HOST']}"


def tool(*command):
    subprocess.run(command, check=True, timeout=120, env={**os.environ, "PGOPTIONS": "--client-min-messages=warning"})


@pytest.fixture
def world(cast, tmp_path, number):
    made = World(tmp_path, cast.ada, FEW if number == 1 else ())
    yield made
    made.close()


def prepare(world, cast, number, rng):
    """Leave orders queued, held for approval, begun by a worker that was killed, at the CA, and issued."""
    for way in world.ways:
        world.place(cast.rob, way, number)
        with suppress(AssertionError):
            world.work(kill=rng.randint(20, 60))
        world.place(cast.rob, way, number)
        Profile.objects.filter(name=way[2]).update(needs_approval=True)
        world.place(cast.rob, way, number)
        Profile.objects.filter(name=way[2]).update(needs_approval=False)


def approve_all(cast):
    for order in Order.objects.filter(state="awaiting_approval"):
        actions.approve(cast.amy, order.pk)


def rest(world):
    """Let time pass and workers work until nothing is due any more but what waits for a connector that is off."""
    for _ in range(ROUNDS):
        world.work(lead=True)
        rows = Order.objects.exclude(due_at=None).exclude(state__in=list(ENDS))
        due = rows.exclude(state="queued", connector__status="inactive").order_by("due_at").first()
        if due is None:
            return
        world.pass_(min(max((due.due_at - world.clock.now()).total_seconds(), 0.0) + 1.0, DAY / 4))
    raise AssertionError(f"never at rest: {due.state}, {due.connector.name}: {due.reason}")


def at_the_cas(world):
    """Return CSR → how many orders all CAs together have for it."""
    total = {}
    for simulator in world.simulators.values():
        for digest, n in simulator.ledger.orders_by_csr().items():
            total[digest] = total.get(digest, 0) + n
    return total


@pytest.mark.parametrize(
    ("number", "same_accounts"),
    [pytest.param(1, True, marks=ONCE), *(pytest.param(25, word, marks=pytest.mark.long) for word in (False, True))],
)
def test_an_old_backup_has_nothing_sent_twice(world, cast, tmp_path, settings, number, same_accounts, say, result):
    rng = random.Random(SEED)
    settings.AUDIT_KEY_FILE, settings.AUDIT_ANCHORS = tmp_path / "audit-key", ((tmp_path / "checkpoints").as_uri(),)
    prepare(world, cast, number, rng)
    sign(world)
    file, saved = save(tmp_path), Order.objects.count()
    withheld = world.ways[::3] if same_accounts else []
    for way in withheld:
        connectors.deactivate(cast.ada, way[1].pk)
    approve_all(cast)
    world.pass_(AFTER)
    rest(world)
    sign(world)
    before = at_the_cas(world)
    assert set(before.values()) == {1}

    put_back(file)
    world.pass_(DAY)
    found = restoring.put_back(cast.host, same_accounts=same_accounts)
    refused = checking.verify(files=[tmp_path / "checkpoints"]).problems
    assert refused, "the checkpoints outside do not tell that the record was set back"
    keeping.restored(cast.host)
    assert not Connector.objects.filter(status="active").exists()
    approve_all(cast)
    rest(world)
    assert at_the_cas(world) == before, "something was sent before anybody had looked"
    for row in Connector.objects.all():
        connectors.activate(cast.ada, row.pk)
    rest(world)
    verdict = world.verdict()
    after = at_the_cas(world)
    again = [digest for digest in before if after.get(digest) != 1]
    assert not again
    assert set(after.values()) == {1}
    assert verdict.good, verdict
    assert verdict.orders == saved
    say(f"an old backup: {verdict}; {found}")
    told(
        result, verdict, found, len(before), len(world.ways), same_accounts=same_accounts, sent=len(after) - len(before)
    )


def told(result, verdict: Verdict, found, there, ways, *, same_accounts, sent):
    unit = (
        f"orders sent twice or lost after yesterday's state was put back, of {verdict.orders} at {ways} ways to CAs, {there} of which "
        f"the CAs had been sent by then: {verdict.issued} issued, {verdict.unknown} unknown with evidence; {found.searched} searched "
        f"for first, {found.held} when approved, {sent} sent for the first time"
    )
    result("R42", len(verdict.doubled) + len(verdict.lost), unit, SEED, part="same-accounts" if same_accounts else "")


def sign(world):
    """Place all entries in the tree, sign a checkpoint and bring it outside."""
    while sequencer.sequence():
        pass
    sequencer.checkpoint(world.clock.now())
    anchors.deliver(world.clock.now())
