"""The tree's hashes, kept in tiles (C2SP tlog-tiles): read for proofs, grown by the sequencer."""

from __future__ import annotations

from collections.abc import Sequence

from chancery.apps.audit.models import Tile
from chancery.core import merkle
from chancery.core.errors import Unavailable

WIDTH = 256
"""Hashes of a whole tile."""
STEP = 8
"""Heights that a tile spans: 2^8 = WIDTH."""
HASH = 32


class Tree:
    """The first `size` entries' hashes; tiles are read when they are needed, and kept."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._grown: set[tuple[int, int]] = set()

    def get(self, height: int, index: int) -> bytes:
        """Return the hash of a whole subtree, as `merkle.Get` asks for it."""
        level, rest = divmod(height, STEP)
        first, width = index << rest, 1 << rest
        tile, offset = divmod(first, WIDTH)
        raw = self._tile(level, tile)[offset * HASH : (offset + width) * HASH]
        if len(raw) != width * HASH:
            raise Unavailable(
                f"Hashes of the record's tree are missing (level {level}, from {first}).",
                remedy="Run `chancery audit verify` on the host.",
                code="tree_incomplete",
            )
        return top(raw)

    def tile(self, level: int, index: int, size: int) -> bytes:
        """Return the hashes of a tile as it stood when its level had `size` of them."""
        return self._tile(level, index)[: min(WIDTH, size - index * WIDTH) * HASH]

    def root(self) -> bytes:
        """Return the root."""
        return merkle.root(self.get, self.size)

    def append(self, leaves: Sequence[bytes]) -> None:
        """Add entries by their hashes; whole tiles add one hash to the level above."""
        level, hashes, have = 0, list(leaves), self.size
        self.size += len(hashes)
        while hashes:
            above = []
            while hashes:
                tile, offset = divmod(have, WIDTH)
                part, hashes = hashes[: WIDTH - offset], hashes[WIDTH - offset :]
                raw = (self._tile(level, tile)[: offset * HASH] if offset else b"") + b"".join(part)
                self._tiles[level, tile] = raw
                self._grown.add((level, tile))
                have += len(part)
                if len(raw) == WIDTH * HASH:
                    above.append(top(raw))
            level, hashes, have = level + 1, above, (have >> STEP) - len(above)

    def save(self) -> None:
        """Write the tiles that grew, inside the caller's transaction."""
        rows = [Tile(level=lv, index=ix, hashes=self._tiles[lv, ix]) for lv, ix in sorted(self._grown)]
        Tile.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["level", "index"], update_fields=["hashes"]
        )
        self._grown.clear()

    def _tile(self, level: int, index: int) -> bytes:
        found = self._tiles.get((level, index))
        if found is None:
            raw = Tile.objects.filter(level=level, index=index).values_list("hashes", flat=True).first()
            found = self._tiles[level, index] = bytes(raw or b"")
        return found


def top(raw: bytes) -> bytes:
    """Return the hash over neighbouring hashes, a power of two of them."""
    hashes = [raw[i : i + HASH] for i in range(0, len(raw), HASH)]
    while len(hashes) > 1:
        hashes = [merkle.node(a, b) for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
