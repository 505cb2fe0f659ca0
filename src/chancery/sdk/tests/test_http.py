import socket
import ssl
import threading
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.net import identity
from chancery.net.addresses import AddressPolicy
from chancery.net.identity import ClientIdentity
from chancery.net.redact import scrub_value
from chancery.net.tests.serving import LOOPBACK, OK, Server, make, to_loopback
from chancery.sdk.errors import AuthFailed, OutcomeUnknown, ProtocolViolation, Unreachable
from chancery.sdk.finding import Level
from chancery.sdk.http import MAX_BODY, HttpDoor, check_url

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def door(url, **more):
    more = {"policy": LOOPBACK, "timeout": 5.0, "resolver": to_loopback, "clock": ManualClock(NOW)} | more
    return HttpDoor(url, **more)


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture(scope="module")
def root():
    return make("Test root", ca=True)


def refusal(url, path="/x", **more):
    with pytest.raises(Unreachable) as caught:
        door(url, **more).get(path)
    assert caught.value.bytes_sent is False
    return caught.value


# --- what goes out


def test_a_request_goes_below_the_base_and_the_answer_comes_back_whole(server):
    way = door(server.url + "/services/v2/")
    answer = way.get("/order", params={"q": "a b", "id": [1, 2]})
    assert (answer.status, answer.json(), answer.now) == (200, {}, NOW)
    head = server.requests[0]
    assert head.startswith(b"GET /services/v2/order?q=a+b&id=1&id=2 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{server.port}".encode() in head
    assert b"Accept-Encoding: identity" in head
    assert b"Content-Length" not in head
    way.close()


def test_parameters_join_those_of_the_path(server):
    way = door(server.url)
    way.get("/a?x=1", params=[("y", "2")])
    way.close()
    assert server.requests[0].startswith(b"GET /a?x=1&y=2 ")


def test_json_is_sent_as_such_and_headers_can_be_replaced(server):
    way = door(server.url)
    way.post("/a", json={"name": "é"}, headers={"accept": "application/json", "X-DC-DEVKEY": "k1234"})
    way.put("/b", content=b"raw")
    way.delete("/c")
    way.post("/d")
    way.close()
    first, second, third, fourth = server.requests
    assert first.endswith('\r\n\r\n{"name":"é"}'.encode())
    assert b"Content-Type: application/json" in first
    assert first.lower().count(b"\r\naccept:") == 1
    assert b"X-DC-DEVKEY: k1234" in first
    assert second.startswith(b"PUT /b ")
    assert second.endswith(b"\r\n\r\nraw")
    assert third.startswith(b"DELETE /c ")
    assert b"Content-Length: 0" in fourth


def test_a_body_is_json_or_content(server):
    with pytest.raises(ValueError, match="one body"):
        door(server.url).post("/a", json={}, content=b"x")
    assert server.requests == []


def test_nan_is_not_put_into_json(server):
    with pytest.raises(ValueError, match="JSON"):
        door(server.url).post("/a", json=float("nan"))
    assert server.requests == []


@pytest.mark.parametrize("method", ["get", "GET /x", ""])
def test_a_senseless_method_is_a_bug(server, method):
    with pytest.raises(ValueError, match="no HTTP method"):
        door(server.url).request(method, "/a")


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "bad name", "x\r\ny", ""])
def test_some_headers_are_not_an_authoritys_to_set(server, name):
    with pytest.raises(ValueError, match="not an authority's to set"):
        door(server.url).get("/a", headers={name: "x"})
    assert server.requests == []


@pytest.mark.parametrize(
    "value", ["hunter22\r\nX-Evil: 1", " hunter22", "hunter22\n", "hunter22\x00", "hunter22\u0441"]
)
def test_a_credential_that_no_header_can_carry_is_told_without_showing_it(server, value):
    with pytest.raises(Unreachable) as caught:
        door(server.url).get("/a", headers={"X-Key": value})
    error = caught.value
    assert (error.stage, error.code, error.bytes_sent) == ("request", "header", False)
    assert "X-Key" in error.message
    assert "credentials" in error.remedy
    assert "hunter22" not in error.message + error.text + error.remedy
    assert server.requests == []


# --- where it may go


def test_an_absolute_link_must_lead_to_the_same_origin(server):
    way = door(server.url + "/v2")
    assert way.get(f"{server.url}/elsewhere").status == 200
    assert server.requests[0].startswith(b"GET /elsewhere ")
    with pytest.raises(Unreachable, match=r"leads away from the base URL, to 127\.0\.0\.1") as caught:
        way.get(f"http://127.0.0.1:{server.port + 1}/x")
    assert (caught.value.stage, caught.value.bytes_sent) == ("name", False)
    assert len(server.requests) == 1
    way.close()


def test_a_foreign_link_is_followed_where_it_is_meant_and_judged_all_the_same(server):
    with Server() as other:
        way = door(server.url)
        assert way.get(f"{other.url}/x", foreign=True).status == 200
        with pytest.raises(Unreachable, match="link cannot be used"):
            way.get("https://169.254.169.254/latest/meta-data", foreign=True)
        way.close()


@pytest.mark.parametrize("path", ["/a/../b", "/a/%2e%2e/b", "/a b", "/a#b", "/a\r\nX: y"])
def test_a_path_cannot_climb_or_smuggle(server, path):
    with pytest.raises(Unreachable, match="cannot be used"):
        door(server.url).get(path)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    ["ftp://ca.example", "https://u:hunter22@ca.example", "https://127.1/", "https://2130706433/", "http://ca.example"],
)
def test_a_base_url_that_cannot_be_used_is_refused_before_anything_happens(url):
    error = refusal(url)
    assert (error.stage, error.code) == ("name", "refused")
    assert "base URL" in error.message
    assert "hunter22" not in error.message
    assert error.remedy


def test_what_protects_itself_may_go_over_http():
    url = check_url("http://ca.example.com/cmp", AddressPolicy(), plain=True)
    assert (url.scheme, url.host) == ("http", "ca.example.com")
    with pytest.raises(ValueError, match="private"):
        check_url("http://10.0.0.1/cmp", AddressPolicy(), plain=True)


@pytest.mark.parametrize(
    ("url", "policy", "reason"),
    [
        ("https://169.254.169.254/", AddressPolicy(("0.0.0.0/0",)), "metadata"),
        ("https://[64:ff9b::a9fe:a9fe]/", AddressPolicy(("::/0",)), "metadata"),
        ("https://10.0.0.1/", AddressPolicy(), "private"),
        ("http://127.0.0.1/", AddressPolicy(), "only https"),
        ("http://10.0.0.1/", AddressPolicy(("10.0.0.0/8",)), "only https"),
    ],
)
def test_check_url_refuses(url, policy, reason):
    with pytest.raises(ValueError, match=reason):
        check_url(url, policy)


def test_check_url_allows():
    assert check_url("https://ca.example/v2", AddressPolicy()).host == "ca.example"
    assert check_url("http://localhost:8080", LOOPBACK).port == 8080
    assert check_url("https://10.0.0.1/", AddressPolicy(("10.0.0.0/8",))).host == "10.0.0.1"


def test_a_name_is_judged_by_all_its_addresses(server):
    error = refusal("https://ca.example", resolver=lambda host, port: ["93.184.216.34", "10.0.0.1"])
    assert (error.stage, error.code) == ("name", "refused")
    assert "10.0.0.1" in error.text
    assert "allowed networks" in error.remedy


def test_without_a_policy_only_public_addresses_are_reached():
    way = HttpDoor("https://ca.example", clock=ManualClock(NOW), resolver=to_loopback)
    with pytest.raises(Unreachable) as caught:
        way.get("/")
    assert caught.value.code == "refused"


def test_a_senseless_proxy_is_told(server):
    error = refusal(server.url, proxy="socks5://u:hunter22@proxy.example")
    assert "proxy cannot be used" in error.message
    assert "hunter22" not in error.message


def test_a_proxy_is_judged_like_anything_else():
    error = refusal("https://ca.example", proxy="http://10.0.0.1:3128")
    assert error.code == "refused"
    assert "10.0.0.1" in error.text


def test_an_unreadable_bundle_is_told():
    error = refusal("https://ca.example", trust_pem="no pem")
    assert (error.stage, error.code) == ("tls", "trust_bundle")
    assert "Trust bundle" in error.remedy


# --- acts


def hang_up(request, conn, number):
    return None


def half(request, conn, number):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{")


def reset(request, conn, number):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("fault", [hang_up, half, reset])
def test_an_act_whose_answer_is_lost_is_unknown_and_was_sent_once(fault):
    with Server(fault) as server, pytest.raises(OutcomeUnknown) as caught:
        door(server.url).post("/order", json={}, effect=True)
    assert caught.value.bytes_sent is True
    assert "no whole answer" in caught.value.message
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [hang_up, half, reset])
def test_a_question_whose_answer_is_lost_changed_nothing(fault):
    with Server(fault) as server, pytest.raises(Unreachable) as caught:
        door(server.url).get("/order")
    assert (caught.value.bytes_sent, caught.value.code) == (False, "broken")


@pytest.mark.parametrize("effect", [True, False])
def test_where_nobody_listens_nothing_happened(effect):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        door(f"http://127.0.0.1:{port}").post("/order", effect=effect)
    assert (caught.value.stage, caught.value.bytes_sent, caught.value.code) == ("tcp", False, "no_connection")


@pytest.mark.parametrize(("effect", "kind"), [(True, OutcomeUnknown), (False, Unreachable)])
def test_silence_ends_at_the_deadline(effect, kind):
    release = threading.Event()
    with Server(lambda *_: release.wait(5) and None) as server:
        with pytest.raises(kind) as caught:
            door(server.url, timeout=0.2).post("/order", effect=effect)
        release.set()
    assert (caught.value.code, caught.value.bytes_sent) == ("timeout", effect)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11, "too_large"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", "encoded"),
    ],
)
@pytest.mark.parametrize(("effect", "kind"), [(True, OutcomeUnknown), (False, ProtocolViolation)])
def test_an_unacceptable_answer(answer, code, effect, kind):
    with Server(answer) as server, pytest.raises(kind) as caught:
        door(server.url).post("/order", effect=effect, max_bytes=10)
    assert (caught.value.code, caught.value.bytes_sent) == (code, effect)


def test_two_mebibytes_and_no_more():
    def fill(request, conn, number):
        size = MAX_BODY + (b"/more" in request)
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size

    with Server(fill) as server:
        way = door(server.url)
        assert len(way.get("/just").body) == MAX_BODY == 2 * 1024 * 1024
        with pytest.raises(ProtocolViolation):
            way.get("/more")
        way.close()


class Stop(Exception):
    pass


def test_leave_is_asked_for_acts_alone_and_just_before_the_first_byte(server):
    seen = []
    way = door(server.url, before_send=lambda: seen.append((server.connections, len(server.requests))))
    way.get("/a")
    assert seen == []
    way.post("/b", effect=True)
    assert len(seen) == 1
    assert seen[0][1] == 1
    assert len(server.requests) == 2
    way.post("/account", effect=True, orders=False)
    assert len(seen) == 1
    way.close()


def test_what_leave_raises_comes_out_unchanged_with_nothing_sent(server):
    stop = Stop("switched off")

    def refuse():
        raise stop

    with pytest.raises(Stop) as caught:
        door(server.url, before_send=refuse).post("/order", json={"a": 1}, effect=True)
    assert caught.value is stop
    assert server.requests == []


def test_redirects_are_handed_back(server):
    server.handler = lambda *_: b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"
    way = door(server.url)
    answer = way.get("/x")
    assert (answer.status, answer.headers["location"]) == (302, "/y")
    assert len(server.requests) == 1
    way.close()


# --- secrets


def test_the_texts_of_failures_are_scrubbed():
    def fail(host, port):
        raise OSError("looked up hunter-22-deep")

    with pytest.raises(Unreachable) as caught:
        door("https://ca.example", resolver=fail, secrets=(Secret("hunter-22-deep"),)).get("/")
    assert caught.value.code == "no_name"
    assert "looked up" in caught.value.text
    assert "hunter-22-deep" not in caught.value.text + str(caught.value)


def test_a_secret_learnt_on_the_way_is_kept_out_of_texts_and_logs(server):
    way = door(server.url, secrets=(Secret("first-secret-1"),))
    assert scrub_value("first-secret-1") != "first-secret-1"
    server.handler = lambda *_: b"HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nsession-token-987"
    assert way.get("/login").text == "session-token-987"
    way.learn(Secret("session-token-987"))
    way.learn(Secret("session-token-987"))
    assert len(way.secrets) == 2
    assert "987" not in way.get("/again").text
    assert "987" not in scrub_value("was session-token-987")
    way.close()


# --- diagnosis


def test_diagnosis_of_a_ca_over_tls(root, tmp_path):
    leaf = make("ca.example", issuer=root)
    dated = OK.replace(b"\r\n\r\n", b"\r\nDate: Sun, 01 Mar 2026 12:10:00 GMT\r\n\r\n")
    with Server(dated, tls=leaf.serving(tmp_path)) as server:
        way = door(f"https://ca.example:{server.port}/v2", trust_pem=root.pem, pins=[leaf.pin.upper()])
        name, tcp, tls, clock = way.diagnose()
        way.close()
    assert server.requests[0].startswith(b"GET /v2 ")
    assert (name.level, name.evidence) == (Level.OK, "127.0.0.1")
    assert (tcp.level, tcp.evidence) == (Level.OK, f"127.0.0.1 port {server.port}")
    assert tls.level is Level.OK
    assert "CN=ca.example" in tls.evidence
    assert "CN=Test root" in tls.evidence
    assert "TLSv1.3" in tls.evidence
    assert (clock.level, clock.evidence) == (Level.WARNING, "the CA is 600 s ahead")


@pytest.mark.parametrize(
    ("host", "days", "code"),
    [
        ("other.example", (-1, 90), "tls_wrong_name"),
        ("ca.example", (-9, -1), "tls_expired"),
        ("ca.example", (1, 90), "tls_not_yet_valid"),
    ],
)
def test_diagnosis_of_a_bad_certificate(root, tmp_path, host, days, code):
    leaf = make("ca.example", issuer=root, days=days)
    with Server(tls=leaf.serving(tmp_path)) as server:
        found = door(f"https://{host}:{server.port}", trust_pem=root.pem).diagnose()
    assert [(f.stage, f.level.value) for f in found] == [
        ("name", "ok"),
        ("tcp", "ok"),
        ("tls", "failed"),
        ("clock", "skipped"),
    ]
    assert found[2].code == code
    assert found[2].remedy
    assert server.requests == []


def test_an_own_bundle_replaces_the_public_roots_and_the_pin_counts(root, tmp_path):
    leaf = make("ca.example", issuer=root)
    with Server(tls=leaf.serving(tmp_path)) as server:
        url = f"https://ca.example:{server.port}"
        codes = [
            door(url, trust_pem=trust, pins=pins).diagnose()[2].code
            for trust, pins in [(None, ()), (make("Other", ca=True).pem, ()), (root.pem, ["00" * 32]), (root.pem, ())]
        ]
    assert codes == ["tls_unknown_issuer", "tls_unknown_issuer", "tls_pin", "ok"]


def test_diagnosis_of_settings_that_no_call_can_be_made_with():
    found = door("https://ca.example", trust_pem="no pem").diagnose()
    assert [f.level.value for f in found] == ["skipped", "skipped", "failed", "skipped"]
    assert door("gopher://x").diagnose()[0].level is Level.FAILED


def test_nothing_is_opened_before_the_first_request_and_closing_is_no_end(server):
    way = door(server.url)
    way.close()
    assert server.connections == 0
    assert way.get("/a").status == 200
    way.close()
    assert way.get("/b").status == 200
    assert server.connections == 2
    way.close()


def test_threads_share_a_door(server):
    way = door(server.url)
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(way.get("/a").status)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert seen == [200] * 8
    way.close()


def test_the_answer_knows_when_it_came(server):
    server.handler = lambda *_: b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    way = door(server.url)
    assert way.get("/a").retry_after == NOW + timedelta(seconds=7)
    way.close()


def test_an_act_never_rides_on_a_connection_kept_alive(server):
    way = door(server.url)
    way.get("/a")
    way.get("/b")
    assert server.connections == 1
    way.post("/order", effect=True)
    way.post("/order", effect=True)
    assert server.connections == 3
    way.close()


def test_an_act_is_not_sent_again_where_a_question_would_be():
    def once_each(request, conn, number):
        return OK if number == 1 and b"/order" not in request else None

    with Server(once_each) as server:
        way = door(server.url)
        assert [way.get("/a").status, way.get("/b").status] == [200, 200]  # the second one was sent twice
        assert [b"GET /b" in request for request in server.requests] == [False, True, True]
        way.close()
        assert way.get("/a").status == 200  # and leaves a connection that will break at the next request
        with pytest.raises(OutcomeUnknown):
            way.post("/order", effect=True)
        way.close()
    assert sum(b"POST /order" in request for request in server.requests) == 1


# --- our own certificate


def own_identity(made):
    key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return ClientIdentity(made.pem, Secret(key))


def asking_context(root, tmp_path, mode=ssl.CERT_REQUIRED):
    context = make("ca.example", issuer=root).serving(tmp_path)
    context.verify_mode = mode
    context.load_verify_locations(cadata=root.pem)
    return context


def test_a_client_certificate_opens_the_door_and_its_key_is_kept_out_of_texts(root, tmp_path):
    mine = own_identity(make("chancery.example", issuer=root))
    with Server(tls=asking_context(root, tmp_path)) as server:
        way = door(f"https://ca.example:{server.port}", trust_pem=root.pem, client_identity=mine)
        assert way.post("/x", content=b"{}", effect=True).status == 200
        way.close()
    assert mine.key_pem in way.secrets
    assert "PRIVATE" not in scrub_value(f"said: {mine.key_pem.reveal()}")


@pytest.mark.parametrize("effect", [True, False])
def test_a_refused_client_certificate_is_a_refused_login_and_nothing_was_sent(root, tmp_path, effect):
    mine = own_identity(make("stranger.example"))
    with Server(tls=asking_context(root, tmp_path)) as server:
        way = door(f"https://ca.example:{server.port}", trust_pem=root.pem, client_identity=mine)
        with pytest.raises(AuthFailed) as refused:
            way.post("/x", content=b"{}", effect=effect)
        _name, _tcp, tls, clock = way.diagnose()
        way.close()
    assert (refused.value.stage, refused.value.bytes_sent, refused.value.code) == ("tls", False, "tls_client")
    assert "client certificate" in refused.value.remedy
    assert (tls.level, tls.code, clock.level) == (Level.FAILED, "tls_client", Level.SKIPPED)


def test_a_client_certificate_that_cannot_be_used_is_told_with_nothing_sent():
    error = refusal("https://ca.example", client_identity=ClientIdentity("nothing", Secret("neither")))
    assert (error.stage, error.code) == ("tls", "identity")
    assert "client certificate" in error.message
    assert "neither" not in str(vars(error))


def test_without_room_for_a_client_certificate_nothing_was_sent_and_nobody_is_to_blame(root, monkeypatch):
    def full(**more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(identity, "TemporaryDirectory", full)
    error = refusal("https://ca.example", client_identity=own_identity(make("chancery.example", issuer=root)))
    assert (type(error), error.code, error.bytes_sent) == (Unreachable, "temporary_file", False)
    assert error.text == "No space left on device"
    assert "Make room" in error.remedy


# --- one connection for several requests


def test_requests_over_one_connection_stay_on_it_and_acts_ask_leave(server):
    leave = []
    way = door(server.url, before_send=lambda: leave.append(1))
    with way.connection() as one:
        assert way.get("/a", over=one).status == 200
        assert way.post("/b", over=one, effect=True).status == 200
    assert (server.connections, leave) == (1, [1])
    way.close()


def test_an_act_whose_connection_is_gone_was_not_sent():
    with Server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as server:
        way = door(server.url)
        with way.connection() as one:
            way.get("/a", over=one)
            with pytest.raises(Unreachable) as caught:
                way.post("/b", over=one, effect=True)
        way.close()
    assert (caught.value.code, caught.value.bytes_sent, len(server.requests)) == ("parted", False, 1)
    assert "keep connections alive" in caught.value.remedy


def test_a_connection_to_a_base_url_that_cannot_be_used_is_refused_as_a_request_is():
    with pytest.raises(Unreachable), door("http://ca.example").connection():
        pass


def test_a_ca_that_speaks_no_http_is_not_diagnosed_by_it():
    assert door("https://127.0.0.1:9", speaks_http=False).diagnose() == []


def test_what_is_trusted_is_told_for_what_is_spoken_beside_http():
    plain = door("https://ca.example")
    assert plain.trust_pem is None
    plain.close()
