"""Deploys to HAProxy: tested by `-c`, reloaded by its master process or by systemd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from chancery_bot import posix
from chancery_bot.errors import Refused
from chancery_bot.local import Local
from chancery_bot.material import Material
from chancery_bot.targets.base import TEST_SECONDS
from chancery_bot.targets.files import FileTarget, Piece
from chancery_bot.targets.finding import Given, address, offer
from chancery_bot.targets.haproxy.settings import Settings
from chancery_bot.wire import Found

_USUAL = Path("/etc/haproxy/haproxy.cfg")


class Target(FileTarget[Settings]):
    """One PEM file of a HAProxy."""

    def places(self) -> dict[str, Path]:
        """Return the file."""
        return {"file": self.place(self.settings.file, "file")}

    def pieces(self, material: Material) -> list[Piece]:
        """Return certificate, chain and key in one."""
        return [Piece("file", material.full_pem + material.key_pem, self.key_mode)]

    def check(self) -> None:
        """See beside the file that there is a way to reload."""
        super().check()
        if not self.settings.service and not self.settings.pid_file:
            raise Refused("Nothing says how HAProxy is reloaded.", "Give the target a service or a PID file.")

    def test(self) -> None:
        """Let HAProxy read its whole configuration."""
        config = str(self.local.path(self.settings.config, "config"))
        self.ran([self.local.program("haproxy"), "-c", "-f", config], TEST_SECONDS, "haproxy -c")

    def reload(self) -> None:
        """Let the master start workers with the new file."""
        if self.settings.service:
            super().reload()
        else:
            posix.tell(self.local.path(self.settings.pid_file, "pid_file"), "USR2")


def find(local: Local) -> Iterator[Found]:
    """Yield what this host's HAProxy binds with TLS."""
    del local
    with suppress(OSError):
        yield from binds(_USUAL.read_text(encoding="utf-8", errors="replace"))


def binds(text: str) -> Iterator[Found]:
    """Yield the `bind` lines of a configuration that name a certificate file, with what could be deployed to."""
    for line in re.findall(r"(?m)^\s*bind\s+(.*)$", text):
        first = line.split()[0].partition(",")[0]
        where = address(re.sub(r"^ipv[46]@", "", first), 0) if ":" in first else None
        file = re.search(r"\bcrt\s+(/\S+)", line)
        if where is not None and file is not None:
            given: Given = {"file": file[1], **where, "service": "haproxy"}
            yield from offer(Settings, "haproxy", f"HAProxy, port {where['probe_port']}", given)
