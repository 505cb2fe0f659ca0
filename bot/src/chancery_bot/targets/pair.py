"""What nginx and Apache have in common: a certificate and its key, in two files or in one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TypeVar

from chancery_bot.material import Material
from chancery_bot.targets.files import FileTarget, Piece
from chancery_bot.targets.settings import Files, field
from chancery_bot.targets.settings import Path as WholePath


class PairSettings(Files):
    """Where the two are; each kind says in its own words what names them."""

    certificate: WholePath = field(..., "Certificate file")
    key: WholePath = field(..., "Key file")


P = TypeVar("P", bound=PairSettings)


class PairTarget(FileTarget[P]):
    """A certificate and a key; where both settings name one file, it holds both."""

    def places(self) -> dict[str, Path]:
        """Return certificate and key."""
        certificate, key = (self.place(getattr(self.settings, name), name) for name in ("certificate", "key"))
        return {"certificate": certificate} if _same(certificate, key) else {"certificate": certificate, "key": key}

    def pieces(self, material: Material) -> list[Piece]:
        """Return the certificate with its chain, and the key."""
        if len(self.places()) == 1:
            return [Piece("certificate", material.full_pem + material.key_pem, self.key_mode)]
        return [Piece("certificate", material.full_pem), Piece("key", material.key_pem, self.key_mode)]


def _same(one: Path, other: Path) -> bool:
    return one.name == other.name and os.path.realpath(one.parent) == os.path.realpath(other.parent)
