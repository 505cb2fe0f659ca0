"""Steps at the simulator over real HTTP, and a door that answers what a test tells it."""

import json
import logging
from contextlib import contextmanager
from datetime import timedelta

from chancery.core import csr, keys
from chancery.core.clock import ManualClock
from chancery.core.names import canonical, parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.acme.keys import new_account_key
from chancery.protocols.acme.settings import AcmeSettings, OrderSettings
from chancery.protocols.acme.simulator import build
from chancery.protocols.acme.solving.http01 import HttpSolver
from chancery.protocols.acme.steps import AcmeSteps
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.config import ProfileSettings
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Issued, Pending
from chancery.sdk.testing import START

LOG = logging.getLogger("chancery.acme.tests")
KEY = new_account_key()
PLAIN = OrderSettings()
SETTINGS = AcmeSettings(terms_agreed=True)


def request(*names, key=None, previous="", at=START, days=90):
    parsed = [parse_name(n) for n in names or ("www.example.com",)]
    der = csr.build(key or keys.generate("EC-P256"), parsed, parsed[0].value)
    return Request(
        reference="0191-a",
        csr=der,
        common_name=parsed[0].value,
        names=canonical(parsed),
        spki_sha256=csr.parse(der).key.spki_sha256,
        validity=timedelta(days=days),
        intended_at=at,
        settings=ProfileSettings(),
        previous=previous,
    )


class Stand:
    """A simulator, its clock, and connectors to it."""

    def __init__(self, simulator, clock):
        self.simulator, self.clock = simulator, clock
        self.ledger, self.turn = simulator.ledger, simulator.dials.set
        self._doors = []

    def door(self, **more):
        made = HttpDoor(self.simulator.url, clock=self.clock, policy=AddressPolicy(("127.0.0.0/8",)), **more)
        self._doors.append(made)
        return made

    def steps(self, settings=SETTINGS, solver=HttpSolver(), key=KEY, **more):
        context = Context(self.door(**more), self.clock, LOG)
        return AcmeSteps(context, Secret(key), settings, solver)

    def issue(self, steps=None, asked=None, wanted=PLAIN):
        steps, asked = steps or self.steps(), asked or request()
        return self.finish(steps, steps.submit(asked, wanted), asked)

    def finish(self, steps, outcome, asked, most=30):
        for _ in range(most):
            if isinstance(outcome, Issued):
                return outcome
            self.clock.advance(outcome.next_check)
            outcome = steps.poll(json.loads(json.dumps(outcome.state)), asked)
        raise AssertionError(f"still pending: {outcome.text}")

    def until(self, steps, asked, phase, wanted=PLAIN):
        """Return the outcome in which an order has come to a phase."""
        outcome = steps.submit(asked, wanted)
        while outcome.state["phase"] != phase:
            outcome = steps.poll(outcome.state, asked)
            assert isinstance(outcome, Pending)
        return outcome

    def ordered(self):
        return len(self.ledger.lines("order"))

    def close(self):
        for door in self._doors:
            door.close()


@contextmanager
def stand(**dials):
    clock = ManualClock(START)
    with build(clock=clock) as simulator:
        made = Stand(simulator, clock)
        made.turn(**dials)
        try:
            yield made
        finally:
            made.close()


def target(issued, serial=None):
    from cryptography import x509

    number = x509.load_der_x509_certificate(issued.leaf).serial_number
    return Target(issued.leaf, serial or f"{number:x}", issued.reference)


class Door:
    """Answers by the test's own function of (method, path, payload): status, document, headers; or raises."""

    base_url = "https://ca.example/directory"
    directory = {
        n: f"https://ca.example/{n}" for n in ("newNonce", "newAccount", "newOrder", "revokeCert", "keyChange")
    }

    def __init__(self, answer, clock=None):
        self.answer, self.clock = answer, clock or ManualClock(START)
        self.secrets, self.asked, self.foreign = (Secret("s3cr3t-hmac-key-0123456789"),), [], []
        self.policy = AddressPolicy()

    def request(self, method, url, *, effect=False, orders=True, foreign=False, content=b"", headers=None):
        del orders
        path = "/" + url.split("/", 3)[3]
        payload = _payload(content)
        self.asked.append((method, path, payload, effect))
        self.foreign.append(foreign)
        found = self.answer(method, path, payload)
        if isinstance(found, Exception):
            raise found
        status, document, *more = found if isinstance(found, tuple) else (200, found)
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        lines = {"replay-nonce": "bm9uY2U", **(more[0] if more else {})}
        return Answer(status, lines, body, self.clock.now(), self.secrets, effect)


def _payload(content):
    from chancery.protocols.acme.simulator.signatures import decode

    raw = decode(json.loads(content)["payload"]) if content else b""
    return json.loads(raw) if raw else None


def scripted(answer, settings=SETTINGS, solver=None, **more):
    """Steps whose door is the test's; directory and account are there unless the test answers for them."""

    def whole(method, path, payload):
        found = answer(method, path, payload)
        if found is not None:
            return found
        if path == "/directory":
            return {**Door.directory, "meta": {}}
        if path == "/newAccount":
            return 200, {"status": "valid"}, {"location": "https://ca.example/acct/1"}
        return 204, b""

    door = Door(whole)
    return AcmeSteps(Context(door, door.clock, LOG), Secret(KEY), settings, solver, **more), door
