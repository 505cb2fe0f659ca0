"""`chancery serve` and `chancery demo` as processes: what they say, and what is left when they are killed."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from base64 import urlsafe_b64decode
from contextlib import contextmanager, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bench.acme_client import Client
from bench.line import Line
from chancery.net.listening import free_port
from tests.cast import request_pem
from tests.template import fill

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("CHANCERY_DATABASE_URL")), reason="a demo has an SQLite of its own: this has run already"
)


@contextmanager
def command(home, *arguments):
    """A command of ours; its output is in `home/out`. What it leaves behind is killed by its home folder."""
    environ = {**os.environ, "CHANCERY_HOME": str(home), "CHANCERY_LOG_LEVEL": "INFO", "PYTHONUNBUFFERED": "1"}
    environ.pop("CHANCERY_DATABASE_URL", None)
    environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    with (home / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "chancery", *arguments],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for pid in ours(home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def ours(home):
    """Process ids of whatever still runs with this home folder."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if f"CHANCERY_HOME={home}\0".encode() in file.read() and int(name) != os.getpid():
                found.append(int(name))
    return found


def output(home):
    return (home / "out").read_text(errors="replace")


def until(done, what, seconds=120):
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.1)


def answers(port):
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/health", timeout=2) as answer:
        return json.load(answer)
    return None


def free(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def children(pid):
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            with open(f"/proc/{name}/stat") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{name}/cmdline", "rb") as file:
                found[int(name)] = (parent, file.read().replace(b"\0", b" ").decode())
    return {pid_: line for pid_, (parent, line) in found.items() if parent == pid}


def child(pid, word):
    return next((p for p, line in children(pid).items() if word in line), None)


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def begun(home):
    """A home with its tables: what makes them of nothing is shown by the first demo and by the check."""
    fill(home)
    return home


def test_a_server_has_its_port_alone_and_survives_the_death_of_its_process(begun):
    port = free_port()
    with command(begun, "serve", "--listen", f"127.0.0.1:{port}") as server:
        until(lambda: answers(port), lambda: output(begun))
        second = subprocess.run(
            [sys.executable, "-m", "chancery", "serve", "--listen", f"127.0.0.1:{port}"],
            env={**os.environ, "CHANCERY_HOME": str(begun), "CHANCERY_DATABASE_URL": ""},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert second.returncode == 1
        assert f"127.0.0.1:{port} cannot be served: another program listens there already." in second.stderr
        assert "Python threads" not in output(begun)
        (one,) = children(server.pid)
        os.kill(one, signal.SIGKILL)
        until(lambda: children(server.pid) and one not in children(server.pid) and answers(port), lambda: output(begun))
        server.kill()
        server.wait()
        until(lambda: free(port) and not ours(begun), lambda: f"left: {ours(begun)}")


@pytest.mark.long
def test_a_demo_watches_its_processes_and_leaves_none(home):
    port = free_port()
    with command(home, "demo", "--listen", f"127.0.0.1:{port}") as demo:
        until(lambda: "Stop  " in output(home), lambda: output(home))
        shown = output(home)
        # Whoever waits for the first address is told for what.
        steps = [
            shown.index(t)
            for t in ("Making the tables", "Making connectors", "Ordering certificates", "Chancery is at")
        ]
        assert steps == sorted(steps)
        down = re.search(r"curl -X POST (http://127\.0\.0\.1:\d+/down)", shown)[1]
        with urllib.request.urlopen(urllib.request.Request(down, method="POST"), timeout=5) as answer:
            assert answer.status == 200
        assert "one-time password" in shown
        if os.access("/usr/sbin/nginx", os.X_OK):
            assert "(shop.example.com): deployed" in shown
            port = int(re.search(r"web server at https://127\.0\.0\.1:(\d+)/", shown)[1])
            served = x509.load_pem_x509_certificate(ssl.get_server_certificate(("127.0.0.1", port)).encode())
            assert "Chancery Local CA" in served.issuer.rfc4514_string()
        directory, kid, key = (
            re.search(pattern, shown)[1]
            for pattern in (r"For ACME clients (\S+)", r"--eab-kid (\S+)", r"--eab-hmac-key (\S+)")
        )
        line = Line(directory.split("/")[2])
        client = Client(directory, line.send)
        assert client.register(kid, urlsafe_b64decode(key + "==")).status == 201
        csr = x509.load_pem_x509_csr(request_pem("acme.example.com").encode()).public_bytes(Encoding.DER)
        assert client.finalize(client.order("acme.example.com").json(), csr).json()["status"] == "valid"
        line.close()
        worker = child(demo.pid, "chancery worker")
        os.kill(worker, signal.SIGKILL)
        until(lambda: "The worker ended by itself (killed by SIGKILL)" in output(home), lambda: output(home))
        until(lambda: child(demo.pid, "chancery worker") not in {None, worker}, lambda: output(home))
        second = subprocess.run(
            [sys.executable, "-m", "chancery", "demo", "--listen", f"127.0.0.1:{free_port()}"],
            env={**os.environ, "CHANCERY_HOME": str(home), "CHANCERY_DATABASE_URL": ""},
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert second.returncode == 1
        assert "A demo runs already" in second.stderr
        demo.terminate()
        assert demo.wait(30) == 0
        assert not ours(home)
        assert free(port)


def test_a_killed_demo_takes_its_processes_with_it(begun):
    port = free_port()
    with command(begun, "demo", "--listen", f"127.0.0.1:{port}") as demo:
        until(lambda: "Stop  " in output(begun), lambda: output(begun))
        demo.kill()
        demo.wait()
        until(lambda: free(port) and not ours(begun), lambda: f"left: {ours(begun)}", 60)


def test_a_demo_does_not_take_the_answer_of_a_stranger_for_its_own(home):
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        with command(home, "demo", "--listen", f"127.0.0.1:{port}") as demo:
            assert demo.wait(60) == 1
        assert "another program listens there already" in output(home)
        assert "Chancery is at" not in output(home)


def test_a_check_ends_well_and_judges_every_connector(home):
    with command(home, "demo", "--check", "--json") as demo:
        # Alone it takes a minute at most; beside other tests on a slow machine, twice that.
        assert demo.wait(300) == 0, output(home)
    told = json.loads(next(line for line in output(home).splitlines() if line.startswith("{")))
    assert told["ok"] is True
    for row in told["connectors"]:
        assert (row["issued"], row["unknown"], row["lost"], row["doubled"]) == (20, 0, 0, 0)
        assert row["held"] == (20 if row["simulated"] else 0)
    assert {row["simulated"] for row in told["connectors"]} == {True, False}
