#!/usr/bin/env python3
"""Verifies Chancery's audit record by itself: one file, Python 3.9 or later, its standard library and nothing else.

    python3 verify_audit.py ARCHIVE [--key KEY] [--checkpoints FILE]     the whole record
    python3 verify_audit.py --proof FILE --entry FILE --key KEY          that one entry is in it

ARCHIVE is what `chancery audit archive` wrote, a tar file or a folder unpacked from it (C2SP tlog-tiles). KEY is the public
key that you noted when the record began (`chancery audit state`); without it the keys inside the archive are believed.
FILE are checkpoints that were kept elsewhere: an anchor file, or lines of syslog. Exit status: 0 all well, 1 not, 2 misuse.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import itertools
import json
import re
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, NamedTuple, NoReturn, Sequence, Tuple  # noqa: UP035  Python 3.9 reads it

WIDTH, HASH = 256, 32


class Bad(Exception):
    """What is wrong with the record, as it is told."""


# Ed25519 (RFC 8032 section 5.1) ------------------------------------------------------------------------------

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
if TYPE_CHECKING:
    Point = Tuple[int, int, int, int]  # noqa: UP006  as above
    """X, Y, Z, T in extended coordinates."""


def add(a: Point, b: Point) -> Point:
    """Return the sum of two points."""
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n: int, a: Point) -> Point:
    """Return a point n times."""
    found = (0, 1, 1, 0)
    while n:
        if n & 1:
            found = add(found, a)
        a, n = add(a, a), n >> 1
    return found


def recover(raw: bytes) -> Point:
    """Return the point that 32 bytes write; raises `ValueError` for none."""
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        raise ValueError("no point of the curve")
    x = P - x if x & 1 != sign else x
    return (x, y, 1, x * y % P)


BASE = recover((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether a signature is of this key and message."""
    if len(public) != 32 or len(signature) != 64:
        return False
    try:
        a, r = recover(public), recover(signature[:32])
    except ValueError:
        return False
    s = int.from_bytes(signature[32:], "little")
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % Q
    left, right = times(s, BASE), add(r, times(h, a))
    same = (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0
    return s < Q and same


# Trees (RFC 9162 section 2.1) ----------------------------------------------------------------------------------


def leaf(data: bytes) -> bytes:
    """Return an entry's hash."""
    return hashlib.sha256(b"\x00" + data).digest()


def node(left: bytes, right: bytes) -> bytes:
    """Return the hash of two neighbours."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """What is needed of a tree to add entries and to say its root."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def add(self, found: bytes) -> None:
        """Add an entry by its hash."""
        size = self.size
        while size & 1:
            found, size = node(self.peaks.pop(), found), size >> 1
        self.peaks.append(found)
        self.size += 1

    def root(self) -> bytes:
        """Return the root."""
        found = self.peaks[-1] if self.peaks else hashlib.sha256(b"").digest()
        for peak in self.peaks[-2::-1]:
            found = node(peak, found)
        return found


def climb(found: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to; raises `Bad` where it has too few or too many hashes."""
    last = size - 1
    for other in proof:
        if last == 0:
            raise Bad("the proof is too long")
        if index & 1 or index == last:
            found = node(other, found)
            while index and not index & 1:
                index, last = index >> 1, last >> 1
        else:
            found = node(found, other)
        index, last = index >> 1, last >> 1
    if last:
        raise Bad("the proof is too short")
    return found


# Checkpoints (C2SP signed-note, tlog-checkpoint) ---------------------------------------------------------------


class Key(NamedTuple):
    """A public key and its name."""

    name: str
    public: bytes

    @property
    def hint(self) -> bytes:
        """By what a signature says whose it is."""
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]


class Checkpoint(NamedTuple):
    """A signed statement about the record."""

    origin: str
    size: int
    root: bytes
    next_key: str
    text: str
    signatures: list[tuple[str, bytes]]

    def by(self, key: Key) -> bool:
        """Say whether a key signed it."""
        mine = [raw[4:] for name, raw in self.signatures if name == key.name and raw[:4] == key.hint]
        return any(signed(key.public, raw, self.text.encode()) for raw in mine)


def key(text: str) -> Key:
    """Return the key that a text writes."""
    name, hint, rest = ([*text.strip().split("+", 2), "", ""])[:3]
    raw = unbase64(rest)
    found = Key(name, raw[1:])
    if not name or raw[:1] != b"\x01" or found.hint.hex() != hint:
        raise Bad(f"{text.strip()[:60]!r} is no key of a signed note")
    return found


def unbase64(text: str) -> bytes:
    """Return what base64 writes."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad(f"{text[:60]!r} is no base64") from None


def checkpoint(raw: str) -> Checkpoint:
    """Return the checkpoint that a signed note is."""
    text, _, below = raw.rpartition("\n\n")
    lines = text.split("\n")
    marks = [re.fullmatch("— ([^ +]+) (\\S+)", line) for line in below.splitlines()]
    if len(lines) < 3 or not re.fullmatch("[0-9]{1,18}", lines[1]) or not marks or None in marks:
        raise Bad(f"a checkpoint cannot be read: {raw[:80]!r}")
    following = [line.partition(" ")[2] for line in lines[3:] if line.startswith("chancery-next-key ")]
    signatures = [(m[1], unbase64(m[2])) for m in marks if m]
    return Checkpoint(lines[0], int(lines[1]), unbase64(lines[2]), "".join(following[:1]), text + "\n", signatures)


def written(line: str) -> str:
    """Return the note that a line of JSON holds."""
    try:
        return str(json.loads(line)["chancery_checkpoint"])
    except (ValueError, RecursionError):
        raise Bad(f"a line with a checkpoint cannot be read: {line[:80]!r}") from None


def notes(raw: str) -> Iterator[str]:
    """Yield the notes of a file: one after the other, or in lines of JSON as syslog keeps them."""
    lines: list[str] = []
    for line in raw.splitlines(keepends=True):
        found = re.search('\\{"chancery_checkpoint":.*\\}', line)
        if found:
            yield written(found[0])
            continue
        if lines and lines[-1].startswith("— ") and not line.startswith("— "):
            yield "".join(lines)
            lines = []
        if lines or line.strip():
            lines.append(line)
    if lines:
        yield "".join(lines)


def believed(found: list[Checkpoint], keys: Sequence[Key]) -> list[Key]:
    """Return every key that was in force, having looked at each checkpoint's signature; raises `Bad` for a foreign one."""
    now, ever = list(keys), list(keys)
    for at, one in enumerate(found):
        signer = next((k for k in now if one.by(k)), None)
        if signer is None:
            raise Bad(f"no key that is believed signed checkpoint {at} (size {one.size})")
        # Those before it are over: one was lost, or named this one.
        now = now[now.index(signer) :]
        if one.next_key:
            following = key(one.next_key)
            if not one.by(following):
                raise Bad(f"checkpoint {at} (size {one.size}) names a next key that did not sign it")
            now = [following, *now[1:]]
            ever.append(following)
    return ever


def agree(found: Sequence[Checkpoint]) -> None:
    """Raise `Bad` where the log signed two different things under one origin, or shrank."""
    roots: dict[tuple[str, int], bytes] = {}
    largest: dict[str, int] = {}
    for one in found:
        if roots.setdefault((one.origin, one.size), one.root) != one.root:
            raise Bad(f"the log forked: two checkpoints of size {one.size} have different roots")
        if one.size < largest.get(one.origin, 0):
            raise Bad(f"the log shrank: a checkpoint of size {one.size} follows one of {largest[one.origin]}")
        largest[one.origin] = one.size


# The archive (C2SP tlog-tiles) ---------------------------------------------------------------------------------


class Archive:
    """A tar file, or a folder unpacked from it."""

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else None
        self.tar = None if path.is_dir() else tarfile.open(path)  # noqa: SIM115  closed at the end of the block
        self.members = {m.name: m for m in self.tar.getmembers() if m.isfile()} if self.tar else {}

    def __enter__(self) -> Archive:  # noqa: PYI034  Python 3.9 has no Self
        return self

    def __exit__(self, *_: object) -> None:
        if self.tar:
            self.tar.close()

    def read(self, name: str) -> bytes:
        """Return a file, empty where there is none."""
        if self.folder is not None:
            path = self.folder / name
            return path.read_bytes() if path.is_file() else b""
        file = self.tar.extractfile(self.members[name]) if self.tar and name in self.members else None
        return file.read() if file else b""

    def tile(self, kind: str, index: int, size: int) -> bytes:
        """Return a tile of hashes (kind '0') or entries as it stands in a tree of `size`."""
        parts = [f"{index % 1000:03d}"]
        while index >= 1000:
            index //= 1000
            parts.insert(0, f"x{index % 1000:03d}")
        partial = size - int("".join(p.lstrip("x") for p in parts)) * WIDTH
        return self.read(f"tile/{kind}/{'/'.join(parts)}" + (f".p/{partial}" if partial < WIDTH else ""))

    def entries(self, size: int) -> Iterator[tuple[bytes | None, bytes]]:
        """Yield each entry and the hash that the archive's own tree has of it; None and b'' for what is missing."""
        for index in range((size + WIDTH - 1) // WIDTH):
            hashes, raw, at, n = self.tile("0", index, size), self.tile("entries", index, size), 0, 0
            while at < len(raw):
                length = int.from_bytes(raw[at : at + 2], "big")
                yield raw[at + 2 : at + 2 + length], hashes[n * HASH : (n + 1) * HASH]
                at, n = at + 2 + length, n + 1
            for lost in range(n, min(WIDTH, size - index * WIDTH)):
                yield None, hashes[lost * HASH : (lost + 1) * HASH]


def rebuild(archive: Archive, size: int, found: Sequence[Checkpoint]) -> None:
    """Compare the `size` entries of an archive with every checkpoint; raises `Bad` with the first bad entry."""
    wanted: dict[int, list[Checkpoint]] = {}
    for one in found:
        wanted.setdefault(one.size, []).append(one)
    ours, good, first = Frontier(), 0, None
    for entry, kept in archive.entries(size):
        hashed = leaf(entry or b"")
        if first is None and (entry is None or hashed != kept):
            first = ours.size
        ours.add(hashed)
        for one in wanted.get(ours.size, ()):
            if one.root != ours.root():
                raise Bad(blame(archive, size, one, good, first))
            good = ours.size
    if first is not None:
        raise Bad(f"the archive's own hash of entry {first} is wrong, the entry itself is well")
    most = max(wanted)
    if most > ours.size:
        raise Bad(f"entry {ours.size} is missing: a checkpoint says that there were {most}")


def blame(archive: Archive, size: int, broken: Checkpoint, good: int, first: int | None) -> str:
    """Return which entry is bad: exactly, where the archive's hashes are those that were signed."""
    theirs = Frontier()
    for _, kept in itertools.islice(archive.entries(size), broken.size):
        theirs.add(kept)
    if first is not None and theirs.root() == broken.root:
        return f"entry {first} is not the one that was recorded (all is well up to the checkpoint of size {good})"
    return f"an entry from {good} to {broken.size - 1} is not the one that was recorded"


# The program -----------------------------------------------------------------------------------------------------


def whole(path: Path, keys: Sequence[str], elsewhere: Sequence[Path]) -> str:
    """Verify a whole record; returns what to say, raises `Bad`."""
    with Archive(path) as archive:
        return everything(archive, keys, elsewhere)


def everything(archive: Archive, keys: Sequence[str], elsewhere: Sequence[Path]) -> str:
    """Verify an open archive; returns what to say, raises `Bad`."""
    given = keys or [k for k in archive.read("keys").decode().splitlines() if k.strip()]
    found = [checkpoint(raw) for raw in notes(archive.read("checkpoints").decode())]
    if not found:
        raise Bad("there is no checkpoint in the archive")
    ever = believed(found, [key(text) for text in given])
    agree(found)
    outside = [checkpoint(raw) for file in elsewhere for raw in notes(file.read_text(encoding="utf-8"))]
    for one in outside:
        if not any(one.by(k) for k in ever):
            raise Bad(f"no key that is believed signed a checkpoint from elsewhere (size {one.size})")
    agree(sorted([*found, *outside], key=lambda one: one.size))
    size = found[-1].size
    rebuild(archive, size, [*found, *outside])
    source = "given" if keys else "in the archive, so compare it: " + ", ".join(given)
    return f"{size} entries, {len(found)} checkpoints and {len(outside)} from elsewhere agree. The key was {source}."


def single(proof: Path, entry: Path, keys: Sequence[str]) -> str:
    """Verify that one entry is in the record (C2SP tlog-proof); returns what to say, raises `Bad`."""
    head, _, raw = proof.read_text(encoding="utf-8").partition("\n\n")
    lines = [line for line in head.split("\n")[1:] if not line.startswith("extra ")]
    if not head.startswith("c2sp.org/tlog-proof@v1\n") or not re.fullmatch("index [0-9]+", lines[0]):
        raise Bad("this is no proof")
    one, index = checkpoint(raw), int(lines[0][6:])
    if not any(one.by(key(text)) for text in keys):
        raise Bad("no key that is believed signed the proof's checkpoint")
    data = entry.read_bytes()
    data = data[:-1] if data.endswith(b"\n") else data
    if not index < one.size or climb(leaf(data), index, one.size, [unbase64(h) for h in lines[1:]]) != one.root:
        raise Bad(f"entry {index} is not the one that was recorded")
    return f"entry {index} is in the record of {one.size} entries."


def main(given: Sequence[str] | None = None) -> NoReturn:
    """Say what was found and end."""
    parser = argparse.ArgumentParser(description="Verifies Chancery's audit record.")
    parser.add_argument("archive", nargs="?", type=Path)
    parser.add_argument("--key", action="append", default=[], help="a public key that you believe (again for more)")
    parser.add_argument("--checkpoints", action="append", default=[], type=Path, help="checkpoints kept elsewhere")
    parser.add_argument("--proof", type=Path, help="a .tlog-proof file")
    parser.add_argument("--entry", type=Path, help="the entry that it is about, byte for byte")
    asked = parser.parse_args(given)
    one = asked.proof and asked.entry and asked.key
    if not one and not asked.archive:
        parser.error("give an archive, or --proof, --entry and --key")
    try:
        print(
            "OK:",
            single(asked.proof, asked.entry, asked.key) if one else whole(asked.archive, asked.key, asked.checkpoints),
        )
    except Bad as bad:
        print("BAD:", bad)
        sys.exit(1)
    except (OSError, UnicodeDecodeError, tarfile.TarError) as error:
        print("CANNOT BE READ:", error)
        sys.exit(2)
    sys.exit(0)


if __name__ == "__main__":  # pragma: no cover  another process runs it
    main()
