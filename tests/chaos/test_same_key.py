"""Saying it again does it once: one key from a hundred clients, through two servers, and across killed servers; and messages
of bots and ACME clients, and ours to programs."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from chancery.apps.accounts import actions as people
from chancery.apps.audit import sequencer
from chancery.apps.bots import actions as bots
from chancery.apps.orders.models import Order
from chancery.apps.shared.action import current_clock
from chancery.apps.webhooks import actions as webhooks
from chancery.apps.webhooks import following
from chancery.apps.webhooks.models import Webhook
from chancery.core import csr
from chancery.core.names import parse_name
from chancery.core.tests.making import key_of
from chancery.doors.acme import waiting
from chancery.doors.acme.tests.conftest import door, served  # noqa: F401  fixtures
from chancery.doors.bots.tests.test_door import enrolled, line, stage, target  # noqa: F401  fixtures
from chancery.net.listening import free_port
from tests.cast import request_pem
from tests.chaos.stand import START, place, states, until
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS, AGAIN = 100, 10


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


def a_hundred(stand, client):
    """Have a hundred clients send one request with one key at one moment through two servers; returns the orders it made."""
    servers = [Server(stand), Server(stand)]
    before = Order.objects.count()
    together, same = threading.Barrier(CLIENTS), body("same.example.com")

    def post(number):
        together.wait(60)
        headers = {"Idempotency-Key": "one"}
        return client.post(f"{servers[number % 2].url}/orders", json=same, headers=headers)

    with ThreadPoolExecutor(CLIENTS) as clients:
        answers = list(clients.map(post, range(CLIENTS)))
    assert sorted(a.status_code for a in answers) == [200] * (CLIENTS - 1) + [201], [a.text for a in answers][:3]
    assert len({a.text for a in answers}) == 1
    other = {"json": body("other.example.com"), "headers": {"Idempotency-Key": "one"}}
    refused = client.post(f"{servers[0].url}/orders", **other)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    return Order.objects.count() - before


def of_a_bot(cast, bot, stage, line):
    """Have a bot ask for a certificate, and send each of its messages ten times more; returns how many were refused."""
    bots.issue(cast.ada, target(cast, bot, stage).pk)
    begun = len(line.sent)  # what came before is its enrolment
    stage.agent.turn()
    said = range(begun, len(line.sent))
    assert any(path.endswith("csr") for path, *_ in line.sent)
    answers = [line.again(at) for at in said for _ in range(AGAIN)]
    assert {a.status for a in answers} == {401}
    return len(answers)


def of_an_acme_client(door):
    """Finalize an order, send that very message ten times more, and ask for the same ten times anew."""
    door.offer(listed=True)
    acme, sent = door.registered(), []
    plain = acme.send

    def send(method, url, content, headers):
        sent.append((method, url, content, headers))
        return plain(method, url, content, headers)

    acme.send = send
    order = acme.order("acme.example.com").json()
    request = csr.build(key_of("EC-P256"), [parse_name("acme.example.com")])
    first = acme.finalize(order, request)
    assert first.status == 200, first.body
    message = sent[-1]
    again = [plain(*message) for _ in range(AGAIN)]
    assert {(a.status, a.json()["type"].rpartition(":")[2]) for a in again} == {(400, "badNonce")}
    anew = [acme.finalize(order, request) for _ in range(AGAIN)]
    assert {a.body for a in anew} == {first.body}
    return len(again) + len(anew)


def of_ours(cast):
    """Tell a program what happened, ten times without an answer: the id and the body stay, and it ends once it is taken."""
    hook = {"name": "Tickets", "team": "Operations", "url": "https://tickets.example.com/hook"}
    sequencer.sequence()
    webhooks.create(cast.ada, hook)
    place(cast.rob, "Internal", ["told.example.com"])
    sequencer.sequence()
    seen = []
    for at in range(AGAIN + 1):
        now = current_clock().now()
        Webhook.objects.update(due_at=now)
        found = following.batch(following.claim(now), now)
        seen.append([(m.ident, m.body) for m in found.messages])
        following.record(found, len(found.messages) if at == AGAIN else 0, "" if at == AGAIN else "It is away.", now)
    assert seen[0]
    assert all(one == seen[0] for one in seen)
    now = current_clock().now()
    Webhook.objects.update(due_at=now)
    assert following.batch(following.claim(now), now).messages == []
    return AGAIN


def test_what_is_said_again_by_anybody_is_done_once(
    stand,
    cast,
    local,
    client,
    stage,
    enrolled,
    line,
    door,
    monkeypatch,
    say,
    result,
):
    monkeypatch.setattr(waiting, "SECONDS", 0.01)
    sent = {
        "a bot's": of_a_bot(cast, enrolled, stage, line),
        "an ACME client's": of_an_acme_client(door),
        "ours to a webhook": of_ours(cast),
    }
    assert Order.objects.count() == 3, "one of the bot, one of the ACME client, and the one that the webhook is told of"
    effects = a_hundred(stand, client)
    text = ", ".join(f"{number} of {who}" for who, number in sent.items())
    unit = (
        f"order of {CLIENTS} identical calls at once through two servers, all answered alike; "
        f"of messages that were sent again ({text}) none did anything more"
    )
    say(f"{effects} {unit}")
    assert effects == 1
    result("R13", effects, unit)


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
