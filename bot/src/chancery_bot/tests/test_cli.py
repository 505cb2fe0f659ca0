"""The command, and a bot that has nobody to talk to."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import pytest

from chancery_bot import aloud, cli, kinds, wire
from chancery_bot.clock import Clock
from chancery_bot.errors import Away, Turned
from chancery_bot.local import Local
from chancery_bot.run import Bot
from chancery_bot.state import Identity, State

SPEC = wire.TargetSpec(id=uuid4(), kind="pem", name="Shop")
HOST = wire.Host(hostname="web-1", machine="ab" * 32)


class Still(Clock):
    """A clock that stands, and counts how long somebody slept."""

    def __init__(self):
        self.slept = 0.0

    def monotonic(self):
        return self.slept

    def sleep(self, seconds):
        self.slept += seconds


class Server:
    """A server that answers what a test puts in."""

    def __init__(self, **answers):
        self.answers, self.asked = answers, []

    def ask(self, what, body, answer):
        self.asked.append(what)
        found = self.answers.get(what)
        if isinstance(found, Exception):
            raise found
        return found


def bot(tmp_path, server, clock=None, roots=()):
    state = State(tmp_path)
    return Bot(
        state, Local(roots, tmp_path, {}, file=tmp_path / "mine.toml"), clock or Still(), client=server, host=HOST
    ), state


def test_a_bot_waits_longer_and_says_it_once_while_nobody_answers(tmp_path):
    agent, state = bot(tmp_path, Server(poll=Away("nobody"), report=Away("nobody")))
    pauses = []
    for _ in range(12):
        assert agent.turn() == 0
        pauses.append(agent.pause)
    assert pauses[0] <= 2 < pauses[4]
    assert all(p <= 300 for p in pauses)
    assert [r.text for r in state.untold(9)] == ["nobody"]
    assert state.remembered("fault")["text"] == "nobody"
    server = agent._client
    server.answers["poll"] = server.answers["report"] = Turned("who are you")
    agent.turn()
    agent.turn()
    assert [r.text for r in state.untold(9)] == ["nobody", "The server refuses this bot: who are you"]
    assert isinstance(agent.met, Turned)
    server.answers |= {"poll": wire.Work(), "report": wire.Recorded(recorded=2)}
    agent.turn()
    assert (agent.met, state.remembered("fault")) == (None, {})
    agent, state = bot(tmp_path / "c", Server(poll=KeyError("odd")))
    assert agent.turn() == 0
    assert "A fault of the bot: KeyError" in state.untold(9)[-1].text


def test_a_bot_runs_until_it_is_told_to_stop_and_says_on_its_host_what_it_does(tmp_path, capsys):
    clock, turns = Still(), []
    server = Server(poll=wire.Work(poll_seconds=5), report=wire.Recorded(recorded=1))
    agent, _ = bot(tmp_path, server, clock)
    with aloud.aloud():
        agent.run(lambda: clock.slept >= 12 or bool(turns.append(1)))
        agent._failed(wire.Task(kind="deploy", deployment=uuid4(), target=SPEC), "No\n\x1b[2Jroom.")
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("chancery-bot: INFO: The bot ")
    assert said[1:] == ["chancery-bot: ERROR: Shop, outcome: No  [2Jroom."]
    assert server.asked.count("poll") == 3
    assert server.asked.count("report") == 1


def test_what_lies_on_the_host_is_searched_for_once_until_the_server_has_it(tmp_path, monkeypatch):
    searched, told, clock = [], [], Still()
    shop = wire.Found(kind="pem", title="shop")
    monkeypatch.setattr(kinds, "scan", lambda *_: searched.append(1) or [shop])
    server = Server(poll=Away("nobody"), report=wire.Recorded(recorded=0))

    def ask(what, body, answer, ask=server.ask):
        if what == "poll":
            told.append(body.found)
        return ask(what, body, answer)

    server.ask = ask
    agent, _ = bot(tmp_path, server, clock)
    agent.turn()
    agent.turn()
    server.answers["poll"] = wire.Work()
    for _ in range(2):
        agent.turn()
    assert (len(searched), told) == (1, [[shop], [shop], [shop], None])
    clock.slept += 6 * 3600.0
    agent.turn()
    assert (len(searched), told[-1]) == (2, [shop])


def test_what_is_not_told_whole_is_told_later(tmp_path):
    server = Server(poll=wire.Work(), report=wire.Recorded(recorded=1))
    agent, state = bot(tmp_path, server)
    for text in ("one", "two"):
        agent.log("info", text)
    agent.turn()
    assert [r.text for r in state.untold(9)] == ["two"]


def test_a_task_that_this_host_cannot_do_ends_with_the_reason(tmp_path):
    spec = wire.TargetSpec(id=uuid4(), kind="iis", name="x")
    (tmp_path / "etc").mkdir()
    files = {"combined": str(tmp_path / "etc" / "x.pem")}
    pem = wire.TargetSpec(id=uuid4(), kind="pem", name="x", settings=files)
    tasks = [
        wire.Task(kind="request", deployment=uuid4(), target=pem, key_type="DSA", names=["a.example.com"]),
        wire.Task(kind="rollback", deployment=uuid4(), target=spec),
        wire.Task(kind="deploy", deployment=uuid4(), target=spec),
    ]
    issued = wire.Issued(deployment=tasks[2].deployment)
    server = Server(poll=wire.Work(tasks=tasks), certificate=issued, report=wire.Recorded(recorded=0))
    agent, state = bot(tmp_path, server, roots=(tmp_path / "etc",))
    assert agent.turn() == 3
    said = [r.text for r in state.untold(9) if r.kind == "outcome"]
    assert [text.split(".")[0] for text in said] == [
        "This bot makes no keys of the kind 'DSA'",
        "This bot knows no target of the kind 'iis'",
    ]


def test_nothing_is_ordered_for_what_this_host_would_not_take(tmp_path, monkeypatch):
    outside = {"certificate": "/srv/www.pem", "key": "/srv/www.key"}
    monkeypatch.setattr("chancery_bot.targets.kubernetes.target.Target.check", lambda _self: 1 / 0)
    settings = [
        ("nginx", outside),
        ("kubernetes", {"cluster": "x", "secret": "x"}),
        ("hook", {"hook": "gone"}),
        ("jks", {}),
    ]
    specs = [wire.TargetSpec(id=uuid4(), kind=k, name="x", settings=given) for k, given in settings]
    tasks = [wire.Task(kind="request", deployment=uuid4(), target=s, names=["a.example.com"]) for s in specs]
    server = Server(poll=wire.Work(tasks=tasks), report=wire.Recorded(recorded=0))
    agent, state = bot(tmp_path, server, roots=(tmp_path / "etc",))
    agent.turn()
    assert "csr" not in server.asked
    said = [r for r in state.untold(9) if r.kind == "outcome"]
    assert [r.outcome for r in said] == ["failed"] * 4
    assert f"Add its folder to roots in {tmp_path / 'mine.toml'}." in said[0].text
    assert "cannot say whether x could be deployed: ZeroDivisionError" in said[1].text
    assert list((tmp_path / "keys").iterdir()) == []


def test_a_search_that_fails_or_finds_too_much_ends_no_turn(tmp_path, monkeypatch):
    def broken(_local):
        yield wire.Found(kind="nginx", title="one", settings={"certificate": "/a"})
        yield wire.Found(kind="nginx", title="x" * 201)

    many = [wire.Found(kind="apache", title="two", names=["é" * 200] * 100)] * 150
    server = Server(poll=wire.Work(), report=wire.Recorded(recorded=9))
    asked, real = [], server.ask
    server.ask = lambda what, body, answer: asked.append(body) or real(what, body, answer)
    agent, _ = bot(tmp_path, server)
    monkeypatch.setattr("chancery_bot.targets.nginx.target.find", broken)
    monkeypatch.setattr("chancery_bot.targets.apache.target.find", lambda _local: iter(many))
    monkeypatch.setattr("chancery_bot.targets.haproxy.target.find", lambda _local: 1 / 0)
    agent.turn()
    agent.turn()
    assert agent.met is None
    first, second = (body for body in asked if isinstance(body, wire.Poll))
    assert [f.title for f in first.found][:2] == ["one", "two"]
    assert len(wire.write(first)) < wire.MOST_BYTES
    assert second.found is None, "it is not searched again at each turn"
    (report,) = (body for body in asked if isinstance(body, wire.Report))
    assert [r.text for r in report.records] == [
        "The search for nginx on this host failed: ValidationError: title: String should have at most 200 characters"
    ]


def test_records_are_told_in_as_many_messages_as_they_need(tmp_path, monkeypatch):
    monkeypatch.setattr("chancery_bot.posix.sync", lambda _handle: None)
    server, sizes = Server(), []

    def ask(what, body, answer):
        if what != "report":
            return wire.Work()
        sizes.append(len(wire.write(body)))
        return wire.Recorded(recorded=body.records[-1].number)

    server.ask = ask
    agent, state = bot(tmp_path, server)
    for _ in range(90):
        agent.log("info", "é" * 2000)
    agent.turn()
    assert state.untold(9) == []
    assert len(sizes) > 1
    assert max(sizes) < wire.MOST_BYTES


class _Talk(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, answer = self.server.answer(self.path, body)
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *values):
        pass


@contextmanager
def serving(answer):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Talk)
    server.answer = answer
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def command(tmp_path, *arguments):
    cli.main(["--home", str(tmp_path / "home"), "--config", str(tmp_path / "none.toml"), *arguments])


def test_enrol_run_and_status(tmp_path, capsys):
    told = []

    def answer(path, body):
        told.append((path, json.loads(body)))
        if path.endswith("enrol"):
            return 200, wire.write(wire.Enrolled(bot=uuid4(), name="web-1", poll_seconds=1))
        return 200, wire.write(wire.Work() if path.endswith("poll") else wire.Recorded(recorded=9))

    (tmp_path / "token").write_text("cbt_secret\n")
    with serving(answer) as url:
        command(tmp_path, "enrol", "--server", url, "--token-file", str(tmp_path / "token"), "--new-key")
        command(tmp_path, "run", "--once")
    assert told[0][1]["token"] == "cbt_secret"
    assert told[1][0] == "/api/bot/poll"
    assert isinstance(told[1][1]["found"], list)
    capsys.readouterr()
    command(tmp_path, "status")
    shown = json.loads(capsys.readouterr().out)
    assert (shown["name"], shown["server"], shown["begun"]) == ("web-1", url, [])
    command(tmp_path, "scan")
    assert isinstance(json.loads(capsys.readouterr().out), list)
    command(tmp_path, "unit")
    assert "ExecStart=/opt/chancery-bot/bin/chancery-bot run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        (409, {"detail": "This token is used.", "remedy": "Make another."}, 1, "This token is used. Make another."),
        (401, {"detail": "Nobody."}, 1, "Nobody."),
        (503, {"detail": "Busy."}, 3, "The server answers 503. Busy."),
        (404, None, 3, "The server answers 404."),
        (200, None, 3, "words that are not Chancery's"),
    ],
)
def test_what_goes_wrong_is_one_sentence_and_an_exit_status(tmp_path, capsys, monkeypatch, status, body, code, says):
    raw = json.dumps(body).encode() if body else b"<html>"
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("cbt_x\n"))
    with serving(lambda path, given: (status, raw)) as url, pytest.raises(SystemExit) as end:
        command(tmp_path, "enrol", "--server", url)
    assert end.value.code == code
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "body", "code", "says"),
    [
        (503, b"{}", 3, "The server answers 503."),
        (401, b'{"detail": "This is another machine.", "remedy": "Enrol it\\nanew."}', 1, "machine. Enrol it anew."),
        (200, b"<html>", 3, "words that are not Chancery's"),
    ],
)
def test_one_turn_that_failed_says_so_where_it_runs_and_so_does_the_status(tmp_path, capsys, status, body, code, says):
    state = State(tmp_path / "home")
    state.own_key(make=True)
    left = tmp_path / "home" / "keys" / ".key.pem.x1.chancery-new"
    left.touch()
    with serving(lambda path, given: (status, body)) as url:
        state.enrolled(Identity(url, str(uuid4()), "web-1"))
        with pytest.raises(SystemExit) as end:
            command(tmp_path, "run", "--once")
    assert not left.exists()
    assert end.value.code == code
    said = capsys.readouterr().err
    assert says in said
    assert said.startswith("chancery-bot: WARNING: ")
    assert len(said.splitlines()) == 1
    command(tmp_path, "status")
    shown = json.loads(capsys.readouterr().out)
    assert says.split(".")[0] in shown["fault"]["text"]
    assert shown["untold"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("enrol", "--server", "https://x", "--token-file", "/nonexistent"),
            "/nonexistent: No such file or directory.",
        ),
        (("enrol", "--server", "https://h:abc"), "'https://h:abc' is no address."),
        (("enrol", "--server", "https://[::1"), "'https://[::1' is no address."),
        (("--home", "/dev/null/x", "status"), "/dev/null/x: Not a directory."),
    ],
)
def test_what_cannot_be_done_with_what_was_given_is_a_sentence_too(tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("cbt_x\n"))
    with pytest.raises(SystemExit) as end:
        command(tmp_path, *arguments)
    assert end.value.code == 1
    assert says in capsys.readouterr().err


def test_what_cannot_be_read_quotes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO(f"cbt_{'secret' * 50}\n"))
    with pytest.raises(SystemExit) as end:
        command(tmp_path, "enrol", "--server", "https://x")
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert "token: String should have at most 200 characters" in said
    assert "secret" not in said


def test_without_a_token_or_an_enrolment_it_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("\n"))
    for arguments, says in ((("enrol", "--server", "https://x"), "There is no token."), (("run",), "not enrolled")):
        with pytest.raises(SystemExit):
            command(tmp_path, *arguments)
        assert says in capsys.readouterr().err


def test_a_running_bot_ends_when_it_is_told_and_with_its_parent(tmp_path):
    state = State(tmp_path / "home")
    state.own_key(make=True)
    with serving(lambda path, body: (503, b"{}")) as url:
        state.enrolled(Identity(url, str(uuid4()), "web-1"))
        words = [sys.executable, "-m", "chancery_bot", "--home", str(tmp_path / "home"), "--config", "/none", "run"]
        with subprocess.Popen([*words, f"--with-parent={os.getpid()}"], stderr=subprocess.PIPE, text=True) as running:
            while len(state.untold(9)) < 2:
                assert running.poll() is None
            running.send_signal(signal.SIGTERM)
            assert running.wait(10) == 0
            said = running.stderr.read()
        assert "is running." not in said
        assert "WARNING: The server answers 503." in said
        assert subprocess.run([*words, "--with-parent=1"], timeout=20).returncode == 0
