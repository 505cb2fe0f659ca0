"""An ACME CA in the engine's hands, which looks at Chancery's own web server; judged by the CA's ledger."""

import pytest
from django.utils.timezone import now

from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.orders.models import Order, PublishedAnswer
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.authorities.acme.simulator import build
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ca():
    with build() as simulator:
        yield simulator


@pytest.fixture
def acme(cast, ca, live_server):
    """An active connector at a CA that looks at this server for every name, and a profile for it."""
    ca.dials.set(validation="look", http_at=live_server.url.removeprefix("http://"), reuse=False)
    values = {
        "name": "ACME",
        "base_url": ca.url,
        "allowed_networks": "127.0.0.0/8",
        "team": "Operations",
        "environment": "Production",
        "terms_agreed": True,
        "contact": "pki@example.com",
    }
    made = connectors.create(cast.ada, "acme", values)
    profiles.create(cast.ada, {"name": "Web", "connector": "ACME", "validity_days": 90})
    return made


def state(order):
    return Order.objects.get(pk=order.pk).state


def test_names_are_validated_by_chancery_itself(cast, acme, ca, engine):
    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com", "two.example.com")))
    engine.until(lambda: state(made) == "issued")
    assert [len(ca.ledger.lines(kind)) for kind in ("opened", "order")] == [1, 1]
    assert not PublishedAnswer.objects.exists()
    events = " ".join(Order.objects.get(pk=made.pk).events.values_list("text", flat=True))
    assert "www.example.com" in events
    again = certificates.renew(cast.ada, Certificate.objects.get(order=made).pk)
    engine.until(lambda: state(again) == "issued")
    assert ca.ledger.lines("order")[1].detail, "the renewal did not say what it replaces"
    certificates.revoke(cast.ada, Certificate.objects.get(order=made).pk, "superseded", "replaced")
    engine.until(lambda: Certificate.objects.get(order=made).revocation == "confirmed")
    assert len(ca.ledger.lines("revoke")) == 1


def test_the_answer_is_recorded_before_the_ca_looks(cast, acme, ca, engine):
    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com")))
    engine.until(lambda: PublishedAnswer.objects.exists())
    book = ca._answer.__self__._book
    assert [c.status for a in book.authorizations.values() for c in a.challenges] == ["pending"] * 4
    engine.until(lambda: state(made) == "issued")


def test_a_worker_that_vanished_while_it_opened_an_order_costs_nothing(cast, acme, ca, engine):
    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "pending")
    # As if the worker had ended after the CA had opened the order, and before that was recorded.
    lost = {"state": "submitting", "poll_state": {}, "fence": None, "lease_until": now(), "due_at": now()}
    Order.objects.filter(pk=made.pk).update(**lost)
    engine.until(lambda: state(made) == "issued")
    assert [len(ca.ledger.lines(kind)) for kind in ("opened", "order")] == [2, 1]


@pytest.mark.parametrize("path", ["/new-order", "/finalize", "/cert/"])
def test_a_lost_answer_costs_no_second_certificate(cast, acme, ca, engine, path):
    ca.dials.set(fail_next=1, fail_next_with="lose", fail_next_path=path)
    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com")))

    def issued():
        # The breaker's pause and the growing gaps are not waited for.
        Order.objects.filter(pk=made.pk, due_at__gt=now(), fence=None).update(due_at=now())
        acme.__class__.objects.filter(pk=acme.pk).exclude(breaker_until=None).update(breaker_until=None)
        return state(made) == "issued"

    engine.until(issued, 25.0)
    assert len(ca.ledger.lines("order")) == 1
    assert ca.dials.now.fail_next == 0


def test_a_name_that_leads_elsewhere_ends_the_order_in_words(cast, acme, ca, engine):
    ca.dials.set(http_at="127.0.0.1:9")
    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "rejected")
    order = Order.objects.get(pk=made.pk)
    assert "www.example.com" in order.reason
    assert order.reason_code == "connection"
    assert not PublishedAnswer.objects.exists()
    assert ca.ledger.lines("order") == []


def test_an_order_is_adopted_by_its_address(cast, acme, ca, engine):
    from chancery.apps.orders import actions as orders

    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "pending")
    reference = Order.objects.get(pk=made.pk).ca_reference
    Order.objects.filter(pk=made.pk).update(state="outcome_unknown", due_at=None, poll_state={}, ca_reference="")
    orders.adopt(cast.ada, made.pk, reference)
    engine.until(lambda: state(made) == "issued")
    assert len(ca.ledger.lines("order")) == 1


def test_the_connector_is_tested_and_its_profiles_offered(cast, acme, ca, engine):
    made = place(cast.ada, PlaceOrder("Web", request_pem("www.example.com")))
    engine.until(lambda: state(made) == "issued")
    call = connectors.test_saved(cast.ada, acme.pk)
    engine.until(lambda: type(call).objects.get(pk=call.pk).state == "done")
    found = type(call).objects.get(pk=call.pk).result["findings"]
    assert {f["level"] for f in found} <= {"ok", "skipped"}
    assert "account" in {f["code"] for f in found}
