"""PEM files that belong together: a key, and the files that hold its certificate."""

from __future__ import annotations

import re
from base64 import b64decode
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from chancery_bot.material import names_of

_KEY = b"PRIVATE KEY-----"
_LONGEST_KEY = 20_000
"""Bytes of a key as PEM; RSA of 16 384 bits has 13 000."""
_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----([^-]{1,100000})-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Certificates:
    """The first certificate of a file, and how many it holds. Most are some authority's: they are read where one is asked for."""

    path: Path
    der: bytes
    count: int

    @cached_property
    def first(self) -> x509.Certificate | None:
        """The first one, read; None where it cannot be."""
        try:
            return x509.load_der_x509_certificate(self.der)
        except Exception:  # the library's errors of reading have no common base
            return None


@dataclass(frozen=True)
class Together:
    """Setting of a PEM target → the file that it would name, for one key."""

    files: dict[str, Path]
    names: list[str]


def together(lying: Iterator[tuple[Path, bytes]], now: datetime) -> list[Together]:
    """Return the keys among some files that have a certificate for a server, with all files that would have to change.

    Left out is what a target cannot change as a whole: a key that several certificates are for, or that is there twice.
    """
    keys: defaultdict[bytes, list[Path]] = defaultdict(list)
    certificates: list[Certificates] = []
    for path, raw in lying:
        public = _public(raw)
        if public:
            keys[public].append(path)
        blocks = _BLOCK.findall(raw)
        if blocks and (der := _decoded(blocks[0])):
            certificates.append(Certificates(path, der, len(blocks)))
    whole = (_of(public, paths, certificates, now) for public, paths in keys.items())
    return [one for one in whole if one is not None]


def _of(public: bytes, keys: list[Path], certificates: list[Certificates], now: datetime) -> Together | None:
    """Return what belongs to a key; None where nobody has certified it for a server that runs now."""
    own = [one for one in certificates if public in one.der and _serves(one.first, now)]
    if not own or len({one.der for one in own}) > 1:
        return None
    files: defaultdict[str, list[Path]] = defaultdict(list)
    for one in own:
        files["combined" if one.path in keys else "full_chain" if one.count > 1 else "certificate"].append(one.path)
    files["key"] += [path for path in keys if path not in files["combined"]]
    files["chain"] += _chain(own[0], own, certificates)
    if any(len(paths) > 1 for paths in files.values()):
        return None
    leaf = own[0].first
    return Together({setting: paths[0] for setting, paths in files.items() if paths}, names_of(leaf) if leaf else [])


def _chain(leaf: Certificates, own: list[Certificates], certificates: list[Certificates]) -> list[Path]:
    """Return the file of what stands above a certificate; none where others stand in that folder, who may use it too."""
    beside = [one for one in certificates if one.path.parent == leaf.path.parent and one not in own]
    if len(beside) != 1 or "chain" not in beside[0].path.name or leaf.first is None or beside[0].first is None:
        return []
    return [beside[0].path] if beside[0].first.subject == leaf.first.issuer else []


def _public(raw: bytes) -> bytes:
    """Return the public half of the first key in a file; nothing where there is none that can be read."""
    end = raw.find(_KEY)
    start = raw.rfind(b"-----BEGIN ", 0, max(end, 0))
    if end < 0 or start < 0:
        return b""
    try:
        # Whether its parts fit together is not asked: it might take long, and nothing is done with it.
        key: Any = load_pem_private_key(raw[start : start + _LONGEST_KEY], None, unsafe_skip_rsa_key_validation=True)
        found: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:  # no PEM, a password, a kind that is not known: each has its own
        return b""
    return found


def _decoded(block: bytes) -> bytes:
    try:
        return b64decode(block)
    except ValueError:
        return b""


def _serves(certificate: x509.Certificate | None, now: datetime) -> bool:
    """Say whether it is of a server, and not over; an authority's own is not."""
    if certificate is None or certificate.not_valid_after_utc < now:
        return False
    try:
        found = {extension.oid: extension.value for extension in certificate.extensions}
    except Exception:  # as above
        return False
    basic: Any = found.get(x509.BasicConstraints.oid)
    usage: Any = found.get(x509.ExtendedKeyUsage.oid, [ExtendedKeyUsageOID.SERVER_AUTH])
    return not (basic and basic.ca) and ExtendedKeyUsageOID.SERVER_AUTH in usage
