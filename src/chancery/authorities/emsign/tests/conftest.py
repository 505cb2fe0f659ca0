"""One simulated account, and a clock that both sides live by."""

import pytest

from chancery.authorities.emsign.simulator import build
from chancery.authorities.emsign.tests.stand import START, close, connector
from chancery.core.clock import ManualClock
from chancery.sandbox.ca import SandboxCa

CA = SandboxCa(START)
"""Made once: keys are what takes time."""


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def sim(clock):
    with build(clock=clock, ca=CA) as made:
        yield made
        close()


@pytest.fixture(params=["v2", "v1"])
def way(request):
    return request.param


@pytest.fixture
def ca(sim, clock, way):
    return connector(sim, clock, way)


@pytest.fixture
def v2(sim, clock):
    return connector(sim, clock, "v2")


@pytest.fixture
def v1(sim, clock):
    return connector(sim, clock, "v1")


@pytest.fixture
def book(sim):
    return sim.tick.__self__.book
