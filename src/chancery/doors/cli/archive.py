"""The archive that `backup` writes and `restore` reads: a tar file of mode 0600.

`manifest.json` says what else is in it: the database file (SQLite only), `kek`, `secret-key` and `audit-key`, each with its SHA-256.
It is written beside its place and linked there when it is whole, so that nothing is overwritten and none is half.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

from chancery.doors.cli.output import Exit, stop
from chancery.doors.cli.ready import DATABASE

FORMAT = 1
MANIFEST = "manifest.json"
KEYS = ("kek", "secret-key", "audit-key")
NAMES = (DATABASE, *KEYS)
_MOST_MANIFEST = 100_000


def write(file: Path, folder: Path, parts: dict[str, Path], about: dict[str, Any]) -> None:
    """Write an archive of `parts` (name → file) to `file`, by way of the private `folder` on the same disk."""
    found = {name: _sha256(path) for name, path in parts.items()}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"format": FORMAT, **about, "files": found}, indent=1), encoding="utf-8")
    fresh = folder / "archive"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=3) as archive:
            for name, path in {MANIFEST: manifest, **parts}.items():
                archive.add(path, arcname=name, recursive=False, filter=_plain)
        raw.flush()
        os.fsync(raw.fileno())
    try:
        os.link(fresh, file)
    except OSError as error:
        stop(f"{file}: {error.strerror}.", "Choose another name or folder.", Exit.USAGE)


def read(file: Path, folder: Path) -> dict[str, Any]:
    """Unpack an archive into the private `folder` and return its manifest; what is no whole archive of ours ends it."""
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                if member.name not in {MANIFEST, *NAMES} or not member.isreg():
                    _foreign(file, f"it holds {member.name[:60]!r}")
                source = archive.extractfile(member)
                with os.fdopen(os.open(folder / member.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    shutil.copyfileobj(source, out)  # type: ignore[arg-type]  # a regular member has a file
        manifest = _manifest(folder)
    except FileExistsError:
        _foreign(file, "it holds a file twice")
    except (OSError, EOFError, tarfile.TarError, ValueError, RecursionError) as error:
        _foreign(file, str(getattr(error, "strerror", None) or error))
    if manifest.get("format") != FORMAT:
        _foreign(file, f"its format is {str(manifest.get('format'))[:20]}, and this release reads {FORMAT}")
    there = {path.name: _sha256(path) for path in folder.iterdir() if path.name != MANIFEST}
    if there != manifest.get("files"):
        _foreign(file, "what it holds is not what was put into it")
    return manifest


def _manifest(folder: Path) -> dict[str, Any]:
    with (folder / MANIFEST).open(encoding="utf-8") as file:
        found = json.loads(file.read(_MOST_MANIFEST))
    if not isinstance(found, dict):
        raise ValueError("its manifest is no object")  # noqa: TRY004  every fault of the file is the same kind
    return found


def _foreign(file: Path, why: str) -> None:
    stop(f"{file} is no whole backup of Chancery: {why.rstrip('.')}.", "Nothing was changed. Take another backup.")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Leave out who owned the file: that is of this machine."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
