"""An account at a simulated CA that others use too, on a clock that the test moves, and what a pull of it found."""

import http.client
import json
from contextlib import contextmanager
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

    def compare(self, there, lost, *, unknown, revoked):
        """Import what we know, revoke some behind our back, pull, and judge the report; returns the pull.

        `there` is what the CA has: its first `unknown` are not ours. `lost` is ours, and the CA has it no more.
        """
        from chancery.apps.inventory.models import Finding

        known = there[unknown:]
        assert self.import_([*known, *lost]).stored == len(known) + len(lost)
        for certificate in known[:revoked]:
            self.revoke(certificate)
        pull = self.pull()
        self.until(done(pull))
        pull.refresh_from_db()
        assert (pull.state, pull.entries, pull.matched) == ("done", len(there), len(known)), pull.text
        assert (pull.at_ca_only, pull.state_differs, pull.ours_only) == (unknown, revoked, len(lost))
        assert found("at_ca_only") == serials(there[:unknown])
        assert found("state_differs") == serials(known[:revoked])
        assert found("ours_only") == serials(lost)
        assert Finding.objects.count() == unknown + revoked + len(lost)
        return pull


@contextmanager
def opened(request, kind, build, **how):
    """Give an account of this kind at a simulated CA; whoever acts in the test does so at the moment of its clock."""
    from chancery.apps.shared.action import use_clock

    clock = ManualClock(START)
    before = use_clock(clock)
    try:
        cast = request.getfixturevalue("cast")
        with build(clock=clock, **how) as simulator:
            made = kind(cast, simulator, clock)
            yield made
            made.engine.close()
    finally:
        use_clock(before)


def serials(rows):
    return {row["serial"].lower().lstrip("0") for row in rows}


def found(kind):
    from chancery.apps.inventory.models import Finding

    return set(Finding.objects.filter(kind=kind, state="open").values_list("serial", flat=True))


def done(pull):
    from chancery.apps.inventory.models import Pull

    return lambda: Pull.objects.get(pk=pull.pk).state not in {"listing", "comparing"}
