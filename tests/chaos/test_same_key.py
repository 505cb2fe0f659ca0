"""One Idempotency-Key is one order: from a hundred clients at once, through two servers, and across killed servers."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from chancery.net.listening import free_port
from chancery.apps.accounts import actions as people
from chancery.apps.orders.models import Order
from tests.cast import request_pem
from tests.chaos.stand import START, states, until
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 100


class Server:
    """A web server that can be killed and started again at the same address."""

    def __init__(self, stand):
        self.stand, self.port = stand, free_port()
        self.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/api/v1"

    def start(self):
        self.process = self.stand.start("serve", "--listen", f"127.0.0.1:{self.port}")
        until(self.answers, START, "the server does not answer")

    def answers(self):
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
def client(cast):
    token = people.create_token(cast.ada, "chaos")[1]
    limits = httpx.Limits(max_connections=CLIENTS)
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, limits=limits, timeout=60, trust_env=False) as made:
        yield made


def body(host, profile="Internal"):
    return {"profile": profile, "csr": request_pem(host)}


def test_a_hundred_clients_with_one_key_make_one_order(stand, local, client, say):
    servers = [Server(stand), Server(stand)]
    together, same = threading.Barrier(CLIENTS), body("same.example.com")

    def post(number):
        together.wait(60)
        headers = {"Idempotency-Key": "one"}
        return client.post(f"{servers[number % 2].url}/orders", json=same, headers=headers)

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(post, range(CLIENTS)))
    assert sorted(a.status_code for a in answers) == [200] * (CLIENTS - 1) + [201], [a.text for a in answers][:3]
    assert len({a.json()["id"] for a in answers}) == Order.objects.count() == 1
    refused = client.post(
        f"{servers[0].url}/orders", json=body("other.example.com"), headers={"Idempotency-Key": "one"}
    )
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    assert Order.objects.count() == 1
    say(f"{CLIENTS} parallel requests with one key through 2 servers: 1 order; another body: {refused.status_code}")


def test_prefer_wait_returns_the_order_finished_or_as_it_stands(stand, local, client):
    server = Server(stand)

    def post(host, seconds):
        return client.post(f"{server.url}/orders", json=body(host), headers={"Prefer": f"wait={seconds}"})

    unfinished = post("nobody-works.example.com", 1)
    assert (unfinished.status_code, unfinished.json()["state"]) == (201, "queued")
    worker = stand.worker()
    finished = post("somebody-works.example.com", 50)
    assert (finished.status_code, finished.json()["state"]) == (201, "issued")
    stand.stop(worker)


def place_stubbornly(client, server, number):
    """Repeat one request under one key until it is answered, as a client has to; returns the order's id."""
    deadline = time.monotonic() + 120
    while True:
        assert time.monotonic() < deadline, "never answered"
        try:
            answer = client.post(
                f"{server.url}/orders",
                json=body(f"s{number}.example.com"),
                headers={"Idempotency-Key": f"key {number}"},
            )
        except httpx.TransportError:
            time.sleep(0.05)
            continue
        if answer.status_code in {200, 201}:
            return answer.json()["id"]
        assert answer.status_code >= 500, answer.text
        time.sleep(0.05)


@pytest.mark.parametrize(("number", "kills"), [(120, 3), pytest.param(1000, 10, marks=pytest.mark.long)])
def test_a_killed_server_neither_loses_nor_doubles_what_is_asked_again(stand, local, client, say, number, kills):
    server, rng = Server(stand), random.Random(SEED)
    hosts = iter(range(number))
    for made in range(number):
        request_pem(f"s{made}.example.com")  # made beforehand, so that the kills fall into requests
    with ThreadPoolExecutor(4) as clients:
        asked = [clients.submit(place_stubbornly, client, server, n) for n in hosts]
        hit = 0
        for kill in range(kills):
            share = number * (kill + rng.uniform(0.2, 0.7)) / kills
            until(lambda: Order.objects.count() >= share, 120, states, 0.001)
            stand.kill(server.process)
            hit += not all(f.done() for f in asked)
            server.start()
        ids = [f.result() for f in asked]
    assert len(set(ids)) == number == Order.objects.count()
    assert set(ids) == {str(pk) for pk in Order.objects.values_list("pk", flat=True)}
    assert hit == kills
    say(f"{kills} kills of the web server, seed {SEED}, {number} keys asked until answered: {number} orders")
