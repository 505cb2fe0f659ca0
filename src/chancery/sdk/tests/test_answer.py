from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chancery.core.secret import MASK, Secret
from chancery.sdk.answer import Answer
from chancery.sdk.errors import ProtocolViolation

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def answer(body: bytes = b"", status: int = 200, effect: bool = True, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, body, NOW, (Secret("hunter2-hunter2"),), effect)


def test_json_is_read() -> None:
    assert answer(b'{"a":["\xc3\xa4"]}').json() == {"a": ["ä"]}


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe\x00", b"[" * 100_000, b'{"a":1}x'])
@pytest.mark.parametrize("effect", [True, False])
def test_what_is_no_json_breaks_the_protocol(body: bytes, effect: bool) -> None:
    with pytest.raises(ProtocolViolation) as caught:
        answer(body, 502, effect).json()
    assert (caught.value.stage, caught.value.code, caught.value.bytes_sent) == ("response", "502", effect)
    assert len(caught.value.text) <= 2000


def test_a_redirect_instead_of_json_says_where_to() -> None:
    with pytest.raises(ProtocolViolation, match=r"points to https://new\.example/, and redirects are not followed"):
        answer(b"", 301, location="https://new.example/").json()
    with pytest.raises(ProtocolViolation) as caught:
        answer(b"", 200, location="https://new.example/").json()
    assert "new.example" not in caught.value.message


def test_text_is_scrubbed_and_capped() -> None:
    text = answer(b"key hunter2-hunter2 is \xff " + b"x" * 10_000).text
    assert text.startswith(f"key {MASK} is \ufffd x")
    assert len(text) == 2000


@pytest.mark.parametrize(
    ("value", "wait"),
    [
        ("0", timedelta(0)),
        (" 120 ", timedelta(seconds=120)),
        ("99999", timedelta(days=1)),
        ("9" * 5000, timedelta(days=1)),
        ("Mon, 23 Nov 2026 12:05:00 GMT", timedelta(minutes=5)),
        ("Mon, 23 Nov 2026 12:05:00 -0000", timedelta(minutes=5)),
        ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta(0)),
        ("Mon, 23 Nov 2099 12:00:00 GMT", timedelta(days=1)),
    ],
)
def test_retry_after_is_a_moment(value: str, wait: timedelta) -> None:
    assert answer(retry_after=value).retry_after == NOW + wait


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "1.5", "²", "Mon, 99 Nov 2026 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2300"]
)
def test_no_sense_in_retry_after_is_none(value: str) -> None:
    assert answer(retry_after=value).retry_after is None
    assert answer().retry_after is None


def test_the_clocks_are_compared() -> None:
    assert answer(date="Mon, 23 Nov 2026 12:00:07 GMT").clock_skew == timedelta(seconds=7)
    assert answer(date="Mon, 23 Nov 2026 11:00:00 GMT").clock_skew == -timedelta(hours=1)
    assert answer(date="yesterday").clock_skew is None
    assert answer().clock_skew is None
