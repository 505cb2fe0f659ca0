"""Writes PKCS#12 keystores."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from chancery_bot.local import Local
from chancery_bot.material import Material, names_of
from chancery_bot.targets.keystore import KeystoreTarget
from chancery_bot.targets.pkcs12.settings import Settings
from chancery_bot.targets.seeking import Inside, keystores
from chancery_bot.wire import Found

_ROUNDS = 20_000
_LEGACY = pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC
_MODERN = pkcs12.PBES.PBESv2SHA256AndAES256CBC

_BEGINS = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x80)\x02\x01\x03\x30", re.DOTALL)
"""A sequence that starts with version 3 and another sequence (PFX, RFC 7292 section 4)."""


class Target(KeystoreTarget[Settings]):
    """One PKCS#12 keystore."""

    def made(self, material: Material, password: str) -> bytes:
        """Return key, certificate and chain in one keystore."""
        legacy = self.settings.encryption == "legacy"
        encryption = (
            PrivateFormat.PKCS12.encryption_builder()
            .kdf_rounds(_ROUNDS)
            .key_cert_algorithm(_LEGACY if legacy else _MODERN)
            .hmac_hash(hashes.SHA1() if legacy else hashes.SHA256())  # noqa: S303  what old readers know
            .build(password.encode())
        )
        alias, issuers = self.settings.alias.encode(), list(material.chain[1:])
        return pkcs12.serialize_key_and_certificates(alias, material.key, material.leaf, issuers, encryption)

    def entries(self, content: bytes, password: str) -> list[str]:
        """Return the key's alias, and those of other keys and of trusted certificates.

        Java writes an alias beside the certificate of each, and beside what belongs to a chain its subject.
        """
        found = pkcs12.load_pkcs12(content, password.encode())
        names = [(c.friendly_name or b"").decode(errors="replace") for c in found.additional_certs]
        others = [name for name in names if name and "=" not in name]
        return [*([] if found.cert is None else [(found.cert.friendly_name or b"").decode(errors="replace")]), *others]

    def opens(self, content: bytes, password: str) -> bool:
        """Say whether it opens."""
        try:
            return pkcs12.load_key_and_certificates(content, password.encode())[0] is not None
        except ValueError:
            return False


def find(local: Local) -> Iterator[Found]:
    """Yield the PKCS#12 keystores on this host."""
    yield from keystores(local, "pkcs12", Settings, look)


def look(content: bytes, password: str) -> Inside | None:
    """Say what is in a keystore: nothing but that it is one, without its password."""
    if not _BEGINS.match(content):
        return None
    if not password:
        return Inside()
    try:
        found = pkcs12.load_pkcs12(content, password.encode())
    except (ValueError, UnsupportedAlgorithm):
        return Inside()
    if found.key is None or found.cert is None:
        return None
    return Inside((found.cert.friendly_name or b"").decode(errors="replace").lower(), names_of(found.cert.certificate))
