"""Commands about the versions of a connector."""

from __future__ import annotations

from typing import Annotated

import typer

from chancery.doors.cli.given import NotBefore, Secrets, secrets
from chancery.doors.cli.output import Json, minute, say, show
from chancery.doors.cli.rest import Rest

_Number = Annotated[int, typer.Argument(min=1, help="Number of a version.")]


def add(group: typer.Typer) -> None:
    """Register the commands."""
    for name, command in (("versions", versions), ("difference", difference), ("roll-back", roll_back)):
        group.command(name)(command)


def versions(name: str, as_json: Json = False) -> None:
    """List the newest versions of a connector's settings."""
    rest = Rest()
    whole = rest.call("GET", f"/connectors/{rest.find('connectors', name)['id']}/versions")
    rows = [{**v, "at": minute(v["created_at"]), "tested": minute(v["tested_at"])} for v in whole["items"]]
    show(rows, ("number", "at", "created_by", "tested", "in_force", "base_url"), whole, as_json)


def difference(name: str, old: _Number, new: _Number, as_json: Json = False) -> None:
    """Say what changed between two versions of a connector."""
    rest = Rest()
    ident = rest.find("connectors", name)["id"]
    whole = rest.call("GET", f"/connectors/{ident}/versions/difference", old=old, new=new)
    show(whole["items"], ("field", "before", "after"), whole, as_json)


def roll_back(
    name: str,
    number: _Number,
    secret: Secrets = None,
    untested: Annotated[str, typer.Option(help="Why it is saved though its test found faults.")] = "",
    not_before: NotBefore = "",
    as_json: Json = False,
) -> None:
    """Go back to the settings of an earlier version, as a new version."""
    rest = Rest()
    row = rest.find("connectors", name)
    body = {"revision": row["revision"], "secrets": secrets(secret), "untested": untested}
    body["not_before"] = not_before
    done = rest.call("POST", f"/connectors/{row['id']}/versions/{number}/restore", body)
    say(f"{done['name']} has the settings of version {number} again.", done, as_json)
