"""Settings of a command hook."""

from __future__ import annotations

from chancery_bot.targets.settings import Name, Probed, field


class Settings(Probed):
    """Which hook, by its file name in the host's own folder of hooks."""

    hook: Name = field(
        ..., "Hook", "Name of a file in the host's folder of hooks; a server cannot put one there.", min_length=1
    )
    seconds: int = field(8, "Seconds it may take", ge=1, le=8)
    probe_port: int = field(
        0, "Port to look at", "0 where nothing serves it: it is then deployed unproven.", ge=0, le=65535
    )
