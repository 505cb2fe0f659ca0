"""Files that hold one key: made once, whole, for their owner alone, and never replaced."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def make(path: Path, content: bytes) -> None:
    """Write a key file of mode 0600, unless there is one: where two processes are at it, the first one's stands."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = _written(path, content)
    try:
        # A hard link fails where another process was first.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
        sync(path.parent)


def replace(path: Path, content: bytes) -> None:
    """Put a key in the place of another, at a stroke."""
    _written(path, content).replace(path)
    sync(path.parent)


def _written(path: Path, content: bytes) -> Path:
    # Readable by nobody else from its first moment on.
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        # A part of a key, on a disk that is full.
        fresh.unlink()
        raise
    return fresh


def sync(folder: Path) -> None:
    """Bring the folder's entries to the disk as well: what a key made outlives a power cut, so must the key."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
