"""Settings of an Apache target."""

from __future__ import annotations

from chancery_bot.targets.pair import PairSettings
from chancery_bot.targets.settings import OptionalPath, Path, field


class Settings(PairSettings):
    """Where Apache reads its files."""

    certificate: Path = field(..., "Certificate file", "What SSLCertificateFile names; the chain goes into it too.")
    key: Path = field(
        ..., "Key file", "What SSLCertificateKeyFile names; the certificate file again where one holds both."
    )
    config: OptionalPath = field("", "Configuration", "The main file, where it is not the usual one.")
