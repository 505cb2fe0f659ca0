"""Commands about what CAs have and what we have."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Exit, Json, Stop, counted, hint, minute, progress, say, show, stop
from chancery.doors.cli.rest import Rest

inventory = typer.Typer(no_args_is_help=True, help="What CAs have and what we have: import, pull, compare, decide.")
Idents = Annotated[list[str], typer.Argument(help="Ids of findings.")]
_MOST = 200


@inventory.command("import")
def inventory_import(
    certificates: Annotated[Path | None, typer.Argument(help="PEM, PKCS#7 or DER; - reads it.")] = None,
    owners: Annotated[
        Path | None,
        typer.Option(help="CSV: sha256, serial or common_name; team, environment, profile, owner, contact."),
    ] = None,
    connector: Annotated[str, typer.Option(help="Id or name of the connector that leads to their CA.")] = "",
    profile: Annotated[str, typer.Option(help="By which they are renewed.")] = "",
    team: str = "",
    environment: str = "",
    expired: Annotated[bool, typer.Option("--expired", help="Take those that have expired too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Store what the preview shows.")] = False,
    as_json: Json = False,
) -> None:
    """Show what an import would store and, with --yes, store exactly that."""
    if certificates is None and owners is None:
        stop("Nothing was given to import.", "Give a file of certificates, --owners FILE, or both.", Exit.USAGE)
    rest = Rest()
    body: dict[str, Any] = {"profile": profile, "team": team, "environment": environment, "expired": expired}
    if certificates is not None:
        body |= {"certificates": _certificates(certificates), "source": certificates.name[:120]}
    if owners is not None:
        body["owners"] = files.text(owners, "--owners")
    if connector:
        body["connector"] = rest.find("connectors", connector)["id"]
    with progress("Reading the certificates"):
        preview = rest.call("POST", "/inventory/preview", body)
    if not yes:
        _show(preview, as_json)
        return
    if not preview["possible"]:
        _show(preview, as_json)
        stop("It cannot be imported as it is.", "The column TEXT says what has to be mended.", settled=True)
    with progress("Storing the certificates"):
        done = rest.call("POST", "/inventory/import", {**body, "previewed": preview["digest"]})
    say(f"Stored: {done['stored']}. Owners changed: {done['owners_changed']}.", done, as_json)


def _certificates(path: Path) -> str:
    """Return a file's certificates as the API takes them: text as it is, bytes as base64."""
    raw = files.content(path, "CERTIFICATES")
    if b"-----BEGIN" in raw:
        return raw.decode("utf-8", "replace")
    try:
        # What is base64 already is sent as it is.
        base64.b64decode(b"".join(raw.split()), validate=True)
        return raw.decode()
    except ValueError:
        return base64.b64encode(raw).decode()


def _show(preview: dict[str, Any], as_json: bool) -> None:
    rows = [{**row, "until": minute(row["not_after"])[:10]} for row in preview["items"]]
    show(rows, ("common_name", "fate", "until", "team", "environment", "owner", "text"), preview, as_json)
    told = ", ".join(f"{number} {fate}" for fate, number in preview["counts"].items() if number)
    hint(f"          {told or 'nothing'}.{' With --yes it is stored.' if preview['possible'] else ''}")
    if preview["unused_lines"]:
        hint(f"          No certificate was found by these lines of the CSV: {_listed(preview['unused_lines'])}.")


def _listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:20])) + (", …" if len(numbers) > 20 else "")


@inventory.command("pull")
def inventory_pull(
    connector: Annotated[str, typer.Argument(help="Id or name.")],
    as_json: Json = False,
) -> None:
    """Begin to read the whole list of a connector's CA; `inventory pulls` follows it."""
    rest = Rest()
    row = rest.call("POST", f"/connectors/{rest.find('connectors', connector)['id']}/pulls")
    say(f"Pull {row['id']} has begun.", row, as_json)


@inventory.command("pulls")
def inventory_pulls(
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 20,
    as_json: Json = False,
) -> None:
    """List pulls, newest first, with how far they are and what they found."""
    whole = Rest().listing("/pulls", limit)
    rows = [{**row, "connector": row["connector_name"], "found": _found(row)} for row in whole["items"]]
    show(rows, ("id", "connector", "state", "found"), whole, as_json)


def _found(pull: dict[str, Any]) -> str:
    """Return what a pull found, in a line."""
    sides = f"{pull['at_ca_only']} at the CA only, {pull['ours_only']} ours only, {pull['state_differs']} differ"
    return f"{pull['matched']} of {pull['entries']} known; {sides}"


@inventory.command("stop")
def inventory_stop(ident: Annotated[str, typer.Argument(help="Id of the pull.")], as_json: Json = False) -> None:
    """End a pull that is under way."""
    row = Rest().call("POST", f"/pulls/{ident}/stop")
    say(f"Pull {row['id']} is {row['state']}.", row, as_json)


@inventory.command("findings")
def inventory_findings(
    kind: Annotated[str, typer.Option(help="at_ca_only, ours_only or state_differs.")] = "",
    state: Annotated[
        str, typer.Option(help="open, fetching, adopted, revoked, ignored or gone; all for all.")
    ] = "open",
    connector: Annotated[str, typer.Option(help="Id or name of a connector.")] = "",
    search: Annotated[str, typer.Option(help="Beginning of a name, or a whole serial in hex.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 50,
    as_json: Json = False,
) -> None:
    """List what CAs and we disagree about."""
    rest = Rest()
    asked = {"kind": kind, "state": "" if state == "all" else state, "search": search}
    if connector:
        asked["connector"] = rest.find("connectors", connector)["id"]
    whole = rest.listing("/findings", limit, **asked)
    rows = [
        {**row, "until": minute(row["not_after"])[:10], "connector": row["connector_name"]} for row in whole["items"]
    ]
    show(rows, ("id", "common_name", "kind", "state", "connector", "until"), whole, as_json)


@inventory.command("show")
def inventory_show(ident: Annotated[str, typer.Argument(help="Id of the finding.")], as_json: Json = False) -> None:
    """Show a finding: what the CA has, what we have, and what was decided."""
    found = Rest().call("GET", f"/findings/{ident}")
    rows = [{"field": name.replace("_", " "), "value": value} for name, value in found.items() if value]
    show(rows, ("field", "value"), found, as_json)


@inventory.command("adopt")
def inventory_adopt(
    idents: Idents,
    profile: Annotated[
        str, typer.Option(help="Where an adopted certificate belongs, and by which it is renewed.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Take over what the CA has: its certificates, or its word that ours are revoked."""
    _decide({"verb": "adopt", "profile": profile}, idents, as_json)


@inventory.command("ignore")
def inventory_ignore(
    idents: Idents,
    reason: Annotated[str, typer.Option(help="Why, for whoever looks later.")],
    as_json: Json = False,
) -> None:
    """Leave findings as they are, with a reason."""
    _decide({"verb": "ignore", "reason": reason}, idents, as_json)


@inventory.command("reopen")
def inventory_reopen(idents: Idents, as_json: Json = False) -> None:
    """Take back that findings are ignored."""
    _decide({"verb": "reopen"}, idents, as_json)


@inventory.command("revoke")
def inventory_revoke(
    idents: Idents,
    reason: Annotated[str, typer.Option(help="A reason of RFC 5280, such as superseded.")],
    comment: str = "",
    yes: Annotated[bool, typer.Option("--yes", help="Really: revoking cannot be undone.")] = False,
    as_json: Json = False,
) -> None:
    """Have the CA revoke the certificates of findings; those that only the CA has are adopted first."""
    if not yes:
        text = f"{len(idents)} certificate{'s' if len(idents) > 1 else ''} would be revoked; that cannot be undone."
        stop(text, "Say --yes.", Exit.USAGE)
    body = {"verb": "revoke", "reason": reason, "comment": comment, "confirm": True}
    _decide(body, idents, as_json)


def _decide(body: dict[str, Any], idents: list[str], as_json: bool) -> None:
    """Decide about findings, as many at once as the API takes; what is refused ends the command badly."""
    rest, results = Rest(), list[dict[str, Any]]()
    try:
        for start in counted(range(0, len(idents), _MOST), f"{len(idents)} findings"):
            answer = rest.call("POST", "/findings/decide", {**body, "ids": idents[start : start + _MOST]})
            results += answer["results"]
    except (Stop, KeyboardInterrupt):
        # What was decided before stays so, and nobody else says which that is.
        if results:
            _show_decided(results, as_json)
        raise
    _show_decided(results, as_json)
    refused = sum(not row["ok"] for row in results)
    if refused:
        stop(f"{refused} of {len(results)} were refused.", "The column RESULT says why.", settled=True)


def _show_decided(results: list[dict[str, Any]], as_json: bool) -> None:
    rows = [{**row, "result": "done" if row["ok"] else row["detail"]} for row in results]
    show(rows, ("id", "result"), {"results": results}, as_json)
