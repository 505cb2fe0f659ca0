from __future__ import annotations

import base64
import html
import io
import json
import logging
import sys
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import pytest

from chancery.core.secret import MASK, Secret
from chancery.net import redact
from chancery.net.redact import RedactingFilter, register, scrub, scrub_value

CANARY = 'pä"ss/wörd+\\ 7<&'


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "_known", set())
    monkeypatch.setattr(redact, "_known_frozen", frozenset())


def forms(value: str) -> Iterator[str]:
    raw = value.encode()
    yield from (
        value[::-1],
        value.lower(),
        value.upper(),
        raw.hex().upper(),
        value,
        quote(value),
        quote(value, safe=""),
        urlencode({"x": value}),
        json.dumps(value),
    )
    yield from (json.dumps({"x": [value]}, ensure_ascii=False), repr(value), repr(raw), repr([{"x": raw}]), raw.hex())
    for told in (value, value[::-1], html.escape(value), html.escape(value, quote=False)):
        # A request in XML or JSON, and an error in JSON that holds it.
        yield from (told, json.dumps(told), json.dumps(json.dumps(told)))
        yield json.dumps({"error": json.dumps([told], ensure_ascii=False)}, ensure_ascii=False)
    for before in ("", "u:", "us:", "user:"):
        yield base64.b64encode(before.encode() + raw).decode()
        yield base64.urlsafe_b64encode(before.encode() + raw + b"tail").decode()


@pytest.mark.parametrize("form", list(forms(CANARY)))
def test_a_secret_is_found_in_every_form(form: str) -> None:
    assert form not in scrub(f"before {form} after", [Secret(CANARY)])
    assert MASK in scrub(f"before {form} after", [Secret(CANARY)])
    assert scrub(form) == form  # it is the value that is known, not the look


def test_base64_leaves_no_more_than_the_edges() -> None:
    secret = "Zq9" * 10
    for before in ("", "u", "us", "use"):
        code = base64.b64encode(f"{before}{secret}--".encode()).decode()
        left = scrub(code, [Secret(secret)]).replace(MASK, "")
        assert len(left) <= len(code) - len(secret)


@pytest.mark.parametrize("form", [CANARY, CANARY[::-1], quote(CANARY), base64.b64encode(CANARY.encode()).decode()])
def test_a_text_that_was_cut_inside_a_secret_shows_none_of_it(form: str) -> None:
    for length in range(6, len(form)):
        whole = scrub(f"said: {form} and {form[:length]}", [Secret(CANARY), Secret(CANARY[:8] + "else")])
        assert whole in {f"said: {MASK} and {MASK}", f"said: {MASK}== and {MASK}", f"said: {MASK}= and {MASK}"}, whole


def test_a_short_secret_is_taken_as_it_is_written() -> None:
    assert scrub("a Berlin, a berlin", [Secret("Berlin")]) == f"a {MASK}, a berlin"


def test_too_short_a_secret_garbles_nothing() -> None:
    assert scrub("a cat", [Secret("a"), Secret("")]) == "a cat"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("X-DC-DEVKEY: CANARY", "X-DC-DEVKEY: "),
        ("authorization: Bearer CANARY CANARY\r\nHost: x", "Host: x"),
        ("Proxy-Authorization: Negotiate CANARY==", "Proxy-Authorization"),
        ("Cookie: a=CANARY; b=CANARY\nnext", "next"),
        ("Set-Cookie=CANARY", "Set-Cookie"),
        ("{'Authorization': 'Basic CANARY', 'Host': 'x'}", "'Host': 'x'"),
        ('{"access_token":"CAN\\"ARY CANARY","n":1}', '"n":1'),
        ("[(b'Cookie', b'CANARY CANARY'), (b'Host', b'x')]", "b'Host', b'x'"),
        ("('X-API-Key', 'CANARY')", "X-API-Key"),
        ("login?user=a&password=CANARY&next=1", "&next=1"),
        ("client_secret=CANARY", "client_secret="),
        ("passphrase: CANARY)", ")"),
        ("https://user:CANARY@ca.example/x", "@ca.example/x"),
        ("-----BEGIN EC PRIVATE KEY-----\nCANARY\n-----END EC PRIVATE KEY-----\nafter", "after"),
        ("before -----BEGIN PRIVATE KEY-----\nCANARY", "before"),
        ("password='CANARY CANARY", "password="),
    ],
)
def test_what_looks_like_a_secret_goes(text: str, kept: str) -> None:
    cleaned = scrub(text)
    assert "CANARY" not in cleaned
    assert "ARY" not in cleaned
    assert kept in cleaned
    assert MASK in cleaned


@pytest.mark.parametrize(
    "text", ["The password has expired.", "12:30 tokens left: none", "https://ca.example:8443/a@b"]
)
def test_ordinary_text_stays(text: str) -> None:
    assert scrub(text) == text


class Logged:
    def __init__(self) -> None:
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(logging.Formatter("%(message)s"))
        handler.addFilter(RedactingFilter())
        self.log = logging.Logger("test")  # noqa: LOG001  one that no other test shares
        self.log.addHandler(handler)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def test_the_filter_scrubs_message_arguments_and_nested_values() -> None:
    register([Secret("hunter2-hunter2")])
    logged = Logged()
    logged.log.warning("key %s and %r and %s", "hunter2-hunter2", b"hunter2-hunter2", [{"a": ("hunter2-hunter2",)}])
    logged.log.warning({"Authorization": "Bearer unknown-token"})
    logged.log.warning(b"hunter2-hunter2")
    logged.log.warning("100 %% of %s", "it")
    assert "hunter2" not in logged.text
    assert "unknown-token" not in logged.text
    assert "100 % of it" in logged.text


def test_the_filter_scrubs_tracebacks_and_stacks() -> None:
    register([Secret("hunter2-hunter2")])
    logged = Logged()
    try:
        try:
            raise ValueError("inner hunter2-hunter2")
        except ValueError as inner:
            raise RuntimeError("outer hunter2-hunter2") from inner
    except RuntimeError:
        logged.log.exception("failed", stack_info=True)
        logged.log.error("again", exc_info=sys.exc_info())  # noqa: G201  what a careless caller writes
    logged.log.error("none to show", exc_info=(None, None, None))
    assert "hunter2-hunter2" not in logged.text
    assert "RuntimeError: outer" in logged.text
    assert "Stack (most recent call last)" in logged.text


def test_the_filter_scrubs_extra_fields_and_survives_wrong_formats() -> None:
    register([Secret("hunter2-hunter2")])
    record = logging.makeLogRecord({"msg": "%d", "args": ("hunter2-hunter2",), "body": {"k": [b"hunter2-hunter2"]}})
    assert RedactingFilter().filter(record)
    assert "hunter2" not in f"{record.msg} {record.body}"  # type: ignore[attr-defined]


def test_values_of_other_types_stay() -> None:
    register([Secret("hunter2-hunter2")])
    assert scrub_value({"n": 1, "s": {"hunter2-hunter2"}, "b": bytearray(b"\xff")}) == {
        "n": 1,
        "s": [MASK],
        "b": "\\xff",
    }
