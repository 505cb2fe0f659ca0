"""Telling programs: over the wire, signed, in order, not following anybody elsewhere."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chancery.apps.audit import sequencer
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.webhooks import actions
from chancery.apps.webhooks.models import Webhook
from chancery.engine.hooks import tell
from tests.cast import request_pem
from tests.receiving import verified

pytestmark = pytest.mark.django_db


class Program(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture
def program():
    server = HTTPServer(("127.0.0.1", 0), Program)
    server.got, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


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
