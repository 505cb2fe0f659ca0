"""Bodies of unknown length are read when somebody asks for them, and no more of them than may be sent there."""

import io
import json

import pytest
from chancery_bot import wire
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.test import Client, RequestFactory
from django.test.client import ClientHandler

from chancery.apps.acme import jose
from chancery.doors.chunked import Chunked
from chancery.doors.lengths import BEFORE_LOGIN, ENROLMENT, MOST, TooLong
from tests.cast import PASSWORD

FORM = "application/x-www-form-urlencoded"


class Drip:
    """A stream that gives at most so many bytes at a time, and counts them."""

    def __init__(self, body, at_once=7):
        self.inner, self.at_once, self.given = io.BytesIO(body), at_once, 0

    def read(self, most):
        piece = self.inner.read(min(most, self.at_once))
        self.given += len(piece)
        return piece


class Endless:
    """A body that goes on for as long as anybody reads it."""

    def __init__(self, begin=b""):
        self.begin, self.given = begin, 0

    def read(self, most):
        piece = (self.begin + b"a" * most)[:most]
        self.begin = self.begin[most:]
        self.given += most
        return piece


def seen(environ):
    """Return the body as the application reads it: by the length that it is told."""
    found = []

    def inner(environ, _start):
        found.append(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        return []

    Chunked(inner)(environ, None)
    return found[0]


@pytest.mark.parametrize("named", ["chunked", "gzip, Chunked"])
@pytest.mark.parametrize("body", [b"", b"0123456789"])
def test_a_chunked_body_is_read_whole(named, body):
    assert seen({"HTTP_TRANSFER_ENCODING": named, "wsgi.input": Drip(body)}) == body


@pytest.mark.parametrize("size", [19, 20, 21, 1000])
def test_it_is_read_to_one_more_than_the_limit(settings, size):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 20
    drip = Drip(b"a" * size)
    about = {"HTTP_TRANSFER_ENCODING": "chunked", "PATH_INFO": "/api/v1/orders/batch", "wsgi.input": drip}
    if size > 20:
        with pytest.raises(TooLong, match="more than 20 bytes"):
            seen(about)
        assert drip.given == 21
    else:
        assert seen(about) == b"a" * size


def test_nothing_is_read_before_somebody_asks():
    drip = Drip(b"a")
    Chunked(lambda *_: [])({"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": drip}, None)
    assert drip.given == 0


def test_a_body_of_known_length_is_left_alone():
    assert seen({"CONTENT_LENGTH": "3", "wsgi.input": io.BytesIO(b"abcdef")}) == b"abc"


@pytest.fixture
def send(db):
    """Return what posts an endless body, in pieces of unknown length: → status, content, bytes read of it."""

    def post(path, kind, begin=b"", **headers):
        body = Endless(begin)
        environ = RequestFactory().generic("POST", path, CONTENT_TYPE=kind, **headers).environ
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": body}
        (answer,) = Chunked(lambda environ, _: [ClientHandler()(environ)])(environ, None)
        return answer.status_code, answer.content.decode(), body.given

    return post


def signed():
    key = Ed25519PrivateKey.generate()
    about = wire.Signed(bot="", machine="0" * 64, time=0, nonce="n" * 22, signature=b"")
    return wire.authorization(key, "POST", "/api/bot/enrol", b"", about)


@pytest.mark.parametrize(
    ("path", "kind", "headers", "status"),
    [
        ("/api/v1/orders", "application/json", {}, 401),
        ("/api/v1/orders", "application/json", {"HTTP_AUTHORIZATION": "Bearer chy_nobody"}, 401),
        ("/api/v1/inventory/import", "application/json", {}, 401),
        ("/api/v1/nothing/here", "application/json", {"HTTP_AUTHORIZATION": "Bearer chy_nobody"}, 404),
        ("/api/bot/poll", "application/json", {"HTTP_AUTHORIZATION": "Bearer chy_nobody"}, 401),
        ("/api/bot/poll", "application/json", {}, 403),
        ("/acme/new-order", "application/json", {}, 415),
        ("/acme/nothing", "application/jose+json", {}, 404),
        ("/orders/new", FORM, {}, 403),
        ("/metrics", FORM, {}, 403),
        ("/.well-known/acme-challenge/x", FORM, {}, 405),
    ],
)
def test_nothing_is_read_of_what_nobody_may_send(send, settings, path, kind, headers, status):
    settings.ACME_URL = "https://testserver/acme"
    answer = send(path, kind, **headers)
    assert (answer[0], answer[2]) == (status, 0), answer


@pytest.mark.parametrize(
    ("path", "kind", "most"),
    [
        ("/login", FORM, BEFORE_LOGIN),
        ("/login", "multipart/form-data; boundary=b", BEFORE_LOGIN),
        ("/orders/new", FORM, BEFORE_LOGIN),
        ("/inventory/import", FORM, BEFORE_LOGIN),
        ("/acme/new-account", "application/jose+json", jose.MOST_BYTES),
        ("/api/bot/enrol", "application/json", ENROLMENT),
    ],
)
def test_little_is_read_of_what_must_be_read_to_know_who_sends_it(send, settings, path, kind, most):
    """A form's token is in the form (whoever has a cookie has it looked for), and a message is signed over its body."""
    settings.ACME_URL = "https://testserver/acme"
    token = Client().get("/login").cookies["csrftoken"].value
    headers = {"HTTP_AUTHORIZATION": signed()} if "bot" in path else {"HTTP_COOKIE": f"csrftoken={token}"}
    begin = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' if "multipart" in kind else b"a="
    status, content, read = send(path, kind, begin, **headers)
    assert (status, read) == (413, most + 1), content
    if path.startswith(("/acme/", "/api/")):
        assert f"more than {most} bytes" in json.loads(content)["detail"]
    else:
        assert f"this page reads {most // 1024} KiB" in content


def test_whoever_has_logged_in_may_send_more_and_not_without_end(send, cast):
    page = Client()
    assert page.login(username="rob", password=PASSWORD)
    cookies = "; ".join(f"{name}={one.value}" for name, one in page.cookies.items())
    token = page.get("/orders/new").cookies["csrftoken"].value
    status, content, read = send("/orders/new", FORM, b"a=", HTTP_COOKIE=f"{cookies}; csrftoken={token}")
    assert (status, read) == (413, MOST + 1)
    assert f"this page reads {MOST // 1024} KiB" in content


def test_whoever_has_a_token_may_send_as_much_and_is_told_so(send, cast):
    from chancery.apps.accounts import actions, queries
    from chancery.apps.accounts.models import User

    actor = queries.actor_of(User.objects.get(username="rob"), how="session")
    _, token = actions.create_token(actor, "uploads")
    status, content, read = send("/api/v1/orders", "application/json", HTTP_AUTHORIZATION=f"Bearer {token}")
    assert (status, read) == (413, MOST + 1), content
    assert json.loads(content)["status"] == 413
