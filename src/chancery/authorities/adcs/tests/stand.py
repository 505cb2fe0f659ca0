"""A connector at the simulated AD CS, as an administrator would set it."""

import base64
import json
import logging
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.simulator.service import build
from chancery.core import csr, keys
from chancery.core.clock import ManualClock
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk.authority import Context, Request, door_options
from chancery.sdk.config import secret_names
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Pending

START = datetime(2026, 11, 23, 12, tzinfo=UTC)
KEY = keys.generate("EC-P256")
LOG = logging.getLogger("chancery.authority.adcs")
SECRETS = secret_names(Adcs.config)
DAY = timedelta(days=1)


class Stand:
    """The simulator, its clock, and connectors to it."""

    def __init__(self, **how):
        self.clock = ManualClock(START)
        self.simulator = build(clock=self.clock, **how)
        self.known = self.simulator.credentials
        self.doors = []

    def settings(self, **more):
        common = {name: self.known[name] for name in ("username", "password", "ca_name")}
        return {**common, "authentication": "ntlm", "templates": "WebServer2 = Web server", **more}

    def connector(self, base="", **more):
        values = {k: Secret(v) if k in SECRETS and v else v for k, v in self.settings(**more).items()}
        config = Adcs.config(**values)
        door = HttpDoor(
            f"{self.simulator.url}{base}",
            clock=self.clock,
            policy=AddressPolicy(("127.0.0.0/8",)),
            trust_pem=self.known.get("trust_pem"),
            client_identity=door_options(Adcs, config).client_identity,
            secrets=tuple(v for v in values.values() if isinstance(v, Secret)),
            timeout=10.0,
        )
        self.doors.append(door)
        return Adcs(config, Context(door, self.clock, LOG))

    def turn(self, **dials):
        self.simulator.dials.set(**dials)

    def manager(self, what, **body):
        """Have the CA's manager do something at the control door."""
        from chancery.sandbox.frame import Asked

        door = self.simulator.doors["POST", f"/{what}"]
        return json.loads(door(Asked("POST", f"/{what}", {}, [], json.dumps(body).encode())).body)

    @property
    def orders(self):
        return len(self.simulator.ledger.lines("order"))

    def finish(self, connector, outcome, asked):
        while isinstance(outcome, Pending):
            self.clock.advance(outcome.next_check)
            outcome = connector.poll(json.loads(json.dumps(outcome.state)), asked)
        return outcome

    def close(self):
        for door in self.doors:
            door.close()


@contextmanager
def standing(**how):
    made = Stand(**how)
    with made.simulator:
        try:
            yield made
        finally:
            made.close()


def request(*names, reference="0191-a", template="WebServer2", key=KEY, at=START, der=None):
    names = tuple(parse_name(n) for n in names or ("www.example.com",))
    der = der or csr.build(key, names, names[0].value if names[0].kind == "dns" else None)
    spki = csr.parse(csr.build(key, names, None)).key.spki_sha256
    settings = Adcs.profile(template=template)
    return Request(reference, der, names[0].value, names, spki, 180 * DAY, at, settings)


def shown(findings):
    return {(f.stage, f.code): f.level.value for f in findings}


def b64(raw):
    return base64.b64encode(raw).decode()
