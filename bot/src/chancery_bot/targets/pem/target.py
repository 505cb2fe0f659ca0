"""Deploys PEM files, and reloads a service where one is named."""

from __future__ import annotations

from pathlib import Path

from chancery_bot.material import Material
from chancery_bot.targets.files import FileTarget, Piece
from chancery_bot.targets.pem.settings import Settings

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
