"""MD4 (RFC 1320), which no library of today's offers and NTLM still needs; for the simulated domain alone."""

from __future__ import annotations

import struct

_WORD = 0xFFFFFFFF
_ORDERS = (
    (range(16), (3, 7, 11, 19), 0),
    ([4 * (n % 4) + n // 4 for n in range(16)], (3, 5, 9, 13), 0x5A827999),
    ([0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15], (3, 9, 11, 15), 0x6ED9EBA1),
)


def md4(message: bytes) -> bytes:
    """Return the digest of a message."""
    state = [0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476]
    padded = message + b"\x80" + bytes((55 - len(message)) % 64) + struct.pack("<Q", 8 * len(message))
    for at in range(0, len(padded), 64):
        state = _block(state, struct.unpack_from("<16I", padded, at))
    return struct.pack("<4I", *state)


def _block(state: list[int], words: tuple[int, ...]) -> list[int]:
    a, b, c, d = state
    for turn, (order, shifts, constant) in enumerate(_ORDERS):
        for step, place in enumerate(order):
            mixed = (a + _mixed(turn, b, c, d) + words[place] + constant) & _WORD
            shift = shifts[step % 4]
            a, b, c, d = d, (mixed << shift | mixed >> (32 - shift)) & _WORD, b, c
    return [(old + new) & _WORD for old, new in zip(state, (a, b, c, d), strict=True)]


def _mixed(turn: int, b: int, c: int, d: int) -> int:
    return (b & c | ~b & d, b & c | b & d | c & d, b ^ c ^ d)[turn]
