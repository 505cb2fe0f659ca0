"""Other people's programs as children of a test: started, waited for, ended by their own process id."""

import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

START = 15.0
"""Seconds within which a server must listen."""


def needs(*programs, hint="make setup-test"):
    """Skip where a program is not installed, and say what installs it."""
    missing = [p for p in programs if shutil.which(p) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} ({hint} installs it)")


@contextmanager
def child(command, folder, *, listens, environment=None):
    """Run a program in a folder until the block ends; give it once it listens on every port of `listens`."""
    log = Path(folder) / f"{Path(command[0]).name}.log"
    with log.open("wb") as out:
        running = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **(environment or {})},
        )
        try:
            for port in listens:
                _wait(running, port, log)
            yield running
        finally:
            running.terminate()
            try:
                running.wait(5)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait(5)


def _wait(running, port, log):
    end = time.monotonic() + START
    while time.monotonic() < end and running.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(0.5)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    said = log.read_text(errors="replace")[-2000:]
    raise AssertionError(f"{log.stem} does not listen on {port}: {said}")
