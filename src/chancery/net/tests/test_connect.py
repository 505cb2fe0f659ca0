from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path

import httpcore
import pytest
from cryptography import x509

from chancery.net import connect
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import Guard, remaining, tls_context, tls_fault
from chancery.net.progress import Cause, Failed, Progress
from chancery.net.tests.serving import LOOPBACK, Made, Server, make, to_loopback

BOTH = AddressPolicy(("127.0.0.0/8", "::1/128"))


def progress(seconds: float = 5.0) -> Progress:
    return Progress(time.monotonic() + seconds)


def guard(policy: AddressPolicy = LOOPBACK, seconds: float = 5.0, **more: object) -> tuple[Guard, Progress]:
    mine = progress(seconds)
    return Guard(policy, lambda: mine, **more), mine  # type: ignore[arg-type]


def test_a_literal_is_connected_to_without_a_resolver() -> None:
    def never(host: str, port: int) -> list[str]:
        raise AssertionError

    with Server() as server:
        way, mine = guard(resolver=never)
        way.connect_tcp("127.0.0.1", server.port).close()
    assert (mine.stage, mine.addresses, mine.connected) == ("tcp", ["127.0.0.1"], True)
    assert mine.peer == f"127.0.0.1 port {server.port}"


def test_one_bad_address_refuses_them_all() -> None:
    way, mine = guard(resolver=lambda *_: ["127.0.0.1", "169.254.169.254"])
    with pytest.raises(Failed, match="metadata") as caught:
        way.connect_tcp("ca.example", 443)
    assert (caught.value.cause, mine.stage) == (Cause.REFUSED, "name")


def test_rebinding_cannot_slip_in_between_judging_and_connecting() -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"], ["127.0.0.1"]]
    with Server() as server:
        way, mine = guard(resolver=lambda *_: answers.pop(0))
        way.connect_tcp("ca.example", server.port).close()
        assert mine.peer.startswith("127.0.0.1")
        assert len(answers) == 2  # asked once per connection
        with pytest.raises(Failed, match=r"10\.0\.0\.1 is a private address"):
            way.connect_tcp("ca.example", server.port)


def test_localhost_is_this_machine_whatever_the_resolver_says() -> None:
    with Server() as server:
        way, mine = guard(resolver=lambda *_: ["8.8.8.8"])
        way.connect_tcp("localhost", server.port).close()
    assert mine.addresses == ["127.0.0.1"]
    shut, _ = guard(AddressPolicy())
    with pytest.raises(Failed, match="loopback"):
        shut.connect_tcp("localhost", 443)


def test_a_name_without_address_is_told() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    for resolver, text in ((unknown, "not known"), (lambda *_: [], "has no address")):
        way, mine = guard(resolver=resolver)
        with pytest.raises(Failed, match=text) as caught:
            way.connect_tcp("ca.example", 443)
        assert (caught.value.cause, mine.stage) == (Cause.NO_NAME, "name")


def test_a_silent_name_server_does_not_hold_the_call() -> None:
    done = threading.Event()
    way, _ = guard(seconds=0.2, resolver=lambda *_: [str(done.wait(5))])
    started = time.monotonic()
    with pytest.raises(Failed, match="do not answer"):
        way.connect_tcp("ca.example", 443)
    done.set()
    assert time.monotonic() - started < 2


def test_the_next_address_is_tried() -> None:
    with Server() as server:
        way, mine = guard(BOTH, resolver=lambda *_: ["::1", "127.0.0.1"])
        way.connect_tcp("ca.example", server.port).close()
    assert mine.peer.startswith("127.0.0.1")


def test_refused_everywhere_names_every_address() -> None:
    with Server() as server:
        port = server.port
    way, mine = guard(BOTH, resolver=lambda *_: ["127.0.0.1", "::1"])
    with pytest.raises(Failed, match=r"127\.0\.0\.1 port .*::1 port") as caught:
        way.connect_tcp("ca.example", port)
    assert (caught.value.cause, mine.stage, mine.sent) == (Cause.NO_CONNECTION, "tcp", False)


def test_the_systems_resolver_knows_addresses() -> None:
    assert connect.resolve("127.0.0.1", 443) == ["127.0.0.1"]


def test_no_time_left_is_a_timeout() -> None:
    with pytest.raises(httpcore.ReadTimeout):
        remaining(progress(-1))


@pytest.fixture(scope="module")
def root() -> Made:
    return make("Test Root", ca=True)


def handshake(server: Server, trust: str | None, host: str = "ca.example", **more: object) -> Progress:
    way, mine = guard(resolver=to_loopback, **more)
    stream = way.connect_tcp(host, server.port)
    stream.start_tls(tls_context(trust), host).close()
    return mine


def refused(server: Server, trust: str | None, **more: object) -> Failed:
    with pytest.raises(Failed) as caught:
        handshake(server, trust, **more)
    assert caught.value.progress.stage == "tls"
    assert not caught.value.progress.sent
    return caught.value


def test_an_own_root_is_accepted_and_noted(root: Made, tmp_path: Path) -> None:
    made = make("ca.example", issuer=root)
    with Server(tls=made.serving(tmp_path)) as server:
        notes = handshake(server, root.pem).tls
    assert notes is not None
    assert notes.version == "TLSv1.3"
    assert x509.load_der_x509_certificate(notes.certificate) == made.certificate


def test_without_the_root_it_is_refused(root: Made, tmp_path: Path) -> None:
    with Server(tls=make("ca.example", issuer=root).serving(tmp_path)) as server:
        assert refused(server, None).cause is Cause.TLS_UNKNOWN_ISSUER
        assert refused(server, make("Other Root", ca=True).pem).cause is Cause.TLS_UNKNOWN_ISSUER


@pytest.mark.parametrize(
    ("names", "days", "cause"),
    [
        (["ca.example"], (-9, -1), Cause.TLS_EXPIRED),
        (["ca.example"], (1, 9), Cause.TLS_NOT_YET_VALID),
        (["other.example"], (-1, 9), Cause.TLS_WRONG_NAME),
        (["127.0.0.1"], (-1, 9), Cause.TLS_WRONG_NAME),
    ],
)
def test_bad_certificates_are_refused(
    root: Made, tmp_path: Path, names: list[str], days: tuple[float, float], cause: Cause
) -> None:
    with Server(tls=make(*names, issuer=root, days=days).serving(tmp_path)) as server:
        assert refused(server, root.pem).cause is cause


def test_an_address_must_stand_in_the_certificate(root: Made, tmp_path: Path) -> None:
    with Server(tls=make("127.0.0.1", issuer=root).serving(tmp_path)) as server:
        assert handshake(server, root.pem, host="127.0.0.1").tls
    with Server(tls=make("127.0.0.2", issuer=root).serving(tmp_path)) as server:
        assert refused(server, root.pem, host="127.0.0.1").cause is Cause.TLS_WRONG_NAME


def test_a_self_signed_certificate_is_refused_unless_it_is_the_trust(tmp_path: Path) -> None:
    made = make("ca.example")
    with Server(tls=made.serving(tmp_path)) as server:
        assert refused(server, None).cause is Cause.TLS_UNKNOWN_ISSUER
        assert handshake(server, made.pem).tls


def test_an_issuing_ca_alone_may_be_the_trust(root: Made, tmp_path: Path) -> None:
    issuing = make("Issuing CA", issuer=root, ca=True)
    with Server(tls=make("ca.example", issuer=issuing).serving(tmp_path)) as server:
        assert handshake(server, issuing.pem).tls


def test_pins_are_asked_for_beside_the_chain(root: Made, tmp_path: Path) -> None:
    made, other = make("ca.example", issuer=root), make("ca.example", issuer=root)
    with Server(tls=made.serving(tmp_path)) as server:
        pinned = {"pinned_host": "ca.example"}
        assert handshake(server, root.pem, pins=frozenset({made.pin, other.pin}), **pinned).tls
        wrong = refused(server, root.pem, pins=frozenset({other.pin}), **pinned)
        assert (wrong.cause, made.pin in wrong.text) == (Cause.TLS_PIN, True)
        assert refused(server, None, pins=frozenset({made.pin}), **pinned).cause is Cause.TLS_UNKNOWN_ISSUER
        assert handshake(server, root.pem, pins=frozenset({other.pin}), pinned_host="elsewhere.example").tls


def test_old_tls_is_refused(root: Made, tmp_path: Path) -> None:
    context = make("ca.example", issuer=root).serving(tmp_path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):  # noqa: PT030  the text is the interpreter's
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with Server(tls=context) as server:
        assert refused(server, root.pem).cause is Cause.TLS


def test_no_tls_at_all_is_told_as_such() -> None:
    def greet() -> None:
        conn, _ = listener.accept()
        with conn:
            conn.sendall(b"220 smtp.example ESMTP\r\n")
            conn.recv(65536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=greet)
        thread.start()
        way, mine = guard(resolver=to_loopback)
        stream = way.connect_tcp("ca.example", listener.getsockname()[1])
        with pytest.raises(Failed) as caught:
            stream.start_tls(tls_context(None), "ca.example")
        thread.join()
    assert (caught.value.cause, mine.stage) == (Cause.TLS, "tls")


def test_a_handshake_that_hangs_is_a_timeout(root: Made) -> None:
    hold = threading.Event()

    def hang(request: bytes, conn: object, number: int) -> None:
        hold.wait(5)

    with Server(hang) as server:
        assert refused(server, root.pem, seconds=0.3).cause is Cause.TIMEOUT
        hold.set()


def test_faults_have_a_text() -> None:
    assert tls_fault(ConnectionResetError(104, "reset by peer")) == (Cause.TLS, "[Errno 104] reset by peer")
    assert tls_fault(OSError()) == (Cause.TLS, "OSError")


def test_the_public_roots_are_those_of_the_bundle_with_the_dropped_ones_absent() -> None:
    context = tls_context(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    names = str(context.get_ca_certs())
    assert "ISRG Root X1" in names
    assert "emSign ECC Root CA - G3" not in names


def test_an_own_bundle_replaces_the_public_roots(root: Made) -> None:
    assert len(tls_context(root.pem).get_ca_certs()) == 1


@pytest.mark.parametrize("text", ["nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "é"])
def test_a_bundle_without_certificates_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="trust bundle"):
        tls_context(text)
