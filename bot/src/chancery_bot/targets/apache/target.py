"""Deploys to Apache httpd: tested by `-t`, reloaded gracefully or by systemd."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from chancery_bot import posix
from chancery_bot.local import Local
from chancery_bot.targets.apache.settings import Settings
from chancery_bot.targets.base import RELOAD_SECONDS, TEST_SECONDS
from chancery_bot.targets.finding import Given, address, offer, whole_path
from chancery_bot.targets.pair import PairTarget
from chancery_bot.wire import Found

_FOLDERS = (Path("/etc/apache2/sites-enabled"), Path("/etc/httpd/conf.d"))
"""Where virtual hosts are; the folder above is what relative paths start at (ServerRoot)."""
_VARIABLES = Path("/etc/apache2/envvars")


class Target(PairTarget[Settings]):
    """One pair of files of an Apache."""

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
                yield from hosts(path.read_text(encoding="utf-8", errors="replace"), folder.parent)


def hosts(text: str, root: Path | None = None) -> Iterator[Found]:
    """Yield the virtual hosts of a configuration that have a certificate, with what could be deployed to."""
    for addresses, block in re.findall(r"(?is)<VirtualHost\s+([^>]*)>(.*?)</VirtualHost>", text):
        said = {
            k.lower(): v.strip("\"'")
            for k, v in re.findall(r"(?m)^\s*(SSLCertificate(?:Key)?File|ServerName)\s+(\S+)", block)
        }
        where = address([*addresses.split(), "*"][0].strip("\"'").removesuffix(":*"), posix.HTTPS)
        if where is None or not {"sslcertificatefile", "sslcertificatekeyfile"} <= set(said):
            continue
        name = said.get("servername", "").rpartition("//")[2].partition(":")[0]
        given: Given = {
            "certificate": whole_path(said["sslcertificatefile"], root),
            "key": whole_path(said["sslcertificatekeyfile"], root),
            **where,
            "server_name": name,
        }
        yield from offer(Settings, "apache", f"Apache, {name or addresses}", given, [name] if name else [])
