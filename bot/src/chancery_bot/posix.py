"""Every call that is POSIX's own: files with owner and mode, links, locks, programs. Another system replaces this module.

Each change on the disk is one function here, and each announces itself to `step` first: that is where tests end the
process, to see that whatever was done until then leaves either the old or the new.
"""

from __future__ import annotations

import ctypes
import fcntl
import grp
import hashlib
import os
import platform
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chancery_bot.errors import Refused

_MOST_SAID = 4000
_FRESH = ".chancery-new"
"""How a file ends that is to take another's place."""
_MOST_WHOLE = 2_000_000
_DEATH_SIGNAL = 1
HTTPS = 443
Owner = tuple[int, int]
"""Ids of user and group; -1 leaves either as it is."""
KEEP: Owner = (-1, -1)


def step(name: str) -> None:
    """Announce a change on the disk; tests put something in its place."""
    del name


def write_new(path: Path, content: bytes, mode: int = 0o600, owner: Owner = KEEP) -> None:
    """Write a file that is not there yet: owner and mode stand before the first byte of content does."""
    step(f"write {path.name}")
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        if owner != KEEP:
            os.fchown(handle, *owner)
        os.fchmod(handle, mode)
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        sync(handle)
    finally:
        os.close(handle)


def write_over(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step: whoever reads it sees the old content or the new."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_FRESH)
    os.close(handle)
    fresh = Path(name)
    fresh.unlink()
    try:
        write_new(fresh, content, mode)
        rename(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what `write_over` left in a folder whose process was killed before the rename, and nothing else."""
    for path in folder.glob(f".*{_FRESH}"):
        with suppress(OSError):
            if stat.S_ISREG(path.lstat().st_mode):
                remove(path)


def link_over(path: Path, to: str) -> None:
    """Make `path` a symbolic link, in one step whatever was there before."""
    step(f"link {path.name}")
    fresh = Path(tempfile.mktemp(dir=path.parent, prefix=f".{path.name}."))  # noqa: S306  a link has no content to race for
    fresh.symlink_to(to)
    rename(fresh, path)


def rename(source: Path, target: Path) -> None:
    """Move in one step, and see to it that the move outlives a power cut."""
    step(f"rename {target.name}")
    source.replace(target)
    _sync(target.parent)


def remove(path: Path) -> None:
    """Remove a file or link, where there is one."""
    step(f"remove {path.name}")
    path.unlink(missing_ok=True)
    _sync(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a folder with all that is in it."""
    step(f"remove {path.name}")
    shutil.rmtree(path, ignore_errors=True)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """Make a folder and those above it, where they are not there."""
    if not path.is_dir():
        step(f"folder {path.name}")
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        path.chmod(mode)
        _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(handle)
    finally:
        os.close(handle)


def sync(handle: int) -> None:
    """See to it that what was written outlives a power cut; tests, which cut no power, leave it out."""
    os.fsync(handle)


def facts(path: Path) -> tuple[bytes, int, Owner]:
    """Return content, mode and owner of what a path leads to."""
    found = path.stat()
    return path.read_bytes(), stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)


def owner(text: str) -> Owner:
    """Return the ids of `user`, `user:group` or `:group`; empty leaves both."""
    user, _, group = text.partition(":")
    try:
        uid = pwd.getpwnam(user).pw_uid if user else -1
        gid = grp.getgrnam(group).gr_gid if group else -1
    except KeyError:
        raise Refused(f"This host has no user or group {text!r}.", "Correct the target's owner.") from None
    return uid, gid


def dress(path: Path) -> dict[str, str]:
    """Return owner and mode of what a path leads to, as the settings `owner` and `key_mode` of a target that would keep them."""
    try:
        found = path.stat()
    except OSError:
        return {}
    mode = {"key_mode": f"{stat.S_IMODE(found.st_mode) & 0o777:04o}"}
    try:
        return {"owner": f"{pwd.getpwuid(found.st_uid).pw_name}:{grp.getgrgid(found.st_gid).gr_name}", **mode}
    except KeyError:
        return mode


def ours_alone(path: Path) -> bool:
    """Say whether nobody but root or ourselves can have written a file."""
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_uid in {0, os.getuid()} and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def content(path: Path, most: int) -> bytes:
    """Return what is in a file; nothing where it is none, larger than `most` bytes, somebody else's link, or not to be read."""
    try:
        if path.is_symlink() and path.lstat().st_uid not in {0, os.getuid(), path.stat().st_uid}:
            return b""
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return b""
    with os.fdopen(handle, "rb") as file:
        try:
            found = os.fstat(handle)
            whole = stat.S_ISREG(found.st_mode) and found.st_size <= most
            return file.read(most) if whole else b""
        except OSError:
            return b""


def safe_program(path: Path) -> bool:
    """Say whether a file may be run: a program that nobody but root or ourselves can change."""
    try:
        found = path.stat()
    except OSError:
        return False
    loose = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISREG(found.st_mode) and not loose and found.st_uid in {0, os.getuid()} and os.access(path, os.X_OK)


@dataclass(frozen=True)
class Ran:
    """How a program ended, and what it said (cut)."""

    code: int
    said: str


def run(
    command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None, *, whole: bool = False
) -> Ran:
    """Run a program without a shell, for so many seconds at most; it and its children end with that.

    What it says is cut to what a person reads, or kept `whole`.
    """
    step(f"run {Path(command[0]).name}")
    base = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    try:
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**base, **(environment or {})},
                start_new_session=True,
            )
            code = _ended(process, seconds)
            out.seek(0)
            said = out.read(_MOST_WHOLE if whole else _MOST_SAID).decode(errors="replace").strip()
    except OSError as error:
        raise Refused(f"{command[0]} cannot be run: {error.strerror}.", "Install it, or correct its path.") from None
    return Ran(code, said if code != _LATE else f"It did not end within {seconds:.0f} seconds. {said}")


_LATE = -1000


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return _LATE


def tell(pid_file: Path, name: str) -> None:
    """Send a signal, as USR2, to the process that a file names."""
    step(f"signal {name}")
    try:
        os.kill(int(pid_file.read_text(encoding="ascii").split()[0]), getattr(signal, f"SIG{name}"))
    except (OSError, ValueError, IndexError):
        raise Refused(f"{pid_file} leads to no running process.", "Is the service running?") from None


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a lock; a second bot with the same home is refused."""
    with path.open("w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Refused(f"A bot runs already with the home {path.parent}.", "Stop it first.") from None
        yield


def end_with(parent: int) -> None:
    """End this process when the one that started it is gone."""
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        raise SystemExit(0)


MACHINE_ID = Path("/etc/machine-id")
"""What tells one installation from another, whatever the host is called (machine-id(5))."""


def host() -> tuple[str, str, str]:
    """Return the host's name, its system in words, and a digest that stays as long as the machine does.

    It is of the machine's id, and of the name only where there is no id: a host that is called otherwise is the same.
    """
    name = socket.gethostname()
    words = platform.freedesktop_os_release().get("PRETTY_NAME", "") if Path("/etc/os-release").exists() else ""
    try:
        ident = MACHINE_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        ident = ""
    # Not the id itself, which its manual page wants kept on the machine.
    known = f"chancery-bot\n{ident}" if ident not in {"", "uninitialized"} else f"chancery-bot\n\n{name}"
    return name[:200], (words or platform.platform())[:200], hashlib.sha256(known.encode()).hexdigest()
