"""What lies in the folders that the host's administrator allows, whoever reads it. Nothing of it leaves the host but its names.

The bot runs as root, and others may write in some of these folders: a link leads nowhere else, and nothing is waited for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from chancery_bot import posix
from chancery_bot.local import Local

LARGEST = 1_000_000
"""Bytes of a file that may be a certificate, a key or a keystore."""
_MOST_FILES, _DEEPEST = 20_000, 8
"""How many files of each allowed folder are looked at, and how many folders below it."""
_HASHED = re.compile(r"[0-9a-f]{8}\.r?\d+")
"""How OpenSSL names its links to a certificate (openssl-rehash(1))."""


def lying(local: Local) -> Iterator[tuple[Path, bytes]]:
    """Yield the files below the allowed folders, each once: by its own name, or by a link where that is not looked at."""
    paths = [path for root in sorted(set(local.roots)) for path in islice(_paths(root), _MOST_FILES)]
    roots = [os.path.realpath(root) for root in local.roots]
    seen: set[str] = set()
    for path in sorted(paths, key=os.path.islink):
        real = os.path.realpath(path)
        if real in seen or not any(Path(real).is_relative_to(root) for root in roots):
            continue
        seen.add(real)
        found = posix.content(path, LARGEST)
        if found:
            yield path, found


def _paths(root: Path) -> Iterator[Path]:
    """Yield what has a name that a person gave it, folder by folder.

    What is hidden is a program's own (this bot's versions are), and so is certbot's `archive`: its `live` leads there.
    """
    for folder, below, names in os.walk(root):
        deep = len(Path(folder).parts) - len(root.parts) >= _DEEPEST
        kept = sorted(
            name for name in below if not name.startswith(".") and not (name == "archive" and "live" in below)
        )
        below[:] = [] if deep else kept
        for name in sorted(names):
            if not name.startswith(".") and not _HASHED.fullmatch(name):
                yield Path(folder, name)
