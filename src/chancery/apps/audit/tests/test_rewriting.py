"""Whoever rewrites a record that has left the house is found by the program alone, which names the first bad entry.

The records here are made by this file, tile by tile as C2SP tlog-tiles has them, so they may be large and need no table.
"""

import hashlib
import io
import json
import random
import resource
import subprocess
import sys
import tarfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chancery.apps.audit import proofs, verify_audit
from chancery.apps.audit.tree import WIDTH
from chancery.core import note

ORIGIN = "record.example.com"
LARGE = 1_000_000
SECONDS = 5.0
"""Of the processor's time, within which a million entries are verified."""


def entry(number):
    said = {
        "action": "orders.place",
        "at": f"2030-01-02T00:00:{number % 60:02}.000000+00:00",
        "id": f"{number:036}",
        "v": 3,
    }
    return json.dumps(said, separators=(",", ":"), sort_keys=True).encode()


class Record:
    """Entries, their hashes, and the checkpoints that a key signed over them."""

    def __init__(self, size, steps, key=None):
        self.signer = note.Signer(ORIGIN, key or Ed25519PrivateKey.generate())
        self.entries = [entry(number) for number in range(size)]
        self.hashes = [verify_audit.leaf(one) for one in self.entries]
        self.notes = self.signed(steps)

    def signed(self, steps):
        """Return the checkpoints of some sizes."""
        front, found = verify_audit.Frontier(), []
        for size, one in enumerate(self.hashes, 1):
            front.add(one)
            if size in steps:
                found.append(note.sign(note.Checkpoint(ORIGIN, size, front.root()).text, [self.signer]))
        return found

    def write(self, path):
        """Write it as a tar file of tiles."""
        with tarfile.open(path, "w") as tar:
            add(tar, "keys", f"{self.signer.key.text}\n".encode())
            add(tar, "checkpoints", "".join(f"{text}\n" for text in self.notes).encode())
            size = verify_audit.checkpoint(self.notes[-1]).size
            for index in range(-(-size // WIDTH)):
                span = slice(index * WIDTH, (index + 1) * WIDTH)
                whole = b"".join(len(one).to_bytes(2, "big") + one for one in self.entries[:size][span])
                add(tar, proofs._name("entries", index, size), whole)
                add(tar, proofs._name("0", index, size), b"".join(self.hashes[:size][span]))
        return path


def add(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def edit(entries, at):
    entries[at] = entries[at].replace(b"place", b"steal")


def delete(entries, at):
    del entries[at]


def insert(entries, at):
    entries.insert(at, entry(10**9))


def swap(entries, at):
    entries[at], entries[at + 1] = entries[at + 1], entries[at]


def verdict(record, path, *elsewhere, key=""):
    """Return what the program says of a record, with the key and the checkpoints that were noted elsewhere."""
    outside = []
    if elsewhere:
        outside = [path.with_suffix(".outside")]
        outside[0].write_text("".join(f"{text}\n" for text in elsewhere))
    try:
        return "OK: " + verify_audit.whole(record.write(path), [key or record.signer.key.text], outside)
    except verify_audit.Bad as bad:
        return f"BAD: {bad}"


@pytest.mark.parametrize("rounds", [2, pytest.param(40, marks=pytest.mark.long)])
def test_each_way_of_rewriting_is_found_and_its_first_bad_entry_named(tmp_path, rounds, record_figure):
    dice, path = random.Random(20261126), tmp_path / "record.tar"
    found = 0
    for _ in range(rounds):
        size = dice.randrange(300, 900)
        steps = {dice.randrange(1, 250), dice.randrange(260, size), size}
        at = dice.randrange(size - 1)
        for rewrite in (edit, delete, insert, swap):
            whole = Record(size, steps)
            assert verdict(whole, path).startswith("OK")
            rewrite(whole.entries, at)
            assert verdict(whole, path).startswith(f"BAD: entry {at} is not the one that was recorded"), rewrite
            # Who rewrites the hashes too is found by what was signed: the span between two checkpoints is named.
            whole.hashes = [verify_audit.leaf(one) for one in whole.entries]
            good = max((step for step in steps if step <= at), default=0)
            assert verdict(whole, path).startswith(f"BAD: an entry from {good} to "), rewrite
            found += 2
        found += truncated(size, steps, at, path) + forked(size, steps, at, path) + signed_anew(size, steps, at, path)
    record_figure(found, rounds)


def truncated(size, steps, at, path):
    """Cut off the end with its checkpoints: what was noted elsewhere names the first entry that is missing."""
    whole = Record(size, steps)
    last, cut = whole.notes[-1], max(at, min(steps))
    whole.entries, whole.hashes = whole.entries[:cut], whole.hashes[:cut]
    whole.notes = whole.signed({step for step in steps if step < cut} | {cut})
    assert verdict(whole, path, last).startswith(f"BAD: entry {cut} is missing")
    return 1


def forked(size, steps, at, path):
    """Go on from a point in the past, with the right key: what was noted elsewhere says so."""
    whole = Record(size, steps)
    noted = whole.notes
    edit(whole.entries, at)
    whole.hashes = [verify_audit.leaf(one) for one in whole.entries]
    whole.notes = whole.signed(steps)
    after = min(step for step in steps if step > at)
    assert verdict(whole, path, *noted) == f"BAD: the log forked: two checkpoints of size {after} have different roots"
    return 1


def signed_anew(size, steps, at, path):
    """Rewrite everything and sign it with a key of one's own: whoever noted the first key believes nothing of it."""
    first = Record(size, steps)
    whole = Record(size, steps)
    edit(whole.entries, at)
    whole.hashes = [verify_audit.leaf(one) for one in whole.entries]
    whole.notes = whole.signed(steps)
    said = verdict(whole, path, key=first.signer.key.text)
    assert said == f"BAD: no key that is believed signed checkpoint 0 (size {min(steps)})"
    return 1


@pytest.fixture
def record_figure(result, tmp_path):
    def keep(found, rounds):
        took = seconds(tmp_path, LARGE) if rounds > 2 else 0.0
        assert took < SECONDS
        unit = (
            f"of {found} rewritten records were found by the one-file program: edits, gaps, insertions and swaps by the number of"
            " the first bad entry (or the two checkpoints around it, where the tree was rewritten too), a cut end by the first"
            " missing one, a fork and a foreign key by the checkpoint;"
            f" a million entries are verified in {took:.1f} s of processor time"
        )
        if rounds > 2:
            result("R40", found, unit, 20261126)

    return keep


def seconds(folder, size):
    """Return the processor's time that the program takes, alone in a process, for a record of a size."""
    path = Record(size, {size // 3, size}).write(folder / "large.tar")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-I", "-S", verify_audit.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.stdout.startswith(f"OK: {size} entries"), done.stdout + done.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_records_of_this_file_are_what_an_archive_is(tmp_path):
    small = Record(WIDTH + 3, {5, WIDTH + 3})
    assert verdict(small, tmp_path / "r.tar").startswith(f"OK: {WIDTH + 3} entries, 2 checkpoints")
    assert hashlib.sha256(b"\x00" + small.entries[0]).digest() == small.hashes[0]
    assert seconds(tmp_path, 700) < SECONDS
