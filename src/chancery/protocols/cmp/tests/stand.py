"""A client at the server beside it, over real HTTP, with a door that can lose answers and change them."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery.core import csr, keys
from chancery.core.clock import ManualClock
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.cmp import CmpClient, CmpSettings, SharedSecret, SigningKey
from chancery.protocols.cmp.simulator import REFERENCE, SECRET, build
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sdk.authority import Request, Target
from chancery.sdk.config import ProfileSettings
from chancery.sdk.errors import OutcomeUnknown
from chancery.sdk.http import HttpDoor

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KEY = keys.generate("EC-P256")


class Door(HttpDoor):
    """The usual door. `lose` holds numbers of calls whose answers get lost; `change` may replace an answer's body."""

    def __init__(self, url, clock):
        super().__init__(url, clock=clock, policy=AddressPolicy(("127.0.0.0/8",)))
        self.calls, self.lose, self.change = 0, set(), None

    def request(self, method, path, **more):
        self.calls += 1
        answer = super().request(method, path, **more)
        if self.calls in self.lose:
            raise OutcomeUnknown("lost on the way")
        return replace(answer, body=self.change(answer.body)) if self.change else answer


class Stand:
    """The server, its CA, and clients with and without a certificate of their own."""

    def __init__(self, key_label="EC-P256", rsa_keys=False):
        self.clock = ManualClock(START)
        self.ca = EnrolmentCa(START, rsa_keys=rsa_keys)
        self.own_key = keys.generate(key_label)
        self.own = self.issue(self.own_key, "chancery-ra")
        self.simulator = build(clock=self.clock, ca=self.ca, officers=[self.own])
        self.doors = []

    def issue(self, key, name):
        from cryptography import x509

        asked = x509.load_der_x509_csr(csr.build(key, [parse_name(name)], name))
        return self.ca.issue(asked, START, START + 300 * DAY)

    def turn(self, **dials):
        self.simulator.dials.set(**dials)

    def door(self):
        made = Door(self.simulator.url, self.clock)
        self.doors.append(made)
        return made

    def client(self, credential=None, door=None, **settings):
        given = credential or SharedSecret(REFERENCE, Secret(SECRET))
        return CmpClient(door or self.door(), CmpSettings(**settings), given, self.clock)

    def signing(self, door=None, **settings):
        given = SigningKey(pem(self.own), Secret(key_pem(self.own_key)))
        return self.client(given, door, trust_pem=pem(self.ca.root), **settings)

    def kinds(self):
        return [line.kind for line in self.simulator.ledger.lines()]

    def close(self):
        for door in self.doors:
            door.close()


@contextmanager
def standing(**more):
    made = Stand(**more)
    with made.simulator:
        try:
            yield made
        finally:
            made.close()


def request(name="www.example.com", reference="0191-a", key=KEY, days=30):
    names = (parse_name(name),)
    der = csr.build(key, names, name)
    spki = csr.parse(der).key.spki_sha256
    return Request(reference, der, name, names, spki, days * DAY, START, ProfileSettings())


def target(issued, serial=""):
    from cryptography import x509

    return Target(issued.leaf, serial or f"{x509.load_der_x509_certificate(issued.leaf).serial_number:x}", "")


def pem(certificate):
    return certificate.public_bytes(Encoding.PEM).decode()


def key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
