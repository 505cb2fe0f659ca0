"""What the CA refuses, and in which words; and that nothing which anybody sends breaks it."""

import base64
import json
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chancery.core import csr, keys
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.protocols.acme.account import bind
from chancery.protocols.acme.client import Directory
from chancery.protocols.acme.keys import AccountKey, new_account_key
from chancery.protocols.acme.settings import Eab
from chancery.protocols.acme.simulator import EAB_KEY, EAB_KEY_ID, build
from chancery.protocols.acme.tests.zone import Zone
from chancery.sdk.testing import START, ManualClock
from tests.trying import examples


class Talk:
    """Speaks ACME as a test wants it: every part of a request can be another one."""

    def __init__(self, simulator):
        self.simulator, self.base = simulator, simulator.url.removesuffix("/directory")
        self.key, self.kid = AccountKey(Secret(new_account_key())), None

    def send(self, method, path, body=None, content_type="application/jose+json"):
        asked = urllib.request.Request(self.base + path, body, {"Content-Type": content_type}, method=method)
        try:
            with urllib.request.urlopen(asked) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, dict(error.headers), error.read()

    def nonce(self):
        return self.send("HEAD", "/new-nonce")[1]["Replay-Nonce"]

    def post(self, path, payload, *, by_key=False, nonce=None, url=None, key=None, kid=None):
        kid = None if by_key else kid or self.kid
        body = (key or self.key).sign(payload, url or self.base + path, nonce=nonce or self.nonce(), kid=kid)
        status, headers, text = self.send("POST", path, body)
        return status, headers, json.loads(text) if text[:1] == b"{" else text

    def account(self, **more):
        payload = {"termsOfServiceAgreed": True, **more}
        status, headers, document = self.post("/new-acct", payload, by_key=True)
        self.kid = headers.get("Location", self.kid)
        return status, document

    def order(self, *names, **more):
        rows = [{"type": parse_name(n).kind, "value": n} for n in names or ("www.example.com",)]
        status, headers, document = self.post("/new-order", {"identifiers": rows, **more})
        return status, headers.get("Location", "").removeprefix(self.base), document

    def issued(self):
        _, path, _ = self.order()
        self.post(f"{path}/finalize", {"csr": request()})
        _, _, order = self.post(path, None)
        _, _, chain = self.post(order["certificate"].removeprefix(self.base), None)
        return path, x509.load_pem_x509_certificates(chain)[0]


def request(*names, key=None):
    parsed = [parse_name(n) for n in names or ("www.example.com",)]
    return text(csr.build(key or keys.generate("EC-P256"), parsed, parsed[0].value))


def text(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def kind(answer):
    return answer[-1]["type"].removeprefix("urn:ietf:params:acme:error:")


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def talk(clock):
    with build(clock=clock) as simulator:
        made = Talk(simulator)
        made.account()
        simulator.dials.set(preauthorized=True)
        yield made


def turn(talk, **dials):
    talk.simulator.dials.set(**dials)


# The gate ----------------------------------------------------------------------------------------------


def jws(talk, path="/new-order", payload=None, **header):
    protected = {"alg": "ES256", "kid": talk.kid, "nonce": talk.nonce(), "url": talk.base + path, **header}
    protected = {n: v for n, v in protected.items() if v is not None}
    return {"protected": text(json.dumps(protected).encode()), "payload": text(json.dumps(payload or {}).encode())}


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (lambda t: b"", "malformed"),
        (lambda t: b"[]", "malformed"),
        (lambda t: json.dumps({"protected": "x"}).encode(), "malformed"),
        (lambda t: json.dumps({**jws(t), "signature": "", "header": {}}).encode(), "malformed"),
        (lambda t: json.dumps({"protected": "*", "payload": "", "signature": ""}).encode(), "malformed"),
        (lambda t: json.dumps({"protected": text(b"[]"), "payload": "", "signature": ""}).encode(), "malformed"),
        (lambda t: json.dumps({"protected": text(b"{odd"), "payload": "", "signature": ""}).encode(), "malformed"),
        (lambda t: json.dumps({**jws(t), "signature": "AAAA"}).encode(), "malformed"),
        (lambda t: json.dumps({**jws(t), "signature": text(b"x" * 64)}).encode(), "malformed"),
        (lambda t: json.dumps({**jws(t, alg="none"), "signature": ""}).encode(), "badSignatureAlgorithm"),
        (lambda t: json.dumps({**jws(t, kid=None), "signature": ""}).encode(), "malformed"),
        (lambda t: json.dumps({**jws(t, jwk={}), "signature": ""}).encode(), "malformed"),
        (lambda t: json.dumps({**jws(t, kid=None, jwk={}), "signature": ""}).encode(), "malformed"),
        (lambda t: json.dumps({**jws(t, kid="https://x/acct/1"), "signature": ""}).encode(), "accountDoesNotExist"),
        (lambda t: json.dumps({**jws(t, kid=t.kid + "9"), "signature": ""}).encode(), "accountDoesNotExist"),
    ],
)
def test_a_body_that_is_no_signed_request_is_refused(talk, body, wanted):
    status, headers, answer = talk.send("POST", "/new-order", body(talk))
    document = json.loads(answer)
    assert kind([document]) == wanted
    assert (status, headers["Content-Type"]) == (document["status"], "application/problem+json")
    assert headers["Replay-Nonce"]


@pytest.mark.parametrize(
    ("jwk", "wanted"),
    [
        ({"kty": "oct", "k": "AA"}, "badPublicKey"),
        ({"kty": "EC", "crv": "P-1", "x": "AA", "y": "AA"}, "badPublicKey"),
        ({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, "malformed"),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB"}, "badSignatureAlgorithm"),
    ],
)
def test_keys_that_cannot_be_are_refused(talk, jwk, wanted):
    body = {**jws(talk, "/new-acct", kid=None, jwk=jwk), "signature": text(b"x" * 64)}
    assert kind([json.loads(talk.send("POST", "/new-acct", json.dumps(body).encode())[2])]) == wanted


def test_an_rsa_signature_that_does_not_hold_is_refused(talk):
    jwk = {"kty": "RSA", "n": text(b"\xff" * 256), "e": "AQAB"}
    body = {**jws(talk, "/new-acct", kid=None, jwk=jwk, alg="RS256"), "signature": text(b"x" * 256)}
    assert kind([json.loads(talk.send("POST", "/new-acct", json.dumps(body).encode())[2])]) == "malformed"


def test_a_key_without_its_numbers_is_no_key(talk):
    from chancery.protocols.acme.simulator.refusal import Refusal
    from chancery.protocols.acme.simulator.signatures import thumbprint

    with pytest.raises(Refusal):
        thumbprint({"kty": "EC", "crv": "P-256"})


def test_a_nonce_is_good_once_and_an_address_for_itself_alone(talk):
    nonce = talk.nonce()
    assert talk.post("/acct/1", None, nonce=nonce)[0] == 200
    assert kind(talk.post("/acct/1", None, nonce=nonce)) == "badNonce"
    assert kind(talk.post("/acct/1", None, nonce="made-up")) == "badNonce"
    assert kind(talk.post("/acct/1", None, url=talk.base + "/acct/2")) == "unauthorized"


def test_what_is_not_there_or_comes_in_another_way_is_refused(talk):
    assert talk.send("GET", "/new-nonce")[0] == 204
    assert talk.send("GET", "/nowhere")[0] == 404
    assert talk.send("POST", "/new-order", b"{}", "application/json")[0] == 415
    assert kind(talk.post("/acct/1", None, by_key=True)) == "malformed"
    assert kind(talk.post("/new-acct", {})) == "malformed"
    leaf = {"certificate": text(talk.issued()[1].public_bytes(Encoding.DER))}
    assert kind(talk.post("/revoke-cert", leaf, by_key=True)) == "unauthorized"
    turn(talk, throttle=True)
    assert "Retry-After" not in talk.send("GET", "/directory")[1]
    turn(talk, retry_after="9")
    assert talk.send("GET", "/directory")[1]["Retry-After"] == "9"


# Accounts ----------------------------------------------------------------------------------------------


def test_accounts_are_refused_in_words(talk):
    own = Talk(talk.simulator)
    own.kid = talk.kid
    ask = lambda **p: kind(own.post("/new-acct", p, by_key=True))  # noqa: E731
    assert ask(onlyReturnExisting=True) == "accountDoesNotExist"
    assert ask() == "userActionRequired"
    assert ask(termsOfServiceAgreed=True, contact="x") == "malformed"
    assert ask(termsOfServiceAgreed=True, contact=["tel:1"]) == "unsupportedContact"
    turn(talk, refuse_contacts=True)
    assert ask(termsOfServiceAgreed=True, contact=["mailto:a@b.c"]) == "invalidContact"
    turn(talk, eab_required=True)
    assert ask(termsOfServiceAgreed=True) == "externalAccountRequired"


def test_a_binding_must_fit_its_request(talk):
    def bound(own, key_id=EAB_KEY_ID, secret=EAB_KEY, key=None, url=None):
        directory = Directory({"newAccount": url or own.base + "/new-acct"}, "", False, {}, ())
        return bind(Eab(key_id, Secret(secret)), key or own.key, directory)

    own = Talk(talk.simulator)

    def ask(b):
        return kind(own.post("/new-acct", {"termsOfServiceAgreed": True, "externalAccountBinding": b}, by_key=True))

    assert ask(bound(own, key_id="nobody")) == "unauthorized"
    assert ask(bound(own, secret="QUJD")) == "unauthorized"
    assert ask(bound(own, url="https://elsewhere.example/")) == "malformed"
    assert ask(bound(own, key=talk.key)) == "malformed"
    status, document = own.account(externalAccountBinding=bound(own))
    assert (status, "externalAccountBinding" in document) == (201, True)
    other = Talk(talk.simulator)
    other_bound = {"termsOfServiceAgreed": True, "externalAccountBinding": bound(other)}
    assert kind(other.post("/new-acct", other_bound, by_key=True)) == "unauthorized"


def test_an_account_is_its_own(talk):
    other = Talk(talk.simulator)
    other.account()
    for path in ("/acct/1", "/acct/1/orders"):
        assert kind(other.post(path, None)) == "unauthorized"
    assert talk.post("/acct/1", {"contact": ["mailto:a@b.c"]})[2]["contact"] == ["mailto:a@b.c"]
    talk.order()
    assert talk.post("/acct/1/orders", None)[2]["orders"] == [talk.base + "/order/1"]
    assert talk.post("/acct/1", {"status": "deactivated"})[2]["status"] == "deactivated"
    assert kind(talk.post("/new-acct", {}, by_key=True)) == "unauthorized"


def inner(talk, fresh, account=None, old=None, url=None, nonce=None):
    payload = {"account": account or talk.kid, "oldKey": old or talk.key.public_json}
    return json.loads(fresh.sign(payload, url or talk.base + "/key-change", nonce=nonce, kid=None))


def test_a_key_is_changed_only_by_both_keys(talk):
    fresh = AccountKey(Secret(new_account_key()))
    ask = lambda **more: kind(talk.post("/key-change", inner(talk, fresh, **more)))  # noqa: E731
    assert ask(account="https://x/") == "malformed"
    assert ask(old=fresh.public_json) == "malformed"
    assert ask(old=7) == "malformed"
    assert ask(url="https://x/") == "malformed"
    assert ask(nonce="x") == "malformed"
    other = Talk(talk.simulator)
    other.account()
    status, headers, _ = talk.post("/key-change", inner(talk, other.key))
    assert (status, headers["Location"]) == (409, other.kid)
    assert talk.post("/key-change", inner(talk, fresh))[0] == 200
    assert kind(talk.post("/acct/1", None)) == "malformed"
    assert talk.post("/acct/1", None, key=fresh)[0] == 200


# Orders ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifiers", "wanted"),
    [
        (None, "malformed"),
        ([], "malformed"),
        ([{"type": "dns", "value": "a.example"}] * 101, "malformed"),
        ([7], "unsupportedIdentifier"),
        ([{"type": "email", "value": "a@b.c"}], "unsupportedIdentifier"),
        ([{"type": "dns", "value": "no name"}], "rejectedIdentifier"),
        ([{"type": "ip", "value": "300.1.1.1"}], "rejectedIdentifier"),
        ([{"type": "ip", "value": "2001:DB8::1"}], "rejectedIdentifier"),
    ],
)
def test_names_that_cannot_be_certified_are_refused(talk, identifiers, wanted):
    assert kind(talk.post("/new-order", {"identifiers": identifiers})) == wanted


def test_extras_of_an_order_are_judged(talk):
    assert kind(talk.order(profile="gold")) == "invalidProfile"
    turn(talk, profile_refusal="malformed")
    assert kind(talk.order(profile="gold")) == "malformed"
    assert kind(talk.order(notAfter="soon")) == "malformed"
    assert kind(talk.order(replaces="a.b")) == "malformed"
    turn(talk, terms_changed=True)
    status, _, document = talk.order()
    assert (status, document["instance"]) == (403, talk.base + "/terms")


def test_only_the_own_certificate_is_replaced(talk):
    from chancery.protocols.acme.renewal import renewal_id

    _, leaf = talk.issued()
    named = renewal_id(leaf.public_bytes(Encoding.DER))
    other = Talk(talk.simulator)
    other.account()
    assert kind(other.order(replaces=named)) == "unauthorized"
    assert talk.send("GET", f"/renewal-info/{named}")[0] == 200
    assert talk.send("GET", "/renewal-info/a.b")[0] == 404


def test_an_order_is_finalized_once_with_its_own_names(talk):
    _, path, _ = talk.order()
    for wrong in ({}, {"csr": "AAAA"}, {"csr": request("other.example.com")}):
        assert kind(talk.post(f"{path}/finalize", wrong)) == "badCSR"
    bare = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    made = bare.sign(keys.generate("EC-P256"), __import__("cryptography").hazmat.primitives.hashes.SHA256())
    assert kind(talk.post(f"{path}/finalize", {"csr": text(made.public_bytes(Encoding.DER))})) == "badCSR"
    assert talk.post(f"{path}/finalize", {"csr": request()})[0] == 200
    assert kind(talk.post(f"{path}/finalize", {"csr": request()})) == "orderNotReady"
    assert len(talk.simulator.ledger.lines("order")) == 1


@pytest.mark.parametrize("label", ["EC-P256", "RSA-2048"])
def test_the_accounts_own_key_gets_no_certificate(talk, label):
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    key = keys.generate(label)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own = Talk(talk.simulator)
    own.key = AccountKey(Secret(pem))
    own.account()
    _, path, _ = own.order()
    assert kind(own.post(f"{path}/finalize", {"csr": request(key=key)})) == "badCSR"
    assert own.post(f"{path}/finalize", {"csr": request(key=keys.generate("Ed25519"))})[0] == 200


def test_what_is_anothers_is_not_shown(talk):
    path, _ = talk.issued()
    place = talk.post(path, None)[2]["certificate"].removeprefix(talk.base)
    other = Talk(talk.simulator)
    other.account()
    for hidden in (path, place, "/authz/z1", "/chall/z1/0"):
        assert kind(other.post(hidden, None)) == "unauthorized"
    for nowhere in ("/order/9", "/cert/9", f"{place}/9", f"{place}/x", "/authz/z9", "/chall/z1/99", "/chall/z1/x"):
        assert other.post(nowhere, None)[0] == 404 or talk.post(nowhere, None)[0] == 404
    assert kind(talk.post(path, {})) == "malformed"


def test_authorizations_wait_are_answered_once_and_expire(talk, clock):
    turn(talk, preauthorized=False)
    _, _, order = talk.order("www.example.com", "*.example.com", "192.0.2.7")
    place = order["authorizations"][0].removeprefix(talk.base)
    seen = [talk.post(p.removeprefix(talk.base), None)[2] for p in order["authorizations"]]
    offered = {
        s["identifier"]["value"] + str(s.get("wildcard", "")): [c["type"] for c in s["challenges"]] for s in seen
    }
    assert offered["192.0.2.7"] == ["http-01", "tls-alpn-01"]
    assert offered["example.comTrue"] == ["dns-01", "dns-persist-01"]
    assert kind(talk.post(place, {"status": "valid"})) == "malformed"
    challenge = seen[0]["challenges"][0]["url"].removeprefix(talk.base)
    assert talk.post(challenge, None)[2]["status"] == "pending"
    assert talk.post(challenge, {})[2]["status"] == "processing"
    assert kind(talk.post(challenge, {})) == "malformed"
    clock.advance(timedelta(days=31))
    assert talk.post(order["authorizations"][1].removeprefix(talk.base), None)[2]["status"] == "expired"


@pytest.mark.parametrize("challenge", ["http-01", "dns-01", "dns-persist-01", "tls-alpn-01"])
@pytest.mark.parametrize("there", [True, False])
def test_names_are_looked_at_where_that_is_wanted(talk, challenge, there, monkeypatch):
    monkeypatch.setattr("chancery.protocols.acme.simulator.looking._WAIT", 0.5)
    zone = Zone("example.com")
    closed = "127.0.0.1:9"
    with zone.served() as place:
        turn(talk, preauthorized=False, validation="look", dns_at=place if there else closed, http_at=closed)
        _, _, order = talk.order()
        seen = talk.post(order["authorizations"][0].removeprefix(talk.base), None)[2]
        one = next(c for c in seen["challenges"] if c["type"] == challenge)
        zone.records["_validation-persist.www.example.com", "TXT"] = [
            "odd", f"ca.example; accounturi={talk.kid}; policy=wildcard"
        ]  # fmt: skip
        value = __import__("hashlib").sha256(f"{one.get('token')}.{talk.key.thumbprint}".encode()).digest()
        zone.records["_acme-challenge.www.example.com", "TXT"] = [text(value)]
        talk.post(one["url"].removeprefix(talk.base), {})
        found = talk.post(order["authorizations"][0].removeprefix(talk.base), None)[2]
    good = there and challenge.startswith("dns")
    assert found["status"] == ("valid" if good else "invalid")
    told = next(c for c in found["challenges"] if c["type"] == challenge)
    assert ("error" in told) is not good


@pytest.mark.parametrize("told", ["right", "wrong", "missing", "silent"])
def test_a_web_server_is_looked_at_where_that_is_wanted(talk, told):
    from chancery.protocols.acme.tests.web import Web

    with Web() as web:
        turn(talk, preauthorized=False, validation="look", http_at=web.place)
        _, _, order = talk.order()
        path = order["authorizations"][0].removeprefix(talk.base)
        one = next(c for c in talk.post(path, None)[2]["challenges"] if c["type"] == "http-01")
        texts = {"right": f"{one['token']}.{talk.key.thumbprint}\n", "wrong": "something else", "silent": None}
        if told != "missing":
            web.answers[f"/.well-known/acme-challenge/{one['token']}"] = texts[told]
        talk.post(one["url"].removeprefix(talk.base), {})
        found = talk.post(path, None)[2]
    assert found["status"] == ("valid" if told == "right" else "invalid")
    assert web.hosts == ["www.example.com"]


def test_a_ca_without_terms_names_none(talk):
    turn(talk, terms=False)
    assert "termsOfService" not in json.loads(talk.send("GET", "/directory")[2])["meta"]
    own = Talk(talk.simulator)
    assert own.post("/new-acct", {}, by_key=True)[0] == 201


def test_a_standing_record_for_another_account_does_not_count(talk):
    zone = Zone("example.com")
    with zone.served() as place:
        turn(talk, preauthorized=False, validation="look", dns_at=place)
        for name, value in (
            ("www.example.com", "ca.example; accounturi=x"),
            ("*.example.com", f"ca.example; accounturi={talk.kid}"),
        ):
            zone.records[f"_validation-persist.{name.removeprefix('*.')}", "TXT"] = [value]
            _, _, order = talk.order(name)
            path = order["authorizations"][0].removeprefix(talk.base)
            seen = talk.post(path, None)[2]
            one = next(c for c in seen["challenges"] if c["type"] == "dns-persist-01")
            talk.post(one["url"].removeprefix(talk.base), {})
            assert talk.post(path, None)[2]["status"] == "invalid"


# Revocations -------------------------------------------------------------------------------------------


def test_a_certificate_is_revoked_by_its_account_or_its_own_key(talk):
    own = keys.generate("EC-P256")
    _, path, _ = talk.order()
    talk.post(f"{path}/finalize", {"csr": request(key=own)})
    place = talk.post(path, None)[2]["certificate"].removeprefix(talk.base)
    leaf = x509.load_pem_x509_certificates(talk.post(place, None)[2])[0]
    payload = {"certificate": text(leaf.public_bytes(Encoding.DER)), "reason": 4}
    other = Talk(talk.simulator)
    other.account()
    assert kind(other.post("/revoke-cert", payload)) == "unauthorized"
    assert kind(other.post("/revoke-cert", payload, by_key=True)) == "unauthorized"
    assert kind(talk.post("/revoke-cert", {**payload, "reason": 6})) == "badRevocationReason"
    assert talk.post("/revoke-cert", {"certificate": "AAAA"})[0] == 404
    assert kind(talk.post("/revoke-cert", {"certificate": "*"})) == "malformed"
    assert kind(talk.post("/revoke-cert", {**payload, "reason": []})) == "malformed"
    from cryptography.hazmat.primitives.serialization import NoEncryption, PrivateFormat

    pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert talk.post("/revoke-cert", payload, by_key=True, key=AccountKey(Secret(pem)))[0] == 200
    assert talk.simulator.state()["certificates"][0]["revoked"] == 4


# Anything ----------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["identifiers", "csr", "certificate", "reason", "contact", "externalAccountBinding", "status", "replaces",
          "profile", "notAfter", "protected", "payload", "signature", "type", "value"]  # fmt: skip
PATHS = ["/new-order", "/new-acct", "/revoke-cert", "/key-change", "/acct/1", "/order/1", "/order/1/finalize", "/authz/z1",
         "/chall/z1/0", "/cert/1"]  # fmt: skip


@pytest.mark.hypothesis  # it draws its own, each after the others
def test_no_request_breaks_the_ca(talk):
    talk.order()

    @settings(max_examples=examples(120), deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(PATHS), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4), st.booleans())
    def any_request(path, payload, by_key):
        status, _, document = talk.post(path, payload, by_key=by_key)
        assert status < 500
        assert status < 400 or kind([document])

    any_request()
    assert talk.send("GET", "/directory")[0] == 200
