"""Commands about posture: what is weak about how CAs are used."""

from __future__ import annotations

from typing import Annotated

import typer

from chancery.doors.cli.output import Json, say, show
from chancery.doors.cli.rest import Rest

Limit = Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")]
posture = typer.Typer(no_args_is_help=True, help="What is weak about how CAs are used.")


@posture.command("list")
def posture_list(
    state: Annotated[str, typer.Option(help="open, decided or all.")] = "open",
    kind: Annotated[str, typer.Option(help="Only of this kind, as shared_credential.")] = "",
    level: Annotated[str, typer.Option(help="serious, warning or advice.")] = "",
    limit: Limit = 200,
    as_json: Json = False,
) -> None:
    """List findings, the weightiest first."""
    rest = Rest()
    whole = rest.listing("/posture", limit, state=state, kind=kind, level=level)
    if as_json:
        whole["egress_addresses"] = rest.call("GET", "/posture", size=1)["egress_addresses"]
    show(whole["items"], ("level", "text", "remedy", "owner", "until", "key"), whole, as_json)


@posture.command("decide")
def posture_decide(
    key: str,
    owner: Annotated[str, typer.Option(help="Who looks after it.")] = "",
    until: Annotated[str, typer.Option(help="A day until which it may wait, as 2027-01-31; without: it is open.")] = "",
    reason: Annotated[str, typer.Option(help="Why it may wait.")] = "",
    as_json: Json = False,
) -> None:
    """Say who looks after a finding, and until when it may wait."""
    done = Rest().call("PUT", f"/posture/{key}", {"owner": owner, "until": until, "reason": reason})
    waits = f"It waits until {done['until']}." if done["until"] else "It is open."
    say(waits, done, as_json)
