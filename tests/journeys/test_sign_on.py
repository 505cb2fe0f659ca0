"""Logging in with somebody else's log-in: an OpenID provider that we did not write, and SAML answers signed as by one."""

import base64
import importlib
import re
import warnings
import zlib
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from django.test import Client
from onelogin.saml2.constants import OneLogin_Saml2_Constants
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from chancery.apps.accounts import actions, factors, providers, queries
from chancery.apps.accounts.models import Provider, User
from chancery.apps.shared.tests.looking import conflict, refused, said
from chancery.core.errors import Absent, NotPermitted
from chancery.net.sessions import session

with warnings.catch_warnings():
    # Of libraries under the provider, about each other; this one turns its warnings on when it is loaded.
    importlib.import_module("authlib.deprecate")
    warnings.simplefilter("ignore")
    import oidc_provider_mock

# Of libraries under the provider, which runs in a thread of this process.
pytestmark = [pytest.mark.django_db, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SECRET = "a client's canary"
GROUPS = ["pki-admins=ca_operator", "people=requester@Operations/Production"]


@pytest.fixture(scope="module")
def idp():
    with warnings.catch_warnings(), oidc_provider_mock.run_server_in_thread() as server:
        warnings.simplefilter("ignore")
        url = f"http://localhost:{server.server_port}"
        requests.put(
            f"{url}/users/eve", json={"preferred_username": "Eve", "name": "Eve Adams", "groups": ["people"]}, timeout=5
        )
        requests.put(f"{url}/users/rob", json={"preferred_username": "rob", "groups": []}, timeout=5)
        yield url


def keycloak(cast, url, **more):
    values = {
        "title": "Our Keycloak",
        "server_url": url,
        "client_id": "chancery",
        "allowed_networks": ["127.0.0.0/8", "::1/128"],
    }
    return providers.save(cast.ada, "keycloak", {**values, "makes_people": True, "mapping": GROUPS, **more}, SECRET)


def sign_on(client, sub, wanted=""):
    begun = client.get("/login/with/keycloak", {"next": wanted} if wanted else {})
    assert begun.status_code == 302, begun.content
    there = requests.post(begun.headers["Location"], data={"sub": sub}, allow_redirects=False, timeout=5)
    back = urlsplit(there.headers["Location"])
    return client.get(f"{back.path}?{back.query}")


def test_somebody_of_the_provider_comes_in_with_the_roles_of_their_groups(cast, idp):
    keycloak(cast, idp)
    client = Client()
    assert "Log in with Our Keycloak" in client.get("/login").content.decode()
    assert sign_on(client, "eve", "/orders").headers["Location"] == "/orders"
    eve = User.objects.get(username="eve")
    assert (eve.full_name, eve.has_usable_password()) == ("Eve Adams", False)
    (grant,) = eve.grants.all()
    assert (grant.role, grant.team.name, grant.environment.name) == ("requester", "Operations", "Production")
    assert client.get("/orders").status_code == 200
    entry = said("people.sign_on")[-1]
    assert (entry["actor"]["name"], entry["changed"]) == ("provider:keycloak", ["grants", "login"])
    assert queries.sessions(queries.actor_of(eve, how="test"))[0].how == "oidc:keycloak"
    requests.put(f"{idp}/users/eve", json={"preferred_username": "Eve", "groups": ["pki-admins", "x"]}, timeout=5)
    sign_on(Client(), "eve")
    assert [g.role for g in eve.grants.all()] == ["ca_operator"]
    requests.put(
        f"{idp}/users/eve", json={"preferred_username": "Eve", "name": "Eve Adams", "groups": ["people"]}, timeout=5
    )
    actions.disable_user(cast.ada, eve.pk)
    assert "kept out" in sign_on(Client(), "eve").content.decode()


def test_nobody_becomes_somebody_who_is_here_already_by_choosing_their_name(cast, idp):
    keycloak(cast, idp)
    page = sign_on(Client(), "rob")
    assert page.status_code == 403
    assert "somebody else" in page.content.decode()
    keycloak(cast, idp, makes_people=False)
    assert "Nobody here" in sign_on(Client(), "eve").content.decode()


def test_nobody_becomes_somebody_of_another_provider_by_having_their_id_there(cast, idp):
    """ASVS 5.0, 6.8.1: a person is an id at one provider, and not an id."""
    keycloak(cast, idp)
    sign_on(Client(), "eve")
    eve = User.objects.get(username="eve")
    uid = eve.socialaccount_set.get().uid
    own = {"title": "Other", "server_url": idp, "client_id": "chancery", "allowed_networks": ["::1/128"]}
    other = providers.save(cast.ada, "other", {**own, "makes_people": True, "mapping": GROUPS})
    assert providers.sign_on(providers.get("keycloak"), uid, {"groups": ["people"]}, "") == eve
    with conflict("taken"):
        providers.sign_on(other, uid, {"preferred_username": "eve", "groups": ["pki-admins"]}, "")
    mallory = providers.sign_on(other, uid, {"preferred_username": "mallory", "groups": ["pki-admins"]}, "")
    assert (mallory.pk != eve.pk, [g.role for g in eve.grants.all()]) == (True, ["requester"])


def test_an_answer_counts_only_where_it_was_asked_for_and_once(cast, idp):
    keycloak(cast, idp)
    client, thief = Client(), Client()
    begun = client.get("/login/with/keycloak")
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    there = requests.post(begun.headers["Location"], data={"sub": "eve"}, allow_redirects=False, timeout=5)
    back = urlsplit(there.headers["Location"])
    path = f"{back.path}?{back.query}"
    assert [asker.get(path).status_code for asker in (thief, client, client)] == [403, 302, 403]
    assert Client().get("/login/with/nobody").status_code == 404
    denied = client.get("/login/with/keycloak/callback?error=access_denied&state=x")
    assert "did not let you in" in denied.content.decode()


def test_a_second_factor_is_asked_for_unless_the_provider_does(cast, idp, monkeypatch):
    keycloak(cast, idp)
    sign_on(Client(), "eve")
    monkeypatch.setattr(factors, "has_any", lambda user: True)
    assert sign_on(Client(), "eve", "/orders").headers["Location"] == "/login/second"
    keycloak(cast, idp, is_factor=True)
    assert sign_on(Client(), "eve").headers["Location"] == "/"


def test_where_nobody_opened_the_inside_no_provider_inside_is_spoken_with(cast, idp):
    keycloak(cast, idp, allowed_networks=[])
    page = Client().get("/login/with/keycloak")
    assert page.status_code == 503
    with pytest.raises(requests.exceptions.InvalidURL):
        session([]).get("http://example.com/")
    with pytest.raises(requests.exceptions.InvalidURL):
        session([]).get("https://exa mple/")
    with pytest.raises(requests.ConnectionError):
        session([]).get("https://127.0.0.1:9/")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"server_url": "http://kc.example.com"}, "server_url"),
        ({"client_id": ""}, "client_id"),
        ({"kind": "ldap"}, "kind"),
        ({"kind": "saml", "entity_id": "x", "sso_url": "https://x/", "certificate": "x"}, "certificate"),
        ({"mapping": ["admins"]}, "mapping"),
        ({"mapping": ["a=nothing"]}, "mapping"),
        ({"mapping": ["a=requester@Nowhere"]}, "team"),
        ({"allowed_networks": ["0.0.0.0/0"]}, "allowed_networks"),
        ({"title": " "}, "title"),
        ({"server_url": "https://other.example.com"}, "secret"),
    ],
)
def test_a_provider_that_cannot_be_is_refused_and_its_secret_goes_nowhere_else(cast, change, field):
    row = keycloak(cast, "https://kc.example.com")
    values = {
        "title": "K",
        "server_url": "https://kc.example.com",
        "client_id": "c",
        "allowed_networks": ["127.0.0.0/8", "::1/128"],
    }
    with refused(field):
        providers.save(cast.ada, "keycloak", {**values, **change})
    assert SECRET not in str(list(Provider.objects.values()))
    assert providers.secret_of(Provider.objects.get()) == SECRET
    assert providers.lines(row) == GROUPS


def test_only_who_manages_people_sets_providers_and_one_that_goes_is_gone(cast):
    with pytest.raises(NotPermitted):
        keycloak(type("C", (), {"ada": cast.rob}), "https://kc.example.com")
    with refused("slug"):
        providers.save(cast.ada, "Key Cloak", {})
    keycloak(cast, "https://kc.example.com")
    providers.delete(cast.ada, "keycloak")
    for gone in (lambda: providers.delete(cast.ada, "keycloak"), lambda: providers.get("keycloak")):
        with pytest.raises(Absent):
            gone()


HERE = "http://testserver/login/saml/adfs"
NAMES = "urn:oasis:names:tc:SAML:2.0:"


class Adfs:
    """Answers as a SAML provider does (SAML 2.0 core, section 3.3.3), signed by the key whose certificate we were given."""

    def __init__(self):
        self.key = rsa.generate_private_key(65537, 2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "adfs")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
        made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
        self.pem = made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def answer(self, request_id, key=None, audience=f"{HERE}/metadata", *, signs=True):
        now = datetime.now(UTC)
        at, until = (f"{t:%Y-%m-%dT%H:%M:%SZ}" for t in (now, now + timedelta(minutes=5)))
        groups = "<saml:AttributeValue>people</saml:AttributeValue>"
        assertion = f"""<saml:Assertion xmlns:saml="{NAMES}assertion" ID="_a1" Version="2.0" IssueInstant="{at}">
<saml:Issuer>urn:adfs</saml:Issuer><saml:Subject><saml:NameID Format="{NAMES}nameid-format:persistent">42</saml:NameID>
<saml:SubjectConfirmation Method="{NAMES}cm:bearer"><saml:SubjectConfirmationData InResponseTo="{request_id}"
 Recipient="{HERE}/acs" NotOnOrAfter="{until}"/></saml:SubjectConfirmation></saml:Subject>
<saml:Conditions NotBefore="{at}" NotOnOrAfter="{until}"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience>
</saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="{at}" SessionIndex="_s1"><saml:AuthnContext>
<saml:AuthnContextClassRef>{NAMES}ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>
<saml:AttributeStatement><saml:Attribute Name="preferred_username"><saml:AttributeValue>eve</saml:AttributeValue></saml:Attribute>
<saml:Attribute Name="groups">{groups}</saml:Attribute></saml:AttributeStatement></saml:Assertion>"""
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        pem = (key or self.key).private_bytes(serialization.Encoding.PEM, form, plain).decode()
        signed = OneLogin_Saml2_Utils.add_sign(
            assertion,
            pem,
            self.pem,
            sign_algorithm=OneLogin_Saml2_Constants.RSA_SHA256,
            digest_algorithm=OneLogin_Saml2_Constants.SHA256,
        ).decode()
        said = (signed.partition("?>")[2] or signed) if signs else assertion
        whole = f"""<samlp:Response xmlns:samlp="{NAMES}protocol" xmlns:saml="{NAMES}assertion" ID="_r1" Version="2.0"
 IssueInstant="{at}" Destination="{HERE}/acs" InResponseTo="{request_id}"><saml:Issuer>urn:adfs</saml:Issuer>
<samlp:Status><samlp:StatusCode Value="{NAMES}status:Success"/></samlp:Status>{said}</samlp:Response>"""
        return base64.b64encode(whole.encode()).decode()


@pytest.fixture(scope="module")
def adfs():
    return Adfs()


def begin(client):
    begun = client.get("/login/with/adfs")
    asked = parse_qs(urlsplit(begun.headers["Location"]).query)["SAMLRequest"][0]
    return re.search(rb'ID="([^"]+)"', zlib.decompress(base64.b64decode(asked), -15)).group(1).decode()


def answer(client, text):
    sent = client.post("/login/saml/adfs/acs", {"SAMLResponse": text})
    return client.get(sent.headers["Location"])


def test_somebody_comes_in_by_saml_and_only_with_an_answer_signed_for_us(cast, adfs):
    values = {"kind": "saml", "title": "AD FS", "entity_id": "urn:adfs", "sso_url": "https://adfs.example.com/sso"}
    values |= {"certificate": adfs.pem, "makes_people": True, "mapping": GROUPS}
    providers.save(cast.ada, "adfs", values)
    metadata = Client(HTTP_HOST="testserver").get("/login/saml/adfs/metadata")
    assert f"{HERE}/acs" in metadata.content.decode()
    other = rsa.generate_private_key(65537, 2048)
    for bad in ({"key": other}, {"audience": "https://elsewhere.example.com"}, {"signs": False}):
        client = Client(HTTP_HOST="testserver")
        assert answer(client, adfs.answer(begin(client), **bad)).status_code == 403
    client = Client(HTTP_HOST="testserver")
    begin(client)
    assert answer(client, adfs.answer("_not_asked")).status_code == 403
    assert answer(client, "bm8=").status_code == 403
    assert not User.objects.filter(username="eve").exists()
    good = adfs.answer(begin(client))
    assert answer(client, good).headers["Location"] == "/"
    assert [g.role for g in User.objects.get(username="eve").grants.all()] == ["requester"]
    assert client.get("/orders").status_code == 200
    assert answer(Client(HTTP_HOST="testserver"), good).status_code == 403


def test_no_link_of_somebody_else_ends_a_session_as_a_providers_log_out(cast, adfs):
    """Single log-out is not offered; the library would take a message for one that nobody has signed."""
    values = {"kind": "saml", "title": "AD FS", "entity_id": "urn:adfs", "sso_url": "https://adfs.example.com/sso"}
    providers.save(cast.ada, "adfs", {**values, "certificate": adfs.pem, "makes_people": True, "mapping": GROUPS})
    client = Client(HTTP_HOST="testserver")
    assert answer(client, adfs.answer(begin(client))).headers["Location"] == "/"
    message = f"""<samlp:LogoutRequest xmlns:samlp="{NAMES}protocol" xmlns:saml="{NAMES}assertion" ID="_l1" Version="2.0"
 IssueInstant="{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"><saml:Issuer>urn:adfs</saml:Issuer><saml:NameID>42</saml:NameID></samlp:LogoutRequest>"""
    sent = {
        "SAMLRequest": OneLogin_Saml2_Utils.deflate_and_base64_encode(message),
        "RelayState": "https://evil.example",
    }
    for ask in (client.get, client.post):
        refusal = ask("/login/saml/adfs/logout", sent)
        assert (refusal.status_code, refusal.headers.get("Location")) == (403, None)
    assert client.get("/login/saml/nobody/logout", sent).status_code == 404
    assert client.get("/orders").status_code == 200, "the session goes on"
    assert b"SingleLogoutService" not in client.get("/login/saml/adfs/metadata").content
