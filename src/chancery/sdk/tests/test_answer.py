import json
from datetime import UTC, datetime, timedelta

import pytest

from chancery.core.secret import Secret
from chancery.sdk.answer import Answer, clock_skew
from chancery.sdk.errors import TEXT_LIMIT, ProtocolViolation

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def answer(body=b"", status=200, secrets=(), effect=True, **headers):
    return Answer(status, {k.replace("_", "-"): v for k, v in headers.items()}, body, NOW, secrets, effect)


def test_json_is_read():
    assert answer(b'{"a": [1, "\xc3\xa9"]}').json() == {"a": [1, "é"]}


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"\xff\xfe\xfd", b"[" * 200_000])
def test_what_is_no_json_breaks_the_protocol(body):
    with pytest.raises(ProtocolViolation) as caught:
        answer(body, 502).json()
    error = caught.value
    assert (error.code, error.stage, error.bytes_sent) == ("502", "response", True)
    assert "502" in error.message
    assert "points to" not in error.message
    assert "base URL" in error.remedy


def test_a_broken_answer_to_a_question_cannot_have_changed_anything():
    with pytest.raises(ProtocolViolation) as caught:
        answer(b"?", effect=False).json()
    assert caught.value.bytes_sent is False


def test_a_redirect_says_where_it_leads_without_the_secret():
    with pytest.raises(ProtocolViolation, match=r"points to https://login\.example/\?k=") as caught:
        answer(b"", 302, (Secret("hunter22"),), location="https://login.example/?k=hunter22").json()
    assert "hunter22" not in caught.value.message


@pytest.mark.parametrize(("status", "place"), [(302, ""), (299, "/x"), (400, "/x")])
def test_only_a_redirect_with_a_place_leads_away(status, place):
    with pytest.raises(ProtocolViolation) as caught:
        answer(b"", status, location=place).json()
    assert "points to" not in caught.value.message


def test_text_is_capped_readable_and_scrubbed():
    long = answer("é".encode() * 10 * TEXT_LIMIT)
    assert long.text == "é" * TEXT_LIMIT
    assert answer(b"a\xffb").text == "a\ufffdb"
    echoed = answer(json.dumps({"sent": 'hun"ter22'}).encode(), secrets=(Secret('hun"ter22'),)).text
    assert "ter22" not in echoed


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta(0)),
        ("999999999999999999999", timedelta(days=1)),
        ("Sun, 01 Mar 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Sun, 01 Mar 2026 13:05:00 +0100", timedelta(minutes=5)),
        ("Sun, 01 Mar 2026 12:05:00 -0000", timedelta(minutes=5)),
        ("Sun, 01 Mar 2020 12:05:00 GMT", timedelta(0)),
        ("Sun, 01 Mar 2099 12:05:00 GMT", timedelta(days=1)),
    ],
)
def test_retry_after_is_a_moment_within_a_day(value, expected):
    found = answer(retry_after=value).retry_after
    assert found == NOW + expected
    assert found.tzinfo is UTC


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "²", "Sun, 99 Mar 2026 12:05:00 GMT"])
def test_a_senseless_retry_after_is_none(value):
    assert answer(retry_after=value).retry_after is None


def test_without_retry_after_there_is_none():
    assert answer().retry_after is None


def test_the_skew_is_how_far_the_ca_is_ahead():
    assert answer(date="Sun, 01 Mar 2026 12:07:00 GMT").clock_skew == timedelta(minutes=7)
    assert clock_skew({"date": "Sun, 01 Mar 2026 11:59:00 GMT"}, NOW) == timedelta(minutes=-1)
    assert answer().clock_skew is None
    assert answer(date="yesterday").clock_skew is None
