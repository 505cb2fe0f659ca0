"""Files of whoever runs the command: read under limits, made so that nothing is overwritten and no key is readable."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from chancery.core import pem
from chancery.doors.cli.output import Exit, stop

_MOST = 50 * 1024 * 1024
"""Bytes of a file that is read; a batch of ten thousand requests has less."""


def content(path: Path, what: str) -> bytes:
    """Return a file's bytes ('-' is standard input); what cannot be read ends the command by its name."""
    try:
        if str(path) == "-":
            return sys.stdin.buffer.read(_MOST)
        with path.open("rb") as file:
            return file.read(_MOST)
    except OSError as error:
        stop(f"{what} {path}: {error.strerror}.", "Check the path and who may read it.", Exit.USAGE)


def text(path: Path, what: str) -> str:
    """Return a file's text."""
    return _decoded(content(path, what), path, what)


def _decoded(raw: bytes, path: Path, what: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        stop(f"{what} {path}: this is no text in UTF-8.", "Give a text file.", Exit.USAGE)


def secret(path: Path, what: str) -> str:
    """Return the secret that a file holds, without the line end that editors add."""
    found = text(path, what).rstrip("\r\n")
    if not found:
        stop(f"{what} {path}: the file is empty.", "Write the secret into it.", Exit.USAGE)
    return found


def request(path: Path) -> str:
    """Return a certificate request: PEM as it is, DER made PEM."""
    raw = content(path, "--csr")
    if not raw.strip():
        stop(f"--csr {path}: the file is empty.", "Give a certificate request.", Exit.USAGE)
    # DER begins with a SEQUENCE (X.690, 8.9.1).
    if raw[:1] == b"\x30":
        return pem.encode("CERTIFICATE REQUEST", raw)
    return _decoded(raw, path, "--csr")


def absent(path: Path, option: str) -> None:
    """End the command where a file is in the way, or cannot be made: what is to go into it may be had only once."""
    if os.path.lexists(path):
        stop(f"{option} {path}: there is such a file already.", "Choose another name; nothing was sent.", Exit.USAGE)
    if not path.absolute().parent.is_dir():
        stop(f"{option} {path}: there is no such folder.", "Make it first; nothing was sent.", Exit.USAGE)
    make(path, b"", option)
    path.unlink()


def make(path: Path, data: bytes, option: str, mode: int = 0o600) -> None:
    """Write a new file and put it on the disk, wholly or not at all; one that is there already is never touched."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            path.unlink(missing_ok=True)
            raise
    except OSError as error:
        stop(f"{option} {path}: {error.strerror}.", "Choose another name or folder.", Exit.USAGE)


def deliver(data: bytes, out: Path | None, *, binary: bool = False) -> None:
    """Write bytes as they are to a new file, or to standard output."""
    if out is not None and str(out) != "-":
        make(out, data, "--out", 0o666)
        return
    if binary and sys.stdout.isatty():
        stop("These are bytes, no text.", "Give --out FILE, or send them into a pipe.", Exit.USAGE)
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
