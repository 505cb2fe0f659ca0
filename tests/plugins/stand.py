"""Server and worker as an administrator runs them, with packages of others installed beside Chancery."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path

import httpx

from tests.browser.stand import answers, database, end, free_port, wait
from tests.plugins import wheel

PACKAGES = Path(__file__).parent / "packages"
OFFERS = {
    "borealis": "borealis_chancery:Borealis",
    "raises": "raises_chancery:Raises",
    "leaves": "leaves_chancery:Leaves",
    "silent": "silent_chancery:Silent",
}
PASSWORD = "correct horse battery"


def installed(folder, offers=OFFERS):
    """Build packages from a copy outside the source tree, install them, and return where."""
    target, wheels = folder / "site", []
    for slug, where in offers.items():
        copy = folder / "source" / slug
        for path in (PACKAGES / slug).rglob("*.py"):
            into = copy / path.relative_to(PACKAGES / slug)
            if into.parent != copy or into.name.endswith("_chancery.py"):  # what lies beside the package stays out
                into.parent.mkdir(parents=True, exist_ok=True)
                into.write_bytes(path.read_bytes())
        wheels.append(wheel.build(copy, folder, f"{slug}_chancery", "1.4", {slug: where}))
    wheel.install(wheels, target)
    return target


class Stand:
    """The processes, and three doors to them. Everything that they say is kept in `heard`."""

    def __init__(self, folder, environ, port):
        self.folder, self.environ, self.url = folder, environ, f"http://127.0.0.1:{port}"
        self.log, self.started, self.heard = folder / "processes.log", [], []

    def start(self, command):
        with self.log.open("a") as log:
            self.started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "chancery", command],
                    env=self.environ,
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def run(self, *command, code=0, **more):
        """Run a command to its end; returns what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "chancery", *command],
            env={**self.environ, **more},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
        )
        self.heard.append(done.stdout + done.stderr)
        assert done.returncode == code, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def cli(self, *command, code=0):
        """Run a command that speaks REST."""
        return self.run(*command, code=code, CHANCERY_URL=self.url, CHANCERY_TOKEN=self.token, COLUMNS="240")

    def cli_json(self, *command):
        return json.loads(self.cli(*command, "--json"))

    def rest(self, method, path, body=None, code=None):
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=60)
        self.heard.append(answer.text)
        assert answer.status_code == (code or answer.status_code), answer.text
        assert answer.status_code < 400 or code, answer.text
        return answer.json()

    def alive(self):
        return all(process.poll() is None for process in self.started)

    def everything_heard(self):
        return "\n".join(self.heard) + self.log.read_text()


@contextmanager
def stand(folder):
    """Install, start, log in; all of it ends with the block."""
    site = installed(folder)
    with database() as url:
        home = folder / "home"
        home.mkdir(mode=0o700)
        port = free_port()
        environ = {**os.environ, "CHANCERY_HOME": str(home), "CHANCERY_DATABASE_URL": url, "PYTHONPATH": str(site)}
        environ |= {"DJANGO_SETTINGS_MODULE": "chancery.settings", "CHANCERY_LISTEN": f"127.0.0.1:{port}"}
        made = Stand(folder, environ, port)
        try:
            once = made.run("init", "--username", "ada").split()[-1]
            for command in ("serve", "worker"):
                made.start(command)
            wait(lambda: answers(f"{made.url}/api/v1/health") or not made.alive())
            assert made.alive(), made.log.read_text()
            with httpx.Client(base_url=made.url, timeout=60, follow_redirects=True) as client:
                made.console = Console(made, client, once)
                made.token = made.console.token()
                yield made
        finally:
            end(made.started)


class Forms(HTMLParser):
    """The forms of a page: where they lead, and what each would send as it stands."""

    def __init__(self, text):
        super().__init__()
        self.forms, self._select, self._area = [], None, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        a = dict(attributes)
        if tag == "form":
            self.forms.append({"action": a.get("action", ""), "method": a.get("method", "get"), "fields": {}})
        if not self.forms:
            return
        fields, name = self.forms[-1]["fields"], a.get("name")
        if tag == "input" and name:
            ticked = a.get("type") not in {"checkbox", "radio"} or "checked" in a
            fields.setdefault(name, None)
            if ticked:
                fields[name] = a.get("value", "on" if a.get("type") == "checkbox" else "")
        elif tag == "select" and name:
            self._select = name
            fields[name] = None
        elif tag == "option" and self._select and (fields[self._select] is None or "selected" in a):
            fields[self._select] = a.get("value", "")
        elif tag == "textarea" and name:
            self._area = name
            fields[name] = ""

    def handle_endtag(self, tag):
        self._select = None if tag == "select" else self._select
        self._area = None if tag == "textarea" else self._area

    def handle_data(self, data):
        if self._area:
            self.forms[-1]["fields"][self._area] += data


class Console:
    """A person at the console: reads pages, and sends their forms as a browser would."""

    def __init__(self, where, client, once):
        self._where, self._client = where, client
        self.send("/login", has="password", username="ada", password=once)
        self.send("/password", has="fresh", present=once, fresh=PASSWORD, again=PASSWORD)

    def read(self, path, code=200):
        return self._kept(self._client.get(path), code).text

    def _kept(self, answer, code):
        self._where.heard.append(answer.text)
        assert answer.status_code == code, f"{answer.url}: {answer.status_code} {words(answer.text)}"
        return answer

    def form(self, path, has):
        """Return the form of a page that has a field of this name, or leads to where `has` says."""
        found = [f for f in Forms(self.read(path)).forms if has in f["fields"] or f["action"].endswith(has)]
        assert found, f"{path} has no form with {has}"
        return found[0]

    def send(self, path, *, has, code=200, **values):
        """Fill in a form and send it; every name must be one of its fields."""
        form = self.form(path, has)
        unknown = set(values) - set(form["fields"])
        assert not unknown, f"{path} has no field {unknown}"
        data = {k: v for k, v in {**form["fields"], **values}.items() if v is not None}
        origin = {"Origin": self._where.url}
        return self._kept(self._client.post(form["action"] or path, data=data, headers=origin), code)

    def token(self):
        shown = self.send("/tokens", has="name", name="tests").text
        return re.search(r"chy_[\w-]+", shown)[0]


def words(text):
    """Return what a person reads of a page."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style).*?</\1>", " ", text)))


def until(done, seconds=60.0, step=0.2):
    """Wait for `done`; returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        found = done()
        if found:
            return found
        assert time.monotonic() < deadline, "not in time"
        time.sleep(step)
