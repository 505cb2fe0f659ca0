"""Chancery as an operator runs it: server, worker and simulated CA as processes of their own, in a home thrown away."""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from chancery.net.listening import free_port
from tests.browser.samples import PASSWORD
from tests.template import fill

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium-headless-shell"


@dataclass
class Stand:
    """Where the console is, where the simulated CA is, the ids of the sample objects, and the environment of its processes."""

    url: str
    digicert: dict
    ids: dict
    environ: dict

    def address(self, path):
        return self.url + path.format(**self.ids)


@contextmanager
def stand():
    """Start everything and fill it; all of it ends with the block."""
    with tempfile.TemporaryDirectory(prefix="chancery-browser-") as folder, database() as url:
        home = Path(folder)
        port = free_port()
        environ = {**os.environ, "CHANCERY_HOME": folder, "CHANCERY_LOG_LEVEL": "ERROR", "CHANCERY_DATABASE_URL": url}
        environ |= {"DJANGO_SETTINGS_MODULE": "chancery.settings", "CHANCERY_LISTEN": f"127.0.0.1:{port}"}
        ports = home / "ports.json"
        started = [start(environ, "-m", "chancery.sandbox", "--port-file", str(ports), "--with-parent")]
        try:
            fill(home, url)
            started += [start(environ, "-m", "chancery", "worker"), start(environ, "-m", "chancery", "serve")]
            wait(ports.exists)
            ids = json.loads(run(environ, "-m", "tests.browser.samples", str(ports)))
            wait(lambda: answers(f"http://127.0.0.1:{port}/api/v1/health"))
            digicert = json.loads(ports.read_text())["simulators"]["digicert"]
            yield Stand(f"http://127.0.0.1:{port}", digicert, ids, environ)
        finally:
            end(started)


@contextmanager
def database(like=""):
    """Give the URL of a database: SQLite, or a fresh one beside the database that the tests were given.

    It is empty, or a copy of the one that `like` leads to.
    """
    given = os.environ.get("CHANCERY_DATABASE_URL", "")
    if not given:
        yield ""
        return
    import psycopg

    name = f"stand_{uuid4().hex}"  # several stands may live in one process
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {urlsplit(like).path[1:] or 'template1'}")
    yield urlsplit(given)._replace(path=f"/{name}").geturl()
    with psycopg.connect(given, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def start(environ, *arguments):
    return subprocess.Popen([sys.executable, *arguments], env=environ, cwd=ROOT, stdin=subprocess.DEVNULL)


def run(environ, *arguments):
    done = subprocess.run(
        [sys.executable, *arguments], env=environ, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=240
    )
    return done.stdout.decode().splitlines()[-1]


def end(processes):
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def answers(url):
    with suppress(OSError), urllib.request.urlopen(url, timeout=2):
        return True
    return False


def wait(ready):
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline, "it did not start in time"
        time.sleep(0.1)


@contextmanager
def chromium():
    """Debian's Chromium, the one without a window, which draws none; Playwright's own is never downloaded."""
    from playwright.sync_api import sync_playwright

    # Its sandbox refuses to run as root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


def log_in(browser, where, name):
    """Log in by the form and return the cookies, for as many contexts as are wanted."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(where.address("/login"))
    page.get_by_label("Login name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.wait_for_url(where.address("/"))
    state = context.storage_state()
    context.close()
    return state
