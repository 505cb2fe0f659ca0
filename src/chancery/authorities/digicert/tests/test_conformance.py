"""The contract, against the simulated CertCentral over real HTTP."""

from contextlib import contextmanager
from datetime import timedelta

from chancery.authorities.digicert.authority import DigiCert
from chancery.authorities.digicert.simulator import build
from chancery.sandbox.faults import PLAYABLE, player
from chancery.sdk.testing import START, Case, Conformance, ManualClock


class TestDigiCert(Conformance):
    authority = DigiCert

    @contextmanager
    def case(self):
        clock = ManualClock(START)
        with build(clock=clock, limits=((5.0, 100_000),)) as simulator:
            account = simulator.credentials
            yield Case(
                config={
                    "api_key": account["api_key"],
                    "reference_field_id": account["reference_field_id"],
                    "skip_approval": True,
                },
                profile={"product": "ssl_basic", "organization_id": account["organization_id"]},
                base_url=simulator.url,
                play=player(simulator, lambda seconds: clock.advance(timedelta(seconds=seconds))),
                playable=PLAYABLE,
                ordered=lambda reference: number(simulator, reference),
                clock=clock,
            )


def number(simulator, reference):
    """Count by the ledger; the connector writes a word of its own before our reference."""
    return sum(n for told, n in simulator.ledger.orders_by_reference().items() if told.endswith(reference))
