"""One simulated account, a clock that both sides live by, and a connector between them."""

import pytest

from chancery.authorities.digicert.simulator import build
from chancery.authorities.digicert.tests.stand import START, close, connector
from chancery.core.clock import ManualClock
from chancery.sandbox.ca import SandboxCa

CA = SandboxCa(START)
"""Made once: keys are what takes time."""


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def sim(clock):
    with build(clock=clock, ca=CA, limits=((5.0, 100_000),)) as made:
        yield made
        close()


@pytest.fixture
def ca(sim, clock):
    return connector(sim, clock, rate_percent=95)
