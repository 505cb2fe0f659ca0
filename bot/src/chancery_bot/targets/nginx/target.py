"""Deploys to nginx: tested by `nginx -t`, reloaded by signal or by systemd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from chancery_bot import posix
from chancery_bot.errors import Refused
from chancery_bot.local import Local
from chancery_bot.material import Material
from chancery_bot.targets.base import RELOAD_SECONDS, TEST_SECONDS
from chancery_bot.targets.files import FileTarget, Piece
from chancery_bot.targets.nginx.settings import Settings
from chancery_bot.wire import Found


class Target(FileTarget[Settings]):
    """One pair of files of an nginx."""

    def places(self) -> dict[str, Path]:
        """Return certificate and key."""
        given = self.settings
        return {"certificate": self.place(given.certificate, "certificate"), "key": self.place(given.key, "key")}

    def pieces(self, material: Material) -> list[Piece]:
        """Return the certificate with its chain, and the key."""
        return [Piece("certificate", material.full_pem), Piece("key", material.key_pem, self.key_mode)]

    def test(self) -> None:
        """Let nginx read its whole configuration."""
        self.ran([*self._command(), "-t"], TEST_SECONDS, "nginx -t")

    def reload(self) -> None:
        """Let nginx start workers with the new files."""
        if self.settings.service:
            super().reload()
        else:
            self.ran([*self._command(), "-s", "reload"], RELOAD_SECONDS, "nginx -s reload")

    def _command(self) -> list[str]:
        config = self.settings.config
        more = ["-c", str(self.local.path(config, "config"))] if config else []
        return [self.local.program("nginx"), *more]


def find(local: Local) -> Iterator[Found]:
    """Yield the servers with TLS of this host's nginx, as `nginx -T` prints its configuration."""
    try:
        ran = posix.run([local.program("nginx"), "-T"], TEST_SECONDS, whole=True)
    except Refused:
        return
    if ran.code == 0:
        yield from servers(ran.said)


def servers(text: str) -> Iterator[Found]:
    """Yield the server blocks of a configuration that have a certificate."""
    for block in _blocks(re.sub(r"(?m)^\s*#.*$", "", text)):
        said = dict(re.findall(r"(?:^|[\s;{])(ssl_certificate(?:_key)?)\s+([^;]+);", block))
        port = re.search(r"listen\s+(?:[^;\s]*:)?(\d+)[^;]*\bssl\b", block)
        names = re.search(r"server_name\s+([^;]+);", block)
        if len(said) < 2 or port is None:
            continue
        found = [n for n in (names[1].split() if names else []) if re.fullmatch(r"[A-Za-z0-9.*-]+", n)]
        given: dict[str, str | int | bool] = {
            "certificate": said["ssl_certificate"].strip(),
            "key": said["ssl_certificate_key"].strip(),
            "probe_port": int(port[1]),
            "server_name": found[0] if found else "",
        }
        yield Found(kind="nginx", title=f"nginx, {found[0] if found else port[1]}", settings=given, names=found)


def _blocks(text: str) -> Iterator[str]:
    """Yield what stands inside each `server { … }`, with the blocks in it."""
    for start in re.finditer(r"\bserver\s*\{", text):
        depth, at = 1, start.end()
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield text[start.end() : at]
