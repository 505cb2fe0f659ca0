"""What strangers and broken clients send: each is refused by name, and nothing is stored."""

import json
import re
import string
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.acme_client import b64, binding, jwk, sign
from chancery.apps.acme import actions, jose, nonces, queries
from chancery.apps.acme.errors import AcmeError
from chancery.apps.acme.models import Account, AcmeOrder, Credential, SpentNonce
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.apps.shared.action import current_clock, use_clock
from chancery.core import csr
from chancery.core.clock import ManualClock
from chancery.core.names import Name, parse_name
from chancery.core.tests.making import NOW, certify
from chancery.doors.acme import waiting
from chancery.doors.acme.tests.conftest import SERVER, send

pytestmark = pytest.mark.django_db(transaction=True)
KEY = ec.generate_private_key(ec.SECP256R1())


def kind(answer):
    return answer.json()["type"].rpartition(":")[2]


def detail(answer):
    return answer.json()["detail"]


@pytest.fixture
def client(door):
    door.offer()
    return door.registered()


NEW = {"identifiers": [{"type": "dns", "value": "www.example.com"}]}


def test_a_nonce_counts_once_for_a_while_and_only_ours(client):
    used = client.nonce()
    assert client.post(client.kid, nonce=used).status == 200
    again = client.post(client.kid, nonce=used)
    assert (again.status, kind(again)) == (400, "badNonce")
    assert client.post(client.kid).status == 200, "the refusal brought a fresh one"
    for made_up in ("AAAA", "?", b64(bytes(33)), "é", 7):
        assert kind(client.post(client.kid, nonce=made_up)) == "badNonce"
    assert (
        kind(client.raw(client.kid, sign(client.key, {"alg": "ES256", "kid": client.kid, "url": client.kid}, None)))
        == "badNonce"
    )
    clock = ManualClock(current_clock().now())
    before = use_clock(clock)
    try:
        old = nonces.fresh()
        clock.advance(nonces.LIFE)
        assert not nonces.spend(old)
        assert nonces.spend(nonces.fresh())
        clock.advance(3 * nonces.LIFE)
        nonces.prune(clock.now())
        assert not SpentNonce.objects.exists()
    finally:
        use_clock(before)


def test_two_at_once_with_one_nonce(client):
    text = nonces.authentic(nonces.fresh())
    assert nonces.spend_all([text, text]) == [True, False]


def test_a_refused_signature_spends_no_nonce(client):
    nonce, other = client.nonce(), ec.generate_private_key(ec.SECP256R1())
    right, client.key = client.key, other
    assert client.post(client.kid, nonce=nonce).status == 403
    client.key = right
    assert client.post(client.kid, nonce=nonce).status == 200


def test_wrong_addresses(client):
    elsewhere = client.post(client.kid, url=client.urls["newOrder"])
    assert (elsewhere.status, kind(elsewhere)) == (403, "unauthorized")
    internal = client.post(client.kid, url=client.kid.replace("pki.example.com", "10.0.0.1:8140"))
    assert kind(internal) == "unauthorized"
    kid = client.kid
    client.kid = kid.replace(SERVER, "https://evil.example")
    assert kind(client.post(kid)) == "accountDoesNotExist"
    client.kid = f"{SERVER}/acme/account/{'0' * 32}"
    assert kind(client.post(kid)) == "accountDoesNotExist"
    client.kid = kid
    for path in (
        "nowhere",
        "order/xyz",
        "authz/xyz/1",
        "cert/xyz",
        f"authz/{'0' * 32}/x",
        f"authz/{'0' * 32}/0",
        f"order/{'0' * 32}",
    ):
        assert client.post(f"{SERVER}/acme/{path}").status == 404
    allowed = [
        (answer.status, answer.headers["allow"])
        for answer in (
            send("GET", f"{SERVER}/acme/new-order", None, {}),
            send("POST", f"{SERVER}/acme/directory", b"", {}),
        )
    ]
    assert allowed == [(405, "POST"), (405, "GET, HEAD")]
    assert send("GET", f"{SERVER}/acme/new-nonce", None, {}).status == 204


def protected(client, **more):
    return {"alg": "ES256", "nonce": client.nonce(), "url": client.urls["newOrder"], "kid": client.kid, **more}


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "PS256", "EdDSA", 5, None])
def test_algorithms_that_are_not_taken(client, alg):
    header = protected(client, alg=alg)
    body = sign(client.key, header, NEW)
    if alg == "none":
        body["signature"] = ""
    if alg == "HS256":
        public = client.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        made = hmac.HMAC(public, hashes.SHA256())
        made.update(f"{body['protected']}.{body['payload']}".encode())
        body["signature"] = b64(made.finalize())
    answer = client.raw(client.urls["newOrder"], body)
    assert kind(answer) == "badSignatureAlgorithm"
    assert answer.json()["algorithms"] == ["RS256", "ES256", "ES384", "ES512"]
    assert not AcmeOrder.objects.exists()


def changed(**parts):
    return lambda good: {**good, **parts}


TWICE = b64(b'{"alg":"none","alg":"ES256"}')
BODIES = {
    "no json": lambda good: b"{",
    "no object": lambda good: b"[]",
    "not utf-8": lambda good: b'{"a":"\xff"}',
    "a member twice": lambda good: json.dumps(good).encode()[:-1] + b', "payload": ""}',
    "a header's member twice": changed(protected=TWICE),
    "an unprotected header": changed(header={"alg": "none"}),
    "no signature": lambda good: {k: v for k, v in good.items() if k != "signature"},
    "a number for a text": changed(payload=1),
    "padded": lambda good: {**good, "payload": good["payload"] + "="},
    "bits left over": changed(payload="AB"),
    "a length that no octets have": changed(payload="A"),
    "not a number": lambda good: b'{"payload": NaN}',
    "too deep": lambda good: b"[" * 50_000,
    "deep enough to end a stack": lambda good: b'{"a":' * 900 + b"1" + b"}" * 900,
    "nested": lambda good: b'{"a":' * 40 + b"1" + b"}" * 40,
    "a signature too short": changed(signature="AAAA"),
}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_bodies_that_cannot_be_read(client, name):
    answer = client.raw(client.urls["newOrder"], BODIES[name](sign(client.key, protected(client), NEW)))
    assert (answer.status in {400, 403}, kind(answer)) == (True, "malformed")
    assert ":" in detail(answer)
    assert "replay-nonce" in answer.headers
    assert not AcmeOrder.objects.exists()


def test_bodies_that_are_too_long_or_of_another_kind(client):
    url = client.urls["newOrder"]
    assert client.raw(url, b"a" * 200_001).status == 413
    assert send("POST", url, b"{}", {"Content-Type": "application/json"}).status == 415
    assert kind(client.post(url, NEW, crit=["b64"])) == "malformed"
    assert kind(client.post(url, NEW, kid=None)) == "malformed"
    assert kind(client.post(url, NEW, jwk=jwk(client.key))) == "malformed"
    assert kind(client.post(url, b"[]")) == "malformed"
    assert kind(client.post(url)) == "malformed"
    assert kind(client.post(client.kid.replace("account", "order"), {})) == "malformed"


def test_keys_that_may_not_sign(door):
    door.offer()
    nobody = door.client()
    url = nobody.urls["newAccount"]
    weak = rsa.generate_private_key(65537, 1024).public_key().public_numbers()
    members = {"kty": "RSA", "e": "AQAB", "n": b64(weak.n.to_bytes(128, "big"))}
    good = jwk(nobody.key)
    for wrong in (
        members,
        {**good, "d": "AAAA"},
        {"kty": "oct", "k": "AAAA"},
        {**good, "y": good["x"]},
        {**good, "crv": "secp256k1"},
        {"kty": "EC"},
        {"kty": []},
        {"kty": {}},
        [],
        "x",
        {**good, "x": 1},
    ):
        assert kind(nobody.post(url, {}, jwk=wrong)) == "badPublicKey"


def test_a_key_has_one_spelling_and_so_one_account():
    rsa_key = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    modulus = rsa_key.n.to_bytes(256, "big")
    whole = {"kty": "RSA", "e": "AQAB", "n": b64(modulus)}
    point = jwk(ec.generate_private_key(ec.SECP256R1()))
    assert jose.key(whole).members == whole
    assert jose.key(point).members == point
    # The last of 43 characters has two bits more than 32 bytes need.
    signs = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
    other = point["x"][:-1] + signs[signs.index(point["x"][-1]) + 1]
    for wrong in (
        {**whole, "n": b64(b"\0" + modulus)},
        {**whole, "e": b64(b"\0\1\0\1")},
        {**point, "x": other},
        {**point, "y": point["y"] + "="},
    ):
        with pytest.raises(AcmeError, match="not written as RFC 7518"):
            jose.key(wrong)


def test_bindings_that_do_not_count(door, cast):
    door.offer()
    made, secret = door.credential()
    nobody, other = door.client(), ec.generate_private_key(ec.SECP256R1())
    url = nobody.urls["newAccount"]

    def tried(bound):
        return nobody.post(url, {"externalAccountBinding": bound})

    kid = str(made.pk)
    assert kind(tried(binding(nobody.key, url, kid, b"x" * 32))) == "unauthorized"
    assert kind(tried(binding(nobody.key, url, "web-1", secret))) == "unauthorized"
    assert kind(tried(binding(other, url, kid, secret))) == "malformed"
    assert kind(tried(binding(nobody.key, "https://x", kid, secret))) == "malformed"
    assert kind(tried(sign(nobody.key, {"alg": "ES256", "kid": kid, "url": url}, jwk(nobody.key)))) == "malformed"
    assert kind(tried("x")) == "externalAccountRequired"
    Credential.objects.update(expires_at=made.created_at)
    assert "expired" in detail(tried(binding(nobody.key, url, kid, secret)))
    Credential.objects.update(expires_at=None)
    assert nobody.register(kid, secret).status == 201
    second = door.client()
    assert "as many accounts" in detail(second.register(kid, secret))
    actions.revoke_credential(cast.ada, made.pk)
    assert kind(second.register(kid, secret)) == "unauthorized"
    assert kind(nobody.order("a.example.com")) == "unauthorized"
    assert Account.objects.count() == 1


def test_what_is_no_text_and_no_number_where_one_belongs(client, monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.0)  # no worker is here
    order = client.order("www.example.com").json()
    assert client.finalize(order, csr.build(KEY, [parse_name("www.example.com")])).status == 200
    der = certify("www.example.com", key=KEY).der
    placed, at = Order.objects.get(), {"not_before": NOW, "not_after": NOW, "stored_at": NOW}
    where = {"team_id": placed.team_id, "environment_id": placed.environment_id}
    digest = sha256(der).hexdigest()
    row = Certificate.objects.create(order=placed, der=der, sha256=digest, serial="1", **where, **at)
    for wrong in ([], {}, "", "1", 1.0, 1e308, True, 7):
        asked = {"certificate": b64(der), "reason": wrong}
        assert (wrong, kind(client.post(client.urls["revokeCert"], asked))) == (wrong, "badRevocationReason")
        if not isinstance(wrong, str) or wrong:
            answer = client.post(client.urls["newOrder"], {**NEW, "profile": wrong})
            assert (wrong, kind(answer)) == (wrong, "invalidProfile")
    row.refresh_from_db()
    assert row.revocation == ""


def test_a_fault_of_ours_is_told_as_one(client, monkeypatch, caplog):
    def broken(*given):
        raise TypeError("secret")

    monkeypatch.setattr(queries, "listed", broken)
    answer = send("GET", f"{SERVER}/acme/directory", None, {})
    assert (answer.status, kind(answer), answer.headers["content-type"]) == (
        500,
        "serverInternal",
        "application/problem+json",
    )
    assert "replay-nonce" in answer.headers
    incident = re.search("Incident ([0-9a-f]{12})", detail(answer))[1]
    assert "secret" not in detail(answer)
    assert f"incident {incident}" in caplog.text
    assert "TypeError: secret" in caplog.text


def test_another_accounts_things_are_not_there(door, client):
    stranger = door.registered("web-2")
    placed = client.order("www.example.com")
    order = placed.json()
    for url in (placed.headers["location"], order["authorizations"][0]):
        assert stranger.post(url).status == 404
    assert stranger.finalize(order, csr.build(KEY, [parse_name("www.example.com")])).status == 404
    assert not Order.objects.exists()
    assert client.post(order["authorizations"][0], {"status": "deactivated"}).status == 403


IDENTIFIERS = {
    "none": ([], "malformed"),
    "no list": ("x", "malformed"),
    "no value": ([{"type": "dns"}], "malformed"),
    "a number": ([{"type": "dns", "value": 1}], "malformed"),
    "too many": ([{"type": "dns", "value": f"n{n}.example.com"} for n in range(101)], "malformed"),
    "another type": ([{"type": "email", "value": "a@example.com"}], "unsupportedIdentifier"),
    "no name": ([{"type": "dns", "value": "a b"}, {"type": "dns", "value": "-"}], "malformed"),
    "not in ascii": ([{"type": "dns", "value": "bücher.example"}], "malformed"),
    "an address as a name": ([{"type": "dns", "value": "10.0.0.1"}], "malformed"),
    "a wildcard": ([{"type": "dns", "value": "*.example.com"}], "rejectedIdentifier"),
}


@pytest.mark.parametrize("name", sorted(IDENTIFIERS))
def test_names_that_are_not_certified(client, name):
    given, wanted = IDENTIFIERS[name]
    answer = client.post(client.urls["newOrder"], {"identifiers": given})
    assert (kind(answer), "identifier" in detail(answer) or "name" in detail(answer)) == (wanted, True)
    assert not AcmeOrder.objects.exists()


def test_several_bad_names_are_told_one_by_one(client):
    given = [{"type": "dns", "value": v} for v in ("*.a.example.com", "*.b.example.com", "c.example.com")]
    told = client.post(client.urls["newOrder"], {"identifiers": given}).json()["subproblems"]
    assert [p["identifier"]["value"] for p in told] == ["*.a.example.com", "*.b.example.com"]
    assert kind(client.post(client.urls["newOrder"], {**NEW, "notAfter": "2030-01-01T00:00:00Z"})) == "malformed"
    assert client.post(client.urls["newOrder"], {**NEW, "notAfter": "", "unknown": []}).status == 201


def test_requests_that_do_not_fit_their_order(client):
    order = client.order("www.example.com").json()
    requests = {
        "other name": csr.build(KEY, [parse_name("evil.example.com")]),
        "one more": csr.build(KEY, [parse_name("www.example.com"), parse_name("evil.example.com")]),
        "an e-mail address": csr.build(KEY, [parse_name("www.example.com"), Name("email", "a@example.com")]),
        "a URI": csr.build(KEY, [parse_name("www.example.com"), Name("uri", "https://example.com/")]),
        "an address": csr.build(KEY, [parse_name("www.example.com"), Name("ip", "192.0.2.1")]),
        "the account's key": csr.build(client.key, [parse_name("www.example.com")]),
        "no request": b"none",
    }
    for what, der in requests.items():
        answer = client.finalize(order, der)
        assert (what, kind(answer)) == (what, "badCSR")
        assert detail(answer).startswith("csr")
    weak = csr.build(ec.generate_private_key(ec.SECP256K1()), [parse_name("www.example.com")])
    assert kind(client.finalize(order, weak)) == "badPublicKey"
    assert kind(client.post(order["finalize"], {})) == "malformed"
    assert not Order.objects.exists()
    AcmeOrder.objects.update(expires_at=current_clock().now() - timedelta(seconds=1))
    late = client.finalize(order, csr.build(KEY, [parse_name("www.example.com")]))
    assert kind(late) == "orderNotReady"
