"""AD CS in the engine's hands: order, approval at the CA, denial, and what becomes of a lost answer."""

import pytest
from django.utils.timezone import now

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.authorities.adcs.simulator.service import build
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ca():
    with build() as simulator:
        yield simulator


@pytest.fixture
def windows(cast, ca):
    """Make an active connector, and a profile for a template."""

    def made(template="WebServer2", **more):
        known = ca.credentials
        values = {
            "name": "Windows CA",
            "base_url": ca.url,
            "allowed_networks": "127.0.0.0/8",
            "team": "Operations",
            "environment": "Production",
            "authentication": "ntlm",
            "templates": "WebServer2",
            **{name: known[name] for name in ("username", "password", "ca_name")},
            **more,
        }
        connector = connectors.create(cast.ada, "adcs", values)
        profile = {"name": "windows", "connector": "Windows CA", "validity_days": 180}
        profiles.create(cast.ada, {**profile, "product": {"template": template}})
        return connector

    return made


def state(order):
    return Order.objects.get(pk=order.pk).state


def test_an_order_is_issued_once_and_remembers_the_cas_id(cast, windows, ca, engine):
    windows()
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    assert Certificate.objects.get(order=made).order.ca_reference == ca.ledger.lines("order")[0].order
    assert len(ca.ledger.lines("order")) == 1


def test_a_denied_order_ends_with_the_cas_reason(cast, windows, ca, engine):
    windows(template="Closed")
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "rejected")
    row = Order.objects.get(pk=made.pk)
    assert (row.reason_code, "Enroll" in row.reason) == ("0x80094012", True)


def test_a_lost_answer_is_searched_for_and_the_ca_has_one_order(cast, windows, ca, engine):
    windows(search_from=3)
    ca.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="certfnsh")
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "outcome_unknown")
    # As if the CA's search lag had passed.
    Order.objects.filter(pk=made.pk).update(due_at=now())
    engine.until(lambda: state(made) == "issued")
    assert len(ca.ledger.lines("order")) == 1


def test_without_a_search_a_person_decides(cast, windows, ca, engine):
    windows()
    ca.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="certfnsh")
    made = place(cast.ada, PlaceOrder("windows", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "outcome_unknown")
    number = ca.ledger.lines("order")[0].order
    orders.adopt(cast.ada, made.pk, number)
    engine.until(lambda: state(made) == "issued")
    assert len(ca.ledger.lines("order")) == 1
