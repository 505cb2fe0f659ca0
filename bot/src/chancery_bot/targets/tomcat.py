"""Which keystores a Tomcat of Debian serves from: its server.xml says file, alias and port.

Attributes of Tomcat's reference (HTTP connector, SSL support): those of `Certificate`, and of `Connector` itself before version 10.
Relative paths start at CATALINA_BASE.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from chancery_bot.targets.finding import Given, address, whole_path

BASES = {"tomcat9": Path("/var/lib/tomcat9"), "tomcat10": Path("/var/lib/tomcat10")}
"""systemd service → CATALINA_BASE, as Debian has them; both are services that a bot may restart by default."""
_FILE = ("certificateKeystoreFile", "keystoreFile")
_ALIAS = ("certificateKeyAlias", "keyAlias")


@dataclass(frozen=True)
class Served:
    """A keystore that a connector serves from."""

    service: str
    where: Given
    """Where to look at it, as settings."""
    file: Path
    alias: str
    """In small letters, as keystores have them; empty where the first key is served."""


def served() -> Iterator[Served]:
    """Yield the keystores of this host's Tomcats."""
    for service, base in BASES.items():
        with suppress(OSError):
            text = (base / "conf" / "server.xml").read_text(encoding="utf-8", errors="replace")
            yield from connectors(text, service, base)


def connectors(text: str, service: str, base: Path) -> Iterator[Served]:
    """Yield the keystores of a server.xml."""
    bare = re.sub(r"(?s)<!--.*?-->", "", text)
    for connector in re.finditer(r"(?s)<Connector\b([^>]*?)(?:/>|>(.*?)</Connector>)", bare):
        own = _attributes(connector[1])
        where = _where(own)
        inner = [_attributes(found[1]) for found in re.finditer(r"(?s)<Certificate\b([^>]*)>", connector[2] or "")]
        for said in [own, *inner]:
            file = _first(said, _FILE)
            if file and where is not None:
                yield Served(service, where, Path(whole_path(file, base)), _first(said, _ALIAS).lower())


def _where(connector: dict[str, str]) -> Given | None:
    """Return where to look at a connector with TLS."""
    port, host = connector.get("port", ""), connector.get("address", "")
    if connector.get("SSLEnabled", "").lower() != "true" or not port.isdecimal():
        return None
    return address(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", 0)


def _attributes(text: str) -> dict[str, str]:
    return {name: unescape(a or b) for name, a, b in re.findall(r"([\w.:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", text)}


def _first(said: dict[str, str], names: tuple[str, ...]) -> str:
    return next((said[name] for name in names if said.get(name)), "")
