"""The reader at a simulated directory: logins, protection, pages, refusals, and a server that is none."""

import socket
import ssl
import threading
from contextlib import contextmanager

import pytest

from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.ldap import line, messages
from chancery.protocols.ldap.client import LdapClient
from chancery.protocols.ldap.messages import BASE, ONE_LEVEL, SUBTREE, Entry, Malformed, Question
from chancery.protocols.ldap.settings import LdapSettings, LdapWire, Protection
from chancery.protocols.ldap.simulator import Directory, Kept
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.protocols.negotiate.simulator import tls
from chancery.protocols.negotiate.simulator.access import DOMAIN, PASSWORD, USER
from chancery.sandbox.dials import Dials
from chancery.sdk.errors import AuthFailed, Forbidden, NotFound, ProtocolViolation, Unreachable

LOOPBACK = AddressPolicy(("127.0.0.0/8",))
TOP = "DC=example,DC=test"
ACCOUNT = f"{DOMAIN}\\{USER}"
EVERY = tuple(Protection)


def kept():
    people = [Kept(f"CN=p{n},{TOP}", {"cn": [f"p{n}"], "objectClass": ["person"], "flags": ["-1"]}) for n in range(7)]
    deep = Kept(f"CN=deep,CN=p0,{TOP}", {"cn": ["deep"], "objectClass": ["person"]})
    secured = {"cn": ["kept"], "objectClass": ["thing"], "nTSecurityDescriptor": [b"\1\0"], "raw": [b"\xff\0"]}
    return [Kept(TOP, {"objectClass": ["domain"]}), *people, deep, Kept(f"CN=kept,{TOP}", secured)]


@pytest.fixture(scope="module")
def directory():
    root = Kept("", {"configurationNamingContext": [TOP], "tokenGroups": [b"\1\1\0\0\0\0\0\5\v\0\0\0"]})
    made = Directory(kept, lambda account: root, tls.make(), Dials())
    made.up()
    yield made
    made.down()


@pytest.fixture(autouse=True)
def _calm(directory):
    yield
    directory.dials.reset()


def client(directory, how=Protection.LDAPS, *, who=ACCOUNT, password=PASSWORD, way=Way.NTLM, host="localhost", **more):
    port = more.pop("port", directory.tls_port if how is Protection.LDAPS else directory.port)
    settings = LdapSettings(host, how, port, more.pop("trust", directory.front.root_pem))
    wire = LdapWire(LOOPBACK, timeout=more.pop("timeout", 5.0), **more)
    return LdapClient(wire, settings, Credentials(way, who, Secret(password)))


def everybody(session, **more):
    return session.search(Question(TOP, SUBTREE, ("objectClass", "person"), ("cn", "flags"), **more))


@pytest.mark.parametrize("how", EVERY)
def test_it_logs_in_and_reads_page_by_page_whatever_protects_it(directory, how):
    directory.dials.set(ldap_page=3)
    with client(directory, how).session() as session:
        assert session.root().text("configurationNamingContext") == TOP
        assert len(session.root().all("tokenGroups")) == 1
        found = everybody(session)
        assert [one.text("CN") for one in found] == [*(f"p{n}" for n in range(7)), "deep"]
        assert found[0].number("flags") == 0xFFFF_FFFF
        assert found[0].number("cn") == 0
        children = session.search(Question(TOP, ONE_LEVEL, ("objectClass", "person"), ("cn",)))
        assert len(children) == 7
        (own,) = session.search(Question(f"CN=kept,{TOP}", BASE, ("objectClass", ""), ()))
        assert own.raw("raw") == b"\xff\0"
        assert own.texts("nothing") == ()


def test_a_descriptor_comes_only_without_its_part_for_audit(directory):
    asked = Question(f"CN=kept,{TOP}", BASE, ("objectClass", ""), ("nTSecurityDescriptor",), descriptors=True)
    with client(directory).session() as session:
        assert session.search(asked)[0].raw("ntsecuritydescriptor") == b"\1\0"
        directory.dials.set(hide_descriptors=True)
        assert session.search(asked)[0].raw("nTSecurityDescriptor") == b""


def test_what_is_sealed_cannot_be_read_on_the_way_nor_changed(directory):
    heard = []
    with tapped(directory.port, heard) as port, client(directory, Protection.SEALED, port=port).session() as session:
        assert everybody(session)
        assert b"person" not in b"".join(heard)
        directory.dials.set(ldap_forge=True)
        with pytest.raises(ProtocolViolation, match="its seal does not fit"):
            everybody(session)


@contextmanager
def tapped(target, heard):
    """Give a port that leads to another one; what goes through is kept."""
    server = socket.create_server(("127.0.0.1", 0))

    def pump(one, other):
        try:
            while data := one.recv(65536):
                heard.append(data)
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    near = []

    def serve():
        inside, _ = server.accept()
        outside = socket.create_connection(("127.0.0.1", target))
        near.extend((inside, outside))
        back = threading.Thread(target=pump, args=(outside, inside), daemon=True)
        back.start()
        pump(inside, outside)
        back.join(5)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        thread.join(5)
        for end in (server, *near):
            end.close()


# Logins -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", EVERY)
def test_a_wrong_password_is_said_and_shown_to_nobody(directory, how):
    with (
        pytest.raises(AuthFailed, match="refused the password") as refused,
        client(directory, how, password="wr0ng-Pa55").session(),
    ):
        pass
    assert "wr0ng-Pa55" not in f"{refused.value} {refused.value.text} {refused.value!r}"
    assert "account" in refused.value.remedy


def test_the_login_is_bound_to_the_connection_of_tls(directory):
    """Where another TLS connection ends in between, the directory refuses: the binding is of the certificate that we saw."""
    other = tls.make()
    kept_front, directory.front = directory.front, other
    try:
        with pytest.raises(AuthFailed) as refused, broken_in_two(directory, kept_front) as port:
            with client(directory, port=port, trust=kept_front.root_pem).session():
                pass
    finally:
        directory.front = kept_front
    assert "80090346" in refused.value.text
    assert "channel binding" in refused.value.message


@contextmanager
def broken_in_two(directory, front):
    """Give a port where TLS ends with one certificate, and another connection of TLS goes on to the directory."""
    server = socket.create_server(("127.0.0.1", 0))
    onward = ssl.create_default_context(cadata=directory.front.root_pem)

    def serve():
        raw, _ = server.accept()
        inside = front.context.wrap_socket(raw, server_side=True)
        outside = onward.wrap_socket(
            socket.create_connection(("127.0.0.1", directory.tls_port)), server_hostname="localhost"
        )
        with inside, outside:
            try:
                while data := inside.recv(65536):
                    outside.sendall(data)
                    inside.sendall(outside.recv(65536))
            except OSError:
                pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        thread.join(5)
        server.close()


@pytest.mark.parametrize("way", [Way.BASIC, Way.CERTIFICATE])
def test_a_login_that_a_directory_does_not_have_is_said_so(directory, way):
    with pytest.raises(AuthFailed, match="no login by"), client(directory, way=way).session():
        pass


# What is no good directory ----------------------------------------------------------------------------


def test_a_certificate_of_somebody_else_is_not_trusted(directory):
    for trust, word in (
        (tls.make().root_pem, "not trusted here"),
        (None, "not trusted here"),
        ("no PEM", "trust bundle"),
    ):
        with pytest.raises(Unreachable, match=word) as refused, client(directory, trust=trust).session():
            pass
        assert refused.value.remedy
    wrong = client(directory, host="dc9.example.test", resolver=lambda host, port: ["127.0.0.1"])
    with pytest.raises(Unreachable, match="another name"), wrong.session():
        pass


def test_a_directory_without_starttls_is_not_read_in_the_clear(directory):
    directory.dials.set(no_starttls=True)
    with pytest.raises(ProtocolViolation, match="the code 53"), client(directory, Protection.STARTTLS).session():
        pass


def test_one_that_is_away_or_lies_elsewhere_is_unreachable(directory):
    directory.down()
    try:
        with pytest.raises(Unreachable) as refused, client(directory).session():
            pass
        assert refused.value.stage == "tcp"
    finally:
        directory.up()
    with pytest.raises(Unreachable, match="outgoing guard"), client(directory, host="192.0.2.1").session():
        pass


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (8, AuthFailed),
        (13, AuthFailed),
        (32, NotFound),
        (49, AuthFailed),
        (50, Forbidden),
        (51, Unreachable),
        (2, ProtocolViolation),
    ],
)
def test_each_refusal_has_its_error_and_a_remedy(directory, code, kind):
    directory.dials.set(ldap_code=code)
    with client(directory).session() as session, pytest.raises(kind) as refused:
        everybody(session)
    assert refused.value.remedy
    assert refused.value.bytes_sent is False


def test_an_entry_that_is_not_there_is_not_found(directory):
    with client(directory).session() as session, pytest.raises(NotFound):
        session.search(Question(f"CN=nobody,{TOP}", BASE, ("objectClass", ""), ("cn",)))


@pytest.mark.parametrize(
    ("dial", "kind", "word"),
    [
        ("ldap_garbled", ProtocolViolation, "does not begin"),
        ("ldap_other", ProtocolViolation, "another question"),
        ("ldap_silent", Unreachable, "broke"),
    ],
)
def test_an_answer_that_is_none_is_not_believed(directory, dial, kind, word):
    with client(directory).session() as session:
        directory.dials.set(**{dial: True})
        with pytest.raises(kind, match=word):
            everybody(session)


def test_a_referral_leads_nowhere(directory):
    directory.dials.set(ldap_refers=True)
    with client(directory).session() as session:
        assert len(everybody(session)) == 8
        directory.dials.set(ldap_code=messages.REFERRAL, ldap_refers=False)
        assert everybody(session) == []


@contextmanager
def saying(*answers, keep=False):
    server, done = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve():
        connection, _ = server.accept()
        with connection:
            for answer in answers:
                if connection.recv(65536):
                    connection.sendall(answer)
            if keep:
                done.wait(5)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        done.set()
        thread.join(5)
        server.close()


NOTICE = bytes.fromhex("300c02010078070a013404000400")
BOUND = bytes.fromhex("300c02010161070a010004000400")
ASKS_MORE = bytes.fromhex("300c02010161070a010e04000400")


@pytest.mark.parametrize(
    ("answers", "kind", "word"),
    [
        ([NOTICE], Unreachable, "busy"),
        ([BOUND], ProtocolViolation, "which it is not"),
        ([b"\x30\x80"], ProtocolViolation, "no definite length"),
        ([b"\x30\x84\x7f\xff\xff\xff"], ProtocolViolation, "a message of"),
        ([b"\x30\x03\x02\x01\x01"], ProtocolViolation, "no message of LDAP"),
        ([bytes.fromhex("300c02010165070a010004000400")], ProtocolViolation, "instead of a bindResponse"),
        ([b"\x30\x84\0\0"], Unreachable, "broke"),
    ],
)
def test_a_server_that_is_no_directory(directory, answers, kind, word):
    with saying(*answers) as port, pytest.raises(kind, match=word):
        with client(directory, Protection.SEALED, port=port).session():
            pass


def test_a_server_that_says_nothing_is_left_in_time(directory):
    with saying(keep=True) as port, pytest.raises(Unreachable, match="in time"):
        with client(directory, Protection.SEALED, port=port, timeout=0.2).session():
            pass
    with saying(keep=True) as port, pytest.raises(Unreachable, match=r"in time|too long"):
        with client(directory, Protection.LDAPS, port=port, timeout=0.2).session():
            pass


def test_a_message_with_something_behind_it_is_none():
    with pytest.raises(Malformed, match="follows"):
        messages.read(BOUND + b"\0")
    assert line._whole(bytearray(b"\x30")) == 0
    assert Entry("", {"n": (b"12345678901234567890123",)}).number("n") == 0
