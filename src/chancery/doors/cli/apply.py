"""The command that makes connectors what a file says they are."""

from __future__ import annotations

import re
from itertools import chain, count
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from chancery.doors.cli import declared, files
from chancery.doors.cli.declared import Step, Wrong
from chancery.doors.cli.output import Exit, Json, Stop, counted, hint, say, show, stop
from chancery.doors.cli.rest import Rest

_LEFT_OUT = {"", None}


def apply(
    file: Annotated[
        Path, typer.Argument(help="YAML (or JSON) with `version: 1` and `connectors`; '-' is standard input.")
    ],
    *,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show what differs; exit status 6 where anything does.")
    ] = False,
    secrets: Annotated[
        bool,
        typer.Option(
            "--secrets", help="Send secrets again that are set at the server; only references can be compared."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Make connectors what a file says. What it does not name is left alone; `connectors declare` writes such a file."""
    rest = Rest()
    kinds = {one["slug"]: one for one in rest.call("GET", "/authorities")["items"]}
    try:
        entries = declared.read(files.text(file, "FILE"), kinds)
    except Wrong as wrong:
        _refuse(file, wrong)
    rows = list(rest.rows("/connectors"))
    known = {} if secrets else {ident: _references(rest, ident) for ident in declared.asked(entries, rows, kinds)}
    steps = declared.plan(entries, rows, kinds, secrets=secrets, references=known)
    beside = _beside(steps, rows)
    whole = {"steps": [_whole(step) for step in steps], "not_in_the_file": beside}
    open_ = [step for step in steps if step.changes]
    _say_unseen(steps)
    if plan:
        _show(steps, whole, as_json)
        hint(_said(open_, beside))
        raise Stop(Exit.DIFFERS if open_ else Exit.DONE)
    waits = 0
    for step in counted(open_, f"{len(open_)} connectors"):
        try:
            _do(rest, step)
        except Stop as stopped:
            # What waits already is not proposed again: the server knows it.
            if stopped.code != Exit.WAITS:
                raise
            waits += 1
            continue
        hint(f"{step.authority} {step.name}: {_done(step)}")
    if waits:
        stop(f"{waits} of {len(open_)} wait for others to approve them.", "`chancery changes list`.", Exit.WAITS)
    say(f"{len(open_)} changed, {len(steps) - len(open_)} as they should be.", whole, as_json)


def _references(rest: Rest, ident: str) -> dict[str, str] | None:
    """Return the references that a connector has in place of secrets; None where the server does not tell us."""
    found = rest.look(f"/connectors/{ident}/references")
    return None if found is None else dict(found["references"])


def _say_unseen(steps: list[Step]) -> None:
    unseen = [f"{step.authority} {step.name}: {', '.join(step.unseen)}" for step in steps if step.unseen]
    if unseen:
        names = f"{'; '.join(unseen[:5])}{' …' if len(unseen) > 5 else ''}"
        hint(f"Set at the server, and not compared: {names}. `--secrets` sends secrets again.")


def _refuse(file: Path, wrong: Wrong) -> None:
    for where, text, remedy in wrong.problems[1:]:
        hint(f"chancery: {file}: {where}: {text}\n          {remedy}")
    where, text, remedy = wrong.problems[0]
    stop(f"{file}: {where}: {text}", f"{remedy} Nothing was sent.", Exit.USAGE)


def _beside(steps: list[Step], rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    known = {step.row["id"] for step in steps if step.row}
    return [{n: row[n] for n in ("authority", "name", "id")} for row in rows if row["id"] not in known]


def _do(rest: Rest, step: Step) -> None:
    ident = step.row.get("id", "")
    if step.what == "create":
        rest.call("POST", "/connectors", step.body)
    elif step.what == "edit":
        rest.call("PATCH", f"/connectors/{ident}", {"revision": step.row["revision"], **step.body})
    if step.status:
        rest.call("POST", f"/connectors/{ident}/{'activate' if step.status == 'active' else 'deactivate'}")


def _done(step: Step) -> str:
    what = {"create": "created", "edit": "changed", "none": ""}[step.what]
    return " and ".join(part for part in (what, f"switched to {step.status}" if step.status else "") if part)


def _whole(step: Step) -> dict[str, Any]:
    changes = [{"field": c.field, "before": c.before, "after": c.after} for c in step.changes]
    what = step.what if step.what != "none" or not step.status else "switch"
    return {
        "what": what,
        "authority": step.authority,
        "name": step.name,
        "changes": changes,
        "secrets_not_compared": step.unseen,
    }


def _show(steps: list[Step], whole: dict[str, Any], as_json: bool) -> None:
    rows = [
        {"what": one["what"], "connector": f"{one['authority']} {one['name']}", "field": c["field"],
         "server": _short(c["before"]), "file": _short(c["after"])}
        for one in whole["steps"] for c in one["changes"]
    ]  # fmt: skip
    if rows or as_json or not steps:
        show(rows, ("what", "connector", "field", "server", "file"), whole, as_json)


def _short(text: str) -> str:
    return f"{text.splitlines()[0][:60]} …" if len(text) > 80 or "\n" in text else text


def _said(open_: list[Step], beside: list[dict[str, str]]) -> str:
    here = f"{len(open_)} connectors differ from the file." if open_ else "Everything is as the file says."
    names = ", ".join(f"{one['authority']} {one['name']}" for one in beside[:5])
    more = f" Not in the file, and left alone: {names}{' …' if len(beside) > 5 else ''}." if beside else ""
    return here + more


def declare(
    authority: Annotated[str, typer.Option(help="Only of this CA type.")] = "",
    out: Annotated[Path | None, typer.Option(help="A new file; standard output without.")] = None,
) -> None:
    """Write connectors as a file that `apply` reads; a secret that is stored at the server is for you to fill in."""
    rest = Rest()
    kinds = {one["slug"]: one for one in rest.call("GET", "/authorities")["items"]}
    rows = rest.rows("/connectors", authority=authority)
    taken: set[str] = set()
    entries = [_entry(rest, row, kinds.get(row["authority"], {"config": {}, "made": []}), taken) for row in rows]
    text = yaml.safe_dump({"version": declared.VERSION, "connectors": entries}, sort_keys=False, allow_unicode=True)
    files.deliver(text.encode(), out)


def _entry(rest: Rest, row: dict[str, Any], kind: dict[str, Any], taken: set[str]) -> dict[str, Any]:
    common = {
        n: row[n] for n in ("base_url", "team", "environment", "owner", "contact", "region", "description", "tags")
    }
    more = {n: row[n] for n in ("proxy", "trust_pem", "allowed_networks", "limit_seats", "limit_rate", "limit_burst")}
    usual = {n: info.get("default") for n, info in kind["config"].get("properties", {}).items()}
    own = {n: v for n, v in row["settings"].items() if v != usual.get(n)}
    kept = {n: v for n, v in {**common, **more, **own}.items() if v not in (*_LEFT_OUT, [])}
    names = [n for n in row["secrets_set"] if n not in kind["made"]]
    known = (_references(rest, row["id"]) if names else None) or {}
    secrets = {n: known.get(n) or f"@env:{_variable(taken, row['authority'], row['name'], n)}" for n in names}
    return {"authority": row["authority"], "name": row["name"], "status": row["status"], **kept, **secrets}


def _variable(taken: set[str], *parts: str) -> str:
    """Return what a variable of the environment can be called that is about these, and that no other is called yet."""
    plain = re.sub(r"[^A-Z0-9]+", "_", "_".join(parts).upper()).strip("_")
    name = next(one for one in chain([plain], (f"{plain}_{n}" for n in count(2))) if one not in taken)
    taken.add(name)
    return name
