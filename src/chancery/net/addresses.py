"""Which addresses may be connected to. Public ones; others only where an administrator named their network.

The library's own `is_global` is not enough: it calls NAT64-wrapped metadata, 6to4-wrapped loopback and multicast
global. Here an address is first unwrapped, then looked up in a table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressClass(StrEnum):
    """What an address is for, by the IANA special-purpose registries (RFC 6890 and its updates)."""

    PUBLIC = "public"
    PRIVATE = "private"
    SHARED = "carrier-grade NAT"
    LOOPBACK = "loopback"
    BENCHMARK = "benchmarking"
    LINK_LOCAL = "link-local"
    METADATA = "cloud metadata"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    BROADCAST = "broadcast"
    DOCUMENTATION = "documentation"
    RESERVED = "reserved"


_OPENABLE = frozenset({AddressClass.PRIVATE, AddressClass.SHARED, AddressClass.BENCHMARK})
"""What an administrator may open for a connector. Loopback too, but only by a network within loopback."""

_C = AddressClass
_TABLE: tuple[tuple[Network, AddressClass], ...] = tuple(
    (ip_network(text), kind)
    for kind, texts in (
        # First match wins: the metadata services of the large clouds lie inside other ranges. 168.63.129.16 is
        # Azure's, in the middle of public space.
        (_C.METADATA, "169.254.169.254/32 169.254.170.2/32 169.254.170.23/32 100.100.100.200/32 192.0.0.192/32"),
        (_C.METADATA, "168.63.129.16/32 fd00:ec2::254/128 fd00:ec2::23/128 fd20:ce::254/128"),
        (_C.UNSPECIFIED, "0.0.0.0/8 ::/128"),
        (_C.BROADCAST, "255.255.255.255/32"),
        (_C.LOOPBACK, "127.0.0.0/8 ::1/128"),
        (_C.PRIVATE, "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10 64:ff9b:1::/48"),
        (_C.SHARED, "100.64.0.0/10"),
        (_C.BENCHMARK, "198.18.0.0/15 2001:2::/48"),
        (_C.LINK_LOCAL, "169.254.0.0/16 fe80::/10"),
        (_C.DOCUMENTATION, "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
        (_C.MULTICAST, "224.0.0.0/4 ff00::/8"),
        (_C.RESERVED, "192.0.0.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.175.48.0/24 240.0.0.0/4"),
        (_C.RESERVED, "2001::/23 2002::/16 2620:4f:8000::/48 5f00::/16"),
        # IANA has handed out nothing but 2000::/3 as global unicast (RFC 4291 section 2.4 and its registry).
        (_C.PUBLIC, "0.0.0.0/0 2000::/3"),
        (_C.RESERVED, "::/0"),
    )
    for text in texts.split()
)

_NAT64, _LOCAL_NAT64 = IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48")
_COMPATIBLE, _TRANSLATED = IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96")
_SIX_TO_FOUR, _TEREDO = IPv6Network("2002::/16"), IPv6Network("2001::/32")
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
_LOW = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """`allowed` are networks (`10.1.0.0/16`) that the administrator opened for one connector, beside the public ones.

    Metadata, multicast, link-local, documentation and reserved addresses stay shut whatever is allowed.
    Raises `ValueError` for a text that is no network.
    """

    allowed: tuple[str, ...] = ()
    _networks: tuple[Network, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_networks", tuple(ip_network(text) for text in self.allowed))

    def judge(self, text: str) -> str:
        """Return '' if this address may be connected to, else the reason why not."""
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return f"{text[:60]!r} is no address"
        for face in faces(address):
            kind = _look_up(face)
            if kind is not AddressClass.PUBLIC and not self._opened(face, kind):
                return _reason(address, face, kind)
        return ""

    def _opened(self, address: Address, kind: AddressClass) -> bool:
        holding = [n for n in self._networks if address in n]
        if kind is AddressClass.LOOPBACK:
            # 0.0.0.0/0 is not read as "this machine as well": loopback must be meant.
            return any(n.is_loopback for n in holding)
        return kind in _OPENABLE and bool(holding)

    def allows_loopback(self, host: str) -> bool:
        """Say whether `host` is a loopback address, or localhost, that the administrator allowed."""
        if host == "localhost":
            return any(not self.judge(a) for a in LOCALHOST)
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return address.is_loopback and not self.judge(host)


LOCALHOST = ("127.0.0.1", "::1")
"""What localhost means, whatever a resolver says (RFC 6761 section 6.3)."""


def _reason(address: Address, face: Address, kind: AddressClass) -> str:
    inside = "" if address == face else f", which stands for {face}"
    if kind is AddressClass.LOOPBACK or kind in _OPENABLE:
        return f"{address}{inside} is a {kind} address, and its network was not allowed here"
    return f"{address}{inside} is a {kind} address, which may never be used"


def classify(address: str | Address) -> AddressClass:
    """Return the class of an address, unwrapped first; where it wraps two, the one that is not public."""
    kinds = [_look_up(face) for face in faces(ip_address(address))]
    return next((kind for kind in kinds if kind is not AddressClass.PUBLIC), AddressClass.PUBLIC)


def openable(text: str) -> str:
    """Return a network in its one spelling, if opening it for a connector means what it says.

    Raises `ValueError`, saying why, for a text that is no network, and for a network that is not wholly private,
    shared, for benchmarks or loopback: 0.0.0.0/0 would open every private address at once, public addresses need no
    opening, and the rest stays shut whatever is allowed.
    """
    network = ip_network(text)
    row = next(row for row in _TABLE if network.network_address in row[0])
    wholly = network.broadcast_address in row[0] and row[1] in _OPENABLE | {AddressClass.LOOPBACK}
    if not wholly:
        raise ValueError("only private, shared and loopback networks are opened here; public ones are open already")
    return str(network)


def _look_up(address: Address) -> AddressClass:
    return next(kind for network, kind in _TABLE if address in network)


def faces(address: Address) -> tuple[Address, ...]:
    """Return what an address stands for: the addresses that it wraps, else itself. All must be allowed."""
    if isinstance(address, IPv4Address):
        return (address,)
    number = int(address)
    if address in _TEREDO:  # RFC 4380 section 4: the server, and the client's address with every bit flipped
        return IPv4Address((number >> 64) & _LOW), IPv4Address((number & _LOW) ^ _LOW)
    if address in _SIX_TO_FOUR:  # RFC 3056 section 2
        return (IPv4Address((number >> 80) & _LOW),)
    if address in _LOCAL_NAT64:  # RFC 8215: a translator of the site's own, so the site must be allowed as well
        return IPv4Address(number & _LOW), address
    if (number >> 32) & _LOW in _ISATAP:  # RFC 5214 section 6.1
        return IPv4Address(number & _LOW), address
    if _wraps_in_the_low_bits(address, number):
        return (IPv4Address(number & _LOW),)
    return (address,)


def _wraps_in_the_low_bits(address: IPv6Address, number: int) -> bool:
    # RFC 4291 section 2.5.5 (mapped, compatible), RFC 6052 (NAT64), RFC 2765 (translated). :: and ::1 are themselves.
    compatible = address in _COMPATIBLE and number > 1
    return compatible or address.ipv4_mapped is not None or address in _NAT64 or address in _TRANSLATED


_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_HEX = re.compile(r"0x[0-9a-f]*")
_MAX_NAME = 253


def parse_host(text: str) -> str:
    """Return a host in its one spelling: a lower-case name, or an address (IPv6 without brackets).

    Raises `ValueError` for what resolvers accept and people misread: 127.1, 0x7f.1, 2130706433, octal, full-width
    digits, percent signs. A host whose last label is a number is an address or nothing (WHATWG URL, section 3.5).
    """
    host = text.lower()
    if ":" in host and "%" not in host:
        return str(IPv6Address(host[1:-1] if host.startswith("[") and host.endswith("]") else host))
    host = host.removesuffix(".")
    labels = host.split(".")
    if labels[-1].isdecimal() or _HEX.fullmatch(labels[-1]):
        return _strict_ipv4(host)
    if len(host) > _MAX_NAME or not all(_LABEL.fullmatch(label) for label in labels):
        msg = f"{text[:80]!r} is no host name (write names of other scripts in their xn-- form)"
        raise ValueError(msg)
    return host


def _strict_ipv4(host: str) -> str:
    try:
        return str(IPv4Address(host))
    except ValueError:
        msg = f"{host[:80]!r} is an address in an unusual form; write it as four decimal numbers"
        raise ValueError(msg) from None
