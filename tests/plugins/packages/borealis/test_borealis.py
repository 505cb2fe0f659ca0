"""The contract, against the simulated Borealis. What the package's author runs, with nothing but Chancery installed."""

from contextlib import contextmanager

from borealis_chancery import Borealis
from borealis_chancery.simulator import TOKEN, Book, Simulator
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock


class TestBorealis(Conformance):
    authority = Borealis

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with Simulator(Book(clock.now)) as simulator:
            yield Case(
                config={"account": "B-1234", "token": TOKEN},  # as an administrator types it
                profile={"product": "aurora"},
                base_url=simulator.url,
                ordered=simulator.book.number,  # reference -> how many orders the CA has
                clock=clock,
                play=simulator.book.play,  # optional: what happens inside the CA
                playable=frozenset({Fault.HOLDS, Fault.REJECTS}),
            )
