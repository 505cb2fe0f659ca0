"""A simulated account."""

from datetime import UTC, datetime

import pytest

from chancery.authorities.emsign.simulator import build
from chancery.authorities.emsign.simulator.tests.talk import Talk
from chancery.core.clock import ManualClock
from chancery.sandbox.ca import SandboxCa

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CA = SandboxCa(NOW)


@pytest.fixture
def clock():
    return ManualClock(NOW)


@pytest.fixture
def sim(clock):
    with build(clock=clock, ca=CA) as made:
        yield made


@pytest.fixture
def talk(sim):
    return Talk(sim)
