"""Other people's ACME clients order, renew and revoke here: also while the CA is slow or away, or a person decides."""

import threading
import time
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from cryptography import x509

from chancery.apps.acme import actions, arriving, finalizing, ordering
from chancery.apps.acme.models import Authorization
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import actions as orders
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.doors.acme import waiting
from chancery.doors.wsgi import application
from chancery.net.listening import free_port
from chancery.net.tests.serving import Server
from chancery.protocols.acme.tests.zone import Zone
from tests.interop.acme_clients import LIMIT, Certbot, Dehydrated, Lego, Uacme
from tests.interop.children import needs

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
        actions.offer(self.cast.ada, profile, any_name=True, **offered)
        row, secret = actions.create_credential(self.cast.ada, kind.name, profile=profile)
        return kind(folder, f"{self.settings.ACME_URL}/acme/directory", (str(row.pk), secret), self.port)

    def run(self, client, process):
        """Let the engine work until a client's command has ended well."""
        self.run_all([(client, process)])

    def run_all(self, started, meanwhile=lambda: None, *, well=True):
        """Let the engine work until the commands of several clients have ended, and well; return what those said that failed."""
        until = time.monotonic() + LIMIT

        def over():
            meanwhile()
            return all(p.poll() is not None for _, p in started) or time.monotonic() > until

        try:
            self.engine.until(over, LIMIT + 10)
        finally:
            for _, process in started:
                if process.poll() is None:
                    process.terminate()
                    process.wait(10)
        failed = {c.name: c.said() for c, p in started if p.returncode}
        assert not (well and failed), failed
        return failed


@pytest.fixture
def stand(cast, local, engine, settings):
    zone = Zone("example.com")
    zone.every_name = "127.0.0.1"
    with zone.served() as where, serving() as url:
        host, _, port = where.partition(":")
        settings.ACME_RESOLVERS, settings.ACME_URL = ((host, int(port)),), url
        yield Stand(cast, engine, settings)
    for part in (arriving, finalizing, ordering, waiting):
        part.close()


def leaf(client, name=NAME):
    return x509.load_pem_x509_certificates(client.chain(name))[0]


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


class Everybody:
    """All clients at once, each with a name and a credential of its own, so that what befalls the CA befalls all."""

    def __init__(self, stand, folder):
        self.stand, self.clients, self.serials = stand, {}, set()
        for kind in ALL:
            (folder / kind.name).mkdir()
            self.clients[f"{kind.name}.example.com"] = stand.client(kind, folder / kind.name, "Public")

    def all(self, command, meanwhile=lambda: None, *, well=True):
        """Let all of them do the same; return what those said that failed."""
        started = [(c, getattr(c, command)(name)) for name, c in self.clients.items()]
        return self.stand.run_all(started, meanwhile, well=well)

    def obtain(self, command, meanwhile=lambda: None):
        """Let all of them get certificates, and keep their serial numbers."""
        self.all(command, meanwhile)
        self.serials |= {leaf(c, name).serial_number for name, c in self.clients.items()}


@pytest.mark.parametrize("outage", [8, pytest.param(60, marks=pytest.mark.long)])
def test_they_wait_while_the_ca_is_slow_or_away_and_come_back_once_a_person_has_agreed(
    outage, stand, tmp_path, cast, digicert, simulator, result
):
    """Each client issues from a slow CA, renews while it is away, renews once somebody has agreed, and revokes."""
    everybody = Everybody(stand, tmp_path)
    simulator.dials.set(delay=1.0, issue_delay=6.0)
    everybody.obtain("issue")

    simulator.dials.set(delay=0.0, issue_delay=0.0)
    simulator.down()
    since = []

    def heal():
        if not since and Connector.objects.filter(breaker_until__isnull=False).exists():
            since.append(time.monotonic())
        if since and time.monotonic() - since[0] > outage:
            simulator.up()

    everybody.obtain("renew", heal)
    assert since, "the CA was away"

    Profile.objects.filter(name="Public").update(needs_approval=True)
    told = everybody.all("renew", well=False)
    assert set(told) == {kind.name for kind in ALL}
    assert {name: said for name, said in told.items() if "Somebody has to approve the order" not in said} == {}
    for held in Order.objects.filter(state="awaiting_approval"):
        orders.approve(cast.amy, held.pk)
    everybody.obtain("renew")
    everybody.all("revoke")
    stand.engine.until(lambda: Certificate.objects.filter(revocation="confirmed").count() == len(ALL))
    issued = everybody.serials
    assert len(issued) == 3 * len(ALL)
    assert {int(c.serial, 16) for c in Certificate.objects.all()} == issued
    # uacme renews with the same request.
    assert sum(simulator.ledger.orders_by_csr().values()) == 3 * len(ALL)
    assert Order.objects.count() == 4 * len(ALL), "one more of each, which asked"
    names = ", ".join(kind.name for kind in ALL)
    unit = (
        f"clients ({names}) that issue, renew and revoke: {len(issued)} certificates from a CA that answers slowly, is "
        f"down for {outage} s or wants somebody's approval; 0 ordered twice"
    )
    result("R48", len(ALL), unit)
