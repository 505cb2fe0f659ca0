"""Bodies of unknown length are read, and no more of them than may be sent."""

from io import BytesIO

import pytest

from chancery.doors.chunked import Chunked


class Drip:
    """A stream that gives at most seven bytes at a time, and counts them."""

    def __init__(self, body):
        self.inner, self.given = BytesIO(body), 0

    def read(self, most):
        piece = self.inner.read(min(most, 7))
        self.given += len(piece)
        return piece


def seen(environ):
    """Return what the application sees of the length and the body."""
    found = {}

    def application(environ, _start):
        length = environ.get("CONTENT_LENGTH")
        found["seen"] = (length, environ["wsgi.input"].read(int(length or 0)))
        return []

    Chunked(application)(environ, None)
    return found["seen"]


@pytest.mark.parametrize("named", ["chunked", "gzip, Chunked"])
@pytest.mark.parametrize("body", [b"", b"0123456789"])
def test_a_chunked_body_has_a_length(named, body):
    assert seen({"HTTP_TRANSFER_ENCODING": named, "wsgi.input": Drip(body)}) == (str(len(body)), body)


def test_it_is_read_to_one_more_than_the_limit(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 20
    drip = Drip(b"a" * 1000)
    about = {"HTTP_TRANSFER_ENCODING": "chunked", "PATH_INFO": "/api/v1/orders/batch", "wsgi.input": drip}
    assert seen(about) == ("21", b"a" * 21)
    assert drip.given == 21


def test_a_body_of_known_length_is_left_alone():
    assert seen({"CONTENT_LENGTH": "3", "wsgi.input": BytesIO(b"abcdef")}) == ("3", b"abc")
