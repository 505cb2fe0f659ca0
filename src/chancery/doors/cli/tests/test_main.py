"""What a command cannot do on this machine is one line that says so; only a fault of ours shows its trace."""

import errno
import io
import re
import sqlite3
import sys

import pytest
from django.db import IntegrityError, OperationalError

from chancery.core.errors import Conflict
from chancery.doors.cli import main as command
from chancery.doors.cli.output import Exit, counted, progress, to_programs
from tests.commands import invoke


@pytest.fixture
def ended(monkeypatch, capsys):
    def run(error):
        def fail():
            raise error

        monkeypatch.setattr(command, "app", fail)
        with pytest.raises(SystemExit) as end:
            command.main()
        return end.value.code, capsys.readouterr().err

    # A command that another test ran with --json in this process has left its word.
    was = to_programs.set(False)
    yield run
    to_programs.reset(was)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Conflict("It is in use.", remedy="Wait."), Exit.REFUSED, "chancery: It is in use.\n          Wait.\n"),
        (PermissionError(errno.EACCES, "Permission denied", "/srv/c"), Exit.USAGE, "/srv/c: Permission denied."),
        (OSError(errno.ENOSPC, "No space left on device"), Exit.USAGE, "chancery: No space left on device."),
        (OperationalError("disk I/O error\nmore"), Exit.REFUSED, "The database cannot be used: disk I/O error."),
        (sqlite3.OperationalError("disk is full"), Exit.REFUSED, "The database cannot be used: disk is full."),
        (OperationalError(), Exit.REFUSED, "The database cannot be used: it does not answer."),
    ],
)
def test_what_this_machine_does_not_give_is_one_line(ended, error, code, said):
    found, text = ended(error)
    assert found == code
    assert said in text
    assert "Traceback" not in text


@pytest.mark.parametrize("error", [ValueError("ours"), IntegrityError("ours"), OSError(errno.EBADF, "ours")])
def test_a_fault_of_ours_keeps_its_trace(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(command, "app", fail)
    with pytest.raises(type(error), match="ours"):
        command.main()


def test_a_name_that_the_terminal_cannot_show_does_not_end_the_command(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", narrow)
    monkeypatch.setattr(command, "app", lambda: print("Zoë"))
    command.main()
    narrow.flush()
    assert narrow.buffer.getvalue() == b"Zo\\xeb\n"


def test_a_shell_completes_commands_and_options():
    script = invoke([], prog_name="chancery", env={"_CHANCERY_COMPLETE": "source_bash"})
    assert "complete -o default -F _chancery_completion chancery" in script.stdout
    for words, wanted in (("chancery webh", "webhooks"), ("chancery orders create --id", "--idempotency-key")):
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_CHANCERY_COMPLETE": "complete_bash"}
        assert invoke([], prog_name="chancery", env=asked).stdout.split() == [wanted]


class Screen(io.StringIO):
    """A terminal, or what is none."""

    def __init__(self, *, seen):
        super().__init__()
        self.isatty = lambda: seen


@pytest.mark.parametrize("about", ["3 orders", None])
@pytest.mark.parametrize(("out", "err", "programs"), [(0, 1, 0), (1, 1, 0), (0, 0, 0), (1, 0, 0), (0, 1, 1)])
def test_a_bar_shows_how_far_long_work_is_to_people_alone(monkeypatch, about, out, err, programs):
    monkeypatch.setattr(sys, "stdout", Screen(seen=bool(out)))
    monkeypatch.setattr(sys, "stderr", Screen(seen=bool(err)))
    monkeypatch.setenv("TERM", "xterm")
    was = to_programs.set(bool(programs))
    if about:
        for part in counted(range(3), about):
            print(part)
            print("x" * 200)  # is not broken, since somebody may copy it
    else:
        with progress("Waiting"):
            print(0, 1, 2, sep="\n")
    to_programs.reset(was)
    bar = bool(err) and not programs
    lines = sys.stderr if bar and out else sys.stdout  # above the bar
    assert [word for word in re.sub("\x1b\\[[0-9?;]*[A-Za-z]", "", lines.getvalue()).split() if word in "012"] == [
        "0",
        "1",
        "2",
    ]
    assert lines.getvalue().count("x" * 200) == (3 if about else 0)
    assert ((about or "Waiting") in sys.stderr.getvalue()) == bar
