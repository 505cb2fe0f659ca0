"""Somebody else's client library, as certbot has it, on the other side of the door."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import josepy
import pytest
import requests
from acme import client, messages
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from requests.adapters import BaseAdapter

from chancery.apps.certificates.models import Certificate
from chancery.core import csr, pem
from chancery.core.names import parse_name
from chancery.doors.acme.tests.conftest import SERVER, aside, send

pytestmark = pytest.mark.django_db(transaction=True)


class Adapter(BaseAdapter):
    """Takes what the library sends to the door."""

    def send(self, request, **_):
        found = send(request.method, request.url, request.body and request.body.encode(), request.headers)
        made = requests.Response()
        made.status_code, made.url, made.request = found.status, request.url, request
        made.headers.update(found.headers)
        made._content = found.body
        return made

    def close(self):
        """Nothing was opened."""


@pytest.fixture
def library(door):
    door.offer()
    key = josepy.JWKEC(key=ec.generate_private_key(ec.SECP256R1()))
    net = client.ClientNetwork(key, alg=josepy.ES256, user_agent="test")
    net.session.mount(SERVER, Adapter())
    directory = messages.Directory.from_json(net.get(f"{SERVER}/acme/directory").json())
    found = client.ClientV2(directory, net)
    credential, secret = door.credential()
    bound = messages.ExternalAccountBinding.from_data(
        account_public_key=key.public_key(),
        kid=str(credential.pk),
        hmac_key=josepy.encode_b64jose(secret),
        directory=directory,
    )
    found.new_account(messages.NewRegistration.from_data(email="pki@example.com", external_account_binding=bound))
    return found


def test_it_orders_downloads_renews_and_revokes(library, engine):
    key = ec.generate_private_key(ec.SECP256R1())
    request = pem.encode("CERTIFICATE REQUEST", csr.build(key, [parse_name("www.example.com")], "www.example.com"))
    order = library.new_order(request.encode())
    assert [a.body.status for a in order.authorizations] == [messages.STATUS_VALID]
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(aside, library.finalize_order, order, datetime.max)  # noqa: DTZ901  the library compares without a zone
        engine.until(Certificate.objects.exists)
        final = done.result(20)
    leaf = x509.load_pem_x509_certificates(final.fullchain_pem.encode())[0]
    assert leaf.public_key() == key.public_key()
    library.revoke(leaf, 4)
    assert Certificate.objects.get().revocation_reason == "superseded"
    fresh = library.query_registration(library.net.account)
    assert fresh.body.contact == ("mailto:pki@example.com",)
    library.deactivate_registration(fresh)
    with pytest.raises(messages.Error):
        library.new_order(request.encode())
