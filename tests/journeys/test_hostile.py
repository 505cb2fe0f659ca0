"""What no client of good will sends gets a problem document and never a 500; the same on both databases."""

import json

import pytest
from django.test import Client

from chancery.apps.accounts import actions as people
from tests.cast import PASSWORD, request_pem

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def call(cast, local):
    from chancery.apps.orders import grouping

    token = people.create_token(cast.ada, "test")[1]
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})

    def send(method, path, body=None, **headers):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        return client.generic(method, f"/api/v1{path}", raw, "application/json", headers=headers)

    yield send
    grouping.close()


PERSON = {"username": "q", "password": PASSWORD}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/orders", {"profile": "a\0b", "csr": "x"}),
        ("/orders", {"profile": "Internal", "csr": "x", "comment": "a\0"}),
        ("/orders", {"profile": "Internal", "csr": "x", "comment": "\ud800"}),
        ("/orders", b"[" * 100_000),
        ("/orders", b"\xff\xfe"),
        ("/orders/batch", {"orders": [{"profile": "Internal", "csr": "x", "idempotency_key": "a\0"}]}),
        ("/teams", {"name": "a\0b"}),
        ("/tokens", {"name": "a\0b"}),
        ("/profiles", {"name": "a\0", "connector": "Local"}),
        ("/profiles", {"name": "a", "connector": "\0"}),
        ("/users", {**PERSON, "full_name": "a\0"}),
        ("/users", {**PERSON, "full_name": "n" * 500}),
        ("/users", {**PERSON, "grants": [7]}),
        ("/users", {**PERSON, "grants": 7}),
        ("/users", {**PERSON, "grants": [{"role": "requester", "team": 99_999}]}),
        ("/users", {**PERSON, "grants": [{"role": "requester", "environment": "x"}]}),
    ],
)
def test_bodies(call, path, body):
    answer = call("POST", path, body)
    assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json"), answer.content
    assert answer.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"profile": "a", "csr": "x", "profile": "b"}', "profile"),
        (b'{"profile": "a", "csr": "x", "options": {"k": 1, "k": 2}}', "k"),
        (b'{"a\\u0000": 1, "a\\u0000": 2}', "body"),
    ],
)
def test_a_name_given_twice_is_not_guessed_at(call, body, field):
    answer = call("POST", "/orders", body)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), answer.content


@pytest.mark.parametrize(("charset", "status"), [("utf-7", 415), ("latin-1", 415), ("UTF-8", 422), ('"utf-8"', 422)])
def test_json_is_utf_8(cast, charset, status):
    token = people.create_token(cast.ada, "test")[1]
    client = Client(headers={"Authorization": f"Bearer {token}"})
    answer = client.generic("POST", "/api/v1/orders", b"{}", f"application/json; charset={charset}")
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


def test_head_is_get_without_the_content(call):
    got, head = call("GET", "/orders"), call("HEAD", "/orders")
    assert (head.status_code, head["Content-Type"], head.content) == (200, got["Content-Type"], b"")


def test_a_strange_host_fills_no_log(call, caplog):
    assert call("GET", "/orders", Host="evil.example").status_code == 400
    assert caplog.text == ""


@pytest.mark.parametrize(
    "path", ["/orders?search=a%00", "/audit?by=%1F", "/profiles/a%00", "/orders/%0A", "/profiles/" + "a" * 9000]
)
def test_addresses(call, path):
    assert call("GET", path).status_code == 400


def test_idempotency_key(call):
    body = {"profile": "Internal", "csr": request_pem("a.example.com")}
    assert call("POST", "/orders", body, **{"Idempotency-Key": "a\0b"}).status_code == 400


def test_a_body_too_large_to_read(call):
    answer = call("POST", "/orders", b'"' + b"a" * (20 * 1024 * 1024 + 1) + b'"')
    assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json")


@pytest.mark.parametrize("profile", ["a\0b", "\ud800", "a" * 300_000])
def test_orders_by_another_door(cast, local, profile):
    from chancery.apps.orders.place import PlaceOrder, place
    from chancery.core.errors import Absent

    with pytest.raises(Absent):
        place(cast.rob, PlaceOrder(profile, request_pem("a.example.com")))
