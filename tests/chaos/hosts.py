"""Hosts in network namespaces on one bridge, made by the test: a PostgreSQL, workers, a web node, and the way between them."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psycopg

from tests.chaos.forward import Forward
from tests.chaos.stand import ROOT, until

NET = "10.213.77"
GATEWAY = f"{NET}.1"
PG_PORT = 25_432
BRIDGE = "chx"
KEYS = ("kek", "secret-key", "audit-key")


def missing():
    """Return why hosts cannot be made here, '' where they can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip") or not binaries():
        return "iproute2 and PostgreSQL are needed: make setup-test installs them"
    tried = subprocess.run(["ip", "netns", "add", f"{BRIDGE}try"], capture_output=True, text=True, check=False)
    subprocess.run(["ip", "netns", "del", f"{BRIDGE}try"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else f"this kernel makes no network namespace: {tried.stderr.strip()}"


def binaries():
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


def run(*command):
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


class Postgres:
    """A throw-away server at the bridge's own address; it can be restarted as an administrator does, or as a crash does."""

    def __init__(self):
        # Not in the test's own folder, which other users cannot enter: a database server refuses to run as root.
        self.folder, self.bin = Path(tempfile.mkdtemp(prefix="chancery-pg.", dir="/tmp")), binaries()
        try:
            pwd.getpwnam("chancery-test")
        except KeyError:
            run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "chancery-test")
        shutil.chown(self.folder, "chancery-test")
        self._as(
            "initdb",
            "-D",
            self.folder / "data",
            "-U",
            "chancery",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        )
        with (self.folder / "data/pg_hba.conf").open("a") as file:
            file.write(f"host all all {NET}.0/24 trust\n")
        self.start()
        self._as("createdb", "-h", GATEWAY, "-p", PG_PORT, "-U", "chancery", "chancery")

    @property
    def url(self):
        return f"postgresql://chancery@{GATEWAY}:{PG_PORT}/chancery"

    def _as(self, name, *arguments):
        user = pwd.getpwnam("chancery-test")
        command = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={os.getgid()}", "--clear-groups", self.bin / name]
        subprocess.run(
            [str(part) for part in (*command, *arguments)], cwd=self.folder, check=True, stdout=subprocess.DEVNULL
        )

    def start(self):
        options = f"-c listen_addresses={GATEWAY} -c port={PG_PORT} -c unix_socket_directories={self.folder}"
        self._as("pg_ctl", "-D", self.folder / "data", "-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self, how="fast"):
        self._as("pg_ctl", "-D", self.folder / "data", "-m", how, "-w", "stop")

    def close(self):
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def ask(self, sql, *values):
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            return connection.execute(sql, values).fetchall()


class Host:
    """One machine: a namespace, an address, a home with the same keys as the others."""

    def __init__(self, number, environment, folder, ports):
        self.name, self.address = f"{BRIDGE}{number}", f"{NET}.{10 + number}"
        self._link, self._processes = f"{BRIDGE}v{number}", []
        self._log = folder / f"{self.name}.log"
        self.home = folder / self.name
        self.home.mkdir(mode=0o700)
        for key in KEYS:
            if (folder / "first" / key).exists():
                shutil.copy(folder / "first" / key, self.home / key)
        self.clock = folder / f"{self.name}.clock"
        about = {"CHANCERY_HOME": str(self.home), "CHANCERY_NODE": self.name, "CHAOS_CLOCK": str(self.clock)}
        self._environment = {**environment, **about}
        self._clear()
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", self._link, "master", BRIDGE, "up")
        for change in (("addr", "add", f"{self.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up")):
            run("ip", "-n", self.name, *change)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        # Not one of the host's own processes: it is the network, which neither a kill nor a pause takes along.
        self.start("tests.chaos.forward", *(str(port) for port in ports), GATEWAY)
        self._forward = self._processes.pop()

    def start(self, *arguments):
        with self._log.open("a") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.name, sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def kill(self):
        """Kill -9 everything that runs there."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        self._processes.clear()

    def signal(self, number):
        for process in self._processes:
            os.killpg(process.pid, number)

    def cut(self):
        """Cut the host off: packets go nowhere, and nobody is told."""
        run("ip", "link", "set", self._link, "down")

    def mend(self):
        run("ip", "link", "set", self._link, "up")

    def said(self):
        return self._log.read_text()[-3000:] if self._log.exists() else ""

    def close(self):
        self.kill()
        self._forward.kill()
        self._forward.wait(10)
        self._clear()

    def _clear(self):
        """Remove what is there, also of a run that was broken off; a link outlives its namespace for a moment."""
        for thing in (["link", "del", self._link], ["netns", "del", self.name]):
            subprocess.run(["ip", *thing], capture_output=True, check=False)


class Hosts:
    """Everything together; gone with the test, whatever happened in it."""

    def __init__(self, folder, simulator):
        self.folder, self._stack = folder, contextlib.ExitStack()
        subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        self._stack.callback(run, "ip", "link", "del", BRIDGE)
        try:
            run("ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
            run("ip", "link", "set", BRIDGE, "up")
            self._begin(simulator)
        except BaseException:
            self.close()
            raise

    def _begin(self, simulator):
        self.postgres = Postgres()
        self._stack.callback(self.postgres.close)
        port = int(simulator.url.split(":")[2].split("/")[0])
        forward = Forward((GATEWAY, 0), ("127.0.0.1", port))
        self._stack.callback(forward.close)
        self._ports = port, forward.port
        self._environment = {
            **os.environ,
            "CHANCERY_DATABASE_URL": self.postgres.url,
            "CHANCERY_ALLOWED_HOSTS": "*",
            "CHAOS_LEASE": "4",
            "CHAOS": "",
        }
        self._environment.pop("PYTEST_CURRENT_TEST", None)
        first = self.folder / "first"
        first.mkdir(mode=0o700)
        given = json.dumps({"url": simulator.url, "account": simulator.credentials})
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.first"],
            cwd=ROOT,
            env={**self._environment, "CHANCERY_HOME": str(first)},
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        self.token = done.stdout.strip().splitlines()[-1]

    def host(self, number):
        made = Host(number, self._environment, self.folder, self._ports)
        self._stack.callback(made.close)
        return made

    def keep_keys(self, host):
        """Keep the keys of a host for those that are made later; says whether all are there."""
        for key in KEYS:
            if (host.home / key).exists():
                shutil.copy(host.home / key, self.folder / "first" / key)
        return all((self.folder / "first" / key).exists() for key in KEYS)

    def leader(self):
        """Return the name of the node that leads, None where none does."""
        sql = """SELECT b.name FROM health_lead l JOIN connectors_workerbeat b ON b.id = l.holder
                 WHERE l.until > clock_timestamp()"""
        return next((name for (name,) in self.postgres.ask(sql)), None)

    def state(self):
        """Say who leads, which nodes there are, and what sessions do: for a failure's text."""
        lead = self.postgres.ask("SELECT holder, fence, until - clock_timestamp() FROM health_lead")
        nodes = self.postgres.ask("SELECT id, name, kind, clock_timestamp() - seen_at FROM connectors_workerbeat")
        sessions = """SELECT client_addr, pid, state, wait_event_type, wait_event, now() - xact_start, left(query, 90)
                      FROM pg_stat_activity WHERE datname = 'chancery' AND state <> 'idle'"""
        return "\n".join(map(str, [*lead, *nodes, *self.postgres.ask(sessions)]))

    def wait(self, done, seconds, what):
        """Wait until `done` says so; a database that is away says no."""

        def asked():
            try:
                return done()
            except psycopg.OperationalError:
                return False

        until(asked, seconds, what, 0.1)

    def close(self):
        self._stack.close()
