from __future__ import annotations

import pytest

from chancery.net.url import join, parse_url


@pytest.mark.parametrize(
    ("text", "origin", "target"),
    [
        ("https://ca.example", ("https", "ca.example", 443), "/"),
        ("HTTPS://CA.example:8443/A?b=c", ("https", "ca.example", 8443), "/A?b=c"),
        ("http://127.0.0.1:80/x", ("http", "127.0.0.1", 80), "/x"),
        ("https://[2606:4700::1]/x", ("https", "2606:4700::1", 443), "/x"),
        ("https://ca.example?x=1", ("https", "ca.example", 443), "/?x=1"),
        ("https://ca.example/ä/%20/a...b", ("https", "ca.example", 443), "/%C3%A4/%20/a...b"),
        ("https://ca.example/?next=../x", ("https", "ca.example", 443), "/?next=../x"),
    ],
)
def test_urls_are_taken_apart(text: str, origin: tuple[str, str, int], target: str) -> None:
    url = parse_url(text)
    assert (url.origin, url.target) == (origin, target)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ca.example",
        "ftp://ca.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "https://",
        "https:///x",
        "https://user:pw@ca.example/",
        "https://ca.example@evil.example/",
        "https://ca.example\\@evil.example/",
        "https://ca.example#@evil.example/",
        "https://ca.example/#x",
        "https://ca.example/a b",
        "https://ca.example/\r\nX: y",
        "https://ca.example\t/",
        "https://ca.example:0/",
        "https://ca.example:65536/",
        "https://ca.example:x/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://[::1%25lo]/",
        "https://[127.0.0.1]/",
        "https://[]/",
        "https://::1/",
        "https://ca.example/a/../b",
        "https://ca.example/%2e%2E/b",
        "https://ca.example/.",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_url(text)


def test_the_host_header_leaves_out_the_usual_port() -> None:
    assert parse_url("https://ca.example:443/").authority == "ca.example"
    assert parse_url("https://ca.example:80/").authority == "ca.example:80"
    assert str(parse_url("https://[2606:4700::1]:8443/x")) == "https://[2606:4700::1]:8443/x"


def test_paths_are_joined_below_the_base() -> None:
    base = parse_url("https://ca.example/services/v2/?x=1")
    assert join(base, "/order").target == "/services/v2/order"
    assert join(base, "order?a=b").target == "/services/v2/order?a=b"
    for path in ("../admin", "a/%2e%2e/b", "a\\b", "a#b", "a\nb"):
        with pytest.raises(ValueError):
            join(base, path)
