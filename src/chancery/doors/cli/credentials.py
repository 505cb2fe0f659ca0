"""Commands about the credentials of connectors, and their rotation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from chancery.doors.cli.connectors import follow
from chancery.doors.cli.given import Secrets, secrets
from chancery.doors.cli.output import Exit, Json, minute, plain, say, show, stop
from chancery.doors.cli.rest import Rest

credentials = typer.Typer(no_args_is_help=True, help="Credentials of connectors, and their rotation.")
Day = Annotated[str, typer.Option("--expires", help="The day on which the CA lets it end, as 2027-01-31.")]


@credentials.command("show")
def credentials_show(name: str, as_json: Json = False) -> None:
    """Say how old a connector's credential is, when it ends, and how far a rotation is."""
    rest, row = _found(name)
    _say(rest.call("GET", _path(row)), as_json)


@credentials.command("stage")
def credentials_stage(name: str, secret: Secrets = None, expires: Day = "", as_json: Json = False) -> None:
    """Keep a new credential beside the one in force; nothing uses it yet."""
    rest, row = _found(name)
    body = {"secrets": secrets(secret), "expires_on": _day(expires)}
    _say(rest.call("PUT", _path(row, "/staged"), body), as_json)


@credentials.command("test")
def credentials_test(name: str, as_json: Json = False) -> None:
    """Diagnose a connector with what is staged, stage by stage."""
    rest, row = _found(name)
    call = follow(rest, rest.call("POST", _path(row, "/staged/test")))
    findings = call["result"].get("findings", [])
    show(findings, ("stage", "level", "message", "evidence", "remedy"), call, as_json)
    if call["state"] == "failed" or any(f["level"] == "failed" for f in findings):
        stop("The staged credential does not work as it is.", call["result"].get("error", ""))


@credentials.command("cancel")
def credentials_cancel(name: str, as_json: Json = False) -> None:
    """Erase what is staged."""
    rest, row = _found(name)
    rest.call("DELETE", _path(row, "/staged"))
    say("What was staged is erased.", {"id": row["id"], "cancelled": True}, as_json)


@credentials.command("switch")
def credentials_switch(
    name: str,
    grace_days: Annotated[int, typer.Option(min=0, max=90, help="Days that the old one is kept.")] = 7,
    untested: Annotated[str, typer.Option(help="Why it is used though no test passed.")] = "",
    as_json: Json = False,
) -> None:
    """Put what is staged in force, and keep the old credential for some days."""
    rest, row = _found(name)
    _say(rest.call("POST", _path(row, "/switch"), {"grace_days": grace_days, "untested": untested}), as_json)


@credentials.command("switch-back")
def credentials_switch_back(name: str, as_json: Json = False) -> None:
    """Put the old credential in force again, as long as it is kept."""
    rest, row = _found(name)
    _say(rest.call("POST", _path(row, "/switch-back")), as_json)


@credentials.command("revoked")
def credentials_revoked(name: str, as_json: Json = False) -> None:
    """Say that the old credential was revoked at the CA; it is erased here."""
    rest, row = _found(name)
    _say(rest.call("POST", _path(row, "/revoked")), as_json)


@credentials.command("expires")
def credentials_expires(
    name: str, on: Annotated[str, typer.Argument(help="A day, as 2027-01-31; never for none.")], as_json: Json = False
) -> None:
    """Note the day on which the CA lets the credential in force end."""
    rest, row = _found(name)
    _say(rest.call("PUT", _path(row, "/expiry"), {"expires_on": None if on == "never" else _day(on)}), as_json)


def _found(name: str) -> tuple[Rest, dict[str, Any]]:
    rest = Rest()
    return rest, rest.find("connectors", name)


def _path(row: dict[str, Any], rest: str = "") -> str:
    return f"/connectors/{row['id']}/credential{rest}"


def _day(text: str) -> str | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat() if text else None
    except ValueError:
        stop(f"{text[:40]!r} is no day.", "Write it as 2027-01-31.", Exit.USAGE)


def _say(found: dict[str, Any], as_json: bool) -> None:
    ends = f", ends on {found['expires_on']}" if found["expires_on"] else ""
    lines = [f"The credential in force was given on {minute(found['since'])}{ends}."]
    change = found["change"]
    if change and change["state"] == "staged":
        lines.append(f"A new one was staged by {change['staged_by']}: {', '.join(change['names'])}.")
    elif change:
        lines.append(
            f"Switched at {minute(change['switched_at'])}; the old one is kept until {minute(change['grace_until'])}."
            if change["kept"]
            else f"Switched at {minute(change['switched_at'])}; the old one is not kept."
        )
        lines.append(
            f"The CA accepted the new one at {minute(change['confirmed_at'])}. Revoke the old one there, then say `revoked`."
            if change["confirmed_at"]
            else "The CA has not accepted the new one yet."
        )
    say(plain("\n".join(lines)), found, as_json)
