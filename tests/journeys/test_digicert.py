"""The connector in the engine's hands: what reaches the order, the certificate and the simulator's ledger."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from django.utils.timezone import now

from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders import actions as orders
from chancery.apps.orders import queries
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)


def control(simulator, path, body):
    parts = urlsplit(simulator.control)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        link.request("POST", path, json.dumps(body))
        return json.loads(link.getresponse().read())
    finally:
        link.close()


@pytest.fixture
def paid(cast, digicert):
    """A profile whose orders are paid for a year."""
    product = {"product": "ssl_basic", "organization_id": "112233", "order_days": 365}
    profiles.create(cast.ada, {"name": "Paid", "connector": "DigiCert", "validity_days": 90, "product": product})


def state(order):
    return Order.objects.get(pk=order.pk).state


def test_a_renewal_inside_the_paid_term_is_a_reissue(cast, paid, simulator, engine):
    made = place(cast.ada, PlaceOrder("Paid", request_pem("renew.example.com")))
    engine.until(lambda: state(made) == "issued")
    old = Certificate.objects.get(order=made)
    again = certificates.renew(cast.ada, old.pk)
    engine.until(lambda: state(again) == "issued")
    new = Certificate.objects.get(order=again)
    assert [line.kind for line in simulator.ledger.lines()] == ["order", "reissue"]
    assert new.serial != old.serial
    assert new.ca_reference.split("/")[0] == old.ca_reference.split("/")[0]
    certificates.revoke(cast.ada, old.pk, "superseded", "replaced")
    engine.until(lambda: Certificate.objects.get(pk=old.pk).revocation == "confirmed")
    assert Certificate.objects.get(pk=new.pk).revocation == ""
    assert len(simulator.ledger.lines("revoke")) == 1


def test_a_lost_reissue_is_not_made_twice(cast, paid, simulator, engine):
    made = place(cast.ada, PlaceOrder("Paid", request_pem("lost-reissue.example.com")))
    engine.until(lambda: state(made) == "issued")
    simulator.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="/reissue")
    again = certificates.renew(cast.ada, Certificate.objects.get(order=made).pk)
    engine.until(lambda: state(again) == "outcome_unknown")
    Order.objects.filter(pk=again.pk).update(due_at=now())
    engine.until(lambda: state(again) == "issued")
    assert [line.kind for line in simulator.ledger.lines()] == ["order", "reissue"]


def test_a_reissue_that_would_revoke_others_waits_for_a_persons_word(cast, digicert, simulator, engine, client):
    from django.urls import reverse

    product = {"product": "ssl_basic", "organization_id": "112233", "dropped_names": "reissue"}
    profiles.create(cast.ada, {"name": "Paid", "connector": "DigiCert", "validity_days": 90, "product": product})
    made = place(cast.ada, PlaceOrder("Paid", request_pem("both.example.com", "gone.example.com")))
    engine.until(lambda: state(made) == "issued")
    old = Certificate.objects.get(order=made)
    again = certificates.renew(cast.ada, old.pk, request_pem("both.example.com"))
    engine.until(lambda: state(again) == "pending")
    held = Order.objects.get(pk=again.pk)
    assert held.pending_kind == "confirmation"
    assert old.serial.upper().lstrip("0") in held.reason
    assert [line.kind for line in simulator.ledger.lines()] == ["order"]
    client.force_login(cast.users["ada"])
    shown = client.get(reverse("order", args=[again.pk])).content.decode()
    assert "waits for a person here: nothing was sent" in shown
    assert "Accept and send" in shown
    assert "waits for a person here" in client.get(reverse("orders")).content.decode()
    assert "before they are sent" in client.get(reverse("home")).content.decode()
    assert queries.wait(cast.ada, again.pk, 60).state == "pending"
    client.post(reverse("order_act", args=[again.pk, "confirm"]))
    engine.until(lambda: state(again) == "issued")
    assert [line.kind for line in simulator.ledger.lines()] == ["order", "reissue"]
    assert "Accepted: Reissue of order" in "".join(again.events.values_list("text", flat=True))
    simulator.clock.push(73 * 3600)
    simulator.tick()
    assert [line.detail for line in simulator.ledger.lines("revoke")] != []


def test_a_held_reissue_that_is_cancelled_leaves_nothing_at_the_ca(cast, digicert, simulator, engine):
    product = {"product": "ssl_basic", "organization_id": "112233", "dropped_names": "reissue"}
    profiles.create(cast.ada, {"name": "Paid", "connector": "DigiCert", "validity_days": 90, "product": product})
    made = place(cast.ada, PlaceOrder("Paid", request_pem("both.example.com", "gone.example.com")))
    engine.until(lambda: state(made) == "issued")
    again = certificates.renew(cast.ada, Certificate.objects.get(order=made).pk, request_pem("both.example.com"))
    engine.until(lambda: state(again) == "pending")
    orders.cancel(cast.ada, again.pk)
    engine.until(lambda: state(again) == "cancelled")
    assert [line.kind for line in simulator.ledger.lines()] == ["order"]


def test_the_order_says_which_record_to_make(cast, digicert, simulator, engine):
    made = place(cast.rob, PlaceOrder("Public", request_pem("www.fresh.org")))
    engine.until(lambda: "TXT" in Order.objects.get(pk=made.pk).reason)
    waiting = Order.objects.get(pk=made.pk)
    token = simulator.state()["domains"][-1]["token"]
    assert waiting.pending_kind == "validation"
    assert f"Make a TXT record at www.fresh.org with the value {token}" in waiting.reason.replace(
        "at fresh.org", "at www.fresh.org"
    )
    control(simulator, "/publish", {"name": "fresh.org", "value": token})
    Order.objects.filter(pk=made.pk).update(due_at=now())
    engine.until(lambda: state(made) == "issued")


def test_an_order_that_waits_for_validation_is_cancelled(cast, digicert, simulator, engine):
    made = place(cast.rob, PlaceOrder("Public", request_pem("www.fresh.org")))
    engine.until(lambda: state(made) == "pending")
    orders.cancel(cast.rob, made.pk)
    engine.until(lambda: state(made) == "cancelled")
    assert simulator.state()["orders"][0]["status"] == "canceled"
    assert str(made.pk) in simulator.state()["orders"][0]["note"]
