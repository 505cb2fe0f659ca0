"""What the command line prints: tables for people, the API's JSON for programs, one clear sentence when it ends badly."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import Annotated, Any, NoReturn, TextIO, TypeVar

import typer

T = TypeVar("T")
Json = Annotated[bool, typer.Option("--json", help="Print the API's JSON.")]
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u2028\u2029\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
"""Control characters of both sets (a terminal takes U+009B for ESC [), but for tab and new line, and what turns a line."""
to_programs: ContextVar[bool] = ContextVar("to_programs", default=False)
"""Whether this command was given --json: then what goes to standard error is JSON, too, an object on each line."""


class Exit(IntEnum):
    """What the exit status says."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    UNAUTHENTICATED = 4
    STILL_OPEN = 5
    DIFFERS = 6
    WAITS = 7


EXITS = {
    Exit.DONE: "Done.",
    Exit.REFUSED: "Refused, or it ended badly; what is wrong and what to do stands on standard error.",
    Exit.USAGE: "The command was not written as it should be, or a file on this machine cannot be used.",
    Exit.UNREACHABLE: "The server cannot be reached, or broke off; `orders resume` and `--run` repeat without doubling.",
    Exit.UNAUTHENTICATED: "There is no API token, or the server does not know it.",
    Exit.STILL_OPEN: "The order was placed and had not ended when the time given with --wait was over.",
    Exit.DIFFERS: "`apply --plan`: something is not as the file says; nothing was changed.",
    Exit.WAITS: "It was not done yet: it waits for others to approve it, or for its time (`chancery changes`).",
}


class Stop(SystemExit):
    """The end of a command; `settled` says that the server has answered, so nothing is left open."""

    def __init__(self, code: Exit, *, settled: bool = False) -> None:
        super().__init__(int(code))
        self.settled = settled


def stop(
    text: str,
    remedy: str = "",
    code: Exit = Exit.REFUSED,
    *,
    settled: bool = False,
    document: Mapping[str, Any] | None = None,
) -> NoReturn:
    """Print what is wrong and what to do on standard error, and end.

    With --json that is one problem document (RFC 9457): the server's own, where `document` is one, or its further members.
    """
    if to_programs.get():
        name = code.name.lower()
        own = {
            "type": f"urn:chancery:problem:{name}",
            "title": EXITS[code],
            "detail": text,
            "code": name,
            "remedy": remedy,
            "errors": [],
        }
        print(json.dumps({**own, **(document or {}), "exit": int(code)}), file=sys.stderr)
        raise Stop(code, settled=settled)
    print(f"chancery: {plain(text)}", file=sys.stderr)
    if remedy:
        print(f"          {plain(remedy)}", file=sys.stderr)
    raise Stop(code, settled=settled)


def hint(text: str) -> None:
    """Say something beside the result, on standard error."""
    print(json.dumps({"hint": text.strip()}) if to_programs.get() else plain(text), file=sys.stderr)


def plain(text: str) -> str:
    """Return text that can neither steer a terminal nor show itself in another order; it may come from a CA."""
    return _STEERING.sub("", text)


def show(
    rows: Iterable[Mapping[str, Any]], columns: tuple[str, ...], whole: Any, as_json: bool, less: tuple[str, ...] = ()
) -> None:
    """Print rows as a table for people, no wider than the terminal (80 columns in a pipe), or `whole` as JSON.

    A column in which no row has anything takes no room. Where there is too little, the columns `less` are left out first.
    """
    if as_json:
        print(json.dumps(whole, indent=2))
        return
    from rich.console import Console

    from chancery.doors.cli import table

    rows = [{column: plain(_cell(row.get(column))) for column in columns} for row in rows]
    columns = tuple(column for column in columns if not rows or any(row[column] for row in rows))
    found = table.fit(rows, columns, Console().width, less)
    for line in table.lines(rows, found):
        print(line)
    if found.left:
        left = ", ".join(table.heading(column) for column in found.left)
        hint(f"Left out for want of room: {left} (--json has all).")


def say(text: str, whole: Any, as_json: bool) -> None:
    """Print one sentence, or `whole` as JSON."""
    print(json.dumps(whole, indent=2) if as_json else plain(text))


def on_terminal(stream: TextIO | None) -> bool:
    """Say whether a stream is a terminal; one that was closed before the command began (`2>&-`) is None, and none."""
    return stream is not None and stream.isatty()


@contextmanager
def progress(about: str, total: float | None = None) -> Iterator[Callable[[float], None]]:
    """Show on standard error how far long work is, where that is a terminal; what is yielded takes how much is done by now.

    Without a total it shows that something goes on, and for how long already. It leaves nothing behind when it ends.
    """
    if to_programs.get() or not on_terminal(sys.stderr):
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = [
        TextColumn("{task.description}"),
        BarColumn(),
        *([TaskProgressColumn()] if total else []),
        TimeElapsedColumn(),
    ]
    # Lines that are printed meanwhile stand above the bar where both are seen; what goes elsewhere is let alone.
    bar = Progress(
        *columns, console=Console(stderr=True, soft_wrap=True), transient=True, redirect_stdout=on_terminal(sys.stdout)
    )
    with bar:
        task = bar.add_task(about, total=total)
        yield lambda done: bar.update(task, completed=done)


def counted(parts: Sequence[T], about: str) -> Iterator[T]:
    """Yield the parts of long work, with a bar that shows how many are done."""
    with progress(about, len(parts)) as show_done:
        for done, part in enumerate(parts):
            show_done(done)
            yield part


def minute(moment: str | None) -> str:
    """Return a moment of the API as people read it, to the minute, in UTC."""
    return (moment or "")[:16].replace("T", " ")


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
