"""Which addresses may be connected to. Public ones; others only where an administrator allowed them."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

_NEVER = tuple(
    ip_network(n)
    for n in (
        "169.254.169.254/32",
        "fd00:ec2::254/128",
        "0.0.0.0/8",
        "::/128",
        "224.0.0.0/4",
        "ff00::/8",
        "255.255.255.255/32",
    )
)
"""Cloud metadata, unspecified, multicast and broadcast: no connector has business there."""

_SPECIAL = tuple(
    ip_network(n)
    for n in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "240.0.0.0/4",
        "::1/128",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
    )
)
"""IANA special-purpose registries (RFC 6890 and its updates)."""

_NAT64 = (ip_network("64:ff9b::/96"),)
_REFUSED_V6 = (ip_network("64:ff9b:1::/48"), ip_network("2001::/32"))
_SIX_TO_FOUR = ip_network("2002::/16")


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """`allowed` are networks that the administrator opened for one connector, beside the public ones."""

    allowed: tuple[str, ...] = ()

    def judge(self, text: str) -> str:
        """Return '' if this address may be connected to, else the reason why not."""
        try:
            address = inner(ip_address(text.partition("%")[0]))
        except ValueError:
            return f"{text[:60]!r} is no address"
        if any(_in(address, n) for n in _NEVER):
            return f"{address} is a metadata, multicast or unspecified address"
        if any(_in(address, ip_network(n)) for n in self.allowed):
            return ""
        if any(_in(address, n) for n in (*_SPECIAL, *_REFUSED_V6)):
            return f"{address} is private or reserved, and this connector was not allowed to use it"
        return ""

    def allows_loopback(self, host: str) -> bool:
        """Say whether `host` is a loopback address, or localhost, that the administrator allowed."""
        try:
            address = ip_address("127.0.0.1" if host == "localhost" else host)
        except ValueError:
            return False
        return address.is_loopback and self.judge(str(address)) == ""


def inner(address: Address) -> Address:
    """Return the IPv4 address that a mapped, NAT64 or 6to4 address stands for, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if any(address in n for n in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        return IPv4Address((int(address) >> 80) & 0xFFFFFFFF)
    if 1 < int(address) < 2**32:
        return IPv4Address(int(address))
    return address


def is_odd_number(host: str) -> bool:
    """Say whether a host is an address in a form that resolvers accept and people misread (127.1, 0x7f.1)."""
    labels = host.rstrip(".").split(".")
    numeric = all(label[:2].lower() == "0x" or label.isdigit() for label in labels if label)
    if not numeric:
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def _in(address: Address, network: object) -> bool:
    return address in network  # type: ignore[operator]  # a network of the other version holds nothing
