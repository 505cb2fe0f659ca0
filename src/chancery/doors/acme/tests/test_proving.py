"""Names proven by each challenge: a client says it is ready, a worker looks, at servers on loopback."""

import hashlib
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import transaction

from bench.acme_client import b64, thumbprint
from chancery.apps.acme import proving as of_accounts
from chancery.apps.acme.models import Authorization
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.models import Order
from chancery.apps.shared.action import current_clock
from chancery.core import csr
from chancery.core.names import parse_name
from chancery.doors.acme import waiting
from chancery.doors.acme.tests.proofs import asked, begun, page
from chancery.engine import proving
from chancery.engine.proving import Validations
from chancery.net.tests.serving import Server

pytestmark = pytest.mark.django_db(transaction=True)
KEY = ec.generate_private_key(ec.SECP256R1())
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
ALL = ("http-01", "dns-01", "tls-alpn-01")


@pytest.fixture
def client(door, zone):
    door.offer(challenges=ALL, networks=["127.0.0.0/8"])
    return door.registered()


def test_http_01_from_the_order_to_the_certificate(client, looker, engine, settings, monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.01)
    order, where, challenge, wanted = asked(client)
    assert (order.json()["status"], challenge["status"]) == ("pending", "pending")
    early = client.finalize(order.json(), csr.build(KEY, [parse_name("www.example.test")]))
    assert (early.status, early.json()["type"].rpartition(":")[2]) == (403, "orderNotReady")
    with Server(page(wanted + "\n")) as web:
        settings.ACME_PORTS = {"http-01": web.port, "tls-alpn-01": 1}
        begun(client, challenge)
        begun(client, challenge)
        looker.look()
        assert f"GET /.well-known/acme-challenge/{challenge['token']} HTTP/1.1".encode() in web.requests[0]
        assert f"Host: www.example.test:{web.port}".encode() in web.requests[0]
    found = client.post(where).json()
    assert (found["status"], found["challenges"][0]["status"], len(found["challenges"])) == ("valid", "valid", 1)
    assert client.post(order.headers["location"]).json()["status"] == "ready"
    client.finalize(order.json(), csr.build(KEY, [parse_name("www.example.test")]))
    engine.until(Certificate.objects.exists)
    assert client.post(order.headers["location"]).json()["status"] == "valid"


def test_names_of_an_account_that_has_ended_are_looked_at_no_more(client, looker, settings):
    _, _, begun_one, _ = asked(client)
    begun(client, begun_one)
    client.post(client.kid, {"status": "deactivated"})
    row = Authorization.objects.get()
    assert (row.state, row.due_at, row.lease_until) == ("pending", None, None)
    assert not of_accounts.waiting(current_clock().now() + timedelta(hours=1))


def test_a_look_under_way_tells_of_nothing_once_its_account_has_ended(client):
    _, _, begun_one, _ = asked(client)
    begun(client, begun_one)
    now = current_clock().now()
    with transaction.atomic():
        (look,) = of_accounts.claim(now, 1)
    client.post(client.kid, {"status": "deactivated"})
    for problem in ({}, {"type": "urn:ietf:params:acme:error:dns"}):
        with transaction.atomic():
            of_accounts.record(look, problem, now)
        row = Authorization.objects.get()
        assert (row.state, row.due_at, row.problem) == ("pending", None, {})


def test_a_look_is_taken_again_and_then_given_up(client, looker, settings):
    order, where, challenge, _ = asked(client)
    with Server(page("something else")) as web:
        settings.ACME_PORTS = {"http-01": web.port, "tls-alpn-01": 1}
        begun(client, challenge)
        looker.look()
        assert client.post(where).json()["status"] == "pending"
        assert client.post(challenge["url"]).json()["error"]["type"].endswith("unauthorized")
        looker.look()
        assert web.connections == 1, "not before its time"
        looker.until_over()
        assert web.connections == 4
    found = client.post(where).json()
    assert (found["status"], found["challenges"][0]["status"]) == ("invalid", "invalid")
    ended = client.post(order.headers["location"]).json()
    assert (ended["status"], ended["error"]["subproblems"][0]["identifier"]["value"]) == ("invalid", "www.example.test")
    assert client.finalize(order.json(), b"x").status == 403
    assert not Order.objects.exists()


def test_dns_01_also_for_a_wildcard(client, door, looker, zone, cast):
    from chancery.apps.profiles import actions as profiles
    from chancery.apps.profiles.models import Profile

    row = Profile.objects.get(name="Internal")
    profiles.edit(cast.ada, row.pk, row.revision, {"name": "Internal", "connector": "Local", "wildcard": True})
    order, where, challenge, wanted = asked(client, "*.example.test", "dns-01")
    found = client.post(where).json()
    assert (found["wildcard"], found["identifier"]["value"]) == (True, "example.test")
    assert [c["type"] for c in found["challenges"]] == ["dns-01"]
    begun(client, challenge)
    looker.look()
    assert "does not show" in client.post(challenge["url"]).json()["error"]["detail"]
    zone.records["_acme-challenge.example.test", "TXT"] = ["other", b64(hashlib.sha256(wanted.encode()).digest())]
    looker.look(30)
    assert client.post(order.headers["location"]).json()["status"] == "ready"
    door.offer(challenges=["http-01"])
    refused = client.order("*.example.test")
    assert refused.json()["type"].endswith("rejectedIdentifier")
    assert "dns-01" in refused.json()["detail"]


def shown(tmp_path, name, value, *, critical=True, alpn="acme-tls/1", bare=False):
    from chancery.net.tests import serving

    key = ec.generate_private_key(ec.SECP256R1())
    now = current_clock().now()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, now, now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    if not bare:
        builder = builder.add_extension(x509.UnrecognizedExtension(IDENTIFIER, b"\x04\x20" + value), critical=critical)
    pem = builder.sign(key, serving.hashes.SHA256()).public_bytes(serving.Encoding.PEM)
    pem += key.private_bytes(serving.Encoding.PEM, serving.PrivateFormat.PKCS8, serving.NoEncryption())
    file = tmp_path / "shown.pem"
    file.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.set_alpn_protocols([alpn])
    return context


def test_tls_alpn_01(client, looker, settings, tmp_path):
    order, _, challenge, wanted = asked(client, kind="tls-alpn-01")
    value = hashlib.sha256(wanted.encode()).digest()
    begun(client, challenge)
    wrong = (
        (shown(tmp_path, "www.example.test", value, alpn="http/1.1"), "did not agree"),
        (shown(tmp_path, "other.example.test", value), "exactly this name"),
        (shown(tmp_path, "www.example.test", value, critical=False), "not critical"),
    )
    for context, said in wrong:
        with Server(tls=context) as web:
            settings.ACME_PORTS = {"http-01": 1, "tls-alpn-01": web.port}
            looker.look(30)
        assert said in client.post(challenge["url"]).json()["error"]["detail"]
    with Server(tls=shown(tmp_path, "www.example.test", value)) as web:
        settings.ACME_PORTS = {"http-01": 1, "tls-alpn-01": web.port}
        looker.look(30)
    assert client.post(order.headers["location"]).json()["status"] == "ready"


def test_a_usual_certificate_proves_nothing(client, looker, settings, tmp_path):
    _, _, challenge, _ = asked(client, kind="tls-alpn-01")
    begun(client, challenge)
    with Server(tls=shown(tmp_path, "www.example.test", b"", bare=True)) as web:
        settings.ACME_PORTS = {"http-01": 1, "tls-alpn-01": web.port}
        looker.look()
    told = client.post(challenge["url"]).json()["error"]
    assert told["type"].endswith("unauthorized")
    assert "lacks the name or the acmeIdentifier" in told["detail"]


def test_private_addresses_are_looked_at_only_where_allowed(client, door, looker, settings):
    door.offer(challenges=ALL)
    for kind in ("http-01", "tls-alpn-01"):
        _, _, challenge, _ = asked(client, kind=kind)
        begun(client, challenge)
        looker.look()
        told = client.post(challenge["url"]).json()["error"]
        assert told["type"].endswith("connection")
        assert "loopback" in told["detail"]
        assert "administrator" in told["detail"]


REDIRECTS = {
    "another port": (b"Location: http://www.example.test:22/\r\n", "the port 22"),
    "nowhere": (b"Location: ftp://www.example.test/\r\n", "cannot be used"),
    "for ever": (b"Location: /again\r\n", "more than 10 times"),
    "to metadata": (b"Location: http://169.254.169.254/\r\n", "169.254.169.254"),
}


@pytest.mark.parametrize("name", sorted(REDIRECTS))
def test_redirects_lead_no_further_than_names_do(client, looker, settings, name):
    header, said = REDIRECTS[name]
    _, _, challenge, _ = asked(client)
    with Server(page("", b"302 Found", header)) as web:
        settings.ACME_PORTS = {"http-01": web.port, "tls-alpn-01": 1}
        begun(client, challenge)
        looker.look()
    assert said in client.post(challenge["url"]).json()["error"]["detail"]


ANSWERS = {
    "not found": (page("", b"404 Not Found"), "unauthorized", "404"),
    "endless": (page("x" * 9000), "unauthorized", "something else"),
    "cut off": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "connection", "broke off"),
}


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_answers_that_prove_nothing(client, looker, settings, name):
    answer, kind, said = ANSWERS[name]
    _, _, challenge, _ = asked(client)

    def handler(_request, own, _number):
        own.sendall(answer)

    with Server(handler) as web:
        settings.ACME_PORTS = {"http-01": web.port, "tls-alpn-01": 1}
        begun(client, challenge)
        looker.look()
    told = client.post(challenge["url"]).json()["error"]
    assert (told["type"].rpartition(":")[2], said in told["detail"]) == (kind, True)


def test_names_and_servers_that_are_not_there(client, looker, zone, settings):
    zone.every_name = ""
    _, _, challenge, _ = asked(client)
    begun(client, challenge)
    looker.look()
    assert client.post(challenge["url"]).json()["error"]["type"].endswith("dns")
    zone.refuses_questions = True
    _, _, challenge, _ = asked(client)
    begun(client, challenge)
    looker.look()
    assert "do not answer" in client.post(challenge["url"]).json()["error"]["detail"]
    _, _, challenge, _ = asked(client, kind="dns-01")
    begun(client, challenge)
    looker.look()
    told = client.post(challenge["url"]).json()["error"]
    assert (told["type"].rpartition(":")[2], "DNS says nothing of _acme-challenge.www" in told["detail"]) == (
        "dns",
        True,
    )
    settings.ACME_RESOLVERS = ()
    _, _, challenge, _ = asked(client, "nothing.invalid")
    begun(client, challenge)
    looker.look()
    assert client.post(challenge["url"]).json()["error"]["type"].endswith("dns")


def test_a_fault_of_ours_is_told_as_one_and_looked_at_again(client, looker, monkeypatch):
    _, _, challenge, _ = asked(client)
    begun(client, challenge)
    monkeypatch.setitem(proving._LOOKS, "http-01", lambda *_: 1 / 0)
    looker.look()
    assert client.post(challenge["url"]).json()["error"]["type"].endswith("serverInternal")
    assert client.post(challenge["url"]).json()["status"] == "processing"


def test_what_waits_at_an_end_is_left_to_another_worker(client, monkeypatch):
    for name in ("a.example.test", "b.example.test"):
        begun(client, asked(client, name)[2])
    looking, ending, looked = threading.Event(), threading.Event(), []

    def look(one):
        looked.append(one)
        looking.set()
        assert ending.wait(20)
        return {}

    monkeypatch.setattr(proving, "look", look)
    worker, now = Validations(), current_clock().now()
    worker._lookers.shutdown()
    worker._lookers = ThreadPoolExecutor(1)
    plain = worker._looked

    def told(one, future):
        if future.cancelled():
            ending.set()
        plain(one, future)

    monkeypatch.setattr(worker, "_looked", told)
    worker.turn(now)
    assert looking.wait(20)
    worker.close()
    assert (len(looked), worker._done.qsize()) == (1, 1), "the one under way was let finish, and the other not begun"
    with transaction.atomic():
        assert proving.proving.claim(now, 8) == []
        again = proving.proving.claim(now + proving.proving.LEASE, 8)
    assert {one.value for one in again} == {"a.example.test", "b.example.test"}


def test_what_another_worker_looks_at_is_left_to_it(client, looker):
    _, where, challenge, _ = asked(client)
    begun(client, challenge)
    with transaction.atomic():
        other = proving.proving.claim(looker.now, 8)
    assert len(other) == 1
    looker.look()
    assert client.post(challenge["url"]).json()["status"] == "processing"
    assert client.post(where, {"status": "deactivated"}).json()["status"] == "deactivated"
    with transaction.atomic():
        proving.proving.record(other[0], {}, looker.now)
    assert Authorization.objects.get().state == "deactivated"
    assert client.post(where, {"status": "deactivated"}).json()["status"] == "deactivated"
    assert client.post(where, {"status": "valid"}).status == 400


def test_a_second_challenge_waits_for_the_first(client, door):
    order, where, first, _ = asked(client)
    challenges = {c["type"]: c["url"] for c in client.post(where).json()["challenges"]}
    begun(client, first)
    assert client.post(challenges["dns-01"], {}).status == 409
    assert client.post(challenges["dns-01"]).json()["type"] == "dns-01"
    for payload in ({}, None):
        assert client.post(challenges["dns-01"].replace("dns-01", "dns-99"), payload).status == 404
    stranger = door.registered("web-2")
    for url in (where, first["url"]):
        assert stranger.post(url).status == 404
        assert stranger.post(url, {"status": "deactivated"}).status == 404
    Authorization.objects.update(expires_at=current_clock().now())
    assert client.post(where).json()["status"] == "expired"
    assert order.status == 201


def test_an_address_is_proven_by_its_own_challenges(client, looker, settings, cast):
    from chancery.apps.profiles import actions as profiles
    from chancery.apps.profiles.models import Profile

    row = Profile.objects.get(name="Internal")
    profiles.edit(
        cast.ada, row.pk, row.revision, {"name": "Internal", "connector": "Local", "name_kinds": ["dns", "ip"]}
    )
    order = client.post(client.urls["newOrder"], {"identifiers": [{"type": "ip", "value": "127.0.0.1"}]})
    authz = client.post(order.json()["authorizations"][0]).json()
    assert [c["type"] for c in authz["challenges"]] == ["http-01", "tls-alpn-01"]
    wanted = f"{authz['challenges'][0]['token']}.{thumbprint(client.key)}"
    with Server(page(wanted)) as web:
        settings.ACME_PORTS = {"http-01": web.port, "tls-alpn-01": 1}
        begun(client, authz["challenges"][0])
        looker.look()
    assert client.post(order.headers["location"]).json()["status"] == "ready"


def test_who_has_proven_all_names_may_revoke(door, client, looker, engine, settings, monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.01)
    other = door.registered("web-2")
    order, _, challenge, wanted = asked(client)
    theirs, _, second, shown_too = asked(other)
    answers = {challenge["token"]: wanted, second["token"]: shown_too}

    def handler(request, _own, _number):
        token = request.split()[1].rpartition(b"/")[2].decode()
        return page(answers[token])

    with Server(handler) as web:
        settings.ACME_PORTS = {"http-01": web.port, "tls-alpn-01": 1}
        begun(client, challenge)
        begun(other, second)
        looker.look()
    client.finalize(order.json(), csr.build(KEY, [parse_name("www.example.test")]))
    engine.until(Certificate.objects.exists)
    der = b64(bytes(Certificate.objects.get().der))
    assert other.post(theirs.headers["location"]).json()["status"] == "ready"
    assert other.post(client.urls["revokeCert"], {"certificate": der}).status == 200
