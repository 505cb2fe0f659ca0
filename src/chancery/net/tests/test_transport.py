from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.net.addresses import AddressPolicy
from chancery.net.progress import Cause, Failed
from chancery.net.tests.serving import LOOPBACK, OK, Made, Server, make, proxying, to_loopback
from chancery.net.transport import Call, Outgoing
from chancery.net.url import Url, parse_url


def call(url: str, method: str = "GET", content: bytes = b"", **more: object) -> Call:
    headers = ((b"Host", b"ca.example"), (b"Content-Length", str(len(content)).encode()))
    kept = {"timeout": 5.0, "max_bytes": 10_000, **more}
    return Call(method, parse_url(url), headers, content, **kept)  # type: ignore[arg-type]


@pytest.fixture
def way() -> Iterator[Outgoing]:
    made = Outgoing(LOOPBACK)
    yield made
    made.close()


def failure(way: Outgoing, asked: Call) -> Failed:
    with pytest.raises(Failed) as caught:
        way.send(asked)
    return caught.value


def test_an_answer_comes_back_whole(way: Outgoing) -> None:
    answer = b"HTTP/1.1 201 Created\r\nX-A: 1\r\nx-a: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with Server(answer) as server:
        reply = way.send(call(f"{server.url}/x?y=z", "POST", b"body"))
    assert (reply.status, reply.headers["x-a"], reply.body) == (201, "1, 2", b"abcde")
    assert server.requests[0].startswith(b"POST /x?y=z HTTP/1.1\r\nHost: ca.example\r\n")
    assert server.requests[0].endswith(b"\r\n\r\nbody")
    assert (reply.progress.stage, reply.progress.sent) == ("response", True)


def test_connections_are_kept_for_harmless_calls(way: Outgoing) -> None:
    with Server() as server:
        replies = [way.send(call(server.url)) for _ in range(5)]
    assert server.connections == 1
    assert [r.progress.connected for r in replies] == [True, False, False, False, False]


def test_an_act_has_a_connection_of_its_own(way: Outgoing) -> None:
    with Server() as server:
        way.send(call(server.url))
        for _ in range(3):
            assert way.send(call(server.url, "POST", once=True)).progress.connected
        assert server.connections == 4
        assert b"Connection: close" in server.requests[-1]
        way.send(call(server.url))
        assert server.connections == 4


def closes_on_second(request: bytes, conn: socket.socket, number: int) -> bytes | None:
    return OK if number == 1 else None


def test_a_stale_connection_is_replaced_for_a_harmless_call(way: Outgoing) -> None:
    with Server(closes_on_second) as server:
        way.send(call(server.url))
        assert way.send(call(server.url)).status == 200
    assert len(server.requests) == 3


def test_the_second_try_is_the_last(way: Outgoing) -> None:
    with Server(OK) as server:
        way.send(call(server.url))
        server.handler = lambda *_: None
        assert failure(way, call(server.url)).cause is Cause.BROKEN
    assert len(server.requests) == 3


def test_half_an_answer_on_a_kept_connection_is_not_asked_for_again(way: Outgoing) -> None:
    def half(request: bytes, conn: socket.socket, number: int) -> bytes | None:
        if number == 2:
            conn.sendall(OK[:-1])
            return None
        return OK

    with Server(half) as server:
        way.send(call(server.url))
        failed = failure(way, call(server.url))
    assert (failed.cause, failed.progress.stage, len(server.requests)) == (Cause.BROKEN, "response", 2)


def test_an_act_without_answer_was_sent_once(way: Outgoing) -> None:
    with Server(lambda *_: None) as server:
        failed = failure(way, call(server.url, "POST", b"order", once=True))
    assert (failed.progress.sent, failed.progress.stage, len(server.requests)) == (True, "request", 1)


def test_garbage_is_no_answer(way: Outgoing) -> None:
    with Server(b"220 smtp.example ESMTP\r\n\r\n") as server:
        failed = failure(way, call(server.url))
    assert (failed.cause, failed.progress.stage) == (Cause.BROKEN, "response")


def test_leave_is_asked_for_once_just_before_the_first_byte(way: Outgoing) -> None:
    seen = []
    with Server() as server:
        way.send(call(server.url, "POST", b"x" * 1000, before_send=lambda: seen.append(len(server.requests))))
    assert seen == [0]


def test_without_leave_nothing_goes_out(way: Outgoing) -> None:
    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    with Server() as server:
        with pytest.raises(Stop):
            way.send(call(server.url, "POST", once=True, before_send=stop))
        way.send(call(server.url))
    assert len(server.requests) == 1
    assert server.requests[0].startswith(b"GET")


def test_leave_that_comes_too_late_is_none(way: Outgoing) -> None:
    with Server() as server:
        failed = failure(way, call(server.url, "POST", once=True, timeout=0.1, before_send=lambda: time.sleep(0.2)))
    assert (failed.cause, failed.progress.sent, server.requests) == (Cause.TIMEOUT, False, [])


def dripping(head: bytes, drop: bytes) -> object:
    def drip(request: bytes, conn: socket.socket, number: int) -> None:
        conn.sendall(head)
        for _ in range(200):
            conn.sendall(drop)
            time.sleep(0.02)

    return drip


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b""),
    ],
)
def test_drops_do_not_stretch_the_deadline(way: Outgoing, head: bytes, drop: bytes) -> None:
    with Server(dripping(head, drop)) as server:  # type: ignore[arg-type]
        started = time.monotonic()
        failed = failure(way, call(server.url, timeout=0.4))
        assert time.monotonic() - started < 1.5
    assert failed.cause is Cause.TIMEOUT


def test_large_answers_are_cut_off(way: Outgoing) -> None:
    length = b"HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n" + b"x" * 10001
    endless = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 300_000
    for answer in (length, endless):
        with Server(answer) as server:
            assert failure(way, call(server.url)).cause is Cause.TOO_LARGE
    with Server(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n" + b"x" * 10000) as server:
        assert len(way.send(call(server.url)).body) == 10000


def test_large_headers_are_cut_off(way: Outgoing) -> None:
    with Server(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000) as server:
        assert failure(way, call(server.url)).cause is Cause.BROKEN


def test_compressed_answers_are_not_unpacked(way: Outgoing) -> None:
    bomb = gzip.compress(b"\0" * 5_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with Server(head + bomb) as server:
        assert failure(way, call(server.url)).cause is Cause.ENCODED
    with Server(b"HTTP/1.1 200 OK\r\nContent-Encoding: Identity\r\nContent-Length: 0\r\n\r\n") as server:
        assert way.send(call(server.url)).body == b""


def test_redirects_are_handed_back_and_not_followed(way: Outgoing) -> None:
    with Server() as other:
        place = f"HTTP/1.1 302 Found\r\nLocation: {other.url}/\r\nContent-Length: 0\r\n\r\n".encode()
        with Server(place) as server:
            assert way.send(call(server.url)).status == 302
        assert other.connections == 0


def test_the_environment_names_no_proxy(way: Outgoing, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as proxy, Server() as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        way.send(call(server.url))
        assert (proxy.connections, server.connections) == (0, 1)


def test_cookies_are_not_kept(way: Outgoing) -> None:
    with Server(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n") as server:
        way.send(call(server.url))
        way.send(call(server.url))
    assert b"ookie" not in server.requests[1]


def test_many_threads_share_the_connections(way: Outgoing) -> None:
    found: list[bytes] = []

    def echo(request: bytes, conn: socket.socket, number: int) -> bytes:
        body = request.split(b" ")[1]
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    def ask(name: int) -> None:
        for number in range(20):
            path = f"/{name}/{number}"
            reply = way.send(call(server.url + path, once=number % 4 == 0))
            found.append(reply.body if reply.body == path.encode() else b"mixed up")

    with Server(echo) as server:
        threads = [threading.Thread(target=ask, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == 160


@pytest.fixture(scope="module")
def root() -> Made:
    return make("Test Root", ca=True)


@pytest.fixture
def served(root: Made, tmp_path: Path) -> Iterator[Server]:
    with Server(tls=make("ca.example", issuer=root).serving(tmp_path)) as server:
        yield server


def proxied(root: Made, proxy: Server, policy: AddressPolicy = LOOPBACK) -> Outgoing:
    host = "proxy.example" if proxy.tls else "127.0.0.1"
    url = Url("https" if proxy.tls else "http", host, proxy.port, "/")
    return Outgoing(policy, trust_pem=root.pem, proxy=url, resolver=to_loopback)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_tunnels_and_leave_is_asked_for_inside(root: Made, served: Server, tmp_path: Path, scheme: str) -> None:
    tls = make("proxy.example", issuer=root).serving(tmp_path) if scheme == "https" else None
    seen = []
    with Server(proxying({b"ca.example:443": served.port}), tls) as proxy:
        way = proxied(root, proxy)
        asked = call(
            "https://ca.example/x", "POST", b"{}", once=True, before_send=lambda: seen.append(len(proxy.requests))
        )
        reply = way.send(asked)
        way.close()
    assert (reply.status, seen, len(served.requests)) == (200, [1], 1)
    assert proxy.requests[0].startswith(b"CONNECT ca.example:443 ")


def test_a_proxy_that_refuses_means_nothing_was_sent(root: Made) -> None:
    with Server(proxying({}, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")) as proxy:
        failed = failure(proxied(root, proxy), call("https://ca.example/", "POST", once=True))
    assert (failed.cause, failed.progress.stage, failed.progress.sent) == (Cause.PROXY, "tcp", False)
    assert "407" in failed.text


def test_a_tunnel_that_came_to_nothing_keeps_no_later_call_waiting(root: Made, tmp_path: Path) -> None:
    strange = make("ca.example").serving(tmp_path)
    with Server(tls=strange) as server, Server(proxying({b"ca.example:443": server.port})) as proxy:
        way = proxied(root, proxy)
        for _ in range(3):
            assert failure(way, call("https://ca.example/", timeout=10.0)).cause is Cause.TLS_UNKNOWN_ISSUER
        with way.connection() as over:
            for cause in (Cause.TLS_UNKNOWN_ISSUER, Cause.TIMEOUT):
                with pytest.raises(Failed) as caught:
                    way.send(call("https://ca.example/", timeout=1.0), over)
                assert caught.value.cause is cause
        way.close()


def test_a_proxy_that_hangs_up_means_nothing_was_sent(root: Made) -> None:
    with Server(lambda *_: None) as proxy:
        failed = failure(proxied(root, proxy), call("https://ca.example/", "POST", once=True))
    assert (failed.cause, failed.progress.stage, failed.progress.sent) == (Cause.BROKEN, "tcp", False)


def test_the_proxy_is_judged_like_anything_else(root: Made) -> None:
    with Server() as proxy:
        failed = failure(proxied(root, proxy, AddressPolicy()), call("https://ca.example/"))
        assert (failed.cause, proxy.connections) == (Cause.REFUSED, 0)


@pytest.mark.parametrize(
    "url",
    ["https://169.254.169.254/", "https://[::1]/", "https://localhost/", "http://127.0.0.1/", "https://10.0.0.1/"],
)
def test_what_lies_behind_a_proxy_is_judged_as_far_as_it_shows(root: Made, url: str) -> None:
    with Server() as proxy:
        failed = failure(proxied(root, proxy), call(url))
        assert (failed.cause, proxy.connections) == (Cause.REFUSED, 0)


def test_a_public_address_behind_a_proxy_is_left_to_it(root: Made) -> None:
    with Server(proxying({}, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as proxy:
        assert failure(proxied(root, proxy), call("https://8.8.8.8/")).cause is Cause.PROXY


def test_other_faults_of_a_kept_connection_are_told(way: Outgoing) -> None:
    with Server() as server:
        way.send(call(server.url))
        server.handler = lambda *_: time.sleep(0.4)  # type: ignore[assignment,return-value,func-returns-value]
        assert failure(way, call(server.url, timeout=0.1)).cause is Cause.TIMEOUT


def test_a_bad_bundle_is_told_when_the_way_is_made() -> None:
    with pytest.raises(ValueError, match="trust bundle"):
        Outgoing(LOOPBACK, trust_pem="nothing")


def test_calls_over_one_connection_stay_on_it(way: Outgoing) -> None:
    with Server() as server:
        with way.connection() as one:
            replies = [way.send(call(server.url, "POST" if n else "GET", once=bool(n)), one) for n in range(3)]
            way.send(call(server.url))
        assert server.connections == 2
        assert [r.progress.connected for r in replies] == [True, False, False]
        assert b"Connection: close" not in server.requests[1]
        assert one.certificate is None


def test_a_call_is_not_sent_where_its_connection_is_gone(way: Outgoing) -> None:
    closing = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    asked_leave = []
    with Server(closing) as server, way.connection() as one:
        way.send(call(server.url), one)
        with pytest.raises(Failed) as caught:
            way.send(call(server.url, "POST", once=True, before_send=lambda: asked_leave.append(1)), one)
        assert (caught.value.cause, caught.value.progress.sent) == (Cause.PARTED, False)
        assert (len(server.requests), server.connections, asked_leave) == (1, 1, [])


def test_an_answer_that_breaks_off_on_a_connection_is_not_asked_for_again(way: Outgoing) -> None:
    with Server(lambda request, conn, number: OK if number == 1 else None) as server, way.connection() as one:
        way.send(call(server.url), one)
        with pytest.raises(Failed) as caught:
            way.send(call(server.url), one)
        assert (caught.value.cause, caught.value.progress.sent, len(server.requests)) == (Cause.BROKEN, True, 2)


def test_a_connection_shows_the_certificate_that_the_server_has_on_it(tmp_path: Path) -> None:
    root = make("Root", ca=True)
    own = make("127.0.0.1", issuer=root)
    way = Outgoing(LOOPBACK, trust_pem=root.pem)
    with Server(tls=own.serving(tmp_path)) as server, way.connection() as one:
        way.send(call(server.url), one)
        way.send(call(server.url), one)
        assert one.certificate == own.certificate.public_bytes(Encoding.DER)
        assert server.connections == 1
    way.close()
