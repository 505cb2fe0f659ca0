"""A home on a small file system of its own, with the server and the worker as an operator runs them, that the test fills."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress

import httpx
from django.conf import settings
from django.db import connection

from chancery.apps.connectors import sealing
from chancery.doors.cli.ready import DATABASE
from chancery.net.listening import free_port
from tests.chaos.stand import ROOT, START, until

PAGE = 4096
"""Bytes that the file system gives at least, so every write that needs more room needs another one of these."""
SIZE = 48


def missing():
    """Return why no file system can be made here, '' where one can."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        return "only root may mount a small file system"
    return ""


class Disk:
    """A mounted tmpfs of some megabytes."""

    def __init__(self, folder, megabytes=SIZE):
        self.folder = folder
        folder.mkdir()
        options = f"size={megabytes}m,mode=0700"
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "chancery-test", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        self.refused = mounted.stderr.strip()
        self._ballast = folder / "ballast"

    def fill(self, leave=0):
        """Take all room but so many pages."""
        with self._ballast.open("ab") as file:
            for size in (1 << 20, PAGE):
                with suppress(OSError):
                    while True:
                        os.write(file.fileno(), bytes(size))
        if leave:
            os.truncate(self._ballast, self._ballast.stat().st_size // PAGE * PAGE - leave * PAGE)

    def free(self):
        """Give the room back, as an administrator does."""
        self._ballast.unlink(missing_ok=True)

    def room(self):
        """Return the pages that are left."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize // PAGE

    def close(self):
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)


class Machine:
    """Server and worker whose home and logs are on the disk; its tables are a copy of the test's."""

    def __init__(self, disk, token):
        self.disk, self.home, self.port = disk, disk.folder / "home", free_port()
        self.home.mkdir(mode=0o700)
        sealing.seal("x", table="t", record="r", field="f")  # makes the key, unless there is one
        shutil.copy(settings.KEK_FILE, self.home / "kek")
        with closing(sqlite3.connect(self.home / DATABASE)) as copy:
            connection.connection.backup(copy)
        (self.home / DATABASE).chmod(0o600)
        self.environ = {**os.environ, "CHANCERY_HOME": str(self.home), "CHANCERY_DATABASE_URL": ""}
        self.environ |= {"CHANCERY_LOG_LEVEL": "INFO", "CHAOS": "", "CHAOS_LEASE": "4"}
        self.environ |= {"CHANCERY_AUDIT_ANCHORS": f"file://{self.home}/anchor", "CHANCERY_TOKEN": token}
        self.environ |= {"CHANCERY_URL": f"http://127.0.0.1:{self.port}", "CHANCERY_AUDIT_CHECKPOINT_SECONDS": "1"}
        self.running = {}
        self.http = httpx.Client(
            base_url=self.environ["CHANCERY_URL"],
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            trust_env=False,
        )

    def run(self, module, *arguments, code=0, **more):
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT, env=self.environ, capture_output=True, text=True, check=False, timeout=90, **more,
        )  # fmt: skip
        assert code is None or done.returncode == code, (arguments, done.stdout, done.stderr[-3000:])
        return done

    def start(self, name):
        command = {
            "serve": ["chancery", "serve", "--listen", f"127.0.0.1:{self.port}"],
            "worker": ["tests.chaos.child", "worker", "--processes", "1"],
        }[name]
        with (self.disk.folder / f"{name}.log").open("a") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT, env=self.environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill(self, name):
        process = self.running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def stop(self, name):
        process = self.running.pop(name)
        process.terminate()
        return process.wait(60)

    def answers(self, path="/api/v1/health"):
        try:
            return self.http.get(path).status_code == 200
        except httpx.HTTPError:
            return False

    def up(self):
        until(self.answers, START, self.said)

    def said(self):
        return "\n".join(p.read_text()[-3000:] for p in self.disk.folder.glob("*.log"))

    def ask(self, sql):
        with closing(sqlite3.connect(f"file:{self.home}/{DATABASE}?mode=ro", uri=True, timeout=30)) as looking:
            return looking.execute(sql).fetchall()

    def close(self):
        for name in list(self.running):
            self.kill(name)
        self.http.close()
