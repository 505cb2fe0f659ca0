"""Commands about renewals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Json, hint, minute, say, show
from chancery.doors.cli.rest import Rest

renewals = typer.Typer(no_args_is_help=True, help="What is to be renewed.")


@renewals.command("list")
def renewals_list(
    state: Annotated[str, typer.Option(help="planned, retrying, waiting, ordered, replaced, ended or off.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200,
    as_json: Json = False,
) -> None:
    """List what is to be renewed, the next first; or the renewals in a state."""
    whole = Rest().listing("/renewals", limit, state=state)
    rows = [{**row, "due": minute(row["due_at"]), "id": row["certificate"]} for row in whole["items"]]
    show(rows, ("common_name", "state", "due", "id"), whole, as_json)


@renewals.command("forecast")
def renewals_forecast(as_json: Json = False) -> None:
    """Say how many renewals each of the next weeks brings, against each connector's rate."""
    whole = Rest().call("GET", "/renewals/forecast")
    rows = [
        {"week": minute(start)[:10], "renewals": number, "tight": _tight(whole["connectors"], n)}
        for n, (start, number) in enumerate(zip(whole["starts"], whole["weeks"], strict=True))
    ]
    show(rows, ("week", "renewals", "tight"), whole, as_json)
    if whole["overdue"] and not as_json:
        hint(f"{whole['overdue']} of the first week are due already.")


def _tight(loads: list[dict[str, object]], week: int) -> list[object]:
    return [load["name"] for load in loads if week in load["tight_weeks"]]  # type: ignore[operator]  # a list, by the API


@renewals.command("show")
def renewals_show(certificate: str, as_json: Json = False) -> None:
    """Show when and how a certificate (its id) is renewed."""
    row = Rest().call("GET", f"/certificates/{certificate}/renewal")
    show([{"field": k, "value": v} for k, v in row.items()], ("field", "value"), row, as_json)


@renewals.command("leave-request")
def renewals_leave_request(
    certificate: str,
    csr: Annotated[
        Path | None, typer.Argument(help="File with the request (PEM); without it, it is taken back.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Leave a request with a new key, by which a certificate is renewed when it is due."""
    text = files.request(csr) if csr is not None else ""
    done = Rest().call("PUT", f"/certificates/{certificate}/next-request", {"csr": text})
    left = "It will be renewed by that request." if done["next_request_by"] else "No request is left for it."
    say(left, done, as_json)
