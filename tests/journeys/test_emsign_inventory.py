"""What emSign's report says and what we have, held against each other: the report names exactly what differs."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.authorities.emsign.simulator.book import Order
from chancery.authorities.emsign.simulator.products import by_variant
from chancery.core import csr, keys
from chancery.core.names import parse_name
from tests.cast import Engine
from tests.journeys.inventorying import Account, opened

pytestmark = pytest.mark.django_db(transaction=True)
KEY = keys.generate("EC-P256")


class Certinext(Account):
    """A connector by V2 at an account that was used by others, too."""

    def __init__(self, cast, simulator, clock):
        from chancery.apps.connectors import actions as connectors

        self.cast, self.simulator, self.clock = cast, simulator, clock
        self.service = simulator.tick.__self__
        where = {"name": "emSign", "base_url": simulator.url, "allowed_networks": "127.0.0.0/8"}
        shared = {"team": "Operations", "environment": "Production"}
        known = next(e for e in simulator.examples if e.settings["transport"] == "v2").settings
        self.connector = connectors.create(cast.ada, "emsign", {**where, **shared, **known})
        self.engine = Engine()

    def stock(self, number, name, *, kept=True):
        return [self.one(f"{name}-{n}.example.com", kept) for n in range(number)]

    def one(self, host, kept):
        now, book = self.clock.now(), self.service.book
        request = x509.load_der_x509_csr(csr.build(KEY, [parse_name(host)], host))
        order = Order(
            *book.next_numbers(), by_variant("dv"), [host], now, now + timedelta(days=365), "somebody", request
        )
        self.service.lifecycle._issue(order, now)
        if kept:
            book.add(order)
        pem = order.leaf.public_bytes(Encoding.PEM).decode()
        return {"serial": f"{order.leaf.serial_number:x}", "pem": pem, "order": order}

    def revoke(self, certificate):
        self.service.lifecycle.revoke(certificate["order"], "superseded", "elsewhere")


@pytest.fixture
def account(db, request):
    from chancery.authorities.emsign.simulator import build

    with opened(request, Certinext, build) as made:
        yield made


@pytest.mark.parametrize(
    ("number", "unknown", "revoked", "missing"),
    [(120, 6, 5, 4), pytest.param(10_000, 200, 50, 20, marks=pytest.mark.long)],
)
def test_the_two_sided_report_names_exactly_what_differs(account, number, unknown, revoked, missing):
    there = account.stock(number, "there")
    lost = account.stock(missing, "lost", kept=False)
    pull = account.compare(there, lost, unknown=unknown, revoked=revoked)
    assert pull.pages > 1
