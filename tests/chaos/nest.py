"""A process that has everything loaded and forks what a stand starts: a fork takes milliseconds where a start takes seconds.

What is forked has a session, an environment and files of its own, as what is started has.
"""

import gc
import json
import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 1 << 20
"""Bytes of a command with its environment."""


class Nest:
    """The way to such a process, which lasts until it is closed."""

    def __init__(self, environment):
        self._way, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.nest", str(theirs.fileno())],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(self, command, environment, log):
        """Fork a process for a command; what it says goes into the log."""
        read, write = os.pipe()
        socket.send_fds(self._way, [json.dumps([command, environment]).encode()], [log.fileno(), write])
        os.close(write)
        return Forked(read)

    def close(self):
        self._way.close()
        self._process.wait(60)


class Forked:
    """A process that is another one's child, with what tests ask of those of `subprocess`."""

    def __init__(self, told):
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid, self.returncode = int(self._told.readline()), None

    def poll(self):
        return self._ended(0)

    def wait(self, timeout=None):
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self.returncode

    def _ended(self, timeout):
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            with self._told:
                self.returncode = int(self._told.readline())
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        self.send_signal(signal.SIGTERM)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def load():
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    django.setup()
    from chancery import catalog
    from chancery.doors import wsgi  # noqa: F401  loaded before the forks, as all here
    from chancery.doors.cli import main, serving  # noqa: F401
    from chancery.engine import worker  # noqa: F401
    from tests.chaos import boundaries, child  # noqa: F401

    for slug in catalog.BUILT_IN:
        catalog.build(slug)
    gc.collect()
    gc.freeze()


def serve(way):
    """Fork for each command that comes; return it in the child, and None in the nest once nobody wants any more."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    told = {}
    while True:
        ready, _, _ = select.select([way, woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            reap(told)
        if way in ready:
            message, given, _, _ = socket.recv_fds(way, MOST, 2)
            if not message:
                return None
            log, pipe = given
            pid = os.fork()
            if not pid:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for number in (woken, wake, *told.values()):
                    os.close(number)
                way.close()
                return be(log, pipe, *json.loads(message))
            os.close(log)
            told[pid] = pipe


def reap(told):
    """Tell of each child that has ended how it did."""
    for pid in list(told):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            pipe = told.pop(pid)
            os.write(pipe, b"%d\n" % os.waitstatus_to_exitcode(status))
            os.close(pipe)


def be(log, pipe, command, environment):
    """Be what was asked for, and say so."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    os.write(pipe, b"%d\n" % os.getpid())
    os.close(pipe)
    return command


if __name__ == "__mp_main__" and multiprocessing.current_process().name == "calls":
    # The process that calls for a worker that was forked here: the same CA, the same clock.
    from tests.chaos import child

    child.begin()

if __name__ == "__main__":
    load()
    asked = serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:
        from tests.chaos import child

        child.be(asked)
