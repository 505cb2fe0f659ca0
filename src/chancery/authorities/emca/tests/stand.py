"""A connector at the simulated emCA, for each protocol."""

import logging
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from chancery.authorities.emca.authority import Emca
from chancery.authorities.emca.simulator import build
from chancery.core import csr, keys
from chancery.core.clock import ManualClock
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.acme.keys import new_account_key
from chancery.sdk.authority import Context, Request, Target, door_options
from chancery.sdk.config import ProfileSettings, secret_names
from chancery.sdk.http import HttpDoor

START = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEY = keys.generate("EC-P256")
ACCOUNT = new_account_key()
LOG = logging.getLogger("chancery.authority.emca")
SECRETS = secret_names(Emca.config)


class Stand:
    """The simulator and its clock; `settings` as an administrator types them, secrets as text."""

    def __init__(self):
        self.clock = ManualClock(START)
        self.simulator = build(clock=self.clock)
        self.known = self.simulator.credentials
        self.doors = []

    def settings(self, transport, **more):
        common = {name: self.known[name] for name in ("username", "password", "issuing_ca", "subscriber_id")}
        own = {
            "cmp": {"cmp_secret": self.known["cmp_secret"]},
            "scep": {"credential_file": self.known["officer"], "scep_authorization": "certificate"},
            "acme": {"account_key": ACCOUNT, "acme_terms": True},
            "rest": {"client_id": self.known["client_id"]},
        }
        path = {"path": self.known["paths"][transport]} if transport in self.known["paths"] else {}
        return {**common, "transport": transport, **path, **own.get(transport, {}), **more}

    def connector(self, transport, **more):
        values = {k: Secret(v) if k in SECRETS and v else v for k, v in self.settings(transport, **more).items()}
        config = Emca.config(**values)
        identity = door_options(Emca, config).client_identity
        policy = AddressPolicy(("127.0.0.0/8",))
        door = HttpDoor(self.simulator.url, clock=self.clock, policy=policy, client_identity=identity)
        self.doors.append(door)
        return Emca(config, Context(door, self.clock, LOG))

    def turn(self, **dials):
        self.simulator.dials.set(**dials)


@contextmanager
def standing():
    made = Stand()
    with made.simulator:
        try:
            yield made
        finally:
            for door in made.doors:
                door.close()


def request(name="www.example.com", reference="0191-a"):
    names = (parse_name(name),)
    der = csr.build(KEY, names, name)
    spki = csr.parse(der).key.spki_sha256
    return Request(reference, der, name, names, spki, timedelta(days=90), START, ProfileSettings())


def target(issued):
    from cryptography import x509

    serial = x509.load_der_x509_certificate(issued.leaf).serial_number
    return Target(issued.leaf, f"{serial:x}", issued.reference)


def shown(findings):
    return {(f.stage, f.code): f.level.value for f in findings}
