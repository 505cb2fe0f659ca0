"""Certificate requests made before the clock starts: each for another name, on one P-256 key."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

_PART = 5_000


def make(number: int, prefix: str = "host") -> list[bytes]:
    """Return `number` requests (DER), each for a name of its own."""
    parts = [(prefix, start, min(start + _PART, number)) for start in range(0, number, _PART)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        return [der for made in pool.map(_some, parts) for der in made]


def _some(part: tuple[str, int, int]) -> list[bytes]:
    from chancery.core import csr, keys
    from chancery.core.names import parse_name

    prefix, start, end = part
    key = keys.generate("EC-P256")
    hosts = [f"{prefix}{number}.bench.example.com" for number in range(start, end)]
    return [csr.build(key, [parse_name(host)], host) for host in hosts]
