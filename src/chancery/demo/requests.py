"""Requests for certificates, as the demo's subscribers would send them."""

from __future__ import annotations

import secrets

from chancery.demo.prepare import LOCAL
from chancery.demo.sandbox import Where, examples


def wanted(where: Where) -> list[tuple[str, tuple[str, ...], str]]:
    """Return (profile, names, kind of key) of what is ordered through each connector."""
    return [
        (LOCAL[1], ("www-{n}.example.com",), "EC-P256"),
        *[(e["profile"], tuple(e["names"]), e["key"]) for _, e in examples(where)],
    ]


def request(names: tuple[str, ...], key: str) -> bytes:
    """Return a request; the demo plays the subscriber here: these keys stand for ones on the subscriber's hosts."""
    from chancery.core import csr, keys
    from chancery.core.names import parse_name

    word = secrets.token_hex(3)
    hosts = [name.format(n=word) for name in names]
    return csr.build(keys.generate(key), [parse_name(host) for host in hosts], hosts[0])
