"""The processes of the demo: started, watched, and ended with it, whatever ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

_OFTEN = 3
_SPAN = 60.0
_PATIENCE = 15.0
_EVERY = 0.1


class Ended(Exception):
    """The demo cannot go on; the text says why, in a sentence."""

    def __init__(self, text: str, remedy: str = "Everything is stopped. Start it again with `make demo`.") -> None:
        super().__init__(text)
        self.remedy = remedy


@dataclass
class _Child:
    arguments: tuple[str, ...]
    again: bool
    process: subprocess.Popen[bytes]
    begun: list[float] = field(default_factory=list)


class Children:
    """Our own commands as processes. Each ends by itself when this process is gone (`--with-parent`).

    What they print goes to `out` (standard error by itself): standard output is for what the demo found.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._running: dict[str, _Child] = {}

    def start(self, name: str, *arguments: str, again: bool = False) -> int:
        """Start `python -m ARGUMENTS` as `name`, and return its process id. `again` starts it anew when it is killed."""
        whole = (*arguments, f"--with-parent={os.getpid()}")
        child = _Child(whole, again, self._popen(whole))
        child.begun.append(time.monotonic())
        self._running[name] = child
        return child.process.pid

    def look(self) -> None:
        """Start what was killed again, saying so; raises `Ended` for what ended of its own accord, or too often."""
        for name, child in self._running.items():
            status = child.process.poll()
            if status is None:
                continue
            now = time.monotonic()
            child.begun = [at for at in child.begun if now - at < _SPAN]
            if not child.again or status >= 0 or len(child.begun) > _OFTEN:
                raise Ended(f"The {name} ended by itself ({how(status)}).")
            print(f"The {name} ended by itself ({how(status)}). It is started again.", file=self._out, flush=True)
            child.process = self._popen(child.arguments)
            child.begun.append(now)

    def wait(self, ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Return once `ready` says so; raises `Ended` when a process ends meanwhile or it takes longer."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.look()
            if time.monotonic() > deadline:
                raise Ended(f"{what} did not happen within {seconds:.0f} seconds.")
            time.sleep(_EVERY)

    def _popen(self, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        # A group of its own: Ctrl-C reaches the demo alone, which ends the others in order.
        command = [sys.executable, "-m", *arguments]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self._out.fileno(), process_group=0)

    def stop(self) -> None:
        """End every process: asked first, killed when that does not help."""
        for child in self._running.values():
            child.process.terminate()
        deadline = time.monotonic() + _PATIENCE
        for child in self._running.values():
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()


def how(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    return f"killed by {signal.Signals(-status).name}"
