"""Anything in any order, judged by both ledgers after each step; `CHANCERY_CHAOS_SEED` repeats a run."""

import os
import time

import pytest
from django.db import connection
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.chaos import machine
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
ONCE = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="short, and on the other database: test_every_call"
)
SHORT, LONG = (2, 12), (12, 40)
"""Stories, and steps of each."""
MINUTES = float(os.environ.get("CHANCERY_CHAOS_MINUTES") or 20)
"""After these no further story begins."""


@pytest.mark.parametrize(
    ("size", "chosen"),
    [pytest.param(SHORT, ("digicert", "local"), marks=ONCE), pytest.param(LONG, (), marks=pytest.mark.long)],
    ids=["short", "long"],
)
def test_anything_in_any_order(cast, tmp_path, say, result, size, chosen):
    from tests.chaos.world import World

    world = World(tmp_path, cast.ada, chosen)
    machine.SEEN.clear()
    # A subclass, as what the test gives it must not stay on the class of another run.
    mine = type("Mine", (machine.Machine,), {"given": (world, cast)})
    profile = settings(
        max_examples=1,
        stateful_step_count=size[1],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    end, told = time.monotonic() + MINUTES * 60, 0
    try:
        while told < size[0] and (told == 0 or time.monotonic() < end):
            run_state_machine_as_test(seed(SEED + told)(mine), settings=profile)
            told += 1
        verdict = world.verdict(quarantine="skew" in machine.SEEN)
    finally:
        world.close()
    steps = machine.SEEN.total()
    unit = f"workers killed in {steps} steps of {told} stories in which anything comes in any order; {verdict}"
    say(f"{machine.SEEN['killed']} {unit}, seed {SEED}; {dict(machine.SEEN)}")
    assert verdict.orders
    assert steps > told
    assert len(machine.SEEN) > 1, "one rule again and again is no story"
    if told == LONG[0]:
        assert {"order", "approve", "edit", "deactivate", "rotate", "outage", "killed", "skew"} <= set(machine.SEEN)
    if machine.SEEN["killed"]:
        # Stories without a kill show nothing of this row.
        result("R3", machine.SEEN["killed"], unit, SEED, part=f"anything-{connection.vendor}")
