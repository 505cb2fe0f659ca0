"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint): short texts with Ed25519 signatures below.

A checkpoint's text is the log's origin, its number of entries and the root in base64, a line each, and perhaps lines of
our own. A key is written `name+id+base64`, as the Go tools write theirs; its id is the beginning of a hash of name and key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519 = b"\x01"
_MARK = "— "
NEXT_KEY = "chancery-next-key "
"""Begins the line by which a key names the one that signs after it."""


@dataclass(frozen=True)
class VerifierKey:
    """A public key and the name that it signs under."""

    name: str
    public: bytes

    @property
    def hint(self) -> bytes:
        """The four bytes by which a signature says whose it is."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    @property
    def text(self) -> str:
        """The key as it is handed out."""
        return f"{self.name}+{self.hint.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Return the key that `text` writes; raises `ValueError` for anything else."""
        name, hint, rest = [*text.strip().split("+", 2), "", ""][:3]
        raw = base64.b64decode(rest, validate=True)
        found = cls(name, raw[1:])
        if not name or raw[:1] != _ED25519 or len(raw) != 33 or hint != found.hint.hex():
            raise ValueError("no Ed25519 key of a signed note")
        return found

    def signed(self, note: Note) -> bool:
        """Say whether this key's signature stands under a note."""
        for name, raw in note.signatures:
            if name == self.name and raw[:4] == self.hint and _valid(self.public, raw[4:], note.text):
                return True
        return False


def _valid(public: bytes, signature: bytes, text: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text.encode())
    except InvalidSignature:
        return False
    return True


@dataclass(frozen=True)
class Signer:
    """A private key and the name that it signs under."""

    name: str
    private: Ed25519PrivateKey

    @property
    def key(self) -> VerifierKey:
        """The key that others verify with."""
        return VerifierKey(self.name, self.private.public_key().public_bytes_raw())

    def line(self, text: str) -> str:
        """Return the signature line for a text."""
        raw = self.key.hint + self.private.sign(text.encode())
        return f"{_MARK}{self.name} {base64.b64encode(raw).decode()}\n"


@dataclass(frozen=True)
class Note:
    """A text that ends with a line end, and who signed it: (name, key hint and signature)."""

    text: str
    signatures: tuple[tuple[str, bytes], ...]


def sign(text: str, signers: Sequence[Signer]) -> str:
    """Return the note of a text, which ends with a line end."""
    return text + "\n" + "".join(signer.line(text) for signer in signers)


def parse(raw: str) -> Note:
    """Return a note; raises `ValueError` for anything else."""
    text, gap, below = raw.rpartition("\n\n")
    signatures = []
    for line in below.splitlines():
        found = re.fullmatch(f"{_MARK}([^ +]+) ([A-Za-z0-9+/=]+)", line)
        if found is None:
            raise ValueError("a line under the note is no signature")
        signatures.append((found[1], base64.b64decode(found[2], validate=True)))
    if not gap or not signatures or any(len(s) < 5 for _, s in signatures):
        raise ValueError("no signed note")
    return Note(text + "\n", tuple(signatures))


def split(raw: str) -> Iterator[str]:
    """Yield the notes of a file that has one after the other."""
    lines: list[str] = []
    for line in raw.splitlines(keepends=True):
        if lines and lines[-1].startswith(_MARK) and not line.startswith(_MARK):
            yield "".join(lines)
            lines = []
        if lines or line.strip():
            lines.append(line)
    if lines:
        yield "".join(lines)


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself at one size; `next_key` names the key that signs from here on."""

    origin: str
    size: int
    root: bytes
    next_key: str = ""

    @property
    def text(self) -> str:
        """The text that is signed."""
        more = f"{NEXT_KEY}{self.next_key}\n" if self.next_key else ""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n{more}"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint that a note's text is; raises `ValueError` for anything else."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or lines[-1] or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
            raise ValueError("no checkpoint")
        try:
            found = base64.b64decode(lines[2], validate=True)
        except binascii.Error as error:
            raise ValueError("no root in this checkpoint") from error
        named = [line.removeprefix(NEXT_KEY) for line in lines[3:] if line.startswith(NEXT_KEY)]
        return cls(lines[0], int(lines[1]), found, named[0] if named else "")
