"""Commands about CA types and connectors."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files, history, typed
from chancery.doors.cli.given import NotBefore, Secrets, Sets, pairs, secrets
from chancery.doors.cli.output import Exit, Json, hint, minute, progress, say, show, stop
from chancery.doors.cli.rest import Rest

authorities = typer.Typer(no_args_is_help=True, help="The CA types.")
connectors = typer.Typer(no_args_is_help=True, help="The accounts at CAs.")
_FOLLOW = 30.0
_COLUMNS = ("name", "authority", "base_url", "environment", "region", "status", "health", "queue", "last_issue")
Test = Annotated[bool, typer.Option("--test", help="Have a worker test the settings first; what fails is not saved.")]
Untested = Annotated[str, typer.Option(help="Why it is saved though its test found faults.")]
Limit = Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")]


@authorities.command("list")
def authorities_list(as_json: Json = False) -> None:
    """List the CA types, and those that cannot be used with the reason."""
    whole = Rest().call("GET", "/authorities")
    show(whole["items"], ("slug", "title", "proof", "powers"), whole, as_json)
    if whole["broken"] and not as_json:
        print("\nThese cannot be used:")
        show(whole["broken"], ("slug", "reason"), whole, as_json)


@authorities.command("fields")
def authorities_fields(slug: str, as_json: Json = False) -> None:
    """List the fields that a CA type's connectors and profiles have of their own."""
    found = typed.authority(Rest(), slug)
    rows = [_field(found, part, name) for part in ("config", "profile") for name in found[part].get("properties", {})]
    show(rows, ("name", "of", "given", "about"), rows, as_json)


def _field(authority: dict[str, Any], part: str, name: str) -> dict[str, Any]:
    schema = authority[part]
    info, required = schema["properties"][name], name in schema.get("required", [])
    secret = part == "config" and name in authority["secrets"]
    given = "--secret" if secret else "--set" if part == "config" else "--product"
    about = info.get("description") or info.get("title") or ""
    return {"name": name, "of": "connector" if part == "config" else "profile", "given": given, "required": required,
            "about": f"{about}{' (required)' if required else ''}"}  # fmt: skip


@connectors.command("list")
def connectors_list(
    authority: Annotated[str, typer.Option(help="Only of this CA type; the other filters need it.")] = "",
    status: Annotated[str, typer.Option(help="active or inactive.")] = "",
    health: Annotated[str, typer.Option(help="As measured, for example healthy or unreachable.")] = "",
    environment: Annotated[str, typer.Option(help="Name or id.")] = "",
    region: str = "",
    search: Annotated[str, typer.Option(help="Beginning of the name.")] = "",
    sort: Annotated[str, typer.Option(help="name, -name, created_at or -created_at.")] = "",
    limit: Limit = 200,
    as_json: Json = False,
) -> None:
    """List connectors with their queue and the last certificate issued through each."""
    asked = {"status": status, "health": health, "environment": environment, "region": region}
    whole = Rest().listing("/connectors", limit, authority=authority, **asked, search=search, sort=sort)
    rows = [
        {**row, "last_issue": minute(row["last_issue_at"]), "health": "broken" if row["broken"] else row["health"]}
        for row in whole["items"]
    ]
    show(rows, _COLUMNS, whole, as_json, less=("region", "base_url", "queue", "environment"))
    for slug, why in {row["authority"]: row["broken"] for row in whole["items"] if row["broken"]}.items():
        hint(f"Broken: the CA type {slug} cannot be used. {why} Install its package where server and workers run.")


@connectors.command("show")
def connectors_show(name: str, as_json: Json = False) -> None:
    """Show a connector, without its secrets."""
    row = Rest().find("connectors", name)
    show([{"field": k, "value": v} for k, v in row.items()], ("field", "value"), row, as_json)


@connectors.command("export")
def connectors_export(
    authority: str, out: Annotated[Path | None, typer.Option(help="A new file; standard output without.")] = None
) -> None:
    """Export the connectors of a CA type as CSV, without secrets."""
    files.deliver(Rest().raw("/connectors.csv", authority=authority), out)


@connectors.command("create", context_settings=typed.EXTRA)
def connectors_create(
    context: typer.Context,
    authority: str,
    name: Annotated[str, typer.Argument(help="Name of the connector; flags come after it.")] = "",
    values: Sets = None,
    secret: Secrets = None,
    team: str = "Operations",
    environment: str = "Production",
    test: Test = False,
    untested: Untested = "",
    help_fields: Annotated[bool, typer.Option("--help-fields", help="Show the flags of this CA type.")] = False,
    as_json: Json = False,
) -> None:
    """Create a connector. Each field of its CA type is a flag: --help-fields shows them, as does `authorities fields`."""
    rest = Rest()
    if help_fields:
        typed.show_fields(typed.authority(rest, authority), as_json)
        return
    if not name or name.startswith("--"):
        stop("The connector's name is missing.", f"Write connectors create {authority} NAME --FLAG …", Exit.USAGE)
    own = typed.given(typed.authority(rest, authority), context.args) if context.args else {}
    common = {"authority": authority, "name": name, "team": team, "environment": environment}
    body = {**common, **own, **pairs(values), **secrets(secret)}
    made = rest.call("POST", "/connectors", body, test=test, untested=untested)
    say(f"Created {made['name']}, {_how_tested(made)}.", made, as_json)


@connectors.command("edit", context_settings=typed.EXTRA)
def connectors_edit(
    context: typer.Context,
    name: str,
    values: Sets = None,
    secret: Secrets = None,
    test: Test = False,
    untested: Untested = "",
    not_before: NotBefore = "",
    as_json: Json = False,
) -> None:
    """Change fields of a connector, also by the flags of its CA type; the others keep their values."""
    rest = Rest()
    row = rest.find("connectors", name)
    own = typed.given(typed.authority(rest, row["authority"]), context.args) if context.args else {}
    body = {**own, **pairs(values), **secrets(secret)}
    body = {"revision": row["revision"], **body}
    done = rest.call("PATCH", f"/connectors/{row['id']}", body, test=test, untested=untested, not_before=not_before)
    say(f"{done['name']} is changed, {_how_tested(done)}.", done, as_json)


def _how_tested(row: dict[str, Any]) -> str:
    return f"tested at {minute(row['tested_at'])} UTC" if row["tested_at"] else "not tested (--test does that first)"


@connectors.command("test")
def connectors_test(name: str, as_json: Json = False) -> None:
    """Diagnose a connector, stage by stage."""
    rest = Rest()
    call = follow(rest, rest.call("POST", f"/connectors/{rest.find('connectors', name)['id']}/test"))
    findings = call["result"].get("findings", [])
    show([_finding(f) for f in findings], ("stage", "level", "finding"), call, as_json)
    if call["state"] == "failed" or any(f["level"] == "failed" for f in findings):
        stop(f"{name} does not work as it is.", call["result"].get("error", ""))
    warnings = sum(f["level"] == "warning" for f in findings)
    hint(
        f"{name} works"
        + (f"; {warnings} of the findings warn." if warnings > 1 else "; one finding warns." if warnings else ".")
    )


def _finding(found: dict[str, Any]) -> dict[str, Any]:
    """Return a finding as a row whose last cell has what was found, the evidence, and what to do."""
    lines = [found["message"], found["evidence"], found["remedy"] and f"→ {found['remedy']}"]
    return {"stage": found["stage"], "level": found["level"], "finding": "\n".join(line for line in lines if line)}


@connectors.command("choices")
def connectors_choices(name: str, field: str, as_json: Json = False) -> None:
    """Ask the CA which values a field may have, such as products or organisations."""
    rest = Rest()
    ident = rest.find("connectors", name)["id"]
    call = follow(rest, rest.call("POST", f"/connectors/{ident}/choices/{field}"))
    if call["state"] == "failed":
        stop(
            f"The CA did not say: {call['result'].get('error', 'no reason was given')}",
            f"Try `connectors test {name}`.",
        )
    show(call["result"].get("choices", []), ("value", "label"), call, as_json)


def follow(rest: Rest, call: dict[str, Any]) -> dict[str, Any]:
    """Return what a worker was asked to do when it is done; a worker that does not answer ends the command."""
    deadline, pause = time.monotonic() + _FOLLOW, 0.02
    with progress("Waiting for a worker"):
        while call["state"] in {"due", "running"} and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, 0.5)
            call = rest.call("GET", f"/calls/{call['id']}")
    if call["state"] in {"due", "running"}:
        stop("No worker answered.", "Start one with `chancery worker`.", Exit.UNREACHABLE)
    return call


@connectors.command("health")
def connectors_health(
    name: str,
    span: Annotated[str, typer.Option(help="day, week or quarter.")] = "day",
    as_json: Json = False,
) -> None:
    """Show how a connector's calls went, step by step, and what of it ages."""
    rest = Rest()
    whole = rest.call("GET", f"/connectors/{rest.find('connectors', name)['id']}/health", span=span)
    steps = [{**p, "start": minute(p["start"]), "errors": _errors(p["errors"])} for p in whole["points"] if p["calls"]]
    show(steps, ("start", "calls", "answered", "issued", "errors", "mean_seconds", "p95_seconds"), whole, as_json)
    if as_json:
        return
    for vital in whole["vitals"]:
        hint(f"{vital['kind']} {vital['subject']}: {vital['error'] or minute(vital['until']) or vital['text']}")
    if whole["credential_since"]:
        hint(f"The credential is the same since {minute(whole['credential_since'])} UTC.")


def _errors(found: dict[str, int]) -> list[str]:
    return [f"{kind} {number}" for kind, number in found.items()]


@connectors.command("activate")
def connectors_activate(name: str, as_json: Json = False) -> None:
    """Switch a connector on."""
    rest = Rest()
    done = rest.call("POST", f"/connectors/{rest.find('connectors', name)['id']}/activate")
    say(f"{done['name']} is active.", done, as_json)


@connectors.command("deactivate")
def connectors_deactivate(name: str, as_json: Json = False) -> None:
    """Switch a connector off; nothing is revoked."""
    rest = Rest()
    done = rest.call("POST", f"/connectors/{rest.find('connectors', name)['id']}/deactivate")
    say(f"{done['name']} is inactive; {done['submissions_in_flight']} submissions are in flight.", done, as_json)


@connectors.command("copy")
def connectors_copy(name: str, new_name: str, as_json: Json = False) -> None:
    """Copy a connector without its secrets."""
    rest = Rest()
    made = rest.call("POST", f"/connectors/{rest.find('connectors', name)['id']}/copy", {"name": new_name})
    say(f"Created {made['name']}, inactive and without secrets.", made, as_json)


@connectors.command("delete")
def connectors_delete(
    name: str,
    *,
    preview: Annotated[
        bool, typer.Option("--preview", help="Only say what stands in the way and what is lost.")
    ] = False,
    confirm: Annotated[str, typer.Option(help="Its name, where a key is erased that exists nowhere else.")] = "",
    as_json: Json = False,
) -> None:
    """Delete a connector that nothing uses."""
    rest = Rest()
    row = rest.find("connectors", name)
    if preview:
        found = rest.call("GET", f"/connectors/{row['id']}/delete-preview")
        show(found["blockers"], ("kind", "name", "reason"), found, as_json)
        if not as_json:
            _say_lost(found)
        return
    rest.call("DELETE", f"/connectors/{row['id']}", confirm=confirm)
    say(f"{row['name']} is deleted.", {"id": row["id"], "deleted": True}, as_json)


def _say_lost(found: dict[str, Any]) -> None:
    """Say what a deletion would strand, beside what stands in its way."""
    number, named = found["certificates_no_longer_revocable"], found["certificates"]
    noun = "certificate" if number == 1 else "certificates"
    hint(f"{number} valid {noun} could no longer be revoked{': those that expire last are' if named else '.'}")
    for one in named:
        hint(f"  {one['common_name']}, serial {one['serial']}, until {minute(one['not_after'])}")
    if found["erased"]:
        hint(f"Erased for good, since it exists nowhere else: {', '.join(found['erased'])}. --confirm takes the name.")


history.add(connectors)
