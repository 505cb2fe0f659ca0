"""Commands about pools, what depends on a connector, and moving it elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from chancery.doors.cli.output import Exit, Json, say, show, stop
from chancery.doors.cli.rest import Rest

pools = typer.Typer(no_args_is_help=True, help="Connectors that may stand in for one another.")
Members = Annotated[
    list[str] | None,
    typer.Option("--member", help="CONNECTOR[,preference=1][,weight=1][,validation=dv|ov|ev]; once for each member."),
]
_COLUMNS = ("name", "authority", "region", "status", "breaker", "preference", "weight", "validation", "draining")
_NUMBERS = ("preference", "weight")
Trust = Annotated[str, typer.Option(help="same_root, public or vouched.")]
Reason = Annotated[str, typer.Option(help="Why, where somebody vouches for it.")]
Patience = Annotated[int, typer.Option(help="Minutes that a member may be sick before others stand in.")]


@pools.command("list")
def pools_list(
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 200, as_json: Json = False
) -> None:
    """List pools."""
    whole = Rest().listing("/pools", limit)
    rows = [{**row, "members": ", ".join(m["name"] for m in row["members"])} for row in whole["items"]]
    show(rows, ("name", "members", "environment", "trust", "profiles"), whole, as_json)


@pools.command("show")
def pools_show(name: str, as_json: Json = False) -> None:
    """Show the members of a pool, and how they stand."""
    row = Rest().find("pools", name)
    show(row["members"], _COLUMNS, row, as_json)


@pools.command("create")
def pools_create(
    name: str,
    team: Annotated[str, typer.Option(help="Name or id.")],
    environment: Annotated[str, typer.Option(help="Name or id.")],
    member: Members = None,
    trust: Trust = "same_root",
    trust_reason: Reason = "",
    patience: Patience = 5,
    description: Annotated[str, typer.Option(help="What its members have in common.")] = "",
    as_json: Json = False,
) -> None:
    """Create a pool of connectors of one team and environment."""
    rest = Rest()
    body: dict[str, Any] = {"name": name, "description": description, "team": team, "environment": environment}
    body |= {"trust": trust, "trust_reason": trust_reason, "patience_minutes": patience}
    made = rest.call("POST", "/pools", {**body, "members": _members(rest, member)})
    say(f"Created {made['name']}.", made, as_json)


@pools.command("edit")
def pools_edit(
    name: str,
    *,
    rename: Annotated[str, typer.Option(help="Another name.")] = "",
    member: Members = None,
    trust: Annotated[str, typer.Option(help="same_root, public or vouched.")] = "",
    trust_reason: Reason = "",
    patience: Annotated[
        int | None, typer.Option(help="Minutes that a member may be sick before others stand in.")
    ] = None,
    description: Annotated[str | None, typer.Option(help="What its members have in common.")] = None,
    as_json: Json = False,
) -> None:
    """Change a pool; what is not given keeps its value. Members are given all together, or not at all."""
    rest = Rest()
    row = rest.find("pools", name)
    kept = ("name", "description", "team", "environment", "trust", "trust_reason", "patience_minutes", "revision")
    body = {n: row[n] for n in kept}
    places = [{n: m[n] for n in ("connector", "preference", "weight", "validation")} for m in row["members"]]
    body["members"] = _members(rest, member) if member else places
    given = {"name": rename, "trust": trust, "trust_reason": trust_reason, "patience_minutes": patience}
    body |= {n: v for n, v in given.items() if v not in {"", None}}
    body |= {} if description is None else {"description": description}
    done = rest.call("PUT", f"/pools/{row['id']}", body)
    say(f"{done['name']} is changed.", done, as_json)


@pools.command("drain")
def pools_drain(name: str, connector: str, as_json: Json = False) -> None:
    """Let a member take no new orders; it finishes those that it has."""
    _turn(name, connector, "drain", "takes no new orders and finishes its own", as_json)


@pools.command("resume")
def pools_resume(name: str, connector: str, as_json: Json = False) -> None:
    """Let a member take new orders again."""
    _turn(name, connector, "resume", "takes new orders again", as_json)


@pools.command("delete")
def pools_delete(name: str, as_json: Json = False) -> None:
    """Delete a pool that no profile orders through; its connectors stay."""
    rest = Rest()
    row = rest.find("pools", name)
    rest.call("DELETE", f"/pools/{row['id']}")
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)


@pools.command("impact")
def pools_impact(connector: str, as_json: Json = False) -> None:
    """Say what depends on a connector, before it is edited, switched off or deleted."""
    rest = Rest()
    found = rest.call("GET", f"/connectors/{rest.find('connectors', connector)['id']}/impact")
    show(list(_lines(found)), ("what", "number", "which"), found, as_json)


@pools.command("repoint")
def pools_repoint(
    connector: str,
    to: Annotated[str, typer.Argument(help="A pool or another connector, by id or name.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this only what would move is shown.")] = False,
    vouch: Annotated[str, typer.Option(help="Why trust is the same where that is not proven.")] = "",
    as_json: Json = False,
) -> None:
    """Move a connector's profiles, and the waiting orders that no CA has seen, to a pool or another connector."""
    rest = Rest()
    path = f"/connectors/{rest.find('connectors', connector)['id']}/repoint"
    plan = rest.call("GET", f"{path}-preview", to=to, vouch=vouch)
    if not yes:
        show(list(_plan(plan)), ("what", "number", "which"), plan, as_json)
        return
    done = rest.call("POST", path, {"to": to, "previewed": plan["digest"], "vouch": vouch})
    say(f"{done['moved']} orders and {len(done['profiles'])} profiles went to {done['to']}.", done, as_json)


def _turn(name: str, connector: str, how: str, text: str, as_json: bool) -> None:
    rest = Rest()
    row, one = rest.find("pools", name), rest.find("connectors", connector)
    done = rest.call("POST", f"/pools/{row['id']}/members/{one['id']}/{how}")
    say(f"{one['name']} {text}.", done, as_json)


def _members(rest: Rest, given: list[str] | None) -> list[dict[str, Any]]:
    found = []
    for text in given or []:
        name, *more = text.split(",")
        place: dict[str, Any] = {"connector": rest.find("connectors", name)["id"]}
        for part in more:
            key, equals, value = part.partition("=")
            number = key in _NUMBERS and value.isascii() and value.isdigit()
            if not equals or (key in _NUMBERS) is not number or key not in {*_NUMBERS, "validation"}:
                stop(
                    f"--member {text}: {part!r} is not understood.",
                    "Write preference=1, weight=1, validation=ov.",
                    Exit.USAGE,
                )
            place[key] = int(value) if number else value
        found.append(place)
    return found


def _lines(found: dict[str, Any]) -> list[dict[str, Any]]:
    titles = {
        "held": "waiting orders that no CA has seen",
        "on_their_way": "orders that the CA has or may have",
        "renewals": "renewals due within 30 days",
        "certificates": "valid certificates",
        "bots": "targets of bots",
    }
    rows = [_row(text, found[n]["number"], [t["name"] for t in found[n]["first"]]) for n, text in titles.items()]
    profiles = [f"{p['name']} ({p['stand_ins'] or 'nobody stands in'})" for p in found["profiles"]]
    pools_of = [p["name"] for p in found["pools"]]
    return [
        *rows,
        _row("profiles", f"{len(profiles)}{'+' * found['more_profiles']}", profiles),
        _row("pools", str(len(pools_of)), pools_of),
    ]


def _plan(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        _row("profiles that move", str(len(plan["profiles"])), [p["name"] for p in plan["profiles"]]),
        _row("profiles that stay", str(len(plan["refused"])), [f"{p['name']}: {p['why']}" for p in plan["refused"]]),
        _row("waiting orders that move", str(plan["orders"]), []),
        _row("waiting orders that the CA has or may have", str(plan["bound"]), []),
        _row("others that stay", str(plan["orders_staying"]), [f"{o['name']}: {o['why']}" for o in plan["staying"]]),
    ]


def _row(what: str, number: str, which: list[str]) -> dict[str, Any]:
    return {"what": what, "number": number, "which": ", ".join(which)}
