"""The contract, against the simulated emCA over real HTTP: once for each protocol that orders."""

import hashlib
from contextlib import contextmanager
from datetime import timedelta
from functools import cache, partial

import pytest

from chancery.authorities.emca import over_cmp, upload
from chancery.authorities.emca.authority import Emca
from chancery.authorities.emca.simulator import build
from chancery.protocols.acme.keys import new_account_key
from chancery.protocols.cmp import SharedSecret, transaction_of
from chancery.protocols.scep import identity
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock

ORDERED = {}
"""Our reference → SHA-256 of the request, for protocols without a field for a reference."""
ROUNDS = 100
"""What a MAC's key is derived with, here; the usual number is taken in the other tests."""
GARBAGE = {Fault.GARBLES, Fault.HUGE}
"""Played on the line, which hits the act alone and not the questions beside it."""
PLAYED = {
    "cmp": PLAYABLE,
    "est": PLAYABLE - GARBAGE,
    "scep": PLAYABLE - GARBAGE - {Fault.REFUSES_LOGIN},
    "acme": PLAYABLE - GARBAGE - {Fault.LOSES_ANSWER},
}


LOAD, READ, KNOWN = cache(upload.load_pem_private_key), identity._key, {}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Read each key once: the library checks RSA keys for longer than everything else here takes. MACs come of few rounds."""

    def read(text):
        if text.reveal() not in KNOWN:
            KNOWN[text.reveal()] = READ(text)
        return KNOWN[text.reveal()]

    monkeypatch.setattr(upload, "load_pem_private_key", LOAD)
    monkeypatch.setattr(identity, "_key", read)
    monkeypatch.setattr(over_cmp, "SharedSecret", partial(SharedSecret, iterations=ROUNDS))


class Noted(Emca):
    """Emca, with a note of which request belongs to which reference."""

    def submit(self, request):
        ORDERED[request.reference] = hashlib.sha256(request.csr).hexdigest()
        return super().submit(request)


@contextmanager
def account(transport, *wanted, dials=None, **config):
    clock, dials = ManualClock(START), dials or {}
    with build(clock=clock, days=30) as simulator:
        simulator.dials.set(**dials)
        reset = simulator.dials.reset
        simulator.dials.reset = lambda: (reset(), simulator.dials.set(**dials))
        known, ledger = simulator.credentials, simulator.ledger
        config |= {name: known[source] for name, source in wanted}

        def ordered(reference):
            by_reference = ledger.orders_by_reference()
            if transport == "cmp":
                return by_reference[transaction_of(reference).hex()]
            return (
                by_reference[reference] if transport == "scep" else ledger.orders_by_csr()[ORDERED.get(reference, "")]
            )

        common = {name: known[name] for name in ("username", "password", "issuing_ca", "subscriber_id")}
        yield Case(
            config={**common, "transport": transport, "path": known["paths"][transport], **config},
            base_url=simulator.url,
            play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
            playable=PLAYED[transport],
            ordered=ordered,
            clock=clock,
            validity=timedelta(days=90 if transport in {"est", "acme"} else 30),
        )


class Suite(Conformance):
    authority = Noted


class TestCmp(Suite):
    def case(self):
        return account("cmp", ("cmp_secret", "cmp_secret"))


class TestEst(Suite):
    def case(self):
        return account("est")


class TestScep(Suite):
    def case(self):
        return account("scep", ("credential_file", "officer"), scep_authorization="certificate")


class TestAcme(Suite):
    def case(self):
        return account("acme", dials={"preauthorized": True}, acme_terms=True, account_key=new_account_key())


del Suite, Conformance
