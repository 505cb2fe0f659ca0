"""Two workers and a web node on one PostgreSQL: one cut off, one killed, one paused, the database restarted, all under load."""

import os
import random
import signal
import threading
import time
import uuid

import httpx
import pytest

from chancery.authorities.digicert.simulator import build
from tests.cast import request_pem
from tests.chaos import hosts as making
from tests.chaos.test_random_kills import SEED

pytestmark = [
    pytest.mark.long,
    pytest.mark.allow_hosts(["127.0.0.1", "::1", *(f"{making.NET}.{n}" for n in (1, 11))]),
]
TOLD = os.environ.get("CHANCERY_DATABASE_URL")
REPLACED = 20.0
"""Seconds within which another worker leads; the lease is five, and the machine is shared."""


class Client(threading.Thread):
    """Orders one by one, and repeats what was not answered with the same key until it is: that is what the key is for."""

    def __init__(self, url, token, number):
        super().__init__(daemon=True)
        self._http = httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=20, trust_env=False)
        self._url, self._number = f"{url}/api/v1/orders", number
        self.placed, self.refused, self.error_seconds = [], 0, 0.0

    def run(self):
        for number in range(self._number):
            body = {"profile": "Public", "csr": request_pem(f"h{number}-{SEED}.example.com")}
            self._one(body, str(uuid.uuid4()))
            time.sleep(0.1)
        self._http.close()

    def _one(self, body, key):
        first = time.monotonic()
        while True:
            try:
                answer = self._http.post(self._url, json=body, headers={"Idempotency-Key": key})
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.status_code in {200, 201}:
                self.placed.append(answer.json()["id"])
                return
            self.refused += 1
            self.error_seconds = max(self.error_seconds, time.monotonic() - first)
            time.sleep(0.3)


@pytest.fixture
def simulator():
    with build(limits=((5.0, 100_000),)) as made:
        made.dials.set(delay=0.15, issue_delay=0.5)
        yield made


@pytest.fixture
def hosts(simulator, tmp_path):
    reason = making.missing() or ("once is enough: it makes a PostgreSQL of its own" if TOLD else "")
    if reason:
        pytest.skip(reason)
    made = making.Hosts(tmp_path, simulator)
    yield made
    made.close()


def replaced(hosts, before, how):
    """Wait until another worker leads; returns the seconds that it took."""
    begun = time.monotonic()
    hosts.wait(
        lambda: hosts.leader() not in {None, before},
        REPLACED,
        lambda: f"{before} is not replaced after {how}: {hosts.state()}",
    )
    return time.monotonic() - begun


def restart(hosts, how):
    hosts.postgres.stop(how)
    hosts.postgres.start()


def test_hosts_that_vanish_lose_and_double_nothing(hosts, simulator, capsys, result):
    web, workers = hosts.host(1), {}
    web.start("chancery", "serve", "--listen", f"{web.address}:8140", "--processes", "2")
    for number in (2, 3):
        host = hosts.host(number)
        workers[host.name] = host
        host.start("tests.chaos.child", "worker", "--processes", "1")
        # The first one makes the key that signs the record; the next is given it, as docs/running.md says.
        hosts.wait(lambda: hosts.leader() in workers, 60, host.said)
        hosts.wait(lambda: hosts.keep_keys(next(iter(workers.values()))), 60, host.said)
    hosts.wait(lambda: working(hosts) == 2, 60, host.said)
    url, rng, took = f"http://{web.address}:8140", random.Random(SEED), []
    hosts.wait(lambda: answers(url), 60, web.said)
    client = Client(url, hosts.token, 150)
    client.start()
    for how in rng.sample(["cut", "kill", "pause", "fast", "immediate"], 5):
        time.sleep(rng.uniform(1.0, 2.5))
        if how in {"fast", "immediate"}:
            restart(hosts, how)
            continue
        leader = hosts.leader() or next(iter(workers))
        took.append(vanish(hosts, workers[leader], leader, how))
    client.join(180)
    assert not client.is_alive(), f"{len(client.placed)} placed, {client.refused} refused: {web.said()}"
    simulator.dials.reset()
    count = lambda: dict(hosts.postgres.ask("SELECT state, count(*) FROM orders_order GROUP BY state"))  # noqa: E731
    hosts.wait(lambda: count() == {"issued": 150}, 120, lambda: f"{count()} {[w.said() for w in workers.values()]}")
    judged(hosts, simulator, client)
    unit = (
        "orders lost or doubled of 150, with the leading worker cut off, killed and paused, and PostgreSQL restarted twice"
        f" under load; another led after {max(took):.1f} s at most; answers were missing for {client.error_seconds:.1f} s at most"
    )
    with capsys.disabled():
        print(f"\nhosts, seed {SEED}: 0 {unit}", flush=True)
    result("R11", 0, unit, SEED, database="postgresql")


def vanish(hosts, host, name, how):
    """Let the host that leads vanish, wait until another leads, and bring it back."""
    {"cut": host.cut, "kill": host.kill, "pause": lambda: host.signal(signal.SIGSTOP)}[how]()
    took = replaced(hosts, name, how)
    time.sleep(2.0)
    if how == "kill":
        host.start("tests.chaos.child", "worker", "--processes", "1")
    else:
        {"cut": host.mend, "pause": lambda: host.signal(signal.SIGCONT)}[how]()
    hosts.wait(lambda: working(hosts) >= 2, 60, host.said)
    return took


def working(hosts):
    """Count the workers whose last sign of life is fresh."""
    fresh = "seen_at > clock_timestamp() - interval '4 s'"
    return hosts.postgres.ask(f"SELECT count(*) FROM connectors_workerbeat WHERE kind = 'worker' AND {fresh}")[0][0]


def answers(url):
    try:
        return httpx.get(f"{url}/api/v1/health", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def judged(hosts, simulator, client):
    """Compare what was acknowledged, what is in the tables, and what the CA has."""
    ours = {str(ident) for (ident,) in hosts.postgres.ask("SELECT id FROM orders_order")}
    assert ours == set(client.placed)
    assert len(client.placed) == len(ours) == 150
    paid = {tag.removeprefix("chancery:"): n for tag, n in simulator.ledger.orders_by_reference().items()}
    assert paid == dict.fromkeys(ours, 1)
    held = hosts.postgres.ask("SELECT order_id, count(*) FROM certificates_certificate GROUP BY order_id")
    assert {str(ident): n for ident, n in held} == dict.fromkeys(ours, 1)
