"""What is there whole is handed over in one piece and closed; a stream is left as it is."""

import pytest
from django.http import HttpResponse, StreamingHttpResponse

from chancery.doors.whole import Whole

# Closing an answer ends the request, at which the framework looks at its connections.
pytestmark = pytest.mark.django_db


def answered(answer):
    closed = []
    answer._resource_closers.append(lambda: closed.append(True))
    return Whole(lambda environ, start: answer)({}, None), closed


def test_an_answer_goes_out_in_one_piece_and_is_closed():
    assert answered(HttpResponse("said")) == ([b"said"], [True])


def test_a_stream_is_closed_by_whoever_reads_it():
    answer = StreamingHttpResponse([b"a", b"b"])
    given, closed = answered(answer)
    assert (given is answer, closed) == (True, [])
    assert b"".join(given) == b"ab"
