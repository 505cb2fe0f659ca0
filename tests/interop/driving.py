"""Drives an ACME connector as the engine does, and answers http-01 as the door does."""

import json
import logging
import os
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chancery.authorities.acme.authority import Acme
from chancery.authorities.acme.config import AcmeConfig, AcmeProfile
from chancery.core import csr, keys
from chancery.core.certificate import Expected, check_issued
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.names import canonical, parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.acme.keys import new_account_key
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Issued, Pending

LONG = 60.0
"""Seconds for one order."""
LONGEST_LOOK = 0.3
"""Seconds between two looks: these servers ask for more patience than they need."""


class Answers:
    """What is answered at /.well-known/acme-challenge/, by order."""

    def __init__(self):
        self.by_order = {}

    def find(self, path):
        rows = [a for answers in self.by_order.values() for a in answers]
        return next((a.text for a in rows if path == f"/.well-known/acme-challenge/{a.token}"), None)


@contextmanager
def answering(answers, server=None):
    """Serve answers over plain HTTP on loopback; give the port."""
    server = server or listening(0)
    server.answers = answers
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def listening(port):
    """Return a server on a port of the loopback address."""
    return ThreadingHTTPServer(("127.0.0.1", port), _Talk)


class _Talk(BaseHTTPRequestHandler):
    def do_GET(self):
        text = self.server.answers.find(self.path)
        self.send_response(404 if text is None else 200)
        self.end_headers()
        self.wfile.write((text or "").encode())

    def log_message(self, *values):
        pass


def on_port_80():
    """Return a server on port 80 of the loopback address: some CAs look there and nowhere else.

    Another test may have it just now; skipped where it cannot be had at all.
    """
    end = time.monotonic() + LONG
    while True:
        try:
            return listening(80)
        except PermissionError:
            pytest.skip("port 80 of the loopback address may not be opened")
        except OSError as error:
            if time.monotonic() > end:
                pytest.skip(f"port 80 of the loopback address is taken: {os.strerror(error.errno)}")
        time.sleep(0.2)


class Driver:
    """One connector; a new instance of the authority for each step, as after a restart."""

    def __init__(self, base_url, trust_pem, answers, **config):
        key = config.pop("account_key", None) or new_account_key()
        self.config = AcmeConfig(account_key=Secret(key), **{"terms_agreed": True, "contact": "", **config})
        self.door = HttpDoor(
            base_url, clock=SYSTEM_CLOCK, policy=AddressPolicy(("127.0.0.0/8", "::1/128")), trust_pem=trust_pem
        )
        self.answers = answers

    def fresh(self):
        """Return the authority, knowing nothing."""
        return Acme(self.config, Context(self.door, SYSTEM_CLOCK, logging.getLogger("interop")))

    def issue(self, request):
        """Order, and wait for the certificate."""
        seen = []
        outcome = self.fresh().submit(request)
        end = time.monotonic() + LONG
        while isinstance(outcome, Pending):
            assert time.monotonic() < end, f"after {LONG} s: {seen[-3:]}"
            seen.append(outcome.text)
            self.answers.by_order[request.reference] = outcome.publish
            time.sleep(min(outcome.next_check.total_seconds(), LONGEST_LOOK))
            outcome = self.fresh().poll(json.loads(json.dumps(outcome.state)), request)
        self.answers.by_order.pop(request.reference, None)
        assert isinstance(outcome, Issued)
        return outcome

    def close(self):
        self.door.close()


def request(*names, previous="", label="EC-P256", key=None, days=3650, **settings):
    """Return a request on a fresh key; the lifetime is the server's own, so the wanted one is generous."""
    parsed = [parse_name(n) for n in names]
    der = csr.build(key or keys.generate(label), parsed, parsed[0].value)
    return Request(
        reference=f"interop-{names[0]}-{time.monotonic_ns()}",
        csr=der,
        common_name=parsed[0].value,
        names=canonical(parsed),
        spki_sha256=csr.parse(der).key.spki_sha256,
        validity=timedelta(days=days),
        intended_at=SYSTEM_CLOCK.now(),
        settings=AcmeProfile(**settings),
        previous=previous,
    )


def checked(issued, asked):
    """Hold what came against what was asked for, as the engine does."""
    now = SYSTEM_CLOCK.now()
    expected = Expected(asked.spki_sha256, asked.names, now, now + asked.validity)
    return check_issued(issued.leaf, issued.chain, expected)[0]


def target(issued, asked):
    """Return what a revocation points at."""
    return Target(issued.leaf, checked(issued, asked).serial, issued.reference)
