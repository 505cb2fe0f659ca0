"""A client at the simulated CA, and requests with and without the challengePassword."""

import uuid
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID, NameOID

from chancery.core import keys
from chancery.core.certificate import Expected, check_issued
from chancery.core.names import canonical, parse_name
from chancery.net.addresses import AddressPolicy
from chancery.protocols.scep.client import ScepClient
from chancery.protocols.scep.identity import fresh_key
from chancery.protocols.scep.settings import Authorization, ScepCredentials, ScepSettings
from chancery.sdk import HttpDoor, ProfileSettings, Request

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = keys.generate("EC-P256")
TRANSPORT = fresh_key()


def csr(name="www.example.com", *, challenge=None, subject=True, key=KEY):
    """Return a request (DER) as whoever holds its key makes it."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)] if subject else []
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(attributes))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=not subject)
    if challenge is not None:
        builder = builder.add_attribute(AttributeOID.CHALLENGE_PASSWORD, challenge.encode())
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def request(name="www.example.com", *, challenge=None, subject=True, key=KEY, previous=""):
    return Request(
        reference=str(uuid.uuid4()),
        csr=csr(name, challenge=challenge, subject=subject, key=key),
        common_name=name,
        names=canonical([parse_name(name)]),
        spki_sha256=keys.spki_sha256(key.public_key()),
        validity=timedelta(days=30),
        intended_at=NOW,
        settings=ProfileSettings(),
        previous=previous,
    )


class Stand:
    """A running CA and a client to it, by one clock."""

    def __init__(self, simulator, clock):
        self.simulator, self.clock = simulator, clock
        self.doors = []

    def client(self, service="open", *, credentials=None, **settings):
        policy = AddressPolicy(("127.0.0.0/8",))
        self.doors.append(HttpDoor(self.simulator.url, clock=self.clock, policy=policy, timeout=5.0))
        chosen = ScepSettings(path=service, **{"authorization": Authorization.MANUAL, **settings})
        return ScepClient(self.doors[-1], chosen, credentials or ScepCredentials(TRANSPORT), self.clock)

    def registered(self, **settings):
        """Return a client that signs as a registration authority that the CA knows."""
        from chancery.core.secret import Secret

        known = self.simulator.credentials
        credentials = ScepCredentials(Secret(known["key"]), known["certificate"])
        more = {"authorization": Authorization.CERTIFICATE, **settings}
        return self.client("registration", credentials=credentials, **more)

    def dial(self, **dials):
        self.simulator.dials.set(**dials)

    def advance(self, seconds):
        self.clock.advance(timedelta(seconds=seconds))

    def kinds(self):
        return [line.kind for line in self.simulator.ledger.lines()]

    def details(self):
        return [line.detail for line in self.simulator.ledger.lines("order")]

    def control(self, path):
        from chancery.sandbox.frame import Asked

        return self.simulator.doors["POST", path](Asked("POST", path, {}, [], b""))

    def close(self):
        for door in self.doors:
            door.close()


def checked(issued, asked):
    return check_issued(issued.leaf, issued.chain, Expected(asked.spki_sha256, asked.names, NOW))
