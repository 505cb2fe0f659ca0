"""The contract, against the simulated AD CS over real HTTP: by Web Enrollment, behind a login by NTLM."""

import hashlib
from contextlib import contextmanager
from datetime import timedelta

from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.simulator.service import build
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

ORDERED = {}
"""Our reference → SHA-256 of the request: the ledger is judged by what was ordered, and not by what we say of it."""


class Noted(Adcs):
    """Adcs, with a note of which request belongs to which reference."""

    def submit(self, request):
        ORDERED[request.reference] = hashlib.sha256(request.csr).hexdigest()
        return super().submit(request)


class TestCertsrv(Conformance):
    authority = Noted

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with build(clock=clock) as simulator:
            known, ledger = simulator.credentials, simulator.ledger
            yield Case(
                config={
                    "authentication": "ntlm",
                    "username": known["username"],
                    "password": known["password"],
                    "ca_name": known["ca_name"],
                    "templates": "WebServer2 = Web server\nWebServerApproved",
                    "search_from": 3,
                },
                profile={"template": "WebServer2"},
                base_url=f"{simulator.url}/certsrv",
                ordered=lambda reference: ledger.orders_by_csr()[ORDERED.get(reference, "")],
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                # On the line, which hits the act alone: here every act is several calls.
                playable=PLAYABLE - {Fault.GARBLES, Fault.HUGE, Fault.LOSES_ANSWER},
                clock=clock,
                validity=timedelta(days=180),
            )


del Conformance
