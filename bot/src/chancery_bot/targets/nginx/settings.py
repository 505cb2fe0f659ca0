"""Settings of an nginx target."""

from __future__ import annotations

from chancery_bot.targets.pair import PairSettings
from chancery_bot.targets.settings import OptionalPath, Path, field


class Settings(PairSettings):
    """Where nginx reads its files."""

    certificate: Path = field(..., "Certificate file", "What ssl_certificate names; the chain goes into it too.")
    key: Path = field(
        ..., "Key file", "What ssl_certificate_key names; the certificate file again where one holds both."
    )
    config: OptionalPath = field("", "Configuration", "nginx.conf, where it is not the usual one.")
