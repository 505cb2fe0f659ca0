"""Settings of an Apache target."""

from __future__ import annotations

from chancery_bot.targets.settings import Files, OptionalPath, Path, field


class Settings(Files):
    """Where Apache reads its files."""

    certificate: Path = field(..., "Certificate file", "What SSLCertificateFile names; the chain goes into it too.")
    key: Path = field(..., "Key file", "What SSLCertificateKeyFile names.")
    config: OptionalPath = field("", "Configuration", "The main file, where it is not the usual one.")
