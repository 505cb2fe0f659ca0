"""Other people's ACME clients order, renew and revoke here: also while the CA is slow or away, or a person decides."""

import threading
import time
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from cryptography import x509

from chancery.apps.acme import actions, finalizing, nonces, ordering
from chancery.apps.acme.models import Authorization
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.doors.acme import waiting
from chancery.doors.wsgi import application
from chancery.net.tests.serving import Server
from chancery.protocols.acme.tests.zone import Zone
from tests.interop.acme_clients import LIMIT, Certbot, Dehydrated, Lego, Uacme
from tests.interop.children import free_port, needs

NAME = "www.example.com"
pytestmark = pytest.mark.django_db(transaction=True)
ALL = [Certbot, Lego, Dehydrated, Uacme]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = False


@contextmanager
def serving():
    """Serve the whole application on loopback; gives its address."""
    server = make_server("127.0.0.1", 0, application, _Threads, _Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Stand:
    """The server, a zone where every name is this machine, and an engine that works while a client does."""

    def __init__(self, cast, engine, settings):
        self.cast, self.engine, self.settings = cast, engine, settings
        self.port = free_port()
        settings.ACME_PORTS = {"http-01": self.port, "tls-alpn-01": 1}

    def client(self, kind, folder, profile, **offered):
        needs(kind.name, hint="make interop")
        actions.offer(self.cast.ada, profile, **offered)
        row, secret = actions.create_credential(self.cast.ada, kind.name, profile=profile)
        return kind(folder, f"{self.settings.ACME_URL}/acme/directory", (str(row.pk), secret), self.port)

    def run(self, client, process, meanwhile=lambda: None):
        """Let the engine work until a client's command has ended well."""
        until = time.monotonic() + LIMIT

        def over():
            meanwhile()
            return process.poll() is not None or time.monotonic() > until

        try:
            self.engine.until(over, LIMIT + 10)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(10)
        assert process.returncode == 0, client.said()


@pytest.fixture
def stand(cast, local, engine, settings):
    zone = Zone("example.com")
    zone.every_name = "127.0.0.1"
    with zone.served() as where, serving() as url:
        host, _, port = where.partition(":")
        settings.ACME_RESOLVERS, settings.ACME_URL = ((host, int(port)),), url
        yield Stand(cast, engine, settings)
    for part in (finalizing, nonces, ordering, waiting):
        part.close()


def leaf(client):
    return x509.load_pem_x509_certificates(client.chain(NAME))[0]


@contextmanager
def tokens(client):
    """Serve a client's tokens where it has no web server itself."""
    if not hasattr(client, "tokens"):
        yield
        return

    def answer(request, *_):
        file = client.tokens / request.split()[1].rpartition(b"/")[2].decode()
        body = file.read_bytes() if file.is_file() else b""
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body

    with Server(answer) as web:
        yield web.port


@pytest.mark.parametrize("kind", ALL, ids=lambda k: k.name)
def test_it_issues_renews_and_revokes(kind, stand, tmp_path):
    client = stand.client(kind, tmp_path, "Internal", challenges=["http-01"], networks=["127.0.0.0/8"])
    with tokens(client) as port:
        if port:
            stand.settings.ACME_PORTS = {"http-01": port, "tls-alpn-01": 1}
        stand.run(client, client.issue(NAME))
        first = leaf(client)
        assert Authorization.objects.get().state == "valid"
        stand.run(client, client.renew(NAME))
    second = leaf(client)
    assert second.serial_number != first.serial_number
    stand.run(client, client.revoke(NAME))
    rows = {int(c.serial, 16): c for c in Certificate.objects.all()}
    assert set(rows) == {first.serial_number, second.serial_number}
    stand.engine.until(lambda: Certificate.objects.filter(revocation="confirmed").exists())
    assert Certificate.objects.get(revocation="confirmed").serial == rows[second.serial_number].serial
    assert set(Order.objects.values_list("requested_via", flat=True)) == {"acme"}


@pytest.mark.parametrize("kind", ALL, ids=lambda k: k.name)
def test_names_authorised_beforehand_need_no_challenge(kind, stand, tmp_path):
    client = stand.client(kind, tmp_path, "Internal")
    stand.run(client, client.issue(NAME))
    assert leaf(client).serial_number == int(Certificate.objects.get().serial, 16)
    assert not Authorization.objects.exists()


@pytest.mark.parametrize("kind", [Certbot, Lego, Dehydrated], ids=lambda k: k.name)
def test_it_waits_for_a_person(kind, stand, tmp_path, cast):
    client = stand.client(kind, tmp_path, "Careful")
    asked = time.monotonic()

    def approve():
        held = Order.objects.filter(state="awaiting_approval").first()
        if held is not None and time.monotonic() - asked > 8:
            orders.approve(cast.amy, held.pk)

    stand.run(client, client.issue(NAME), approve)
    assert leaf(client).serial_number == int(Certificate.objects.get().serial, 16)
    assert Order.objects.count() == 1


@pytest.mark.parametrize("kind", [Certbot, Lego, Dehydrated], ids=lambda k: k.name)
def test_it_waits_for_a_slow_ca(kind, stand, tmp_path, digicert, simulator):
    simulator.dials.set(delay=1.0, issue_delay=6.0)
    client = stand.client(kind, tmp_path, "Public")
    stand.run(client, client.issue(NAME))
    assert leaf(client).serial_number == int(Certificate.objects.get().serial, 16)


@pytest.mark.parametrize("kind", [Certbot, Dehydrated], ids=lambda k: k.name)
def test_it_waits_while_the_ca_is_away(kind, stand, tmp_path, digicert, simulator):
    client = stand.client(kind, tmp_path, "Public")
    simulator.down()
    since = []

    def outage():
        if not since and Connector.objects.filter(breaker_until__isnull=False).exists():
            since.append(time.monotonic())
        if since and time.monotonic() - since[0] > 6:
            simulator.up()

    stand.run(client, client.issue(NAME), outage)
    assert leaf(client).serial_number == int(Certificate.objects.get().serial, 16)
    assert since, "the CA was away"
    assert set(simulator.ledger.orders_by_csr().values()) == {1}
