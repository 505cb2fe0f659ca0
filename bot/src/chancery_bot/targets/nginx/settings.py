"""Settings of an nginx target."""

from __future__ import annotations

from chancery_bot.targets.settings import Files, OptionalPath, Path, field


class Settings(Files):
    """Where nginx reads its files."""

    certificate: Path = field(..., "Certificate file", "What ssl_certificate names; the chain goes into it too.")
    key: Path = field(..., "Key file", "What ssl_certificate_key names.")
    config: OptionalPath = field("", "Configuration", "nginx.conf, where it is not the usual one.")
