"""Settings of a PKCS#12 target."""

from __future__ import annotations

from typing import Literal

from chancery_bot.targets.keystore import KeystoreSettings
from chancery_bot.targets.settings import field


class Settings(KeystoreSettings):
    """The keystore, and how it is encrypted."""

    encryption: Literal["modern", "legacy"] = field(
        "modern",
        "Encryption",
        "Legacy for readers before Windows Server 2019 and Java 8u301.",
        choices={"modern": "AES-256, SHA-256", "legacy": "3DES, SHA-1"},
    )
