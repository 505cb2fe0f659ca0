"""The page docs/reference/cli.md, written from the commands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from chancery.doors.cli.main import app
from chancery.doors.cli.output import EXITS

_HEAD = """\
# Command line

This page is written by `make docs` from the code. `init`, `serve`, `worker`, `demo`, `migrate`, `backup`, `restore`,
`doctor`, `users …`, `keys …`, and of `audit` those that say *on the host*, run on the host, on the database itself, and act as the
operating-system user. Every other command speaks REST, from anywhere:

| Variable | What it does |
|---|---|
| `CHANCERY_URL` | Address of the server; `http://127.0.0.1:8140` where it is not given. |
| `CHANCERY_TOKEN` | API token. |
| `CHANCERY_TOKEN_FILE` | File with the API token, which process lists then do not show. |

Results stand on standard output: tables for people, no wider than the terminal (80 columns in a pipe), and with `--json`
the API's own documents. Everything else stands on standard error. Things are named by their id or their whole name.
`chancery --install-completion` has your shell complete commands and options (bash, zsh, fish, PowerShell).

With `--json` each line on standard error is a JSON object, too. One with `code` says how the command ended badly: it is a problem
document (RFC 9457), the server's own where the server refused, and `exit` is the exit status. Where a change waits for
others (7), `change` is that change. One with `hint` says something beside the result.

A key made with `orders create --new-key` never leaves the machine. Before anything is sent, the order and its
idempotency key are saved beside it (`key.pem.order`); `orders resume` places that very order, never a second one.
"""


def reference() -> str:
    """Return the page."""
    return "\n".join([_HEAD, *_exits(), *_commands(get_command(app), "chancery")])


def _exits() -> Iterator[str]:
    yield "## Exit status\n\n| Status | What it says |\n|---|---|"
    yield from (f"| {int(code)} | {about} |" for code, about in EXITS.items())
    yield ""


def _commands(command: Any, name: str) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield f"### {name}\n\n{_line(command.help)}\n"
        yield from _parameters(command)
        return
    if name != "chancery":
        yield f"## {name}\n\n{_line(command.help)}\n"
    plain = [n for n in inner if not hasattr(inner[n], "commands")]
    if name == "chancery":
        yield "## chancery\n"
    for part in [*plain, *(n for n in inner if n not in plain)]:
        yield from _commands(inner[part], f"{name} {part}")


def _parameters(command: Any) -> Iterator[str]:
    rows = [_parameter(p) for p in command.params if p.name != "help"]
    if rows:
        yield "| Parameter | What it is |\n|---|---|"
        yield from rows
        yield ""


def _parameter(parameter: Any) -> str:
    argument = parameter.param_type_name == "argument"
    label = parameter.name.upper() if argument else ", ".join([*parameter.opts, *parameter.secondary_opts])
    about = [_line(getattr(parameter, "help", "") or "")]
    if parameter.required and not argument:
        about.append("Required.")
    default = parameter.default
    # A list or switch says by itself what it is without being given.
    if not parameter.required and isinstance(default, str | int) and not isinstance(default, bool) and default != "":
        about.append(f"Default: `{getattr(default, 'value', default)}`.")
    return f"| `{label}` | {' '.join(a for a in about if a)} |"


def _line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")
