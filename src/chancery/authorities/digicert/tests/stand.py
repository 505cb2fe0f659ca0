"""A connector at the simulator, and one at a door that answers as the test wants."""

import http.client
import json
import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from chancery.authorities.digicert.authority import DigiCert
from chancery.authorities.digicert.config import DigiCertConfig, DigiCertProfile
from chancery.core import csr, keys
from chancery.core.certificate import facts
from chancery.core.clock import ManualClock
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.http import HttpDoor

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = "SANDBOX-KEY-0123456789ABCDEF"
OPENED = []
LOG = logging.getLogger("chancery.authority.digicert")


def request(*names, reference="0191-a", days=90, previous="", key=None, at=START, confirmed=False, **settings):
    names = [parse_name(n) for n in names or ("www.example.com",)]
    key = key or keys.generate("EC-P256")
    der = csr.build(key, names, names[0].value)
    product = {"product": "ssl_basic", "organization_id": "112233", **settings}
    return Request(
        reference=reference,
        csr=der,
        common_name=names[0].value,
        names=tuple(names),
        spki_sha256=csr.parse(der).key.spki_sha256,
        validity=timedelta(days=days),
        intended_at=at,
        settings=DigiCertProfile(**product),
        previous=previous,
        confirmed=confirmed,
    )


def connector(sim, clock, key=None, **config):
    secret = Secret(key or sim.credentials["api_key"])
    values = {"reference_field_id": "12", "skip_approval": True, **config}
    door = HttpDoor(sim.url, clock=clock, policy=AddressPolicy(("127.0.0.0/8",)), secrets=(secret,))
    OPENED.append(door)
    return DigiCert(DigiCertConfig(api_key=secret, **values), Context(door, clock, LOG))


def control(sim, method, path, body=None):
    """Speak to the simulator's control door."""
    parts = urlsplit(sim.control)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
    try:
        link.request(method, path, json.dumps(body) if body is not None else None)
        return json.loads(link.getresponse().read())
    finally:
        link.close()


def approve(sim, clock, kind, word="approved"):
    """Let the account's other administrator decide what waits."""
    # Not by the control door, which tells of the whole account: a thousand orders are looked at a thousand times.
    requests = sim.tick.__self__._book.requests.values()
    waiting = [r.id for r in requests if (r.type, r.status) == (kind, "pending")]
    other = connector(sim, clock) if waiting else None
    for one in waiting:
        body = {"status": word, "processor_comment": "as agreed"}
        other._client.act("PUT", f"request/{one}/status", body)


def target(issued):
    """A certificate to be revoked."""
    return Target(issued.leaf, facts(issued.leaf).serial, issued.reference)


def count_calls(ca):
    """Return the list that every path is added to from now on."""
    door, calls = ca._context.http, []
    send = type(door).request.__get__(door)

    def counted(method, path, **more):
        calls.append(path)
        return send(method, path, **more)

    door.request = counted
    return calls


def close():
    """Close the doors that the test opened."""
    while OPENED:
        OPENED.pop().close()


class Door:
    """Answers by the test's own function of (method, path, JSON): a status and a body, or an error to raise."""

    base_url = "https://ca.example/services/v2"

    def __init__(self, answer, clock=None):
        self.answer, self.clock, self.secret = answer, clock or ManualClock(START), Secret(KEY)
        self.asked = []

    def request(self, method, path, *, params=None, json=None, headers=None, effect=False, max_bytes=0):
        self.asked.append((method, path, json))
        found = self.answer(method, path, json)
        if isinstance(found, Exception):
            raise found
        status, body, *more = found if isinstance(found, tuple) else (200, found)
        text = body if isinstance(body, bytes) else dumps(body)
        kind = "text/html" if text.startswith(b"<") else "application/json"
        return Answer(
            status,
            {"content-type": kind, **(more[0] if more else {})},
            text,
            self.clock.now(),
            (self.secret,),
            effect,
        )


def dumps(body):
    return json.dumps(body).encode()


def scripted(answer, clock=None, **config):
    """A connector whose door is the test's."""
    door = Door(answer, clock)
    values = {"reference_field_id": "12", **config}
    made = DigiCert(DigiCertConfig(api_key=door.secret, **values), Context(door, door.clock, LOG))
    return made, door
