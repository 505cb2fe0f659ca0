"""Merkle trees over a list of entries (RFC 9162 section 2.1, the same hashing as RFC 6962): roots and proofs.

Hashes are SHA-256, 32 bytes. What stands in the tree is asked of a `Get`: height and index of a whole subtree → its hash.
Indexes count from 0; a subtree of height h covers the entries from index·2^h up to, not including, (index + 1)·2^h.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

Get = Callable[[int, int], bytes]
EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without entries."""


def leaf(data: bytes) -> bytes:
    """Return the hash of an entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbours."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(get: Get, size: int) -> bytes:
    """Return the root of the first `size` entries."""
    return _range(get, 0, size) if size else EMPTY


def inclusion(get: Get, index: int, size: int) -> list[bytes]:
    """Return the proof that the entry at `index` is among the first `size` (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} among {size}")
    return _path(get, index, 0, size)


def consistency(get: Get, old: int, new: int) -> list[bytes]:
    """Return the proof that the first `old` of `new` entries are unchanged (RFC 9162 section 2.1.4.1)."""
    if not 0 < old <= new:
        raise ValueError(f"no tree of {old} in one of {new}")
    return _subproof(get, old, 0, new, whole=True)


def included(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], wanted: bytes) -> bool:
    """Say whether a proof leads from an entry's hash to the root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf_hash
    for other in proof:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node(other, found)
            at, last = _up(at, last)
        else:
            found = node(found, other)
        at, last = at >> 1, last >> 1
    return last == 0 and found == wanted


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether a proof shows that the tree of `old` grew into the one of `new` (RFC 9162 section 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    hashes = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    if not hashes:
        return False
    first = second = hashes[0]
    for other in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            first, second = node(other, first), node(other, second)
            at, last = _up(at, last)
        else:
            second = node(second, other)
        at, last = at >> 1, last >> 1
    return last == 0 and (first, second) == (old_root, new_root)


class Frontier:
    """The roots of the whole subtrees to the left of what comes next: enough to add entries and to say the root."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf_hash: bytes) -> None:
        """Add an entry by its hash."""
        found, size = leaf_hash, self.size
        while size & 1:
            found, size = node(self._peaks.pop(), found), size >> 1
        self._peaks.append(found)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of what was added."""
        if not self._peaks:
            return EMPTY
        found = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            found = node(peak, found)
        return found


def _up(at: int, last: int) -> tuple[int, int]:
    """Pass the levels on which the last node has no neighbour."""
    while at and not at & 1:
        at, last = at >> 1, last >> 1
    return at, last


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _range(get: Get, start: int, size: int) -> bytes:
    if size & (size - 1) == 0:
        height = size.bit_length() - 1
        return get(height, start >> height)
    left = _split(size)
    return node(_range(get, start, left), _range(get, start + left, size - left))


def _path(get: Get, index: int, start: int, size: int) -> list[bytes]:
    if size == 1:
        return []
    left = _split(size)
    if index < left:
        return [*_path(get, index, start, left), _range(get, start + left, size - left)]
    return [*_path(get, index - left, start + left, size - left), _range(get, start, left)]


def _subproof(get: Get, old: int, start: int, new: int, *, whole: bool) -> list[bytes]:
    if old == new:
        return [] if whole else [_range(get, start, new)]
    left = _split(new)
    if old <= left:
        return [*_subproof(get, old, start, left, whole=whole), _range(get, start + left, new - left)]
    return [*_subproof(get, old - left, start + left, new - left, whole=False), _range(get, start, left)]
