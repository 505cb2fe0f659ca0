"""What people, CAs, clocks and crashes may do to an installation, in any order, as rules for Hypothesis."""

import hashlib
from collections import Counter

from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import configure, rotating
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.core.errors import Conflict
from tests.chaos.judge import judge

PICK, KILL = st.integers(0, 999), st.integers(0, 200)
"""Which one, by its place; the call at which a worker is killed, 0 or a late one for none."""
SEEN = Counter()
"""Rule → how often it was taken in all examples; a rule that is never taken shows nothing."""


def csr_hash(order):
    return hashlib.sha256(bytes(order.csr)).hexdigest()


class Machine(RuleBasedStateMachine):
    """`given` (world and cast) is set by the test: examples share it, and each judges the orders of all."""

    given = (None, None)
    begun = False

    @property
    def world(self):
        return self.given[0]

    @property
    def cast(self):
        return self.given[1]

    @initialize(number=st.integers(1, 2), chance=st.integers(0, 9))
    def begin(self, number, chance):
        # What Hypothesis tells first is always the simplest story, which is one rule again and again.
        assume(chance)
        self.begun, self.held_back = True, {}
        for way in self.world.ways:
            self.world.place(self.cast.rob, way, number)

    def _way(self, pick):
        return self.world.ways[pick % len(self.world.ways)]

    def _order(self, pick, *states):
        found = list(Order.objects.filter(state__in=states).order_by("id"))
        return found[pick % len(found)] if found else None

    def _saw(self, name):
        SEEN[name] += 1

    @rule(pick=PICK, number=st.integers(1, 3))
    def order(self, pick, number):
        self.world.place(self.cast.rob, self._way(pick), number)
        self._saw("order")

    @rule(pick=PICK, approve=st.booleans())
    def order_with_approval(self, pick, approve):
        slug, row, _, names, key = self._way(pick)
        like = Profile.objects.get(name=f"{row.name} profile")
        name = f"{row.name} careful"
        if not Profile.objects.filter(name=name).exists():
            if Connector.objects.get(pk=row.pk).status != "active":
                return  # a profile is made for what takes orders
            about = {"product": like.products.get(slug, {}), "validity_days": like.validity_days}
            profiles.create(self.cast.ada, {"name": name, "connector": str(row.pk), "needs_approval": True, **about})
        (order,) = self.world.place(self.cast.rob, (slug, row, name, names, key))
        assert order.state == "awaiting_approval"
        if approve:
            orders.approve(self.cast.amy, order.pk)
        else:
            orders.deny(self.cast.amy, order.pk, "Not today.")
        self._saw("approve" if approve else "deny")

    @rule(pick=PICK)
    def cancel(self, pick):
        order = self._order(pick, "queued", "pending")
        if order is None:
            return
        try:
            orders.cancel(self.cast.ada, order.pk)
        except Conflict as refused:
            assert refused.code == "no_power"
        self._saw("cancel")

    @rule(pick=PICK, region=st.sampled_from(["EU", "US", ""]))
    def edit(self, pick, region):
        _, row, *_ = self._way(pick)
        row = Connector.objects.get(pk=row.pk)
        version = connectors.current(row)
        stored = {**{n: getattr(version, n) for n in configure.WHERE}, **version.settings}
        plain = {n: getattr(row, n) for n in (*configure.TEXTS, "tags")}
        where = {"team": row.team.name, "environment": row.environment.name}
        connectors.edit(self.cast.ada, row.pk, row.revision, {**plain, **where, **stored, "region": region})
        self._saw("edit")

    @rule(pick=PICK)
    def deactivate(self, pick):
        _, row, *_ = self._way(pick)
        if Connector.objects.get(pk=row.pk).status == "active":
            connectors.deactivate(self.cast.ada, row.pk)
            waiting = Order.objects.filter(connector=row.pk, state__in=["queued", "awaiting_approval"])
            self.held_back[row.pk] = self._way(pick)[0], {csr_hash(order) for order in waiting}
            self._saw("deactivate")

    @rule(pick=PICK)
    def activate(self, pick):
        _, row, *_ = self._way(pick)
        if Connector.objects.get(pk=row.pk).status != "active":
            connectors.activate(self.cast.ada, row.pk)
            self.held_back.pop(row.pk, None)
            self._saw("activate")

    @rule(pick=PICK)
    def create_and_delete(self, pick):
        """A connector that something uses stays; one that nothing uses any more goes."""
        slug, row, *_ = self._way(pick)
        refused = None
        try:
            connectors.delete(self.cast.ada, row.pk)
        except Conflict as error:
            refused = error
        assert refused is not None
        assert "profile" in {b.kind for b in refused.blockers}
        made = connectors.copy(self.cast.ada, row.pk, f"Copy {Connector.objects.count()}")
        connectors.delete(self.cast.ada, made.pk, confirm=made.name)
        assert Connector.objects.get(pk=made.pk).deleted_at is not None
        self._saw(f"delete {slug == 'local'}")

    @rule()
    def rotate(self):
        found = [way for way in self.world.ways if way[0] == "digicert"]
        if not found:
            return
        row, key = found[0][1], self.world.simulators["digicert"].credentials["api_key"]
        rotating.stage(self.cast.ada, row.pk, {"api_key": key})
        rotating.switch(self.cast.ada, row.pk, untested="the CA is not asked here")
        rotating.revoked(self.cast.ada, row.pk)
        self._saw("rotate")

    @precondition(lambda self: self.world.simulators)
    @rule(pick=PICK, kill=KILL)
    def outage(self, pick, kill):
        self._simulator(pick).down()
        self.world.work(kill, lead=True)
        self._saw("outage")

    @precondition(lambda self: self.world.simulators)
    @rule(pick=PICK)
    def heal(self, pick):
        simulator = self._simulator(pick)
        simulator.up()
        simulator.dials.reset()
        self._saw("heal")

    @precondition(lambda self: self.world.simulators)
    @rule(
        pick=PICK,
        kill=KILL,
        fault=st.sampled_from(
            ["fail_before", "fail_after", "error_page", "error_after", "half_body", "garbled", "issue_delay"]
        ),
    )
    def disturb(self, pick, kill, fault):
        self._simulator(pick).dials.set(**{fault: 30.0 if fault == "issue_delay" else 0.5})
        self.world.work(kill, lead=True)
        self._saw(fault)

    def _simulator(self, pick):
        found = sorted(self.world.simulators)
        return self.world.simulators[found[pick % len(found)]]

    @rule()
    def work(self):
        self.world.work(lead=True)
        self._saw("work")

    @rule(kill=st.integers(1, 160))
    def crash(self, kill):
        ended, _ = self.world.work(kill, lead=True)
        self._saw(ended)

    @rule(skew=st.sampled_from([-86_400.0, -3600.0, 3600.0, 86_400.0]))
    def work_by_a_wrong_clock(self, skew):
        self.world.work(skew=skew)
        self._saw("skew")

    @rule(seconds=st.sampled_from([1.0, 30.0, 400.0, 7200.0]))
    def jump(self, seconds):
        self.world.pass_(seconds)
        self.world.work(lead=True)
        self._saw("jump")

    @invariant()
    def nothing_is_doubled_and_nothing_counts_that_the_ca_does_not_know(self):
        for slug, row, *_ in self.world.ways:
            ledger = self.world.simulators[slug].ledger if slug in self.world.simulators else None
            found = judge(Order.objects.filter(connector=row.pk), ledger, resting=False, quarantine=True)
            assert found.good, str(found)

    @invariant()
    def nothing_leaves_through_what_is_switched_off(self):
        for slug, hashes in getattr(self, "held_back", {}).values():
            if slug in self.world.simulators:
                assert not hashes & set(self.world.simulators[slug].ledger.orders_by_csr())

    def teardown(self):
        if not self.begun:
            return
        for _, row, *_ in self.world.ways:
            if Connector.objects.get(pk=row.pk).status != "active":
                connectors.activate(self.cast.ada, row.pk)
        self.world.pass_(2 * 86_400.0)
        self.world.settle()
        found = self.world.verdict(quarantine="skew" in SEEN)
        assert found.good, str(found)
