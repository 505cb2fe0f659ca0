"""Nothing is certified that was not proven, nor for anybody but who has proven it, nor twice for one message."""

from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID, ObjectIdentifier

from bench.acme_client import b64, sign
from chancery.apps.acme.models import AcmeOrder, Authorization
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.apps.profiles import actions as profiles
from chancery.apps.profiles.models import Profile
from chancery.doors.acme import waiting
from chancery.doors.acme.tests.proofs import asked, begun, page
from chancery.net.tests.serving import Server

pytestmark = pytest.mark.django_db(transaction=True)
KEY = ec.generate_private_key(ec.SECP256R1())
PROVEN, OTHER = "www.example.test", "other.example.test"
SOMEBODY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
UNPROVEN = {
    "dns": x509.DNSName(OTHER),
    "dns, below the proven name": x509.DNSName(f"a.{PROVEN}"),
    "dns, above the proven name": x509.DNSName("example.test"),
    "dns, a wildcard": x509.DNSName(f"*.{PROVEN}"),
    "ip, version 4": x509.IPAddress(ip_address("127.0.0.1")),
    "ip, version 6": x509.IPAddress(ip_address("::1")),
    "email": x509.RFC822Name(f"root@{PROVEN}"),
    "uri": x509.UniformResourceIdentifier(f"https://{PROVEN}/"),
    "directory name": x509.DirectoryName(SOMEBODY),
    "registered id": x509.RegisteredID(ObjectIdentifier("1.3.6.1.4.1.32473.1")),
    "user principal name": x509.OtherName(ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x04root"),
}
"""Each type of name that a request may hold (RFC 5280 section 4.2.1.6), all of them beside a name that is proven."""


def request(*names, common_name=PROVEN):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


@pytest.fixture
def told():
    """Return what says how a refusal was told, and counts them."""

    def tell(answer):
        tell.number += 1
        return answer.status, answer.json()["type"].rpartition(":")[2]

    tell.number = 0
    return tell


@pytest.fixture
def client(door, cast, zone, monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.01)
    row = Profile.objects.get(name="Internal")
    every = {"name": "Internal", "connector": "Local", "wildcard": True, "name_kinds": ["dns", "ip"]}
    profiles.edit(cast.ada, row.pk, row.revision, every)
    door.offer(challenges=["http-01", "dns-01", "tls-alpn-01"], networks=["127.0.0.0/8"])
    return door.registered()


@pytest.fixture
def proven(client, looker, settings):
    """Return an order whose one name its account has proven."""
    order, _, challenge, wanted = asked(client, PROVEN)
    with Server(page(wanted)) as web:
        settings.ACME_PORTS = {"http-01": web.port, "tls-alpn-01": 1}
        begun(client, challenge)
        looker.look()
    assert client.post(order.headers["location"]).json()["status"] == "ready"
    return order.json()


def test_no_type_of_name_is_certified_unproven(client, proven, told, result):
    for what, name in UNPROVEN.items():
        for names in ((x509.DNSName(PROVEN), name), (name,)):
            assert (what, *told(client.finalize(proven, request(*names)))) == (what, 400, "badCSR")
    other_subject = request(x509.DNSName(PROVEN), common_name=OTHER)
    assert told(client.finalize(proven, other_subject)) == (400, "badCSR")
    for kind, value in (("dns", OTHER), ("dns", f"*.{PROVEN}"), ("ip", "127.0.0.1"), ("ip", "::1")):
        order = client.post(client.urls["newOrder"], {"identifiers": [{"type": kind, "value": value}]}).json()
        name = x509.DNSName(value) if kind == "dns" else x509.IPAddress(ip_address(value))
        early = client.finalize(order, request(name, common_name=value))
        assert (value, order["status"], *told(early)) == (value, "pending", 403, "orderNotReady")
    assert not Order.objects.exists()
    unit = f"orders placed by {told.number} requests with a name that was not proven, of {len(UNPROVEN)} kinds"
    result("R48", 0, unit, part="names")
    # What is refused is the names: the right request for the same order is taken.
    assert client.finalize(proven, request(x509.DNSName(PROVEN))).status == 200
    assert Order.objects.get().names == [["dns", PROVEN]]


def test_a_message_counts_once_and_at_its_own_address(client, proven, told, result):
    right = {"csr": b64(request(x509.DNSName(PROVEN)))}
    other = client.order(OTHER).json()
    header = {"alg": "ES256", "kid": client.kid, "url": proven["finalize"], "nonce": client.nonce()}
    sent = sign(client.key, header, right)
    assert told(client.raw(other["finalize"], sent)) == (403, "unauthorized")
    assert client.raw(proven["finalize"], sent).status == 200
    placed = Order.objects.get()
    for _ in range(3):
        assert told(client.raw(proven["finalize"], sent)) == (400, "badNonce")
    for url, payload in (
        (client.urls["newOrder"], {"identifiers": [{"type": "dns", "value": PROVEN}]}),
        (client.kid, None),
    ):
        header = {"alg": "ES256", "kid": client.kid, "url": url, "nonce": client.nonce()}
        sent = sign(client.key, header, payload)
        assert client.raw(url, sent).status < 300
        assert told(client.raw(url, sent)) == (400, "badNonce")
    assert (Order.objects.get(), AcmeOrder.objects.count()) == (placed, 3)
    result("R48", 0, f"of {told.number} messages that were sent again or elsewhere counted", part="replays")


def test_another_account_neither_sees_nor_uses_an_order(door, client, proven, engine, told, result):
    stranger = door.registered("web-2")
    theirs = stranger.order(PROVEN).json()
    where = f"{client.kid.partition('/account/')[0]}/order/{AcmeOrder.objects.order_by('pk')[0].pk.hex}"
    assert told(stranger.finalize(proven, request(x509.DNSName(PROVEN)))) == (404, "malformed")
    for url in (where, *proven["authorizations"]):
        assert told(stranger.post(url)) == (404, "malformed")
        assert told(stranger.post(url, {"status": "deactivated"}))[0] in {400, 404}
    # What one account has proven is not proven for another, and no order stands in for another.
    assert told(stranger.finalize(theirs, request(x509.DNSName(PROVEN)))) == (403, "orderNotReady")
    swapped = client.order(OTHER).json()
    assert told(client.finalize(swapped, request(x509.DNSName(PROVEN)))) == (403, "orderNotReady")
    assert told(client.finalize(proven, request(x509.DNSName(OTHER), common_name=OTHER))) == (400, "badCSR")
    mine, stranger.kid = stranger.kid, client.kid
    assert told(stranger.finalize(proven, request(x509.DNSName(PROVEN)))) == (403, "malformed")
    stranger.kid = mine
    assert not Order.objects.exists()
    assert (
        Authorization.objects.get(value=PROVEN, account_id=AcmeOrder.objects.order_by("pk")[0].account_id).state
        == "valid"
    )
    client.finalize(proven, request(x509.DNSName(PROVEN)))
    engine.until(Certificate.objects.exists)
    row = Certificate.objects.get()
    assert told(stranger.post(f"{where.replace('/order/', '/cert/')[:-32]}{row.pk.hex}")) == (404, "malformed")
    assert told(stranger.post(client.urls["revokeCert"], {"certificate": b64(bytes(row.der))})) == (403, "unauthorized")
    assert Certificate.objects.get().revocation == row.revocation
    result(
        "R48", 0, f"of {told.number} tries reached another account's order, or one order by another's", part="accounts"
    )
