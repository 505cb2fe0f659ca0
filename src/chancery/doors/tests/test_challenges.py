"""The one path that anybody may ask, by whatever name and scheme; and that it opens no other."""

import pytest
from django.test import Client

from chancery.apps.orders import published
from chancery.sdk.outcome import HttpAnswer

pytestmark = pytest.mark.django_db
PATH = "/.well-known/acme-challenge/"


@pytest.fixture
def answered(local, cast):
    from chancery.apps.orders.place import PlaceOrder, place
    from tests.cast import request_pem

    order = place(cast.rob, PlaceOrder("Internal", request_pem("www.example.com")))
    published.keep(order, [HttpAnswer("tok-1", "tok-1.thumb")])


@pytest.mark.parametrize("host", ["www.example.com", "xn--mnchen-3ya.example", "192.0.2.7", "evil..host", ""])
@pytest.mark.parametrize("secure", [True, False])
def test_a_token_is_answered_for_any_name(answered, host, secure):
    answer = Client().get(f"{PATH}tok-1", HTTP_HOST=host, secure=secure)
    assert (answer.status_code, answer.content) == (200, b"tok-1.thumb")
    assert answer["Content-Type"].startswith("text/plain")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"
    assert not answer.cookies


def test_head_is_answered_like_get(answered):
    answer = Client().head(f"{PATH}tok-1", HTTP_HOST="www.example.com")
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "token", ["tok-2", "", "tok-1/", "../tok-1", "tok-1%00", "tok-1.thumb", "x" * 201, "tok 1", "é"]
)
def test_another_token_is_not(answered, token):
    answer = Client().get(f"{PATH}{token}", HTTP_HOST="www.example.com")
    assert answer.status_code in {404, 400, 302}
    assert b"thumb" not in answer.content


@pytest.mark.parametrize("method", ["post", "put", "delete", "patch", "options"])
def test_nothing_can_be_put_there(answered, method):
    answer = getattr(Client(), method)(f"{PATH}tok-1", HTTP_HOST="www.example.com")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path", ["/", "/login", "/api/v1/orders", "/.well-known/acme-challengetok-1", "/.well-known/", "//x"]
)
def test_every_other_path_is_as_strict_as_before(answered, path):
    assert Client().get(path, HTTP_HOST="evil.example").status_code in {400, 404}


def test_the_door_stands_before_every_other():
    from django.conf import settings

    assert settings.MIDDLEWARE[0] == "chancery.doors.challenges.Challenges"
