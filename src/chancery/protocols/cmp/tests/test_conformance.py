"""The contract, against the CMP server beside the client, over real HTTP; once for each way to speak CMP."""

from contextlib import contextmanager
from datetime import timedelta

from chancery.protocols.cmp import transaction_of
from chancery.protocols.cmp.simulator import REFERENCE, SECRET, build
from chancery.protocols.cmp.tests.probe import Probe
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, ManualClock


@contextmanager
def account(**config):
    clock = ManualClock(START)
    with build(clock=clock) as simulator:
        yield Case(
            config={"reference": REFERENCE, "secret": SECRET, **config},
            base_url=simulator.url,
            play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
            playable=PLAYABLE,
            ordered=lambda reference: simulator.ledger.orders_by_reference()[transaction_of(reference).hex()],
            clock=clock,
        )


class TestRequests(Conformance):
    authority = Probe

    def case(self):
        return account()


class TestTemplates(Conformance):
    authority = Probe

    def case(self):
        return account(request="cr", mac="pbmac1", implicit=False)
