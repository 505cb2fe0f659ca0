"""Two editors at one thing, in any order and at one moment: the later of two is refused, and no field is lost."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors import configure
from chancery.apps.connectors.models import Connector
from chancery.apps.pools import actions as pools
from chancery.apps.pools import queries as pooled
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles import queries as profiled
from chancery.apps.webhooks import actions as webhooks
from chancery.apps.webhooks import queries as hooked
from chancery.core.errors import Conflict
from tests.chaos.stand import disband
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
PLACE = {"team": "Operations", "environment": "Production"}
AT_ONCE = 0.2
"""How many of the interleavings have both save at one moment, on connections of their own."""


class Thing:
    """Something with a revision: what an editor reads of it, and how it is saved."""

    def __init__(self, actor, row, get, edit, names):
        self.actor, self.pk, self._get, self._edit, self.names = actor, row.pk, get, edit, names
        self.model = self.read()[1]

    def read(self):
        row = self._get(self.pk)
        return row.revision, {name: getattr(row, name) for name in self.names}

    def save(self, seen, changes):
        """Save what was seen with some fields changed; says whether it was taken."""
        revision, values = seen
        try:
            self._edit(self.pk, revision, {**values, **changes})
        except Conflict as refused:
            assert refused.code == "stale"
            return False
        return True


@pytest.fixture
def things(cast, local):
    ada = cast.ada
    profile = profiles.create(ada, {"name": "Edited", "connector": "Local"})
    vouched = {"trust": "vouched", "trust_reason": "It is alone.", "members": [{"connector": "Local"}]}
    pool = pools.create(ada, {"name": "Edited", **PLACE, **vouched})
    hook = webhooks.create(ada, {"name": "Edited", **PLACE, "url": "https://a.example.com/"})[0]

    def connector(pk, revision, values):
        row = Connector.objects.get(pk=pk)
        stored = {n: getattr(row, n) for n in (*configure.TEXTS, "tags")}
        connectors.edit(ada, pk, revision, {**stored, **PLACE, **connectors.current(row).settings, **values})

    def edited(edit, **same):
        return lambda pk, revision, values: edit(ada, pk, revision, {"name": "Edited", **same, **values})

    return [
        Thing(ada, local, lambda pk: Connector.objects.get(pk=pk), connector, ("description", "region")),
        Thing(
            ada,
            profile,
            lambda pk: profiled.get(ada, pk),
            edited(profiles.edit, connector="Local", product={}),
            ("description", "max_names"),
        ),
        Thing(
            ada,
            pool,
            lambda pk: pooled.get(ada, pk),
            edited(pools.edit, **PLACE, **vouched),
            ("description", "patience_minutes"),
        ),
        Thing(ada, hook, lambda pk: hooked.get(ada, pk), edited(webhooks.edit, **PLACE), ("url", "is_active")),
    ]


def fresh(thing, name, number):
    """Return a value for a field that it does not have."""
    kinds = {
        "max_names": lambda: 1 + number % 900,
        "patience_minutes": lambda: 1 + number % 9000,
        "is_active": lambda: not thing.model["is_active"],
        "url": lambda: f"https://a{number}.example.com/",
    }
    return kinds.get(name, lambda: f"text {number}")()


class Editors:
    """Two people with a page open each; what they do comes by chance."""

    def __init__(self, things):
        self.rng, self.things, self.number = random.Random(SEED), things, 0
        self.saved = self.refused = self.together = 0
        self._pool = ThreadPoolExecutor(2)

    def one(self):
        """Let both read and save once, each another field, in an order by chance; hold the thing against what must be."""
        thing = self.rng.choice(self.things)
        if self.rng.random() < AT_ONCE:
            self.at_once(thing)
        else:
            self.by_turns(thing)
        assert thing.read()[1] == thing.model, f"seed {SEED}, {self.number}"

    def changes(self, thing, which):
        self.number += 1
        name = thing.names[which]
        return {name: fresh(thing, name, self.number)}

    def by_turns(self, thing):
        steps = [("read", 0), ("read", 1), ("save", 0), ("save", 1)]
        while (order := self.rng.sample(steps, 4)) and any(
            order.index(("read", who)) > order.index(("save", who)) for who in (0, 1)
        ):
            pass
        seen = {}
        for what, who in order:
            if what == "read":
                seen[who] = thing.read()
                continue
            changes = self.changes(thing, who)
            # Whoever read after the other had saved has seen it, and is the only one whose page is of today.
            current = thing.read()[0] == seen[who][0]
            assert thing.save(seen[who], changes) == current
            self.count(thing, changes, taken=current)

    def at_once(self, thing):
        self.together += 1
        seen, both = thing.read(), [self.changes(thing, 0), self.changes(thing, 1)]
        went = list(self._pool.map(lambda changes: thing.save(seen, changes), both))
        assert sorted(went) == [False, True], "of two at one moment one is the first"
        for changes, taken in zip(both, went, strict=True):
            self.count(thing, changes, taken=taken)

    def count(self, thing, changes, *, taken):
        if taken:
            thing.model |= changes
        self.saved += taken
        self.refused += not taken

    def close(self):
        disband(self._pool, 2)


@pytest.mark.parametrize("number", [40, pytest.param(10_000, marks=pytest.mark.long)])
def test_of_two_editors_the_later_is_refused_and_no_field_is_lost(things, say, result, number):
    editors = Editors(things)
    try:
        for _ in range(number):
            editors.one()
    finally:
        editors.close()
    unit = (
        f"fields lost in {number} interleavings of two editors at {len(things)} kinds of things, "
        f"{editors.together} of them at one moment; {editors.saved} saved, {editors.refused} refused"
    )
    say(f"seed {SEED}: 0 {unit}")
    assert editors.refused > number // 4
    assert editors.saved >= number
    result("R21", 0, unit, SEED)
