"""Long work that is broken off, or ends badly on its way: what stands already is said, and how to go on."""

import io
import json
import sys
import time

import pytest

from chancery.doors.cli import inventory, orders
from chancery.doors.cli.output import Exit, Stop, progress, to_programs


@pytest.fixture(autouse=True)
def for_people():
    was = to_programs.set(False)
    yield
    to_programs.reset(was)


class Server:
    """Answers what it was given, in order; an exception is raised."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def call(self, *_request, **_more):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (KeyboardInterrupt(), True),
        (Stop(Exit.UNREACHABLE), True),
        (Stop(Exit.REFUSED, settled=True), False),
    ],
)
def test_an_order_that_may_have_been_placed_is_repeated_under_its_key(capsys, end, said):
    with pytest.raises(type(end)):
        orders._place(Server(end), {}, "k-1", 5, "the same command and --idempotency-key k-1")
    assert ("--idempotency-key k-1: there will be one order" in capsys.readouterr().err) is said


def test_whoever_does_not_wait_longer_knows_the_order(monkeypatch, capsys):
    monkeypatch.setattr(orders, "_STEP", 0)
    with pytest.raises(KeyboardInterrupt):
        orders._followed(Server(KeyboardInterrupt()), {"id": "o-1", "state": "queued"}, time.monotonic() + 60)
    assert "`chancery orders show o-1`" in capsys.readouterr().err


@pytest.mark.parametrize("end", [KeyboardInterrupt(), Stop(Exit.UNREACHABLE)])
def test_what_was_decided_before_the_end_is_shown(monkeypatch, capsys, end):
    monkeypatch.setattr(inventory, "_MOST", 1)
    first = {"results": [{"id": "f-1", "ok": True, "detail": ""}]}
    monkeypatch.setattr(inventory, "Rest", lambda: Server(first, end))
    with pytest.raises(type(end)):
        inventory._decide({"verb": "ignore"}, ["f-1", "f-2"], as_json=True)
    assert json.loads(capsys.readouterr().out) == first
    monkeypatch.setattr(inventory, "Rest", lambda: Server(end))
    with pytest.raises(type(end)):
        inventory._decide({"verb": "ignore"}, ["f-1", "f-2"], as_json=True)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("closed", ["stderr", "stdout"])
def test_a_stream_that_was_closed_before_is_no_terminal(monkeypatch, closed):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, closed, None)
    with progress("Waiting") as show_done:
        show_done(1)
