"""kill -9 at every Nth database or network call of a worker, for each authority that the demo shows.

The short form kills at a few calls chosen by seed, the long one at every call, of an order that is issued at once and of one
that has to be asked for again.
"""

import os
import random
import time

import pytest
from django.db import connection

from chancery.apps.orders.models import Order
from tests.chaos.test_random_kills import SEED

pytestmark = pytest.mark.django_db(transaction=True)
FEW = (10, 70)
"""Of an order that is issued at once a worker makes some hundred calls; the short form kills at one of these."""
ONCE = pytest.mark.skipif("connection.vendor != 'sqlite'", reason="short, and on the other database: test_machine")
TOGETHER = 24
"""Kills before everything is brought to rest."""
MINUTES = float(os.environ.get("CHANCERY_CHAOS_MINUTES") or 10)
"""The most that the long form takes."""
AFTER = 400.0
"""Seconds after which every lease is over."""


def journey(world, actor, way, kill):
    """Place an order and work until it is at an end or the kill has come; returns the calls made, None when killed."""
    (order,) = world.place(actor, way)
    made = 0
    for _ in range(40):
        ended, calls = world.work(kill - made if kill else 0)
        if ended == "killed":
            if Order.objects.get(pk=order.pk).state == "queued":
                world.work()  # nothing was begun, so it must not get in the way of the next one
            return None
        made += calls
        if kill and made >= kill:
            return made
        wait = world.next_due()
        if wait is None:
            return made
        world.pass_(min(wait + 0.5, 3600.0))
    raise AssertionError(f"not at an end: {Order.objects.filter(pk=order.pk).values()}")


def delay(world, way, seconds):
    """Have the CA issue an order at once, or only after a while."""
    if way[0] in world.simulators:
        world.simulators[way[0]].dials.set(issue_delay=seconds)


def every(world, actor, until):
    """Kill at each call of an order through each way, in an order chosen by seed; returns kills and points.

    Where the time is over before all points are, those that were reached are spread over all ways.
    """
    points = []
    for way in world.ways:
        for seconds in (0.0, 20.0) if way[0] in world.simulators else (0.0,):
            delay(world, way, seconds)
            points += [(way, seconds, n) for n in range(1, journey(world, actor, way, 0) + 1)]
    random.Random(SEED).shuffle(points)
    kills = 0
    for begin in range(0, len(points), TOGETHER):
        if time.monotonic() > until:
            break
        for way, seconds, number in points[begin : begin + TOGETHER]:
            delay(world, way, seconds)
            kills += journey(world, actor, way, number) is None
        world.pass_(AFTER)
        world.settle()
    return kills, len(points)


@pytest.fixture
def world(cast, tmp_path):
    from tests.chaos.world import World

    made = World(tmp_path, cast.ada)
    yield made
    made.close()


@pytest.mark.parametrize("size", [pytest.param("short", marks=ONCE), pytest.param("long", marks=pytest.mark.long)])
def test_a_kill_at_any_call_loses_and_doubles_nothing(size, world, cast, say, result):
    rng, points = random.Random(SEED), len(world.ways)
    if size == "long":
        kills, points = every(world, cast.ada, time.monotonic() + MINUTES * 60)
    else:
        kills = sum(journey(world, cast.ada, way, rng.randint(*FEW)) is None for way in world.ways)
        world.pass_(AFTER)
        world.settle()
    verdict = world.verdict()
    say(f"kill -9 at {kills} of {points} calls of {len(world.ways)} connectors, seed {SEED}: {verdict}")
    assert verdict.good, verdict
    assert kills > len(world.ways) // 2, "the kills came when everything was done"
    unit = f"kills at {points} database and network calls of {len(world.ways)} connectors; {verdict}"
    result("R3", kills, unit, SEED, part="" if connection.vendor == "sqlite" else connection.vendor)
