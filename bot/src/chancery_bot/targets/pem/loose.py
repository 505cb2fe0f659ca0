"""PEM files that belong together: a key, and the files that hold its certificate."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from chancery_bot.material import names_of

_KEY = b"PRIVATE KEY-----"
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----")
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm)
"""No PEM, a key that needs a password, a kind that is not known."""


@dataclass(frozen=True)
class Certificates:
    """The first certificate of a file, and how many it holds. Most are some authority's: they are read where one is asked for."""

    path: Path
    pem: bytes
    count: int

    @cached_property
    def der(self) -> bytes:
        """The first one's bytes; nothing where it is none."""
        try:
            return b64decode(self.pem)
        except ValueError:
            return b""

    @cached_property
    def first(self) -> x509.Certificate | None:
        """The first one, read."""
        try:
            return x509.load_der_x509_certificate(self.der)
        except ValueError:
            return None


@dataclass
class Together:
    """Setting of a PEM target → the file that it would name, for one key."""

    leaf: x509.Certificate
    files: dict[str, Path] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """What the certificate is for."""
        return names_of(self.leaf)


def together(lying: Iterator[tuple[Path, bytes]]) -> list[Together]:
    """Return the keys among some files for which there is a certificate, with all files that would have to change.

    A certificate authority's own key is left out. Files of one folder are preferred to those of others.
    """
    keys: dict[bytes, list[Path]] = {}
    certificates: list[Certificates] = []
    for path, raw in lying:
        public = _public(raw)
        if public:
            keys.setdefault(public, []).append(path)
        blocks = _BLOCK.findall(raw)
        if blocks:
            certificates.append(Certificates(path, blocks[0], len(blocks)))
    whole = (_of(public, paths, certificates) for public, paths in keys.items())
    return [one for one in whole if one is not None]


def _of(public: bytes, keys: list[Path], certificates: list[Certificates]) -> Together | None:
    """Return what belongs to a key; None where nobody has certified it."""
    own = [(one, leaf) for one in certificates if public in one.der and (leaf := one.first) and not _issues(leaf)]
    if not own:
        return None
    folders = {one.path.parent for one, _ in own}
    keys = sorted(keys, key=lambda path: path.parent not in folders)
    own.sort(key=lambda pair: pair[0].path.parent != keys[0].parent)
    nearest, leaf = own[0]
    made = Together(leaf)
    for one, _ in own:
        kind = "combined" if one.path in keys else "full_chain" if one.count > 1 else "certificate"
        made.files.setdefault(kind, one.path)
    for path in keys:
        if path != made.files.get("combined"):
            made.files.setdefault("key", path)
    for one in certificates:
        beside = one.path.parent == nearest.path.parent and "chain" in one.path.name
        if beside and (above := one.first) and above.subject == leaf.issuer != leaf.subject:
            made.files.setdefault("chain", one.path)
    return made


def _public(raw: bytes) -> bytes:
    """Return the public half of the first key in a file; nothing where there is none that can be read."""
    at = raw.find(_KEY)
    start = raw.rfind(b"-----BEGIN ", 0, max(at, 0))
    if at < 0 or start < 0:
        return b""
    try:
        key: Any = load_pem_private_key(raw[start:], None)
        return _spki(key.public_key())
    except _UNREADABLE:
        return b""


def _issues(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _spki(key: Any) -> bytes:
    found: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return found
