"""Commands about profiles."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chancery.doors.cli.given import Sets, pairs
from chancery.doors.cli.output import Json, say, show
from chancery.doors.cli.rest import Rest

profiles = typer.Typer(no_args_is_help=True, help="What may be asked.")
_LISTS = frozenset({"key_types", "name_kinds", "name_suffixes"})
_NUMBERS = frozenset(
    {"max_names", "validity_days", "validity_days_max", "deadline_hours", "approvals", "renewal_share"}
)
_KEPT = ("name", "description", "wildcard", "needs_approval", "renewal", *sorted(_LISTS | _NUMBERS))
Products = Annotated[
    list[str] | None, typer.Option("--product", help="name=value for the CA type's own fields (`authorities fields`).")
]


@profiles.command("list")
def profiles_list(
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200, as_json: Json = False
) -> None:
    """List profiles."""
    whole = Rest().listing("/profiles", limit)
    show(whole["items"], ("name", "connector_name", "environment", "validity_days", "needs_approval"), whole, as_json)


@profiles.command("show")
def profiles_show(name: str, as_json: Json = False) -> None:
    """Show a profile."""
    row = Rest().find("profiles", name)
    show([{"field": k, "value": v} for k, v in row.items()], ("field", "value"), row, as_json)


@profiles.command("create")
def profiles_create(
    name: str,
    connector: str,
    values: Sets = None,
    product: Products = None,
    as_json: Json = False,
) -> None:
    """Create a profile that orders through a connector."""
    rest = Rest()
    body = {"name": name, "connector": rest.find("connectors", connector)["id"], "product": pairs(product, "--product")}
    made = rest.call("POST", "/profiles", {**body, **_typed(values)})
    say(f"Created {made['name']}.", made, as_json)


@profiles.command("edit")
def profiles_edit(
    name: str,
    values: Sets = None,
    product: Products = None,
    connector: Annotated[str, typer.Option(help="Another connector, by id or name.")] = "",
    confirm_environment: Annotated[
        str, typer.Option(help="Name of the environment that the profile moves to with another connector.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Change a profile; what is not given keeps its value."""
    rest = Rest()
    row = rest.find("profiles", name)
    present = {n: row[n] for n in _KEPT}
    body = {**present, **_typed(values), "confirm_environment": confirm_environment, "revision": row["revision"]}
    before = rest.call("GET", f"/connectors/{row['connector']}") if row["connector"] else {"id": "", "authority": ""}
    after = rest.find("connectors", connector) if connector else before
    # The settings of one CA type mean nothing to another.
    kept = row["products"].get(after["authority"], {})
    body |= {"connector": after["id"], "product": {**kept, **pairs(product, "--product")}}
    done = rest.call("PUT", f"/profiles/{row['id']}", body)
    say(f"{done['name']} is changed.", done, as_json)


@profiles.command("delete")
def profiles_delete(name: str, as_json: Json = False) -> None:
    """Delete a profile that no open order uses."""
    rest = Rest()
    row = rest.find("profiles", name)
    rest.call("DELETE", f"/profiles/{row['id']}")
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)


def _typed(values: list[str] | None) -> dict[str, Any]:
    """Return values as the API has them: whole numbers and lists by the field's name."""
    found = pairs(values)
    for name, value in found.items():
        if name in _NUMBERS and isinstance(value, str) and value.isascii() and value.isdigit():
            found[name] = int(value)
        elif name in _LISTS and isinstance(value, str):
            found[name] = [part.strip() for part in value.split(",") if part.strip()]
    return found
