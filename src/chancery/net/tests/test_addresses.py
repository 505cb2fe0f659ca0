from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from chancery.net.addresses import AddressClass, AddressPolicy, classify, faces, openable, parse_host

C = AddressClass
TABLE = {
    "8.8.8.8": C.PUBLIC,
    "1.1.1.1": C.PUBLIC,
    "223.255.255.254": C.PUBLIC,
    "172.15.255.255": C.PUBLIC,
    "172.32.0.0": C.PUBLIC,
    "100.128.0.1": C.PUBLIC,
    "2606:4700:4700::1111": C.PUBLIC,
    "2001:4860:4860::8888": C.PUBLIC,
    "10.0.0.1": C.PRIVATE,
    "10.255.255.255": C.PRIVATE,
    "172.16.0.1": C.PRIVATE,
    "172.31.255.255": C.PRIVATE,
    "192.168.1.1": C.PRIVATE,
    "fc00::1": C.PRIVATE,
    "fd12:3456::1": C.PRIVATE,
    "fec0::1": C.PRIVATE,
    "100.64.0.1": C.SHARED,
    "100.127.255.255": C.SHARED,
    "127.0.0.1": C.LOOPBACK,
    "127.255.255.254": C.LOOPBACK,
    "::1": C.LOOPBACK,
    "0.0.0.0": C.UNSPECIFIED,
    "0.1.2.3": C.UNSPECIFIED,
    "::": C.UNSPECIFIED,
    "255.255.255.255": C.BROADCAST,
    "169.254.169.254": C.METADATA,
    "169.254.170.2": C.METADATA,
    "169.254.170.23": C.METADATA,
    "100.100.100.200": C.METADATA,
    "168.63.129.16": C.METADATA,
    "192.0.0.192": C.METADATA,
    "fd00:ec2::254": C.METADATA,
    "fd20:ce::254": C.METADATA,
    "169.254.0.1": C.LINK_LOCAL,
    "fe80::1": C.LINK_LOCAL,
    "febf::1": C.LINK_LOCAL,
    "192.0.2.1": C.DOCUMENTATION,
    "198.51.100.7": C.DOCUMENTATION,
    "203.0.113.9": C.DOCUMENTATION,
    "2001:db8::1": C.DOCUMENTATION,
    "3fff::1": C.DOCUMENTATION,
    "198.18.0.1": C.BENCHMARK,
    "198.19.255.255": C.BENCHMARK,
    "2001:2::1": C.BENCHMARK,
    "224.0.0.1": C.MULTICAST,
    "239.255.255.250": C.MULTICAST,
    "ff02::1": C.MULTICAST,
    "192.0.0.1": C.RESERVED,
    "192.88.99.1": C.RESERVED,
    "240.0.0.1": C.RESERVED,
    "2001:10::1": C.RESERVED,
    "100::1": C.RESERVED,
    "5f00::1": C.RESERVED,
    "4000::1": C.RESERVED,
    # What follows wraps another address.
    "::ffff:127.0.0.1": C.LOOPBACK,
    "::ffff:169.254.169.254": C.METADATA,
    "::ffff:8.8.8.8": C.PUBLIC,
    "::ffff:0:10.0.0.1": C.PRIVATE,
    "::127.0.0.1": C.LOOPBACK,
    "::a00:1": C.PRIVATE,
    "64:ff9b::169.254.169.254": C.METADATA,
    "64:ff9b::7f00:1": C.LOOPBACK,
    "64:ff9b::8.8.8.8": C.PUBLIC,
    "64:ff9b:1::8.8.8.8": C.PRIVATE,
    "64:ff9b:1:2::169.254.169.254": C.METADATA,
    "2002:7f00:1::": C.LOOPBACK,
    "2002:a9fe:a9fe::1": C.METADATA,
    "2002:808:808::1": C.PUBLIC,
    "2001:0:808:808:0:0:f5ff:fffe": C.PRIVATE,  # Teredo, client 10.0.0.1
    "2001:0:a00:1:0:0:f7f7:f7f7": C.PRIVATE,  # Teredo, server 10.0.0.1
    "2001:0:808:808:0:0:f7f7:f7f7": C.PUBLIC,
    "2606:4700::5efe:10.0.0.1": C.PRIVATE,
    "2606:4700::200:5efe:127.0.0.1": C.LOOPBACK,
    "2606:4700::5efe:8.8.8.8": C.PUBLIC,
}


@pytest.mark.parametrize(("text", "kind"), TABLE.items())
def test_each_address_has_its_class_and_only_public_ones_are_open(text: str, kind: AddressClass) -> None:
    assert classify(text) is kind
    reason = AddressPolicy().judge(text)
    assert (reason == "") is (kind is C.PUBLIC)
    assert kind is C.PUBLIC or str(kind) in reason


@pytest.mark.parametrize(("text", "kind"), TABLE.items())
def test_opening_everything_opens_private_ranges_alone(text: str, kind: AddressClass) -> None:
    wide = AddressPolicy(("0.0.0.0/0", "::/0"))
    assert (wide.judge(text) == "") is (kind in {C.PUBLIC, C.PRIVATE, C.SHARED, C.BENCHMARK})


def test_loopback_is_opened_only_by_name() -> None:
    for wide in ("0.0.0.0/0", "126.0.0.0/7"):
        assert "not allowed" in AddressPolicy((wide,)).judge("127.0.0.1")
    assert AddressPolicy(("127.0.0.0/8",)).judge("127.1.2.3") == ""
    assert AddressPolicy(("127.0.0.1/32",)).judge("127.0.0.1") == ""
    assert AddressPolicy(("127.0.0.1/32",)).judge("127.0.0.2")
    assert AddressPolicy(("::1/128",)).judge("::1") == ""
    assert AddressPolicy(("127.0.0.0/8",)).judge("::1")


def test_a_private_network_opens_itself_alone() -> None:
    policy = AddressPolicy(("10.1.0.0/16",))
    assert policy.judge("10.1.2.3") == ""
    assert policy.judge("::ffff:10.1.2.3") == ""
    assert policy.judge("10.2.0.1") == "10.2.0.1 is a private address, and its network was not allowed here"
    assert "which stands for 10.2.0.1" in policy.judge("64:ff9b::10.2.0.1")


def test_metadata_stays_shut_even_when_named() -> None:
    policy = AddressPolicy(("169.254.169.254/32", "fd00:ec2::/32", "224.0.0.0/4", "fe80::/10"))
    for text in ("169.254.169.254", "fd00:ec2::254", "224.0.0.1", "fe80::1%eth0"):
        assert "may never be used" in policy.judge(text)


def test_a_site_translator_must_be_named_and_its_inner_address_allowed() -> None:
    policy = AddressPolicy(("64:ff9b:1::/48",))
    assert policy.judge("64:ff9b:1::8.8.8.8") == ""
    assert policy.judge("64:ff9b:1::10.0.0.1")


def test_what_is_no_address_is_refused() -> None:
    assert "no address" in AddressPolicy().judge("example.com")
    with pytest.raises(ValueError):
        AddressPolicy(("10.0.0.1/8",))


def test_localhost_needs_an_opened_loopback() -> None:
    assert AddressPolicy(("127.0.0.0/8",)).allows_loopback("localhost")
    assert AddressPolicy(("::1/128",)).allows_loopback("localhost")
    assert not AddressPolicy().allows_loopback("localhost")
    assert AddressPolicy(("127.0.0.0/8",)).allows_loopback("127.0.0.1")
    assert not AddressPolicy().allows_loopback("127.0.0.1")
    assert not AddressPolicy(("127.0.0.0/8",)).allows_loopback("8.8.8.8")
    assert not AddressPolicy(("127.0.0.0/8",)).allows_loopback("example.com")


def test_no_wrapping_makes_a_refused_address_pass() -> None:
    chance = random.Random(5)
    refused = [t for t, kind in TABLE.items() if kind is not C.PUBLIC and "." in t and ":" not in t]
    for text in refused:
        number = int(IPv4Address(text))
        wrapped = [
            0xFFFF << 32 | number,
            0x64FF9B << 96 | number,
            0x2002 << 112 | number << 80 | chance.getrandbits(80),
        ]
        wrapped += [0x2001 << 112 | 0x08080808 << 64 | (number ^ 0xFFFFFFFF), 0xFFFF << 48 | number]
        for value in wrapped:
            assert AddressPolicy().judge(str(IPv6Address(value))), IPv6Address(value)


def test_whatever_the_library_calls_not_global_is_shut() -> None:
    chance = random.Random(6)
    for _ in range(3000):
        address = chance.choice([IPv4Address(chance.getrandbits(32)), IPv6Address(chance.getrandbits(128))])
        if not all(face.is_global for face in faces(address)):
            assert AddressPolicy().judge(str(address)), address


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("ca_1.internal", "ca_1.internal"),
        ("1.2.3.4", "1.2.3.4"),
        ("[::1]", "::1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("3com.example", "3com.example"),
        ("localhost", "localhost"),
    ],
)
def test_hosts_have_one_spelling(text: str, host: str) -> None:
    assert parse_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.0x1",
        "1.2.3.4.5",
        "256.1.1.1",
        "example.1",
        "example.0x",
        "127.0.0.1.0",
        "",
        ".",
        "a..b",
        "-a.example",
        "a-.example",
        "a b",
        "a%2e.example",
        "%31.example",
        "１２７.0.0.1",
        "127。0。0。1",
        "bücher.example",
        "user@example.com",
        "[::1%eth0]",
        "[::1",
        "fe80::1%1",
        ":::1",
        "a" * 64 + ".example",
        ".".join(["a" * 60] * 5),
    ],
)
def test_odd_hosts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_host(text)


def test_an_address_stands_for_itself() -> None:
    assert faces(ip_address("2606:4700::1")) == (ip_address("2606:4700::1"),)


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("10.1.0.0/16", "10.1.0.0/16"),
        ("192.168.1.1", "192.168.1.1/32"),
        ("100.64.0.0/10", "100.64.0.0/10"),
        ("198.18.0.0/15", "198.18.0.0/15"),
        ("127.0.0.0/8", "127.0.0.0/8"),
        ("::1", "::1/128"),
        ("FD00:1::/32", "fd00:1::/32"),
        ("64:ff9b:1::/48", "64:ff9b:1::/48"),
    ],
)
def test_a_network_of_one_openable_kind_is_opened(text: str, spelling: str) -> None:
    assert openable(text) == spelling
    first = spelling.partition("/")[0].replace("64:ff9b:1::", "64:ff9b:1::808:808")
    assert AddressPolicy((openable(text),)).judge(first) == ""


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "::/0", "10.0.0.0/7", "8.0.0.0/5", "8.8.8.0/24", "169.254.169.254", "fe80::/10", "ff00::/8", "x", ""],
)
def test_a_network_that_opens_more_or_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="network|opened"):
        openable(text)
