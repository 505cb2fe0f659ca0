"""Telling programs: over the wire, signed, in order, not following anybody elsewhere."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chancery.apps.audit import sequencer
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared import action
from chancery.apps.webhooks import actions, following
from chancery.apps.webhooks.models import Webhook
from chancery.core.clock import ManualClock
from chancery.core.tests.making import NOW
from chancery.engine.hooks import TIMEOUT, tell
from tests.cast import request_pem
from tests.receiving import verified

pytestmark = pytest.mark.django_db


class Program(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.server.slowly()
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def program():
    server = HTTPServer(("127.0.0.1", 0), Program)
    server.got, server.answers, server.slowly = [], [], lambda: None
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def clock():
    manual = ManualClock(NOW)
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


@pytest.fixture
def hooked(cast, local, program):
    sequencer.sequence()
    url = f"http://127.0.0.1:{program.server_port}/hook"
    values = {"name": "Tickets", "team": "Operations", "url": url, "allowed_networks": ["127.0.0.0/8"]}
    return actions.create(cast.ada, values)


def ordered(cast, *names):
    for name in names:
        place(cast.rob, PlaceOrder("Internal", request_pem(name)))
    sequencer.sequence()
    Webhook.objects.update(due_at="2000-01-01T00:00:00Z")


def test_messages_are_signed_and_come_in_order(cast, hooked, program):
    _, secret = hooked
    assert not tell() or not program.got
    ordered(cast, "a.example.com", "b.example.com")
    assert tell()
    assert [json.loads(body)["data"]["name"] for _, body in program.got] == ["a.example.com", "b.example.com"]
    assert all(verified(secret, headers, body) for headers, body in program.got)
    assert Webhook.objects.get().last_error == ""


def test_what_is_refused_comes_again_and_a_redirection_is_not_followed(cast, hooked, program):
    ordered(cast, "a.example.com", "b.example.com")
    program.answers += [204, 307]
    assert tell()
    assert "not followed" in Webhook.objects.get().last_error
    Webhook.objects.update(due_at="2000-01-01T00:00:00Z")
    program.answers.append(500)
    assert tell()
    assert Webhook.objects.get().last_error == "It answered 500."
    Webhook.objects.update(due_at="2000-01-01T00:00:00Z")
    assert tell()
    idents = [headers["webhook-id"] for headers, _ in program.got]
    assert (len(idents), idents[1]) == (4, idents[3])


def test_one_that_is_away_or_cannot_be_opened_is_said(cast, hooked, program):
    ordered(cast, "a.example.com")
    Webhook.objects.update(url="http://127.0.0.1:9/hook")
    assert tell()
    assert Webhook.objects.get().last_error.startswith("It could not be reached")
    row = Webhook.objects.get()
    row.sealed["present"]["kid"] = "gone"
    Webhook.objects.update(sealed=row.sealed, due_at="2000-01-01T00:00:00Z")
    assert tell()
    assert Webhook.objects.get().failures == 2
    Webhook.objects.update(due_at=None)
    assert not tell()


def test_a_slow_one_gets_on_within_its_lease_and_lets_others_have_their_turn(cast, clock, hooked, program):
    """At four seconds for each message fifty would outlive a lease, and be taken up anew from the first for ever."""
    ordered(cast, *(f"{letter}.example.com" for letter in "abcdefgh"))
    program.slowly = lambda: clock.advance(timedelta(seconds=4))
    Webhook.objects.update(due_at=clock.now())
    begun = clock.now()
    assert tell()
    row = Webhook.objects.get()
    assert (len(program.got), row.failures, row.last_error, row.due_at) == (5, 0, "", clock.now())
    assert clock.now() - begun + timedelta(seconds=TIMEOUT) < following.LEASE
    assert tell()
    names = [json.loads(body)["data"]["name"] for _, body in program.got]
    assert names == [f"{letter}.example.com" for letter in "abcdefgh"]
    assert Webhook.objects.get().due_at == clock.now() + following.PAUSE


def test_one_that_takes_longer_than_a_turn_gets_on_too(cast, clock, hooked, program):
    ordered(cast, "a.example.com", "b.example.com")
    program.slowly = lambda: clock.advance(timedelta(seconds=following.TURN + 1))
    for number in (1, 2):
        Webhook.objects.update(due_at=clock.now())
        assert tell()
        assert len(program.got) == number
