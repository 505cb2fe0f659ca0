"""The contract, against the simulated CA over real HTTP."""

import hashlib
from contextlib import contextmanager
from datetime import timedelta

import pytest

from chancery.authorities.acme.authority import Acme
from chancery.authorities.acme.simulator import build
from chancery.protocols.acme.keys import new_account_key
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

ORDERED = {}
"""Our reference → SHA-256 of the request: ACME has no field for a reference, so the ledger goes by the request."""
ON_THE_LINE = {Fault.LOSES_ANSWER, Fault.GARBLES, Fault.HUGE}
"""Played on the line, which hits the act alone and not the directory before it."""


class Noted(Acme):
    def submit(self, request):
        ORDERED[request.reference] = hashlib.sha256(request.csr).hexdigest()
        return super().submit(request)


class Suite(Conformance):
    authority = Noted
    settings = {}
    dials = {}

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with build(clock=clock) as simulator:
            simulator.dials.set(**self.dials)
            turned = player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds)))

            @contextmanager
            def play(fault):
                with turned(fault):
                    simulator.dials.set(**self.dials)
                    yield
                simulator.dials.set(**self.dials)

            yield Case(
                config={
                    "terms_agreed": True,
                    "contact": "pki@example.com",
                    "account_key": new_account_key(),
                    **self.settings,
                },
                profile={"profile": "classic"},
                base_url=simulator.url,
                root="/acme",
                validity=timedelta(days=90),
                play=play,
                playable=PLAYABLE - ON_THE_LINE,
                ordered=lambda reference: simulator.ledger.orders_by_csr()[ORDERED.get(reference, "")],
                clock=clock,
            )


class TestPreauthorized(Suite):
    settings = {"challenge": "none"}
    dials = {"preauthorized": True, "bad_nonces": 0.1}


class TestHttp(Suite):
    settings = {
        "challenge": "http-01",
        "eab_key_id": "sandbox-eab-1",
        "eab_hmac_key": "c2FuZGJveC1lYWIta2V5LTAxMjM0NTY3ODlhYmNkZWY",
    }
    dials = {"eab_required": True, "reuse": False, "validation_delay": 2.0, "issues_late": True}


del Suite, Conformance, pytest
