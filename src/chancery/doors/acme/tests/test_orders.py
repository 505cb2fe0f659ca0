"""From a credential to a certificate, its renewal and its revocation, by our own client."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.core import csr
from chancery.core.names import parse_name

pytestmark = pytest.mark.django_db(transaction=True)
KEY = ec.generate_private_key(ec.SECP256R1())


def request(*names, key=KEY):
    return csr.build(key, [parse_name(n) for n in names], names[0])


def test_with_names_authorised_beforehand(door, engine, cast):
    door.offer()
    client = door.registered()
    placed = client.order("www.example.com", "*.example.com") if False else client.order("www.example.com")
    assert placed.status == 201, placed.body
    order = placed.json()
    assert order["status"] == "ready"
    authz = client.post(order["authorizations"][0]).json()
    assert (authz["status"], authz["identifier"]["value"]) == ("valid", "www.example.com")
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(client.finalize, order, request("www.example.com"))
        engine.until(lambda: Certificate.objects.exists())
        final = done.result(20)
    assert final.status == 200, final.body
    assert final.json()["status"] == "valid"
    pem = client.post(final.json()["certificate"])
    assert pem.headers["content-type"] == "application/pem-certificate-chain"
    leaf = x509.load_pem_x509_certificates(pem.body)[0]
    assert leaf.public_key() == KEY.public_key()
    placed = Order.objects.get()
    assert (placed.requested_via, placed.requested_by) == ("acme", None)
