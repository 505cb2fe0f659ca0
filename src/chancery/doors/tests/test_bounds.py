"""A body that is too long for its address is refused unread, in the words of the door that it came to."""

import pytest
from django.test import Client

from chancery.doors.lengths import BEFORE_LOGIN, MOST


class Unread:
    """A body that nobody may touch."""

    def read(self, *_):
        raise AssertionError("it was read")

    readline = read


@pytest.fixture
def send(db):
    def post(path, length):
        return Client().generic("POST", path, b"", **{"CONTENT_LENGTH": length, "wsgi.input": Unread()})

    return post


@pytest.mark.parametrize("path", ["/api/v1/orders", "/api/v1/connectors", "/api/v1/nothing/here"])
def test_the_api_tells_it_as_a_problem(send, path):
    answer = send(path, str(MOST + 1))
    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "Send less at once" in answer.json()["errors"][0]["remedy"]


def test_a_page_tells_it_in_a_sentence(send):
    answer = send("/orders/new", "9" * 400)
    assert answer.status_code == 413
    assert "this page reads 1024 KiB" in answer.content.decode()


@pytest.mark.parametrize("path", ["/api/v1/orders/batch", "/api/v1/inventory/import"])
def test_what_brings_many_things_may_be_longer(send, path, settings):
    assert send(path, str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)).status_code == 413
    # Whoever may not is refused by that, still unread.
    assert send(path, str(MOST + 1)).status_code == 401


@pytest.mark.parametrize("path", ["/login", "/orders/new", "/inventory/import"])
def test_a_page_takes_less_of_whoever_has_not_logged_in(send, path):
    answer = send(path, str(BEFORE_LOGIN + 1))
    assert answer.status_code == 413
    assert "this page reads 256 KiB" in answer.content.decode()
