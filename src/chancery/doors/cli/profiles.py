"""Commands about profiles."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chancery.doors.cli.given import Sets, pairs
from chancery.doors.cli.output import Exit, Json, say, show, stop
from chancery.doors.cli.rest import Rest

profiles = typer.Typer(no_args_is_help=True, help="What may be asked.")
_LISTS = frozenset({"key_types", "name_kinds", "name_suffixes"})
_NUMBERS = frozenset(
    {"max_names", "validity_days", "validity_days_max", "deadline_hours", "approvals", "renewal_share"}
)
_KEPT = ("name", "description", "region", "wildcard", "needs_approval", "renewal", *sorted(_LISTS | _NUMBERS))
InPool = Annotated[
    str, typer.Option("--pool", help="A pool, by id or name; --product is then written CA-TYPE.name=value.")
]
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
    connector: Annotated[str, typer.Argument(help="Id or name of the connector; empty with --pool.")] = "",
    values: Sets = None,
    product: Products = None,
    pool: InPool = "",
    as_json: Json = False,
) -> None:
    """Create a profile that orders through a connector, or through a pool."""
    rest = Rest()
    body = {"name": name, **_through(rest, connector, pool, product, {})}
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
    pool: InPool = "",
    as_json: Json = False,
) -> None:
    """Change a profile; what is not given keeps its value."""
    rest = Rest()
    row = rest.find("profiles", name)
    present = {n: row[n] for n in _KEPT}
    body = {**present, **_typed(values), "confirm_environment": confirm_environment, "revision": row["revision"]}
    if not connector and not pool:
        connector, pool = ("", row["pool_id"]) if row["pool_id"] else (row["connector"] or "", "")
    body |= _through(rest, connector, pool, product, row["products"])
    done = rest.call("PUT", f"/profiles/{row['id']}", body)
    say(f"{done['name']} is changed.", done, as_json)


@profiles.command("delete")
def profiles_delete(name: str, as_json: Json = False) -> None:
    """Delete a profile that no open order uses."""
    rest = Rest()
    row = rest.find("profiles", name)
    rest.call("DELETE", f"/profiles/{row['id']}")
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)


def _through(
    rest: Rest, connector: str, pool: str, product: list[str] | None, products: dict[str, Any]
) -> dict[str, Any]:
    """Return connector or pool with the settings of their types of CA; `products` are those of before."""
    if not pool:
        after = rest.find("connectors", connector)
        # The settings of one CA type mean nothing to another.
        kept = products.get(after["authority"], {})
        return {"connector": after["id"], "product": {**kept, **pairs(product, "--product")}}
    row = rest.find("pools", pool)
    found = {m["authority"]: dict(products.get(m["authority"], {})) for m in row["members"]}
    for name, value in pairs(product, "--product").items():
        slug, dot, field = name.partition(".")
        if not dot or slug not in found:
            remedy = f"Write it as CA-TYPE.name=value; the pool has: {', '.join(sorted(found))}."
            stop(f"--product {name}: a pool has several types of CA.", remedy, Exit.USAGE)
        found[slug][field] = value
    return {"pool": row["id"], "products": {slug: values for slug, values in found.items() if values}}


def _typed(values: list[str] | None) -> dict[str, Any]:
    """Return values as the API has them: whole numbers and lists by the field's name."""
    found = pairs(values)
    for name, value in found.items():
        if name in _NUMBERS and isinstance(value, str) and value.isascii() and value.isdigit():
            found[name] = int(value)
        elif name in _LISTS and isinstance(value, str):
            found[name] = [part.strip() for part in value.split(",") if part.strip()]
    return found
