"""All faces at once, as the demo has them: their examples work, and one door governs them."""

import json
import logging
import urllib.request
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography import x509

from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.simulator import build
from chancery.authorities.adcs.tests.stand import SECRETS, START, request
from chancery.core.certificate import facts
from chancery.core.clock import ManualClock
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk import (
    Context,
    HttpDoor,
    Level,
    ListedState,
    Pending,
    RejectedByPolicy,
    Target,
    Unreachable,
)


@pytest.fixture(scope="module")
def house():
    with build(clock=ManualClock(START)) as made:
        yield made


def control(house, method, path, body=None):
    asked = urllib.request.Request(house.control + path, json.dumps(body or {}).encode(), method=method)
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return json.load(answer)


def orders(house):
    return sum(line["kind"] == "order" for line in control(house, "GET", "/ledger")["lines"])


@contextmanager
def connected(house, example):
    given = {k: Secret(v) if k in SECRETS else v for k, v in example.settings.items()}
    base = example.base_url or house.url
    door = HttpDoor(base, clock=house.clock, policy=AddressPolicy(("127.0.0.0/8",)), timeout=5.0)
    yield Adcs(Adcs.config(**given), Context(door, house.clock, logging.getLogger("adcs")))
    door.close()


def connectors(house):
    for example in house.examples:
        with connected(house, example) as connector:
            yield connector, example


def test_each_example_is_well_and_orders_into_one_ledger(house):
    before = orders(house)
    for number, (connector, example) in enumerate(connectors(house)):
        assert not [f for f in connector.check() if f.level is Level.FAILED], example.connector
        assert {c.value for c in connector.choices("template")} >= {example.product["template"]}
        asked = request(template=example.product["template"], reference=f"house-{number}")
        assert connector.submit(asked)
    assert number == 2
    assert orders(house) == before + 3


def test_what_came_in_by_the_pages_is_found_listed_and_revoked_by_rpc(house):
    first, _, last = house.examples
    with connected(house, first) as pages, connected(house, last) as rpc:
        for template in (first.product["template"], "WebServer30"):
            followed(house, pages, rpc, template)
        assert {"2", "3", "4"} <= {e.reference for e in rpc.inventory(None).entries}


def followed(house, pages, rpc, template):
    """Order by the pages; find, list and revoke by RPC; the pages and the CRL tell it."""
    asked = request(template=template, reference=f"one-database-{template}", at=house.clock.now())
    issued = pages.submit(asked)
    while isinstance(issued, Pending):
        issued = pages.poll(issued.state, asked)
    found = rpc.find(asked, asked.intended_at - timedelta(minutes=1)).outcome
    assert (found.leaf, found.reference) == (issued.leaf, issued.reference)
    target = Target(issued.leaf, facts(issued.leaf).serial, issued.reference)
    assert rpc.revoke(target, RevocationReason.SUPERSEDED, "")
    kept = {e.reference: e for e in rpc.inventory(None).entries}[issued.reference]
    assert (kept.certificate, kept.state) == (issued.leaf, ListedState.REVOKED)
    # The page tells it too, and so does the CRL.
    with pytest.raises(RejectedByPolicy):
        pages.adopt(issued.reference, asked)
    crl = x509.load_der_x509_crl(house.database.issuer.crl(house.clock.now(), house.database.revoked(), stale=False))
    assert crl.get_revoked_certificate_by_serial_number(x509.load_der_x509_certificate(issued.leaf).serial_number)


def test_they_go_down_and_up_together_and_a_dial_is_turned_for_all(house):
    control(house, "POST", "/down")
    for connector, _ in connectors(house):
        with pytest.raises(Unreachable):
            connector.check()
    control(house, "POST", "/up")
    control(house, "PUT", "/dials", {"needs_approval": True})
    waiting = []
    for connector, example in connectors(house):
        asked = request(template=example.product["template"], reference=f"waits-{example.connector}")
        waiting.append((connector.submit(asked), asked))
    control(house, "PUT", "/dials", {"needs_approval": False})
    assert all(isinstance(outcome, Pending) for outcome, _ in waiting)
    assert control(house, "POST", "/services/approve") == {"decided": 3}
    states = [row["state"] for row in control(house, "GET", "/state")["services"]["requests"]]
    assert set(states) <= {20, 21}
