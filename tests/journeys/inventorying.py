"""An account at the simulated DigiCert that others use too, on a clock that the test moves."""

import http.client
import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from chancery.core.clock import ManualClock
from tests.cast import Engine, digicert_values

START = datetime(2026, 11, 23, 12, tzinfo=UTC)


def send(address, method, path, body, **headers):
    parts = urlsplit(address)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
    try:
        link.request(method, path, json.dumps(body), {"Content-Type": "application/json", **headers})
        answer = link.getresponse()
        raw = answer.read()
        assert answer.status < 300, (answer.status, raw)
        return json.loads(raw) if raw else {}
    finally:
        link.close()


class Account:
    """A connector, the simulated CA behind it, and a worker that a test may lose."""

    def __init__(self, cast, simulator, clock):
        from chancery.apps.connectors import actions as connectors

        self.cast, self.simulator, self.clock = cast, simulator, clock
        self.connector = connectors.create(cast.ada, "digicert", digicert_values(simulator))
        self.engine = Engine()

    def stock(self, number, name, *, kept=True):
        body = {"number": number, "name": name, "kept": kept}
        return send(self.simulator.control, "POST", "/stock", body)["stocked"]

    def revoke(self, certificate):
        """Revoke as another client of the account does."""
        body = {"revocation_reason": "superseded", "comments": "elsewhere", "skip_approval": True}
        key = {"X-DC-DEVKEY": self.simulator.credentials["api_key"]}
        path = f"{urlsplit(self.simulator.url).path}/certificate/{certificate['certificate']}/revoke"
        send(self.simulator.url, "PUT", path, body, **key)

    def import_(self, certificates, **more):
        from chancery.apps.inventory.actions import import_certificates
        from chancery.apps.inventory.planning import Import, plan

        text = "".join(c["pem"] for c in certificates).encode()
        asked = Import(text, connector=str(self.connector.pk), **more)
        shown = plan(self.cast.ada, asked, self.clock.now())
        assert [i for i in shown.items if i.fate != "new"] == []
        return import_certificates(self.cast.ada, asked, shown.digest)

    def pull(self):
        from chancery.apps.inventory.actions import pull

        return pull(self.cast.ada, self.connector.pk)

    def until(self, done, turns=100_000):
        """Take turns until it is done; time passes while nothing is under way."""
        for _ in range(turns):
            if done():
                return
            if not self.engine.worker.turn():
                if self.engine.worker._pacer.busy():
                    self.engine.worker._wait(0.02)
                else:
                    self.clock.advance(timedelta(seconds=5))
        raise AssertionError("the engine did not get there")

    def lose_worker(self):
        """Let the worker vanish with all that it has in its hands, and start another one."""
        self.engine.close()
        self.engine = Engine()
        self.clock.advance(timedelta(minutes=5))


def manual():
    return ManualClock(START)
