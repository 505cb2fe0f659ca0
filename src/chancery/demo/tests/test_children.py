"""Processes of the demo: watched, started again, and gone with it."""

import os
import signal
import time

import pytest

from chancery.demo.children import Children, Ended, how

SLEEPER = "import sys, time\nprint('up', flush=True)\ntime.sleep(60)\n"


@pytest.fixture
def children(tmp_path, monkeypatch):
    (tmp_path / "sleeper.py").write_text(SLEEPER)
    (tmp_path / "stubborn.py").write_text("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER)
    (tmp_path / "refuses.py").write_text("import sys\nsys.exit(3)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with (tmp_path / "out").open("w") as out:
        made = Children(out)
        yield made
        made.stop()


def said(tmp_path):
    return (tmp_path / "out").read_text()


def dead(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def running(children, name):
    return children._running[name].process


def kill(children, name):
    process = running(children, name)
    process.kill()
    process.wait()


def test_what_is_killed_is_started_again_and_named(children, tmp_path):
    first = children.start("worker", "sleeper", again=True)
    children.look()
    kill(children, "worker")
    children.look()
    assert running(children, "worker").pid != first
    assert "The worker ended by itself (killed by SIGKILL). It is started again." in said(tmp_path)


def test_what_is_killed_too_often_ends_the_demo(children):
    children.start("worker", "sleeper", again=True)
    for _ in range(3):
        kill(children, "worker")
        children.look()
    kill(children, "worker")
    with pytest.raises(Ended, match=r"worker ended by itself \(killed by SIGKILL\)"):
        children.look()


def test_what_cannot_be_replaced_or_refuses_ends_the_demo(children):
    children.start("sandbox", "sleeper")
    kill(children, "sandbox")
    with pytest.raises(Ended, match="sandbox ended"):
        children.look()


def test_waiting_ends_when_a_process_does_or_the_time_is_over(children):
    children.start("worker", "sleeper")
    with pytest.raises(Ended, match="Starting did not happen within 0 seconds"):
        children.wait(lambda: False, 0.0, "Starting")
    children.start("server", "refuses", again=True)
    with pytest.raises(Ended, match=r"server ended by itself \(exit status 3\)") as ended:
        children.wait(lambda: False, 30.0, "Starting")
    assert "make demo" in ended.value.remedy
    children.wait(lambda: True, 0.0, "Nothing")


def test_everything_ends_also_what_does_not_want_to(children, tmp_path, monkeypatch):
    monkeypatch.setattr("chancery.demo.children._PATIENCE", 0.2)
    mild, stubborn = children.start("a", "sleeper"), children.start("b", "stubborn")
    deadline = time.monotonic() + 20
    while said(tmp_path).count("up") < 2:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    children.stop()
    assert dead(mild)
    assert dead(stubborn)
    assert running(children, "b").returncode == -signal.SIGKILL


def test_how_a_process_ended_is_said_in_words():
    assert how(0) == "exit status 0"
    assert how(-15) == "killed by SIGTERM"
