"""The clock walks over the days on which publicly trusted certificates get shorter: no order asks for more than the rule of its day.

The dates are those of the Baseline Requirements, section 6.3.2. The simulated CAs sign, so what came back is measured.
"""

from datetime import UTC, datetime, timedelta

import pytest

from chancery.authorities.digicert.simulator import build as certcentral
from chancery.authorities.digicert.tests import stand as digicert
from chancery.authorities.emsign.simulator import build as certinext
from chancery.authorities.emsign.tests import stand as emsign
from chancery.core.certificate import facts
from chancery.core.clock import ManualClock
from chancery.core.names import parse_name
from chancery.core.policy import Ask, AuthorityFacts, ProfileRules, decide
from chancery.sandbox.ca import SandboxCa

DAYS = (
    (datetime(2026, 3, 15, tzinfo=UTC), 398, 200),
    (datetime(2027, 3, 15, tzinfo=UTC), 200, 100),
    (datetime(2029, 3, 15, tzinfo=UTC), 100, 47),
)
"""The day, and the most days before it and from it on."""
WANTED = (397, 200, 199, 100, 99, 47, 46)
MOMENTS = [moment for day, before, after in DAYS for moment in ((day - timedelta(seconds=1), before), (day, after))]
FREE = {"order_days": 1095}
"""What is paid for at DigiCert is no limit here."""


@pytest.fixture(scope="module")
def signer():
    return SandboxCa(datetime(2026, 1, 1, tzinfo=UTC))


def at_digicert(clock, signer):
    with certcentral(clock=clock, ca=signer, limits=((5.0, 100_000),)) as sim:
        ca = digicert.connector(sim, clock, rate_percent=95)
        for days in WANTED:
            asked = digicert.request(f"d{days}.example.com", days=days, reference=f"d{days}", at=clock.now(), **FREE)
            yield days, emsign.finish(ca, ca.submit(asked), asked, clock)
        digicert.close()


def at_emsign(clock, signer):
    with certinext(clock=clock, ca=signer, burst=(10.0, 10**6)) as sim:
        ca = emsign.connector(sim, clock)
        for days in (
            d for d in WANTED if d >= 199
        ):  # its certificates run as long as they may, which is asked for at least
            asked = emsign.request(f"e{days}.example.com", days=days, reference=f"e{days}", at=clock.now())
            yield days, emsign.finish(ca, ca.submit(asked), asked, clock)
        emsign.close()


def lives(issued):
    found = facts(issued.leaf)
    return (found.not_after - found.not_before + timedelta(seconds=1)) / timedelta(days=1)


def test_no_certificate_outlives_the_rule_of_the_day_it_is_issued_on(signer, result):
    longer, number = 0, 0
    for moment, most in MOMENTS:
        for ordering in (at_digicert, at_emsign):
            for days, issued in ordering(ManualClock(moment), signer):
                # On the eve some are issued a moment later, when the next rule is in force already.
                longer, number = longer + (lives(issued) > most), number + 1
                assert lives(issued) <= most, (moment, ordering.__name__, days)
                assert lives(issued) < days + 0.01, "a wish is shortened, never lengthened"
    asks = [(moment, most, days) for moment, most in MOMENTS for days in WANTED]
    for moment, most, days in asks:
        assert (refusal(days, moment) == "") is (days <= most), (moment, days)
    unit = (
        f"certificates outlived the rule of their day, of {number} ordered from DigiCert and emSign (simulators) a second before and"
        f" at 2026-03-15, 2027-03-15 and 2029-03-15; of {len(asks)} asks of a public CA without limits of its own the longer ones"
        " are refused with BR 6.3.2 as the reason"
    )
    result("R47", longer, unit)


def refusal(days, moment):
    """Return why so many days are refused at a CA that says of itself only that it is public; empty where they are not."""
    public = AuthorityFacts(("EC-P256",), public_tls=True)
    ask = Ask((parse_name("www.example.com"),), "EC-P256", days, ProfileRules(), public, moment)
    found = decide(ask).problems
    assert all("BR 6.3.2" in problem.message for problem in found)
    return "; ".join(problem.message for problem in found)
