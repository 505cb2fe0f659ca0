"""The contract, against the CMP server beside the client, over real HTTP; once for each way to speak CMP."""

from contextlib import contextmanager
from datetime import timedelta

from cryptography import x509

from chancery.core import csr, keys
from chancery.protocols.cmp import transaction_of
from chancery.protocols.cmp.simulator import REFERENCE, SECRET, build
from chancery.protocols.cmp.tests.probe import Probe
from chancery.protocols.cmp.tests.stand import key_pem, pem
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, Fault, ManualClock


@contextmanager
def account(*, signed=False, **config):
    clock = ManualClock(START)
    ca, key = EnrolmentCa(START), keys.generate("EC-P256")
    officer = ca.issue(x509.load_der_x509_csr(csr.build(key, [], "chancery-ra")), START, START + timedelta(days=900))
    if signed:
        config |= {"certificate": pem(officer), "key": key_pem(key), "trust": pem(ca.root)}
    with build(clock=clock, ca=ca, officers=[officer]) as simulator:
        yield Case(
            config={"reference": REFERENCE, "secret": SECRET, **config},
            base_url=simulator.url,
            play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
            # Signed answers bring their signer along, who is the issuer: there is no way to omit it.
            playable=PLAYABLE - {Fault.OMITS_CHAIN} if signed else PLAYABLE,
            ordered=lambda reference: simulator.ledger.orders_by_reference()[transaction_of(reference).hex()],
            clock=clock,
        )


class TestRequests(Conformance):
    authority = Probe

    def case(self):
        return account()


class TestSigned(Conformance):
    authority = Probe

    def case(self):
        return account(signed=True, implicit=False)


class TestTemplates(Conformance):
    authority = Probe

    def case(self):
        return account(request="cr", mac="pbmac1", implicit=False)
