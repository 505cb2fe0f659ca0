"""The contract, against the simulated CA over RPC, by MS-ICPR; the other interface is tried beside this."""

from contextlib import contextmanager
from datetime import timedelta

from chancery.net.connect import Guard
from chancery.protocols.msrpc.simulator import CA_NAME, MANAGER, PASSWORD, USER, build
from chancery.protocols.msrpc.tests.probe import Probe
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock, watch

# RPC has no status that asks for patience; what a CA without database sessions answers is that it is away.
PLAYED = PLAYABLE - {Fault.THROTTLES}


@contextmanager
def account():
    clock = ManualClock(START)
    with build(clock=clock) as simulator:
        yield Case(
            config={
                "host": "127.0.0.1",
                "port": simulator.port,
                "ca": CA_NAME,
                "user": USER,
                "manager": MANAGER,
                "password": PASSWORD,
            },
            play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
            playable=PLAYED,
            ordered=lambda reference: simulator.ledger.orders_by_reference()[reference],
            clock=clock,
            validity=timedelta(days=30),
        )


class TestMsrpc(Conformance):
    authority = Probe

    def case(self):
        return account()

    def test_it_reaches_the_ca_by_its_door_alone(self, bench, monkeypatch):
        """RPC does not go through the HTTP door; every connection is one of the guard's all the same."""
        connect = Guard.connect_tcp

        def through(guard, *values, **more):
            watch._inside.door = True
            try:
                return connect(guard, *values, **more)
            finally:
                watch._inside.door = False

        monkeypatch.setattr(Guard, "connect_tcp", through)
        super().test_it_reaches_the_ca_by_its_door_alone(bench)
