"""The contract, against the simulated CERTInext over real HTTP, once for each transport."""

import hashlib
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from chancery.authorities.emsign.authority import EmSign
from chancery.authorities.emsign.simulator import build
from chancery.authorities.emsign.tests.stand import product, settings
from chancery.protocols.acme.keys import new_account_key
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

TERM = timedelta(days=199)
ORDERED = {}
"""Our reference → SHA-256 of the request: ACME has no field for a reference, so the ledger goes by the request."""
PLAYED = PLAYABLE - {Fault.GARBLES, Fault.HUGE}
"""Those two the suite plays on its own line: here they would spoil the login before any order."""


class Suite(Conformance):
    authority = EmSign
    transport = "v2"

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with build(clock=clock) as simulator:
            yield Case(
                config=settings(simulator, self.transport),
                profile=product(),
                base_url=simulator.url,
                secrets=("sandbox-access-token-",),
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                playable=PLAYED,
                ordered=lambda reference: number(simulator, reference),
                clock=clock,
                validity=TERM,
                vary=lambda dice: hide(simulator, dice),
            )


class TestV2(Suite):
    transport = "v2"


class TestV1(Suite):
    transport = "v1"


class OverAcme(EmSign):
    """EmSign, with a note of which request belongs to which reference; the simulated CA takes 100 names over ACME.

    Cancelling is left out: it leaves an order of which no certificate was asked, so whoever polled on would get one. That
    the engine does not is in `test_acme.py`.
    """

    cancel = None
    facts = replace(EmSign.facts, certificates=replace(EmSign.facts.certificates, max_names=100))

    def submit(self, request):
        ORDERED[request.reference] = hashlib.sha256(request.csr).hexdigest()
        return super().submit(request)


class TestAcme(Conformance):
    authority = OverAcme

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with build(clock=clock) as simulator:
            yield Case(
                config={
                    "transport": "acme",
                    "eab_key_id": simulator.credentials["eab_key_id"],
                    "eab_hmac_key": simulator.credentials["eab_hmac_key"],
                    "account_key": new_account_key(),
                    "accept_agreement": True,
                },
                profile={"variant": "dv-ucc"},
                base_url=simulator.url + simulator.credentials["directory"],
                root="/acme",
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                playable=PLAYED - {Fault.LOSES_ANSWER},
                ordered=lambda reference: simulator.ledger.orders_by_csr()[ORDERED.get(reference, "")],
                clock=clock,
                validity=TERM,
            )


del Suite, Conformance, OverAcme


def number(simulator, reference):
    """Count by the ledger; the connector writes a word of its own before our reference."""
    return sum(n for told, n in simulator.ledger.orders_by_reference().items() if told.endswith(reference))


def hide(simulator, dice):
    """Sometimes the report shows no tags, and sometimes it has no certificate yet either by which to know an order."""
    blind = dice.random() < 0.3
    simulator.dials.set(hides_tags=blind, issue_delay=600.0 if blind and dice.random() < 0.5 else 0.0)
