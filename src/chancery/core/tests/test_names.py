from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chancery.core.errors import Invalid
from chancery.core.names import KINDS, Name, canonical, parse_name


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("example.com", "dns", "example.com"),
        ("WWW.Example.COM", "dns", "www.example.com"),
        ("host", "dns", "host"),
        ("*.example.com", "dns", "*.example.com"),
        ("bücher.example", "dns", "xn--bcher-kva.example"),
        ("*.Bücher.example", "dns", "*.xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "dns", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "dns", "xn--bcher-kva.example"),
        ("ｅｘａｍｐｌｅ.com", "dns", "example.com"),
        ("example。com", "dns", "example.com"),
        ("3com.com", "dns", "3com.com"),
        (f"{'a' * 63}.com", "dns", f"{'a' * 63}.com"),
        ("10.0.0.1", "ip", "10.0.0.1"),
        ("2001:DB8:0::1", "ip", "2001:db8::1"),
        ("Anna.B@Example.com", "email", "Anna.B@example.com"),
        ("spiffe://trust.example/ns/web", "uri", "spiffe://trust.example/ns/web"),
    ],
)
def test_a_name_is_parsed_to_its_canonical_form(text: str, kind: str, value: str) -> None:
    assert parse_name(text) == Name(kind, value)
    assert parse_name(text, kind) == Name(kind, value)
    assert parse_name(value) == Name(kind, value)


BAD_DNS = [
    "",
    ".",
    "..",
    ".example.com",
    "a..b",
    "example.com.",
    "example.com。",
    "-leading.example.com",
    "trailing-.example.com",
    "-oProxyCommand=x",
    "under_score.example.com",
    "sp ace.example.com",
    " example.com",
    "example.com ",
    "../../etc",
    "$(id).example.com",
    "a.example.com\nb.example.com",
    "a\x00.example.com",
    "a\u202eb.example.com",
    "a\u200bb.example.com",
    "<b>.example.com",
    "*",
    "*.",
    "*.com",
    "a.*.example.com",
    "w*.example.com",
    "*w.example.com",
    "*.*.example.com",
    "127.0.0.1",
    "127.1",
    "host.0x7f",
    "１２７.0.0.1",
    "2130706433",
    "xn--\u00fc.example",
    "xn--a.example",
    "xn--.example",
    "xn--example-.example",
    "ab--cd.example",
    "☃☃.example",
    f"{'a' * 64}.com",
    f"{'ü' * 60}.example",
    ".".join(["a" * 63] * 4),
    "a" * 601,
]


@pytest.mark.parametrize("text", BAD_DNS)
def test_what_is_no_dns_name_is_refused_with_field_and_remedy(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_name(text, "dns")
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == ("names", "bad_name")
    assert problem.remedy
    assert problem.message.isprintable()
    assert len(problem.message) < 300


def test_the_trailing_dot_has_its_own_remedy() -> None:
    with pytest.raises(Invalid) as caught:
        parse_name("example.com.")
    assert "dot" in caught.value.problems[0].remedy


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("example.com", "ip"),
        ("10.0.0.0/8", "ip"),
        ("127.1", "ip"),
        ("fe80::1%eth0", "ip"),
        ("example.com", "email"),
        ("@example.com", "email"),
        ("a b@example.com", "email"),
        ("a@*.example.com", "email"),
        ("a@b@example.com", "email"),
        ("a@-bad.example", "email"),
        ("example.com", "uri"),
        ("https://", "uri"),
        ("https://exämple.com", "uri"),
        ("HTTPS://a b", "uri"),
        ("x", "upn"),
    ],
)
def test_other_kinds_are_as_strict(text: str, kind: str) -> None:
    with pytest.raises(Invalid):
        parse_name(text, kind)


def test_canonical_is_sorted_and_unique() -> None:
    b, a, ip = Name("dns", "b.example"), Name("dns", "a.example"), Name("ip", "10.0.0.1")
    assert canonical([ip, b, a, b]) == (a, b, ip)
    assert canonical([]) == ()


def test_a_wildcard_knows_itself() -> None:
    assert parse_name("*.example.com").is_wildcard
    assert not parse_name("example.com").is_wildcard


@given(st.text(max_size=80), st.sampled_from([None, *KINDS]))
def test_any_text_is_refused_or_stays_the_same_when_parsed_again(text: str, kind: str | None) -> None:
    try:
        name = parse_name(text, kind)
    except Invalid:
        return
    assert parse_name(name.value, name.kind) == name
    assert name.value.isascii()
    assert name.value.isprintable()
