"""Everything fails at once: the CA, its answers, the database, workers and their clocks, at random, while orders come in.

The short form is one worker on the test's own PostgreSQL; the long one hosts in namespaces, for `CHANCERY_CHAOS_MINUTES`.
"""

import os
import random
import threading
import time
import uuid
from collections import Counter

import httpx
import pytest
from django.db import connection

from chancery.apps.orders.models import Order
from chancery.authorities.digicert.simulator import build
from chancery.core.clock import SYSTEM_CLOCK
from chancery.sandbox.clock import ShiftedClock
from tests.cast import request_pem
from tests.chaos import hosts as making
from tests.chaos.child import jump
from tests.chaos.judge import judge
from tests.chaos.stand import open_orders, place, states, until
from tests.chaos.test_hosts import answers, restart, working
from tests.chaos.test_random_kills import SEED

MINUTES = float(os.environ.get("CHANCERY_CHAOS_MINUTES") or 30)
HOUR, DAY = 3600.0, 86_400.0
WRONG = (-DAY, -HOUR, -1.0, 1.0, HOUR, DAY)
"""By how much a clock jumps, in seconds; from there it jumps on, or back."""
AFTER = 3 * DAY
"""What goes by at the end: longer than anything that a wrong clock put off."""
PACE = 0.8


@pytest.fixture
def ahead():
    return ShiftedClock(SYSTEM_CLOCK)


@pytest.fixture
def simulator(ahead):
    with build(limits=((5.0, 100_000),), clock=ahead) as made:
        made.dials.set(delay=0.1, issue_delay=0.3)
        yield made


class Storm:
    """What goes wrong, one thing after another by seed; each of the acts brings its own trouble, and some end later."""

    def __init__(self, simulator, acts, longest=3.0):
        self.rng, self.simulator, self.longest = random.Random(SEED), simulator, longest
        self.acts = {"the CA goes away": self.away, "answers are lost": self.lost, **acts}
        self.seen = Counter()

    def away(self):
        self.simulator.down()
        time.sleep(self.rng.uniform(0.3, self.longest))
        self.simulator.up()

    def lost(self):
        self.simulator.dials.set(fail_after=0.4)
        time.sleep(self.rng.uniform(0.3, self.longest))
        self.simulator.dials.set(fail_after=0.0)

    def strike(self, *names):
        """Let things go wrong side by side, and wait until each is over."""
        going = [threading.Thread(target=self.acts[name]) for name in names]
        for one in going:
            one.start()
        for one in going:
            one.join()
        self.seen.update(names)

    def __str__(self):
        return ", ".join(f"{name} ({number})" for name, number in sorted(self.seen.items()))


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="a file is not restarted")
def test_whatever_fails_nothing_is_lost_or_doubled(stand, cast, simulator, digicert, ahead, say):
    crew = [stand.worker()]

    def killed():
        stand.kill(crew.pop())
        crew.append(stand.worker())

    def cut():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND pid <> %s",
                [own],
            )
        connection.close()  # this thread's, which nobody else will

    with connection.cursor() as cursor:
        own = cursor.execute("SELECT pg_backend_pid()").fetchone()[0]
    storm = Storm(simulator, {"a worker is killed": killed, "the database drops its connections": cut}, 0.8)
    storm.acts["a clock jumps"] = lambda: jump(stand.clock, storm.rng.choice(WRONG))
    stand.await_life(crew)
    order = storm.rng.sample(sorted(storm.acts), len(storm.acts))
    for number, names in enumerate((order[:2], order[2:4], order[4:])):
        place(cast.rob, "Public", [f"e{number}-{i}.example.com" for i in range(8)])
        storm.strike(*names)
    ahead.push(AFTER)
    jump(stand.clock, AFTER)
    until(lambda: not open_orders(), 120, lambda: f"{states()} {stand.said()}", 0.1)
    verdict = judge(Order.objects.all(), simulator.ledger, quarantine=True)
    say(f"everything at once, seed {SEED}: {storm}: {verdict}")
    assert verdict.good, str(verdict)
    assert verdict.issued > verdict.orders // 2
    assert set(storm.seen) == set(storm.acts)


class Client(threading.Thread):
    """Orders one after the other until told to stop, and repeats under its key what was not answered."""

    def __init__(self, url, token, number):
        super().__init__(daemon=True)
        self._http = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False)
        self._url, self._number, self.stop = f"{url}/api/v1/orders", number, threading.Event()
        self.placed, self.repeats = [], 0

    def run(self):
        made = 0
        while not self.stop.wait(PACE):
            made += 1
            host = f"c{self._number}-{made}-{SEED}.example.com"
            self._one({"profile": "Public", "csr": request_pem(host)}, str(uuid.uuid4()))
        self._http.close()

    def _one(self, body, key):
        while True:
            try:
                answer = self._http.post(self._url, json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code in {200, 201}:
                self.placed.append(answer.json()["id"])
                return
            assert answer is None or answer.status_code >= 500, answer.text
            self.repeats += 1
            time.sleep(0.3)


class Site:
    """A web node, two workers and a PostgreSQL, and what may befall each of them."""

    def __init__(self, hosts, simulator):
        self.hosts, self.workers = hosts, []
        self.web = hosts.host(1)
        self.web.start("chancery", "serve", "--listen", f"{self.web.address}:8140", "--processes", "2")
        for number in (2, 3):
            self.workers.append(hosts.host(number))
            self.begin(self.workers[-1])
            hosts.wait(lambda: hosts.leader() is not None, 90, self.said)
            hosts.wait(lambda: hosts.keep_keys(self.workers[0]), 60, self.said)
        self.url = f"http://{self.web.address}:8140"
        hosts.wait(lambda: working(hosts) == 2, 90, self.said)
        hosts.wait(lambda: answers(self.url), 90, self.web.said)
        self.storm = Storm(simulator, {})
        self.storm.acts |= {
            "a worker is killed": self.kill,
            "a clock jumps": self.jump,
            "the database is restarted": lambda: restart(hosts, "fast"),
            "the database crashes": lambda: restart(hosts, "immediate"),
        }

    def begin(self, host):
        host.start("tests.chaos.tended", "worker", "--processes", "1")

    def said(self):
        return [host.said()[-1500:] for host in self.workers]

    def kill(self):
        host = self.storm.rng.choice(self.workers)
        host.kill()
        time.sleep(self.storm.rng.uniform(0.1, 2.0))
        self.begin(host)

    def jump(self):
        jump(self.storm.rng.choice(self.workers).clock, self.storm.rng.choice((*WRONG, 0.0)))

    def rage(self, seconds):
        """Let one or two things at a time go wrong for so long; the database does not fall while it is down."""
        end = time.monotonic() + seconds
        database = ["the database is restarted", "the database crashes"]
        while time.monotonic() < end:
            names = self.storm.rng.sample(sorted(self.storm.acts), self.storm.rng.choice((1, 1, 2, 3)))
            if set(database) <= set(names):
                names.remove(database[1])
            self.storm.strike(*names)
            time.sleep(self.storm.rng.uniform(0.5, 6.0))

    def calm(self, ahead):
        """Heal everything and let days go by, until no order is open any more."""
        self.storm.simulator.dials.reset()
        passed = 0.0
        while passed < 12 * DAY:
            passed += AFTER
            ahead.push(AFTER)
            for host in self.workers:
                jump(host.clock, passed)
            end = time.monotonic() + 120
            while time.monotonic() < end:
                if not self.open():
                    return
                time.sleep(0.5)
        raise AssertionError(f"never at rest: {self.states()} {self.said()}")

    def open(self):
        settled = "('issued', 'outcome_unknown', 'quarantined')"
        return self.hosts.postgres.ask(
            f"SELECT count(*) FROM orders_order WHERE state NOT IN {settled} OR due_at IS NOT NULL"
        )[0][0]

    def states(self):
        return dict(self.hosts.postgres.ask("SELECT state, count(*) FROM orders_order GROUP BY state"))

    def verdict(self, placed):
        """Return what was lost, doubled and left without a reason: of what was acknowledged, of the tables and the ledger."""
        sql = """SELECT o.id, o.state, o.reason, count(c.id) FROM orders_order o
                 LEFT JOIN certificates_certificate c ON c.order_id = o.id GROUP BY o.id"""
        paid = {
            tag.removeprefix("chancery:"): n for tag, n in self.storm.simulator.ledger.orders_by_reference().items()
        }
        rows = {str(ident): (state, reason, held) for ident, state, reason, held in self.hosts.postgres.ask(sql)}
        lost = [ident for ident in placed if ident not in rows]
        lost += [i for i, (s, _, held) in rows.items() if s == "issued" and (held != 1 or i not in paid)]
        lost += [i for i, (s, *_) in rows.items() if s not in {"issued", "outcome_unknown", "quarantined"}]
        doubled = [i for i, (_, _, held) in rows.items() if held > 1 or paid.get(i, 0) > 1]
        doubled += [tag for tag in paid if tag not in rows] + list((Counter(placed) - Counter(set(placed))).elements())
        silent = [i for i, (s, reason, _) in rows.items() if s != "issued" and not reason]
        return lost, doubled, silent


@pytest.mark.long
@pytest.mark.allow_hosts(["127.0.0.1", "::1", *(f"{making.NET}.{n}" for n in (1, 11))])
def test_half_an_hour_in_which_everything_fails(simulator, ahead, tmp_path, capsys, result):
    told = os.environ.get("CHANCERY_DATABASE_URL")
    reason = making.missing() or ("once is enough: it makes a PostgreSQL of its own" if told else "")
    if reason:
        pytest.skip(reason)
    hosts = making.Hosts(tmp_path, simulator)
    try:
        site = Site(hosts, simulator)
        clients = [Client(site.url, hosts.token, number) for number in (1, 2)]
        for client in clients:
            client.start()
        site.rage(MINUTES * 60)
        for client in clients:
            client.stop.set()
            client.join(180)
            assert not client.is_alive(), site.web.said()
        site.calm(ahead)
        placed = [ident for client in clients for ident in client.placed]
        lost, doubled, silent = site.verdict(placed)
        found = site.states()
    finally:
        hosts.close()
    unit = f"orders lost or doubled of {len(placed)} in {MINUTES:g} minutes in which {site.storm}; {found}"
    with capsys.disabled():
        print(f"\neverything, seed {SEED}: {len(lost)} + {len(doubled)} {unit}", flush=True)
    assert not (lost or doubled or silent), (lost[:5], doubled[:5], silent[:5])  # noqa: PT018  each shows all three
    assert set(site.storm.seen) == set(site.storm.acts)
    assert found["issued"] > len(placed) // 2
    result("R49", len(lost) + len(doubled), unit, SEED, database="postgresql")
