"""Commands about changes that wait for approval, or for their time."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chancery.doors.cli.output import Exit, Json, minute, say, show, stop
from chancery.doors.cli.rest import Rest

changes = typer.Typer(no_args_is_help=True, help="What others have to approve, or comes into force later.")


@changes.command("list")
def changes_list(
    state: Annotated[str, typer.Option(help="Only in this state, or `all`; without, those that wait.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200,
    as_json: Json = False,
) -> None:
    """List changes, the newest first."""
    whole = Rest().listing("/changes", limit, state=state)
    rows = [{**c, "approved": f"{len(c['votes'])} of {c['needed']}"} for c in whole["items"]]
    show(rows, ("id", "kind", "name", "state", "approved", "proposer"), whole, as_json)


@changes.command("show")
def changes_show(ident: str, as_json: Json = False) -> None:
    """Say what a change does, field by field, and how it stands."""
    found = Rest().call("GET", f"/changes/{ident}")
    names = ("kind", "name", "environment", "state", "proposer", "text")
    about = [{"field": n, "before": "", "after": found[n]} for n in names if found[n]]
    times = [{"field": n, "before": "", "after": minute(found[n])} for n in ("expires_at", "not_before") if found[n]]
    votes = [{"field": "approved by", "before": "", "after": v["name"]} for v in found["votes"]]
    show([*about, *times, *votes, *found["diff"]], ("field", "before", "after"), found, as_json)


@changes.command("approve")
def changes_approve(ident: str, as_json: Json = False) -> None:
    """Agree to a change of somebody else."""
    _say(Rest().call("POST", f"/changes/{ident}/approve"), as_json)


@changes.command("deny")
def changes_deny(ident: str, reason: Annotated[str, typer.Option(help="Why not.")], as_json: Json = False) -> None:
    """Refuse a change of somebody else, with a reason."""
    _say(Rest().call("POST", f"/changes/{ident}/deny", {"reason": reason}), as_json)


@changes.command("withdraw")
def changes_withdraw(ident: str, as_json: Json = False) -> None:
    """Take back what you have proposed yourself."""
    _say(Rest().call("POST", f"/changes/{ident}/withdraw"), as_json)


@changes.command("renew")
def changes_renew(ident: str, as_json: Json = False) -> None:
    """Propose again, for the connector as it is now, what you have proposed before."""
    _say(Rest().call("POST", f"/changes/{ident}/renew"), as_json)


@changes.command("rules")
def changes_rules(as_json: Json = False) -> None:
    """Say how many people have to approve each kind of change in each environment."""
    whole = Rest().call("GET", "/changes/rules")
    rows = [{"environment": r["name"], **r["needed"]} for r in whole["items"]]
    show(rows, ("environment", "create", "edit", "activate", "deactivate", "delete"), whole, as_json)


@changes.command("rule")
def changes_rule(environment: str, kind: str, needed: int, as_json: Json = False) -> None:
    """Set how many people have to approve a kind of change in an environment; 0 for none."""
    rest = Rest()
    rows = rest.call("GET", "/changes/rules")["items"]
    found = next((row["environment"] for row in rows if row["name"] == environment), None)
    if found is None:
        known = ", ".join(row["name"] for row in rows)
        stop(f"There is no environment {environment!r}.", f"Choose one of: {known}.", Exit.USAGE)
    whole = rest.call("PUT", "/changes/rules", {"environment": found, "kind": kind, "needed": needed})
    say(f"{environment}: {kind} is approved by {needed}.", whole, as_json)


def _say(change: dict[str, Any], as_json: bool) -> None:
    text = f" {change['text']}" if change["text"] else ""
    say(f"{change['kind']} {change['name']}: {change['state']}.{text}", change, as_json)
