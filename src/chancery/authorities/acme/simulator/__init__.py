"""The protocol's simulated CA, with connectors as the demo shows them."""

from __future__ import annotations

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.acme.simulator import EAB_KEY, EAB_KEY_ID
from chancery.protocols.acme.simulator import build as build_acme
from chancery.sandbox.ca import SandboxCa
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Example, Simulator
from chancery.sandbox.ledger import Ledger

NAME = "acme"


def build(
    *,
    ca: SandboxCa | None = None,
    ledger: Ledger | None = None,
    dials: Dials | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Simulator:
    """Return a simulator that is not yet started."""
    made = build_acme(name=NAME, ca=ca, ledger=ledger, dials=dials, clock=clock)
    made.examples = [
        Example(
            connector="ACME CA (simulated)",
            profile="ACME TLS (simulated)",
            settings={
                "contact": "pki@example.com",
                "terms_agreed": True,
                "eab_key_id": EAB_KEY_ID,
                "eab_hmac_key": EAB_KEY,
                "challenge": "http-01",
            },
            product={"profile": "classic"},
        )
    ]
    return made


__all__ = ["NAME", "build"]
