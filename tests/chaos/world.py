"""Every simulated CA with a connector for each of its examples, a zygote for workers, and one clock for all of them."""

import importlib
import json
import os
import subprocess
import sys
from datetime import timedelta

from chancery.apps.connectors import actions as connectors
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place_many
from chancery.apps.profiles import actions as profiles
from chancery.apps.shared.action import use_clock
from chancery.core import csr, keys
from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.names import parse_name
from chancery.core.order import ENDS
from chancery.demo.prepare import COMMON
from chancery.sandbox.__main__ import AUTHORITIES
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.ledger import Ledger
from tests.chaos.judge import Verdict, judge
from tests.chaos.stand import ROOT, home_at

LOCAL = "local"
_ROUNDS = 60
_LONGEST = timedelta(hours=6)


def slugs():
    """Return every authority that the demo shows: those with a simulator, and the CA that is Chancery itself."""
    return [LOCAL, *(f.name for f in sorted(AUTHORITIES.iterdir()) if (f / "simulator" / "__init__.py").exists())]


class World:
    """Time moves for workers, simulators and actions together, and only when told to."""

    def __init__(self, folder, actor, chosen=()):
        self.clock, self.ahead = ShiftedClock(SYSTEM_CLOCK), 0.0
        self._before = use_clock(self.clock)
        self.actor, self.simulators, self.ways, self._keys = actor, {}, [], {}
        self._log = (folder / "zygote.log").open("a+")
        where = {**os.environ, **home_at(folder / "zygote-home")}
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.zygote"],
            cwd=ROOT,
            env=where,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        for slug in chosen or slugs():
            self._open(slug)
        assert self._zygote.stdout.readline(), self._said()

    def _open(self, slug):
        if slug == LOCAL:
            self.way(slug, "Local CA", {}, {}, 90, ("l-{n}.example.com",), "EC-P256")
            return
        module = importlib.import_module(f"chancery.authorities.{slug}.simulator")
        made = self.simulators[slug] = module.build(ledger=Ledger(None), clock=self.clock)
        made.start()
        for one in made.examples:
            where = {"base_url": one.base_url or made.url, "allowed_networks": ["127.0.0.0/8"]}
            self.way(slug, one.connector, {**where, **one.settings}, one.product, one.validity_days, one.names, one.key)

    def way(self, slug, name, settings, product, days, names, key):
        """Make a connector and its profile; `ways` lists them as (authority, connector, profile, names, kind of key)."""
        row = connectors.create(self.actor, slug, {"name": name, **COMMON, **settings})
        values = {"name": f"{name} profile", "connector": str(row.pk), "product": product, "validity_days": days}
        profile = profiles.create(self.actor, values)
        self.ways.append((slug, row, profile.name, names, key))
        return row

    def place(self, actor, way, number=1):
        """Place orders for fresh names through one of the ways."""
        _, _, profile, names, key = way
        asks = []
        for _ in range(number):
            self._keys.setdefault(key, keys.generate(key))
            word = f"{Order.objects.count() + len(asks):x}z{len(self._keys)}"
            hosts = [name.format(n=word) for name in names]
            der = csr.build(self._keys[key], [parse_name(host) for host in hosts], hosts[0])
            asks.append(PlaceOrder(profile, der))
        placed = place_many(actor, asks)
        assert all(isinstance(order, Order) for order in placed), placed
        return placed

    def work(self, kill=0, *, lead=False, skew=0.0):
        """Let a worker, whose clock may be wrong, do what is due; returns how it ended and how many calls it made."""
        order = {"kill": kill, "ahead": self.ahead + skew, "lead": lead}
        print(json.dumps(order), file=self._zygote.stdin, flush=True)
        answer = json.loads(self._zygote.stdout.readline() or '{"end": "gone"}')
        assert answer["end"] in {"killed", "idle"}, self._said()
        return answer["end"], answer["calls"]

    def pass_(self, seconds):
        """Let time pass for everybody, and let the CAs do what falls due."""
        self.clock.push(seconds)
        self.ahead += seconds
        for simulator in self.simulators.values():
            simulator.tick()

    def next_due(self):
        """Return the seconds until the engine looks again, None where it looks at nothing any more."""
        rows = Order.objects.exclude(due_at=None).exclude(state__in=list(ENDS)).order_by("due_at")
        due = rows.values_list("due_at", flat=True).first()
        return None if due is None else max(0.0, (due - self.clock.now()).total_seconds())

    def settle(self):
        """Heal everything, and let time pass and workers work until nothing is due any more."""
        for simulator in self.simulators.values():
            simulator.dials.reset()
            simulator.up()
        for _ in range(_ROUNDS):
            self.work(lead=True)
            wait = self.next_due()
            if wait is None:
                return
            self.pass_(min(wait + 1.0, _LONGEST.total_seconds()))
        raise AssertionError(f"never at rest: {list(Order.objects.exclude(due_at=None).values('state', 'reason'))[:5]}")

    def verdict(self, *, quarantine=False):
        """Compare our ledger with those of all CAs."""
        total = Verdict()
        for slug, row, *_ in self.ways:
            orders = Order.objects.filter(connector=row.pk)
            ledger = None if slug == LOCAL else self.simulators[slug].ledger
            total += judge(orders, ledger, quarantine=quarantine)
        return total

    def _said(self):
        self._log.flush()
        self._log.seek(0)
        return self._log.read()[-4000:]

    def close(self):
        use_clock(self._before)
        self._zygote.kill()
        self._zygote.communicate()
        self._log.close()
        for simulator in self.simulators.values():
            simulator.stop()
