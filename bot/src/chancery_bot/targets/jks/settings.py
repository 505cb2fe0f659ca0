"""Settings of a JKS target."""

from __future__ import annotations

from chancery_bot.targets.keystore import KeystoreSettings


class Settings(KeystoreSettings):
    """The keystore; the key in it has the same password."""
