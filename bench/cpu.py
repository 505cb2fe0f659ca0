"""Seconds of processor that processes have used, whatever else the machine was doing meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PPID, _OWN, _CHILDREN = 1, slice(11, 13), slice(13, 15)
"""Fields of /proc/PID/stat after the name (proc_pid_stat(5)): the parent, own time, that of children which have ended."""


def used(root: int) -> float:
    """Return the seconds that a process and all that descend from it have used so far."""
    found = {pid: fields for pid in _pids() if (fields := _fields(pid)) is not None}
    total, wanted = 0, [root]
    while wanted:
        pid = wanted.pop()
        if pid in found:
            total += sum(map(int, (*found[pid][_OWN], *found[pid][_CHILDREN])))
        wanted += [child for child, fields in found.items() if int(fields[_PPID]) == pid]
    return total / _TICKS


def parent(pid: int) -> int:
    """Return who started a process; 0 where it is gone."""
    fields = _fields(pid)
    return int(fields[_PPID]) if fields is not None else 0


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _fields(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
