"""Notices leave through a process that connects, reads and runs nothing but what sending takes."""

import json
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from chancery.core.secret import Secret
from chancery.net import apart, notify, notify_process
from chancery.net.addresses import AddressPolicy
from chancery.net.notify_process import Refused

LOOPBACK = ["127.0.0.0/8"]
# The library's own modules import what Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    made = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def hook(server):
    server.got, server.status = [], 200
    return server


@pytest.fixture
def url(hook):
    return Secret(f"json://user:a-password@127.0.0.1:{hook.server_port}/a-token-of-the-test")


def test_a_message_arrives_through_the_real_process(hook, url):
    # A process that loads the library takes a second; this is the one test that starts it for a message.
    assert notify.send(url, "A title", "A body", LOOPBACK) == ""
    assert [(m["title"], m["message"]) for m in hook.got] == [("A title", "A body")]


@pytest.fixture
def here(monkeypatch):
    """Let the process's own code answer in this one, without its guards."""

    def ask(module, asked, wait):
        assert module == "chancery.net.notify_process"
        return notify_process.answer(asked, ask.refusals)

    ask.refusals = []
    monkeypatch.setattr(apart, "ask", ask)
    return ask


def test_a_service_that_refuses_is_quoted_without_what_is_secret(here, hook, url):
    hook.status = 500
    said = notify.send(url, "T", "B", LOOPBACK)
    assert said.startswith("The service did not take it. ")
    assert "a-token" not in said
    assert "a-password" not in said


def test_an_address_that_may_not_be_used_is_named(here, hook, url):
    hook.status = 500
    here.refusals = [f"127.0.0.1: {AddressPolicy().judge('127.0.0.1')}"]
    said = notify.send(url, "T", "B", [])
    assert said.startswith("It leads where this channel may not: 127.0.0.1: 127.0.0.1 is a loopback address")
    assert "connector" not in said


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("json://host.example/x", True),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", True),
        ("nosuch://x", False),
    ],
)
def test_an_address_is_looked_at_without_connecting(here, text, known):
    assert (notify.check(Secret(text)) == "") is known


def test_a_plug_in_that_breaks_is_a_sentence(here, url, monkeypatch):
    import apprise

    def broken(self, *values, **more):
        raise RuntimeError("out of a-token-of-the-test")

    monkeypatch.setattr(apprise.Apprise, "notify", broken)
    assert notify.send(url, "T", "B", LOOPBACK) == "RuntimeError: out of ••••••"


def test_an_empty_reason_is_a_sentence_too(monkeypatch, url):
    monkeypatch.setattr(apart, "ask", lambda *values: {"kind": "other", "text": ""})
    assert notify.send(url, "T", "B", ()) == "The service did not take it."


def test_the_scheme_is_all_that_is_shown_of_an_address():
    assert notify.scheme(Secret(" JSONS://host/x")) == "jsons"
    assert [notify.scheme(Secret(text)) for text in ("host/x", "json://", "", "://x")] == ["", "", "", ""]


# What the process must not do -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    ["subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "syslog.openlog", "ctypes.dlopen"],
)
def test_no_program_is_started_and_nothing_is_logged_elsewhere(event):
    with pytest.raises(Refused):
        notify_process.judge(event, ())


@pytest.mark.parametrize(
    ("path", "mode", "flags"),
    [
        ("/root/.chancery/kek", "r", 0),
        ("/etc/passwd", "r", 0),
        (b"/etc/shadow", "rb", 0),
        (sys.prefix + "/../../etc/passwd", "r", 0),
        (sys.executable, "w", 1),
        (sys.executable, None, 2),
    ],
)
def test_files_are_not_opened(path, mode, flags):
    with pytest.raises(Refused):
        notify_process.judge("open", (path, mode, flags))


@pytest.mark.parametrize("path", [json.__file__, 3, None, "/dev/null", "/etc/mime.types"])
def test_what_programs_and_trust_are_made_of_is_read(path):
    notify_process.judge("open", (path, "r", 0))
    notify_process.judge("socket.connect", (None, ("127.0.0.1", 1)))


# The process apart -----------------------------------------------------------------------------------------


@pytest.fixture
def guarded():
    names = ("connect", "connect_ex", "sendto", "sendmsg")
    before = {name: getattr(socket.socket, name) for name in names}
    yield apart.guard(AddressPolicy(tuple(LOOPBACK)), datagrams=True)
    for name, real in before.items():
        setattr(socket.socket, name, real)


def test_datagrams_are_judged_as_connections_are(guarded, hook):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        with pytest.raises(apart.Refused, match="private"):
            own.sendto(b"x", ("10.0.0.1", 514))
        with pytest.raises(apart.Refused):
            own.sendmsg([b"x"], [], 0, ("169.254.169.254", 514))
        own.connect(("127.0.0.1", hook.server_port))
        assert own.sendmsg([b"x"]) == 1
    assert len(guarded) == 2
    assert guarded[0].startswith("10.0.0.1: ")


def test_a_module_that_answers_nothing_or_too_late_is_told_apart():
    assert apart.ask("platform", {}, 20.0)["kind"] == "other"
    assert apart.ask("chancery.net.notify_process", {}, 0.0)["kind"] == "away"
