"""Deploys to Apache httpd: tested by `-t`, reloaded gracefully or by systemd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from chancery_bot import posix
from chancery_bot.local import Local
from chancery_bot.material import Material
from chancery_bot.targets.apache.settings import Settings
from chancery_bot.targets.base import RELOAD_SECONDS, TEST_SECONDS
from chancery_bot.targets.files import FileTarget, Piece
from chancery_bot.wire import Found

_FOLDERS = (Path("/etc/apache2/sites-enabled"), Path("/etc/httpd/conf.d"))
_VARIABLES = Path("/etc/apache2/envvars")


class Target(FileTarget[Settings]):
    """One pair of files of an Apache."""

    def places(self) -> dict[str, Path]:
        """Return certificate and key."""
        given = self.settings
        return {"certificate": self.place(given.certificate, "certificate"), "key": self.place(given.key, "key")}

    def pieces(self, material: Material) -> list[Piece]:
        """Return the certificate with its chain, and the key."""
        return [Piece("certificate", material.full_pem), Piece("key", material.key_pem, self.key_mode)]

    def test(self) -> None:
        """Let Apache read its whole configuration."""
        self._httpd("-t", TEST_SECONDS)

    def reload(self) -> None:
        """Let Apache start children with the new files, and the old ones finish."""
        if self.settings.service:
            super().reload()
        else:
            self._httpd("graceful", RELOAD_SECONDS)

    def _httpd(self, what: str, seconds: float) -> None:
        config = self.settings.config
        more = ["-f", str(self.local.path(config, "config"))] if config else []
        verb = [what] if what.startswith("-") else ["-k", what]
        self.ran([self.local.program("apache"), *more, *verb], seconds, f"Apache {what}", variables())


def variables(path: Path = _VARIABLES) -> dict[str, str]:
    """Return what Debian's `envvars` exports, without which its configuration cannot be read."""
    found: dict[str, str] = {}
    with suppress(OSError):
        text = path.read_text(encoding="utf-8")
        for name, value in re.findall(r"(?m)^\s*export\s+([A-Z_]+)=(\S*)", text):
            found[name] = value.replace("$SUFFIX", "").strip("\"'")
    return found


def find(local: Local) -> Iterator[Found]:
    """Yield the virtual hosts with TLS of this host's configuration files."""
    del local
    for folder in _FOLDERS:
        for path in sorted(folder.glob("*.conf")) if folder.is_dir() else ():
            with suppress(OSError):
                yield from hosts(path.read_text(encoding="utf-8", errors="replace"))


def hosts(text: str) -> Iterator[Found]:
    """Yield the virtual hosts of a configuration that have a certificate."""
    for address, block in re.findall(r"(?is)<VirtualHost\s+([^>]*)>(.*?)</VirtualHost>", text):
        said = {
            k.lower(): v.strip("\"'")
            for k, v in re.findall(r"(?m)^\s*(SSLCertificate(?:Key)?File|ServerName)\s+(\S+)", block)
        }
        if not {"sslcertificatefile", "sslcertificatekeyfile"} <= set(said):
            continue
        name = said.get("servername", "").partition(":")[0]
        port = re.search(r":(\d+)", address)
        given: dict[str, str | int | bool] = {
            "certificate": said["sslcertificatefile"],
            "key": said["sslcertificatekeyfile"],
            "probe_port": int(port[1]) if port else posix.HTTPS,
            "server_name": name,
        }
        yield Found(kind="apache", title=f"Apache, {name or address}", settings=given, names=[name] if name else [])
