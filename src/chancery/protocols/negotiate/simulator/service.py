"""A page behind the login: it says who asks, and over which connection."""

from __future__ import annotations

from itertools import count

from chancery.core.clock import SYSTEM_CLOCK, Clock
from chancery.protocols.negotiate.simulator.access import Acceptor, Access
from chancery.protocols.negotiate.simulator.dials import LoginDials
from chancery.protocols.negotiate.simulator.tls import Front
from chancery.sandbox.dials import Dials
from chancery.sandbox.frame import Asked, Reply, Simulator, json_reply
from chancery.sandbox.ledger import Ledger


def build(
    *,
    clock: Clock = SYSTEM_CLOCK,
    dials: Dials | None = None,
    front: Front | None = None,
    acceptor: Acceptor | None = None,
) -> Simulator:
    """Return a simulator that is not yet started; with a `front` it speaks TLS. Every POST is a line in the ledger."""
    dials, ledger = (dials or Dials()).widen(LoginDials), Ledger()
    access = Access(dials, front, acceptor=acceptor)
    connections = count(1)

    def answer(asked: Asked) -> Reply:
        number = asked.connection.setdefault("number", next(connections))
        account = access.admit(asked)
        if isinstance(account, Reply):
            return access.ended(account)
        if asked.method == "POST":
            ledger.add(clock.now(), "order", order=account)
        return access.ended(json_reply({"account": account, "connection": number}))

    made = Simulator("negotiate", answer, prefix="", ledger=ledger, dials=dials, clock=clock)
    made.tls = front.context if front else None
    return made
