"""Deploys PEM files, and reloads a service where one is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chancery_bot import posix
from chancery_bot.clock import Clock
from chancery_bot.local import Local
from chancery_bot.material import Material
from chancery_bot.targets.files import FileTarget, Piece
from chancery_bot.targets.finding import Given, offer
from chancery_bot.targets.lying import lying
from chancery_bot.targets.pem.loose import together
from chancery_bot.targets.pem.settings import Settings
from chancery_bot.wire import Found

_NAMES = ("full_chain", "certificate", "chain", "key", "combined")
_WITH_KEY = {"key", "combined"}


class Target(FileTarget[Settings]):
    """Some PEM files."""

    def places(self) -> dict[str, Path]:
        """Return those that the settings name."""
        given = {name: getattr(self.settings, name) for name in _NAMES}
        return {name: self.place(path, name) for name, path in given.items() if path}

    def pieces(self, material: Material) -> list[Piece]:
        """Return those that the settings name."""
        contents = {
            "full_chain": material.full_pem,
            "certificate": material.leaf_pem,
            "chain": material.issuers_pem,
            "key": material.key_pem,
            "combined": material.full_pem + material.key_pem,
        }
        wanted = self.places()
        return [Piece(n, c, *([self.key_mode] if n in _WITH_KEY else [])) for n, c in contents.items() if n in wanted]


def find(local: Local) -> Iterator[Found]:
    """Yield the keys on this host that have a certificate, with all files that would change together."""
    for one in together(lying(local), Clock().now()):
        named: Given = {setting: str(path) for setting, path in one.files.items()}
        with_key = one.files.get("key") or one.files["combined"]
        title = f"{one.names[0]} in {with_key.parent}" if one.names else str(with_key)
        yield from offer(Settings, "pem", title, named, one.names, posix.dress(with_key))
