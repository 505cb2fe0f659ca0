"""Settings of a HAProxy target."""

from __future__ import annotations

from chancery_bot.targets.settings import Files, OptionalPath, Path, field


class Settings(Files):
    """Where HAProxy reads its file."""

    file: Path = field(..., "PEM file", "What `crt` names: certificate, chain and key in one.")
    config: Path = field("/etc/haproxy/haproxy.cfg", "Configuration")
    pid_file: OptionalPath = field(
        "", "PID file", "Of the master process (-W), which reloads on SIGUSR2; empty with a service."
    )
