"""Writes JKS keystores."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery_bot.clock import Clock
from chancery_bot.local import Local
from chancery_bot.material import Material, names_of
from chancery_bot.targets.jks import format as jks
from chancery_bot.targets.jks.settings import Settings
from chancery_bot.targets.keystore import KeystoreTarget
from chancery_bot.targets.seeking import Inside, keystores
from chancery_bot.wire import Found


class Target(KeystoreTarget[Settings]):
    """One JKS keystore."""

    def made(self, material: Material, password: str) -> bytes:
        """Return key, certificate and chain in one keystore."""
        key = material.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        chain = [c.public_bytes(Encoding.DER) for c in material.chain]
        return jks.write(self.settings.alias, key, chain, password, Clock().now())

    def entries(self, content: bytes, password: str) -> list[str]:
        """Return the aliases of all keys and trusted certificates."""
        return [entry.alias for entry in jks.entries(content, password)]

    def opens(self, content: bytes, password: str) -> bool:
        """Say whether it opens."""
        try:
            return bool(jks.read(content, password)[1])
        except jks.Broken:
            return False


def find(local: Local) -> Iterator[Found]:
    """Yield the JKS keystores with a key on this host."""
    yield from keystores(local, "jks", Settings, look)


def look(content: bytes, password: str) -> Inside | None:
    """Say what is in a keystore: aliases and certificates are not encrypted."""
    del password
    try:
        first = next((entry for entry in jks.peek(content) if entry.sealed and entry.chain), None)
    except jks.Broken:
        return None
    if first is None:
        return None
    return Inside(first.alias.lower(), names_of(x509.load_der_x509_certificate(first.chain[0])))
