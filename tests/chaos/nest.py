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
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST = 1 << 20
"""Bytes of a command with its environment."""
START = 180.0
"""Outer limit, in seconds, for it to load everything and fork, on a busy machine."""


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
                # Who stops the tests stops the nest by closing the way: then it takes with it what it has forked.
                start_new_session=True,
            )

    def start(self, command, environment, log):
        """Fork a process for a command; what it says goes into the log."""
        read, write = os.pipe()
        told = os.fdopen(read, "rb", buffering=0)
        try:
            socket.send_fds(self._way, [json.dumps([command, environment]).encode()], [log.fileno(), write])
        except OSError as error:
            told.close()
            raise RuntimeError(f"the nest is gone: {self._process.poll()}") from error
        finally:
            os.close(write)
        if not select.select([told], [], [], START)[0] or not (first := told.readline()):
            told.close()
            raise RuntimeError(f"the nest does not fork; what it ended with: {self._process.poll()}")
        return Forked(told, int(first))

    def close(self):
        self._way.close()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(60)
            raise


class Forked:
    """A process that is another one's child, with what tests ask of those of `subprocess`."""

    def __init__(self, told, pid):
        self._told, self.pid, self.returncode = told, pid, None

    def poll(self):
        return self._ended(0)

    def wait(self, timeout=None):
        if self._ended(timeout) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self.returncode

    def _ended(self, timeout):
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            with self._told:
                last = self._told.readline()
            if not last:
                # Nobody is left who could say it; the process is not left either.
                with suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
            self.returncode = int(last) if last else -signal.SIGKILL
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
                for pid in told:
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
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
