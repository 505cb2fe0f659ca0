"""A client at the simulated server, and one at a door that answers as the test wants."""

import uuid
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chancery.core import keys
from chancery.core.certificate import Expected, check_issued
from chancery.core.clock import ManualClock
from chancery.core.csr import build
from chancery.core.names import canonical, parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.est.client import EstClient
from chancery.protocols.est.settings import EstCredentials, EstSettings
from chancery.protocols.est.simulator import PASSWORD, USER
from chancery.sdk import Answer, HttpDoor, ProfileSettings, Request

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = keys.generate("EC-P256")
LOGIN = EstCredentials(USER, Secret(PASSWORD))


def request(name="www.example.com", *, key=KEY, csr=None, previous=""):
    names = canonical([parse_name(name)])
    return Request(
        reference=str(uuid.uuid4()),
        csr=csr or build(key, [parse_name(name)], name),
        common_name=name,
        names=names,
        spki_sha256=keys.spki_sha256(key.public_key()),
        validity=timedelta(days=90),
        intended_at=NOW,
        settings=ProfileSettings(),
        previous=previous,
    )


def bare_csr(key=KEY):
    """Return a request (DER) with a subject alone."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "www.example.com")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


class Stand:
    """A running server and a client to it, by one clock."""

    def __init__(self, simulator, clock):
        self.simulator, self.clock = simulator, clock
        self.doors = []

    def client(self, credentials=LOGIN, **settings):
        policy = AddressPolicy(("127.0.0.0/8",))
        self.doors.append(HttpDoor(self.simulator.url, clock=self.clock, policy=policy, timeout=5.0))
        return EstClient(self.doors[-1], EstSettings(**settings), credentials, self.clock)

    def dial(self, **dials):
        self.simulator.dials.set(**dials)

    def advance(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))

    def kinds(self):
        return [line.kind for line in self.simulator.ledger.lines()]

    def close(self):
        for door in self.doors:
            door.close()


def checked(issued, asked):
    return check_issued(issued.leaf, issued.chain, Expected(asked.spki_sha256, asked.names, NOW))


class Saying:
    """A door that keeps what was asked, and answers what it is given: (status, body, headers) by operation."""

    def __init__(self, **answers):
        self.answers, self.asked, self.learnt = answers, [], []

    def learn(self, secret):
        self.learnt.append(secret)

    def get(self, path, **more):
        return self._answer("GET", path, more)

    def post(self, path, **more):
        return self._answer("POST", path, more)

    def _answer(self, method, path, more):
        self.asked.append((method, path, more))
        status, body, headers = self.answers[path.rpartition("/")[2]]
        return Answer(status, headers, body, NOW, tuple(self.learnt), more.get("effect", False))


def client_saying(settings=EstSettings(), **answers):
    door = Saying(**answers)
    return EstClient(door, settings, LOGIN, ManualClock(NOW)), door
