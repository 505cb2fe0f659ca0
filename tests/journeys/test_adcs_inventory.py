"""What a Windows CA has issued and what we have, held against each other over RPC."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.apps.certificates.models import Certificate
from chancery.apps.inventory import actions
from chancery.apps.inventory.models import Finding
from chancery.core import csr, keys
from chancery.core.names import parse_name
from chancery.protocols.msrpc import listing
from tests.cast import Engine, request_pem
from tests.journeys.inventorying import Account, done, opened

pytestmark = pytest.mark.django_db(transaction=True)
KEY = keys.generate("EC-P256")


class WindowsCa(Account):
    """A connector over RPC with a managing account, at a CA that computers of the domain use too."""

    def __init__(self, cast, simulator, clock):
        from chancery.apps.connectors import actions as connectors

        self.cast, self.simulator, self.clock = cast, simulator, clock
        known = simulator.credentials
        values = {
            "name": "Windows CA",
            "base_url": simulator.url,
            "allowed_networks": "127.0.0.0/8",
            "team": "Operations",
            "environment": "Production",
            "transport": "rpc",
            "authentication": "ntlm",
            "username": known["user"],
            "password": known["password"],
            "manager_username": known["manager"],
            "manager_password": known["password"],
            "ca_name": known["ca"],
            "rpc_port": simulator.port,
        }
        self.connector = connectors.create(cast.ada, "adcs", values)
        self.engine = Engine()

    def stock(self, number, name, *, kept=True):
        made = [self.issue(f"{name}{n}.example.com") for n in range(number)]
        if not kept:
            for row in made:
                del self.simulator.database._rows[row["order"]]
        return made

    def issue(self, name):
        request = csr.build(KEY, [parse_name(name)], name)
        row = self.simulator.database.take(request, "WebServer", "EXAMPLE\\SRV01$")
        pem = row.certificate.public_bytes(Encoding.PEM).decode()
        return {"serial": row.serial, "pem": pem, "order": row.number}

    def revoke(self, certificate):
        self.simulator.database.revoke(certificate["serial"], 4, self.clock.now())


@pytest.fixture
def ca(db, request):
    from chancery.protocols.msrpc.simulator import build

    with opened(request, WindowsCa, build) as made:
        yield made


@pytest.mark.parametrize(
    ("number", "unknown", "revoked", "missing"),
    [(60, 6, 5, 4), pytest.param(10_000, 200, 50, 20, marks=pytest.mark.long)],
)
def test_the_two_sided_report_names_exactly_what_differs(ca, monkeypatch, number, unknown, revoked, missing):
    monkeypatch.setattr(listing, "ROWS", min(listing.ROWS, number // 3))
    lost = ca.stock(missing, "lost", kept=False)
    there = ca.stock(number, "there")
    pull = ca.compare(there, lost, unknown=unknown, revoked=revoked)
    assert pull.pages > 2


def test_what_the_domain_asked_for_is_adopted_with_its_chain_renewed_and_revoked(ca):
    from chancery.apps.certificates import actions as certificates
    from chancery.apps.orders.models import Order
    from chancery.apps.profiles import actions as profiles

    template = {"template": "WebServer30"}
    profiles.create(ca.cast.ada, {"name": "Windows", "connector": "Windows CA", "product": template})
    mine, stray = ca.stock(2, "there")
    pull = ca.pull()
    ca.until(done(pull))
    finding = {f.serial: f for f in Finding.objects.all()}
    actions.adopt(ca.cast.ada, finding[mine["serial"].lstrip("0")].pk, "Windows")
    gone = finding[stray["serial"].lstrip("0")]
    actions.revoke(ca.cast.ada, gone.pk, "superseded", "Nobody knows it.", confirmed=True)
    ca.until(lambda: Certificate.objects.filter(revocation="confirmed").count() == 1)
    assert {r.number: int(r.state) for r in ca.simulator.database.rows()} == {mine["order"]: 20, stray["order"]: 21}
    row = Certificate.objects.get(ca_reference=str(mine["order"]))
    assert bytes(row.der) == x509.load_pem_x509_certificate(mine["pem"].encode()).public_bytes(Encoding.DER)
    assert row.chain is not None
    order = certificates.renew(ca.cast.ada, row.pk, request_pem(row.common_name))
    ca.until(lambda: Order.objects.get(pk=order.pk).state == "issued")
    again = ca.pull()
    ca.until(done(again))
    again.refresh_from_db()
    assert (again.matched, again.at_ca_only, again.ours_only, again.state_differs) == (3, 0, 0, 0)


def test_an_account_that_may_not_read_ends_the_pull_with_a_remedy_and_orders_go_on(ca):
    ca.stock(1, "there")
    ca.simulator.dials.set(rights=0x200)
    pull = ca.pull()
    ca.until(done(pull))
    pull.refresh_from_db()
    assert pull.state == "failed", pull.text
    assert Finding.objects.count() == 0
