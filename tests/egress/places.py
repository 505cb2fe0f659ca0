"""Where nothing may lead: addresses of inner and special networks, and the ways in which people hide them."""

from ipaddress import ip_address

PUBLIC = "93.184.216.34"
"""Stands for the outside; what is led astray is led from here."""

ADDRESSES = (
    *["127.0.0.1", "127.1.2.3", "127.255.255.254", "0.0.0.0", "0.1.2.3"],
    *["10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1", "100.64.0.1", "198.18.0.1"],
    *[
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "169.254.1.1",
    ],
    *[
        "192.0.2.1",
        "198.51.100.1",
        "203.0.113.1",
        "192.0.0.1",
        "192.88.99.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
    ],
    "255.255.255.255",
    *[
        "::",
        "::1",
        "fc00::1",
        "fd12:3456::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
        "ff0e::1",
    ],
    *["2001:db8::1", "3fff::1", "100::1", "5f00::1", "4000::1", "2001:10::1"],
    # Mapped, compatible, translated; NAT64 by the well-known prefix and by a site's own.
    *["::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:a00:1", "::127.0.0.1", "::a9fe:a9fe", "::ffff:0:10.0.0.1"],
    *["64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::10.0.0.1", "64:ff9b:1::a00:1"],
    # 6to4, Teredo (the client's address, then the server's), ISATAP.
    *["2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:808:808::f5ff:fffe", "2001:0:a00:1::f7f7:f7f7"],
    *["2606:4700::5efe:a00:1", "2606:4700::200:5efe:7f00:1"],
)
"""As `ipaddress` reads them."""

DISGUISES = (
    *[
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7f.1",
        "017700000001",
        "0177.0.0.1",
        "127.0.0.01",
        "127.0.0.1.",
    ],
    *[
        "2852039166",
        "0xa9fea9fe",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.16689662",
        "10.1",
        "0x0a000001",
        "192.168.257",
        "0",
    ],
    *["localhost", "LOCALHOST", "localhost.", "１２７.0.0.1", "127。0。0。1", "①②⑦.⓪.⓪.①", "127.0.0.1%00.example.com"],
    *["[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::1%25lo]", "[fe80::1%25lo]"],
    *["www.public.test@127.0.0.1", "127.0.0.1\\@www.public.test", "127.0.0.1#@www.public.test"],
)
"""As somebody writes them into a URL."""

HOSTS = (*(f"[{a}]" if ":" in a else a for a in ADDRESSES), *DISGUISES)

NAMED = tuple(str(ip_address(a)) for a in ADDRESSES)
"""What a name leads to: `a<n>.lead.test` to the nth alone, `m<n>` to the outside as well, `r<n>` to the outside the first time
it is asked for, and to the nth from then on."""


def names():
    """Return every name that leads astray."""
    return tuple(f"{how}{n}.lead.test" for how in "amr" for n in range(len(NAMED)))


NEVER = (
    *[
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "169.254.1.1",
        "224.0.0.1",
        "0.1.2.3",
        "192.0.2.1",
        "240.0.0.1",
        "255.255.255.255",
    ],
    *[
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[ff02::1]",
        "[::]",
        "[2001:db8::1]",
        "[::ffff:169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
    ],
    *["[2002:a9fe:a9fe::1]", "2852039166", "0xa9fea9fe"],
)
"""What stays shut even where the address is the operator's own setting, and so may be one inside."""
