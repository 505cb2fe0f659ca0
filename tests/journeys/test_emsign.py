"""emSign in the engine's hands: what reaches the order, the certificate, the connector and the simulator's ledger."""

import http.client
import json
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from chancery.apps.accounts.models import User
from chancery.apps.certificates import actions as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors import actions as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.profiles import actions as profiles
from chancery.authorities.emsign.simulator import build
from tests.cast import request_pem

pytestmark = pytest.mark.django_db(transaction=True)
COMMON = {"team": "Operations", "environment": "Production", "allowed_networks": "127.0.0.0/8"}
QUICK = {"limit_rate": 1000.0, "limit_burst": 1000}
"""A pace that nobody waits for: what the CA itself refuses is what a burst is about."""


@pytest.fixture
def certinext():
    with build(burst=(10.0, 3)) as made:
        yield made


@pytest.fixture
def emsign(cast, certinext):
    """Make a connector and a profile as the simulator's examples have them; returns the profile's name."""

    def make(transport):
        found = next(e for e in certinext.examples if e.settings["transport"] == transport)
        where = {"name": f"emSign {transport}", "base_url": found.base_url or certinext.url}
        connectors.create(cast.ada, "emsign", {**COMMON, **QUICK, **where, **found.settings})
        about = {"name": transport, "connector": where["name"], "validity_days": found.validity_days}
        profiles.create(cast.ada, {**about, "product": found.product})
        return transport

    return make


def control(simulator, path, body):
    parts = urlsplit(simulator.control)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    try:
        link.request("POST", path, json.dumps(body))
        return json.loads(link.getresponse().read())
    finally:
        link.close()


def states(made):
    return [Order.objects.get(pk=order.pk).state for order in made]


def issue(cast, engine, profile, name):
    order = place(cast.ada, PlaceOrder(profile, request_pem(name)))
    engine.until(lambda: states([order]) == ["issued"])
    return Certificate.objects.get(order=order)


@pytest.mark.parametrize("transport", ["v2", "v1", "acme"])
def test_a_chain_to_a_removed_root_is_stored_and_shown(cast, certinext, emsign, engine, transport):
    certinext.dials.set(issuer="compromised")
    made = issue(cast, engine, emsign(transport), "warned.example.com")
    assert "emSign ECC Root CA - G3" in made.warnings[0]
    client = Client()
    client.force_login(User.objects.get(username="ada"))
    page = client.get(reverse("certificate", args=[made.pk])).content.decode()
    assert "alert-warning" in page
    assert "emSign ECC Root CA - G3" in page


def test_a_renewal_is_a_reissue_and_revokes_nothing(cast, certinext, emsign, engine):
    old = issue(cast, engine, emsign("v2"), "renew.example.com")
    again = certificates.renew(cast.ada, old.pk)
    engine.until(lambda: states([again]) == ["issued"])
    new = Certificate.objects.get(order=again)
    assert [line.kind for line in certinext.ledger.lines()] == ["order", "reissue"]
    assert new.ca_reference.split("/")[0] == f"{old.ca_reference.split('/')[0]}R001"
    certificates.revoke(cast.ada, old.pk, "privilegeWithdrawn", "replaced")
    engine.until(lambda: Certificate.objects.get(pk=old.pk).revocation == "confirmed")
    assert [line.detail for line in certinext.ledger.lines("revoke")] == ["privilege-withdrawn"]


def test_a_burst_slows_the_whole_connector_and_every_order_is_issued_once(cast, certinext, emsign, engine):
    profile = emsign("v1")
    made = [place(cast.ada, PlaceOrder(profile, request_pem(f"burst-{n}.example.com"))) for n in range(8)]
    slowed = 0

    def slowed_or_done():
        # Nobody waits here for the next look at what the CA has accepted.
        Order.objects.filter(state="pending", lease_until=None).update(due_at=now())
        return Connector.objects.get().health == "throttled" or states(made) == ["issued"] * 8

    while states(made) != ["issued"] * 8:
        engine.until(slowed_or_done)
        if Connector.objects.get().health == "throttled":
            slowed += 1
            assert set(states(made)) <= {"queued", "submitting", "pending", "issued"}
            # Patience: ten seconds pass for the CA, and here minutes, in which the pace comes back.
            control(certinext, "/tick", {"seconds": 11})
            Connector.objects.update(breaker_until=now(), slowed=1.0, slowed_at=None)
            Order.objects.exclude(due_at=None).update(due_at=now())
            engine.until(lambda: Connector.objects.get().health != "throttled")
    assert slowed >= 2
    assert list(certinext.ledger.orders_by_csr().values()) == [1] * 8


@pytest.mark.parametrize("transport", ["v2", "v1"])
def test_a_lost_order_is_found_and_not_sent_again(cast, certinext, emsign, engine, transport):
    profile = emsign(transport)
    path = {"v2": "/ssl-certificates", "v1": "/GenerateOrderSSL"}[transport]
    certinext.dials.set(fail_next=1, fail_next_with="lose", fail_next_path=path)
    made = place(cast.ada, PlaceOrder(profile, request_pem("lost.example.com")))
    engine.until(lambda: states([made]) == ["outcome_unknown"])
    Order.objects.filter(pk=made.pk).update(due_at=now())
    engine.until(lambda: states([made]) == ["issued"])
    assert list(certinext.ledger.orders_by_reference()) == [f"chancery:{made.pk}"]
    assert len(certinext.ledger.lines("order")) == 1
