"""Targets made of files: whole sets in folders of their own, and one link that says which set is in force.

Beside the first file stands `.chancery/<target>/` with `versions/<version>/<piece>` and the link `current`. The paths that a
server's configuration names are links through `current`, so that key and certificate change together, by one rename. A path
that held a file before becomes such a link by a rename too, and leads to a copy of that very file: nothing changes by that.
"""

from __future__ import annotations

import os
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from chancery_bot import posix
from chancery_bot.errors import Refused
from chancery_bot.material import Material
from chancery_bot.targets.base import Endpoint, Target
from chancery_bot.targets.settings import Files

_PRINT = "certificate.sha256"
_FOLDER = 0o711
_CERTIFICATE = 0o644


@dataclass(frozen=True)
class Piece:
    """One file of a version: its name there, and what is in it."""

    name: str
    content: bytes
    mode: int = _CERTIFICATE


F = TypeVar("F", bound=Files)


class FileTarget(Target[F]):
    """A target whose versions are sets of files."""

    @abstractmethod
    def places(self) -> dict[str, Path]:
        """Return piece → the path that the service's configuration names; the first one decides where versions are."""

    @abstractmethod
    def pieces(self, material: Material) -> list[Piece]:
        """Return the files of a version."""

    def place(self, text: str, what: str) -> Path:
        """Return a path of the settings that may be written; raises `Refused`."""
        return self.local.path(text, what)

    @property
    def key_mode(self) -> int:
        """The mode of what holds a key."""
        return int(self.settings.key_mode, 8)

    @property
    def store(self) -> Path:
        """The folder of this target's versions."""
        return next(iter(self.places().values())).parent / ".chancery" / str(self.ident)

    def check(self) -> None:
        """See that every folder is there and may be written, and that the owner exists."""
        posix.owner(self.settings.owner)
        places = list(self.places().values())
        if not places:
            raise Refused("No file is named.", "Give the target at least one path.")
        real = [Path(os.path.realpath(path.parent)) / path.name for path in places]
        for path, led in zip(places, real, strict=True):
            if real.count(led) > 1:
                raise Refused(f"{path} is named twice.", "Give each file a path of its own.")
            if not path.parent.is_dir():
                raise Refused(f"There is no folder {path.parent}.", "Make it, or correct the path.")
            if not os.access(path.parent, os.W_OK):
                raise Refused(f"The bot may not write in {path.parent}.", "Run it as root, or give it the folder.")
            if path.is_dir():
                raise Refused(f"{path} is a folder.", "Name a file.")

    def stage(self, version: str, material: Material) -> None:
        """Write a version's files, under a name that does not count yet, then give them theirs."""
        pieces = [*self.pieces(material), Piece(_PRINT, material.fingerprint.encode())]
        owner = posix.owner(self.settings.owner)
        self._write(version, [(p, p.mode, owner if p.name != _PRINT else posix.KEEP) for p in pieces])

    def present(self) -> str:
        """Return where `current` leads."""
        link = self.store / "current"
        return link.readlink().name if link.is_symlink() else ""

    def keep(self, name: str) -> str:
        """Make a version of files that are not ours yet, and links of their paths."""
        foreign = [n for n, path in self.places().items() if path.exists() and not self._ours(n, path)]
        if not foreign:
            return self.present()
        found = {n: posix.facts(path) for n, path in self.places().items() if path.exists()}
        written = [(Piece(n, content), mode, owner) for n, (content, mode, owner) in found.items()]
        written += [(Piece(_PRINT, _printed([content for content, *_ in found.values()])), _CERTIFICATE, posix.KEEP)]
        self._write(name, written)
        self._point(name)
        self._dress(name)
        return name

    def switch(self, version: str) -> None:
        """Lead `current` to a version by one rename."""
        if version:
            self._point(version)
        self._dress(version)
        if not version:
            posix.remove(self.store / "current")

    def versions(self) -> list[str]:
        """Return the names of whole versions."""
        folder = self.store / "versions"
        return sorted(p.name for p in folder.iterdir() if p.suffix != ".part") if folder.is_dir() else []

    def fingerprint(self, version: str) -> str:
        """Return what was noted beside the files."""
        path = self.store / "versions" / version / _PRINT
        return path.read_text(encoding="ascii") if version and path.exists() else ""

    def certificate(self, version: str) -> x509.Certificate | None:
        """Return the one among a version's files that its fingerprint is of."""
        wanted, folder = self.fingerprint(version), self.store / "versions" / version
        files = sorted(folder.iterdir()) if wanted else []
        found = [one for path in files for one in _certificates(path.read_bytes())]
        return next((one for one in found if one.fingerprint(hashes.SHA256()).hex() == wanted), None)

    def tidy(self, keep: set[str]) -> None:
        """Remove other versions, and what a broken-off `stage` left."""
        folder = self.store / "versions"
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in keep | {self.present()}:
                posix.remove_tree(path)

    def reload(self) -> None:
        """Reload the service that the settings name."""
        if self.settings.service:
            self.restart_service(self.settings.service)

    def endpoint(self) -> Endpoint | None:
        """Return where the settings say."""
        found = self.settings
        return Endpoint(found.probe_host, found.probe_port, found.server_name) if found.probe_port else None

    def _write(self, version: str, files: list[tuple[Piece, int, posix.Owner]]) -> None:
        whole = self.store / "versions" / version
        if whole.is_dir():
            return
        for folder in (self.store.parent, self.store, whole.parent):
            posix.make_folder(folder, _FOLDER)
        part = whole.with_name(f"{version}.part")
        posix.remove_tree(part)
        posix.make_folder(part, _FOLDER)
        for piece, mode, owner in files:
            posix.write_new(part / piece.name, piece.content, mode, owner)
        posix.rename(part, whole)

    def _point(self, version: str) -> None:
        if not (self.store / "versions" / version).is_dir():
            raise Refused(f"The version {version} is not on this host any more.", "Order a new certificate.")
        if self.present() != version:
            posix.link_over(self.store / "current", f"versions/{version}")

    def _dress(self, version: str) -> None:
        """Make each path lead to its piece of a version, and take links away that would lead nowhere."""
        for name, path in self.places().items():
            there = bool(version) and (self.store / "versions" / version / name).exists()
            ours = self._ours(name, path)
            if there and not ours:
                posix.link_over(path, str(self.store / "current" / name))
            elif ours and not there:
                posix.remove(path)

    def _ours(self, name: str, path: Path) -> bool:
        return path.is_symlink() and path.readlink() == self.store / "current" / name


def _printed(contents: list[bytes]) -> bytes:
    """Return the fingerprint of the first certificate among some files, b'' where there is none."""
    found = [one for content in contents for one in _certificates(content)[:1]]
    return found[0].fingerprint(hashes.SHA256()).hex().encode() if found else b""


def _certificates(content: bytes) -> list[x509.Certificate]:
    """Return the certificates (PEM) in a file, none where it holds something else."""
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        return []
