"""Writes JKS keystores."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery_bot.clock import Clock
from chancery_bot.material import Material
from chancery_bot.targets.jks import format as jks
from chancery_bot.targets.jks.settings import Settings
from chancery_bot.targets.keystore import KeystoreTarget


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
