"""Certificates as the engine stores them."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.apps.certificates.models import Certificate, Chain
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, place
from chancery.apps.shared import action
from chancery.core.clock import ManualClock
from tests.cast import request_pem
from tests.pki import self_signed_pem

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def der(name):
    return x509.load_pem_x509_certificate(self_signed_pem(name).encode()).public_bytes(Encoding.DER)


@pytest.fixture(autouse=True)
def clock():
    manual = ManualClock(NOW)
    before = action.use_clock(manual)
    yield manual
    action.use_clock(before)


@pytest.fixture
def issued(cast, local):
    """Store a certificate of an order that Rob placed; `columns` as the test wants them."""

    def make(name="a.example.com", profile="Internal", **columns):
        order = place(cast.rob, PlaceOrder(profile, request_pem(name)))
        Order.objects.filter(pk=order.pk).update(state="issued")
        leaf, root = der(name + str(order.pk)[-4:]), der("Root")
        chain, _ = Chain.objects.get_or_create(
            sha256=hashlib.sha256(root).hexdigest(), defaults={"ders": [base64.b64encode(root).decode()]}
        )
        values = {
            "order": order,
            "connector_id": order.connector_id,
            "profile_id": order.profile_id,
            "team_id": order.team_id,
            "environment_id": order.environment_id,
            "der": leaf,
            "chain": chain,
            "serial": hashlib.sha256(leaf).hexdigest()[:32].lstrip("0"),
            "issuer": "CN=Root",
            "common_name": name,
            "names": [["dns", name]],
            "key_type": "EC-P256",
            "spki_sha256": order.spki_sha256,
            "sha256": hashlib.sha256(leaf).hexdigest(),
            "not_before": NOW - timedelta(days=1),
            "not_after": NOW + timedelta(days=90),
            "stored_at": NOW,
        }
        return Certificate.objects.create(**{**values, **columns})

    return make
