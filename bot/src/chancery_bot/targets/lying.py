"""What lies in the folders that the host's administrator allows, whoever reads it. Nothing of it leaves the host but its names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from chancery_bot.local import Local

_MOST_FILES, _LARGEST, _DEEPEST = 20_000, 1_000_000, 8
_HASHED = re.compile(r"[0-9a-f]{8}\.r?\d+")
"""How OpenSSL names its links to a certificate (openssl-rehash(1))."""


def lying(local: Local) -> Iterator[tuple[Path, bytes]]:
    """Yield the files below the allowed folders, each once: by the link that leads to it, where there is one.

    A link is what a program's configuration names; what it leads to may be another file tomorrow.
    """
    paths = list(islice(_paths(local), _MOST_FILES))
    links = {os.path.realpath(path) for path in paths if path.is_symlink()}
    seen: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real in seen or (real in links and not path.is_symlink()):
            continue
        seen.add(real)
        found = content(path)
        if found:
            yield path, found


def _paths(local: Local) -> Iterator[Path]:
    """Yield what has a name that a person gave it; a hidden folder is a program's own (this bot's versions are in one)."""
    for root in sorted(set(local.roots)):
        for folder, below, names in os.walk(root):
            deep = len(Path(folder).parts) - len(root.parts) >= _DEEPEST
            below[:] = [] if deep else sorted(name for name in below if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith(".") and not _HASHED.fullmatch(name):
                    yield Path(folder, name)


def content(path: Path) -> bytes:
    """Return what is in a file; nothing where it is none, too large for a certificate, or not to be read."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return b""
        return path.read_bytes()
    except OSError:
        return b""
