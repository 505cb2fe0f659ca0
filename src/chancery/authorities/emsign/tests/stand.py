"""A connector at the simulator, and one at a door that answers as the test wants."""

import functools
import http.client
import json
import logging
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from chancery.authorities.emsign.authority import EmSign
from chancery.authorities.emsign.config import EmSignConfig, EmSignProfile
from chancery.core import csr, keys
from chancery.core.certificate import facts
from chancery.core.clock import ManualClock
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Issued

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPENED = []
LOG = logging.getLogger("chancery.authority.emsign")
TOKEN = "sandbox-access-token"
PERSON = {
    "requestor_name": "Pat Requestor",
    "requestor_email": "pki@example.com",
    "requestor_isd": "1",
    "requestor_phone": "4155550100",
    "accept_agreement": True,
    "signer_place": "San Francisco",
    "signer_ip": "203.0.114.7",
}
SECRETS = ("client_secret", "access_key", "eab_hmac_key", "account_key", "consent_token")


def settings(sim, transport="v2", **changes):
    """Settings as an administrator types them."""
    told = sim.credentials
    own = {"v2": {"client_secret": told["client_secret"]}, "v1": {"access_key": told["access_key"]}}[transport]
    group = {"group_number": told["group_number"]}
    return {"transport": transport, "account_number": told["account_number"], **own, **group, **PERSON, **changes}


def product(**changes):
    return {"variant": "dv-ucc", "product_code": "844", **changes}


def request(*names, reference="0191-a", days=199, previous="", key=None, at=START, **profile):
    names = [parse_name(n) for n in names or ("www.example.com",)]
    key = key or keys.generate("EC-P256")
    der = csr.build(key, names, names[0].value)
    single = {"variant": "dv", "product_code": "842"} if len(names) == 1 else {}
    return Request(
        reference=reference,
        csr=der,
        common_name=names[0].value,
        names=tuple(names),
        spki_sha256=csr.parse(der).key.spki_sha256,
        validity=timedelta(days=days),
        intended_at=at,
        settings=EmSignProfile(**{**product(), **single, **profile}),
        previous=previous,
    )


@functools.cache
def any_request():
    """A request that is made once."""
    return request()


def connector(sim, clock, transport="v2", **changes):
    values = settings(sim, transport, **changes)
    values = {k: Secret(v) if k in SECRETS and v else v for k, v in values.items()}
    secrets = tuple(v for v in values.values() if isinstance(v, Secret))
    door = HttpDoor(sim.url, clock=clock, policy=AddressPolicy(("127.0.0.0/8",)), secrets=secrets)
    OPENED.append(door)
    return EmSign(EmSignConfig(**values), Context(door, clock, LOG))


def close():
    """Close the doors that the test opened."""
    while OPENED:
        OPENED.pop().close()


def finish(ca, outcome, asked, clock, steps=20):
    """Poll until it is issued, as the engine does: the state goes through JSON."""
    for _ in range(steps):
        if isinstance(outcome, Issued):
            return outcome
        clock.advance(outcome.next_check)
        outcome = ca.poll(json.loads(json.dumps(outcome.state)), asked)
    raise AssertionError(outcome)


def issue(ca, asked, clock):
    return finish(ca, ca.submit(asked), asked, clock)


def target(issued):
    return Target(issued.leaf, facts(issued.leaf).serial, issued.reference)


def control(sim, method, path, body=None):
    parts = urlsplit(sim.control)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        link.request(method, path, json.dumps(body) if body is not None else None)
        return json.loads(link.getresponse().read())
    finally:
        link.close()


def tick(sim, seconds):
    return control(sim, "POST", "/tick", {"seconds": seconds})


class Door:
    """Answers by the test's own function of (method, path, JSON): a status and a body, or an error to raise."""

    base_url = "https://api.example"

    def __init__(self, answer, clock=None):
        self.answer, self.clock = answer, clock or ManualClock(START)
        self.secrets = (Secret("0123456789abcdef0123456789abcdef"),)
        self.asked = []

    def post(self, path, **more):
        return self.request("POST", path, **more)

    def request(self, method, path, *, params=None, json=None, content=None, headers=None, effect=False, max_bytes=0):
        if path == "oauth/token":
            return self._answer((200, {"access_token": TOKEN, "expires_in": 3600}), effect)
        self.asked.append((method, path, json))
        found = self.answer(method, path, json)
        if isinstance(found, Exception):
            raise found
        return self._answer(found, effect)

    def _answer(self, found, effect):
        status, body, *more = found if isinstance(found, tuple) else (200, found)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/html" if text.startswith(b"<") else "application/json"
        lines = {"content-type": kind, **(more[0] if more else {})}
        return Answer(status, lines, text, self.clock.now(), self.secrets, effect)


def scripted(answer, clock=None, transport="v2", **changes):
    """A connector whose door is the test's."""
    door = Door(answer, clock)
    own = {"v2": {"client_secret": door.secrets[0]}, "v1": {"access_key": door.secrets[0]}}[transport]
    values = {"transport": transport, "account_number": "1234567890", **own, **PERSON, **changes}
    return EmSign(EmSignConfig(**values), Context(door, door.clock, LOG)), door
