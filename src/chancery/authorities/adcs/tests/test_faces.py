"""All faces at once, as the demo has them: their examples work, and one door governs them."""

import json
import logging
import urllib.request

import pytest

from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.simulator import build
from chancery.authorities.adcs.tests.stand import SECRETS, START, request
from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.sdk import Context, HttpDoor, Level, Pending, Unreachable


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


def connectors(house):
    for example in house.examples:
        given = {k: Secret(v) if k in SECRETS else v for k, v in example.settings.items()}
        base = example.base_url or house.url
        door = HttpDoor(base, clock=house.clock, policy=AddressPolicy(("127.0.0.0/8",)), timeout=5.0)
        yield Adcs(Adcs.config(**given), Context(door, house.clock, logging.getLogger("adcs"))), example
        door.close()


def test_each_example_is_well_and_orders_into_one_ledger(house):
    before = orders(house)
    for number, (connector, example) in enumerate(connectors(house)):
        assert not [f for f in connector.check() if f.level is Level.FAILED], example.connector
        assert {c.value for c in connector.choices("template")} >= {example.product["template"]}
        asked = request(template=example.product["template"], reference=f"house-{number}")
        assert connector.submit(asked)
    assert number == 2
    assert orders(house) == before + 3


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
    assert control(house, "POST", "/services/approve") == {"decided": 2}
    states = [row["state"] for row in control(house, "GET", "/state")["services"]["requests"]]
    assert set(states) == {20}
