"""The command `chancery-bot`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from chancery_bot import __version__, aloud, kinds, local, posix
from chancery_bot.client import Client
from chancery_bot.clock import Clock
from chancery_bot.errors import Away, Refused, Turned, words
from chancery_bot.local import Local
from chancery_bot.run import Bot, describe
from chancery_bot.state import HOME, State


def main(arguments: list[str] | None = None) -> None:
    """Run the command; what is wrong is one sentence and exit status 1, 3 where the server does not answer."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except (Refused, Turned, Away) as refusal:
        _end(str(refusal), refusal)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(f"{where}{error.strerror or error}. Correct the path, or run it as root.", error)
    except ValueError as error:
        _end(f"What was given or is kept under {given.home} cannot be read: {words(error)}.", error)


def _end(text: str, error: Exception) -> NoReturn:
    print(f"chancery-bot: {text}", file=sys.stderr)
    sys.exit(_status_of(error))


def _status_of(error: Exception) -> int:
    return 3 if isinstance(error, Away) else 1


def _parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="chancery-bot", description="Certificates for this host, through Chancery.")
    whole.add_argument("--version", action="version", version=__version__)
    whole.add_argument("--home", type=Path, default=HOME, help="Folder of keys and state (mode 0700).")
    whole.add_argument("--config", type=Path, default=local.FILE, help="What this host allows, as TOML.")
    verbs = whole.add_subparsers(required=True)
    enrol = verbs.add_parser("enrol", help="Become a bot of a server, by a one-time token.")
    enrol.add_argument("--server", required=True, help="https://… of the server.")
    enrol.add_argument("--token-file", type=Path, help="File with the token; by itself it is read from standard input.")
    enrol.add_argument("--trust", default="", help="File of roots (PEM) for the server's certificate.")
    enrol.add_argument("--new-key", action="store_true", help="Make another own key; for a bot that was taken over.")
    enrol.set_defaults(run=_enrol)
    run = verbs.add_parser("run", help="Do what there is to do, until stopped.")
    run.add_argument("--once", action="store_true", help="One turn only.")
    run.add_argument("--with-parent", type=int, default=0, help="End when the process with this id is gone.")
    run.set_defaults(run=_run)
    for name, act, about in (
        ("status", _status, "Show who the bot is and what it is in the middle of, as JSON."),
        ("scan", _scan, "Show what runs here and could become a target, as JSON."),
        ("unit", _unit, "Print a systemd unit."),
    ):
        verbs.add_parser(name, help=about).set_defaults(run=act)
    return whole


def _local(given: argparse.Namespace) -> Local:
    return replace(local.load(given.config), work=given.home / "work")


def _enrol(given: argparse.Namespace) -> None:
    token = given.token_file.read_text(encoding="utf-8") if given.token_file else sys.stdin.readline()
    if not token.strip():
        raise Refused("There is no token.", "The console shows one when a bot is made.")
    state, host = State(given.home), describe()
    with posix.only_one(given.home / "lock"):
        state.tidy()
        if given.new_key:
            state.forget_own_key()
        trust = str(Path(given.trust).absolute()) if given.trust else ""
        identity = Client(state, Clock(), host.machine).enrol(given.server, token, host, trust)
    print(f"This host is the bot {identity.name!r} now. `chancery-bot run` does its work.")


def _run(given: argparse.Namespace) -> None:
    if given.with_parent:
        posix.end_with(given.with_parent)
    state = State(given.home)
    state.identity()
    # Whoever starts it as a child shows for himself what goes well.
    with posix.only_one(given.home / "lock"), aloud.aloud("warning" if given.with_parent else "info"):
        state.tidy()
        bot = Bot(state, _local(given), Clock())
        if given.once:
            bot.turn()
            if bot.met is not None:  # said already
                sys.exit(_status_of(bot.met))
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        bot.run(stop.is_set)


def _status(given: argparse.Namespace) -> None:
    state = State(given.home)
    identity = state.identity()
    begun = [{n: j[n] for n in ("stage", "version", "before", "why")} for j in state.journals()]
    whole: dict[str, Any] = {"server": identity.server, "bot": identity.bot, "name": identity.name}
    whole |= {"untold": len(state.untold(10_000)), "begun": begun, "fault": state.remembered("fault")}
    whole["work"] = state.remembered("work")
    print(json.dumps(whole, indent=2))


def _scan(given: argparse.Namespace) -> None:
    def missed(kind: str, error: Exception) -> None:
        print(f"chancery-bot: the search for {kind} failed: {words(error)}", file=sys.stderr)

    print(json.dumps([found.model_dump() for found in kinds.scan(_local(given), missed)], indent=2))


def _unit(given: argparse.Namespace) -> None:
    del given
    print(files("chancery_bot").joinpath("chancery-bot.service").read_text(encoding="utf-8"), end="")
