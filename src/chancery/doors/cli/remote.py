"""Commands that speak REST: connectors, profiles, orders, certificates, audit."""

from __future__ import annotations

import json
import os
import time
import uuid
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from chancery.doors.cli.rest import Rest, stop

Json = Annotated[bool, typer.Option("--json", help="Print the API's JSON.")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="name=value; a list by commas, true and false for switches.")
]
Products = Annotated[list[str] | None, typer.Option("--product", help="name=value of the CA's own settings.")]
Secrets = Annotated[list[str] | None, typer.Option("--secret", help="name=@file: the secret is read from a file.")]
_FOLLOW = 30.0


def add(app: typer.Typer) -> None:
    """Register the groups of commands."""
    for name, group in (
        ("authorities", authorities),
        ("connectors", connectors),
        ("profiles", profiles),
        ("orders", orders),
        ("certificates", certificates),
        ("audit", audit),
    ):
        app.add_typer(group, name=name)


authorities = typer.Typer(no_args_is_help=True, help="The CA types.")
connectors = typer.Typer(no_args_is_help=True, help="The accounts at CAs.")
profiles = typer.Typer(no_args_is_help=True, help="What may be asked.")
orders = typer.Typer(no_args_is_help=True, help="Requests for certificates.")
certificates = typer.Typer(no_args_is_help=True, help="What was issued.")
audit = typer.Typer(no_args_is_help=True, help="Who did what.")


def show(rows: list[dict[str, Any]], columns: tuple[str, ...], whole: Any, as_json: bool) -> None:  # noqa: FBT001  every command hands its flag on
    """Print rows as a table for people, or the whole answer as JSON."""
    if as_json:
        print(json.dumps(whole, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " ").upper(), overflow="fold")
    for row in rows:
        table.add_row(*[str(row.get(column) if row.get(column) is not None else "") for column in columns])
    Console().print(table)


def _pairs(given: list[str] | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals:
            stop(f"--set {text}: there is no '=' in it.", "Write name=value.")
        found[name] = {"true": True, "false": False}.get(value, value)
    return found


def _secrets(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or []:
        name, _, value = text.partition("=")
        if not value.startswith("@"):
            stop(
                f"--secret {name}: secrets are read from files.",
                f"Write {name}=@path (a command line shows in process lists).",
            )
        found[name] = Path(value[1:]).read_text(encoding="utf-8").rstrip("\n")
    return found


def _find(rest: Rest, kind: str, name: str) -> dict[str, Any]:
    items = rest.call("GET", f"/{kind}", size=200)["items"]
    found = [i for i in items if name in {i["id"], i["name"]}]
    if len(found) != 1:
        stop(f"{len(found)} {kind} are called {name!r}.", "Use the id.")
    row: dict[str, Any] = found[0]
    return row


@authorities.command("list")
def authorities_list(as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """List the CA types, and those that cannot be used with the reason."""
    whole = Rest().call("GET", "/authorities")
    show(whole["items"], ("slug", "title", "proof", "powers"), whole, as_json)
    if whole["broken"] and not as_json:
        print("\nThese cannot be used:")
        show(whole["broken"], ("slug", "reason"), whole, as_json)


@connectors.command("list")
def connectors_list(authority: str = "", as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """List connectors."""
    whole = Rest().call("GET", "/connectors", authority=authority)
    show(whole["items"], ("name", "authority", "base_url", "status", "health", "environment"), whole, as_json)


@connectors.command("create")
def connectors_create(
    authority: str,
    name: str,
    values: Sets = None,
    secret: Secrets = None,
    team: str = "Operations",
    environment: str = "Production",
) -> None:
    """Create a connector; `authorities list --json` shows the fields of each type."""
    body = {
        "authority": authority,
        "name": name,
        "team": team,
        "environment": environment,
        **_pairs(values),
        **_secrets(secret),
    }
    print(f"Created {Rest().call('POST', '/connectors', body)['name']}.")


@connectors.command("edit")
def connectors_edit(name: str, values: Sets = None, secret: Secrets = None) -> None:
    """Change fields of a connector; the others keep their values."""
    rest = Rest()
    row = _find(rest, "connectors", name)
    body = {"revision": row["revision"], **_pairs(values), **_secrets(secret)}
    rest.call("PATCH", f"/connectors/{row['id']}", body)
    print(f"{name} is changed.")


@connectors.command("test")
def connectors_test(name: str, as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """Diagnose a connector, stage by stage."""
    rest = Rest()
    row = _find(rest, "connectors", name)
    call = rest.call("POST", f"/connectors/{row['id']}/test")
    deadline = time.monotonic() + _FOLLOW
    while call["state"] in {"due", "running"} and time.monotonic() < deadline:
        time.sleep(0.2)
        call = rest.call("GET", f"/calls/{call['id']}")
    if call["state"] in {"due", "running"}:
        stop("No worker answered.", "Start one with `chancery worker`.")
    findings = call["result"].get("findings", [])
    show(findings, ("stage", "level", "message", "evidence", "remedy"), call, as_json)
    if call["state"] == "failed" or any(f["level"] == "failed" for f in findings):
        raise SystemExit(1)


@connectors.command("activate")
def connectors_activate(name: str) -> None:
    """Switch a connector on."""
    rest = Rest()
    rest.call("POST", f"/connectors/{_find(rest, 'connectors', name)['id']}/activate")
    print(f"{name} is active.")


@connectors.command("deactivate")
def connectors_deactivate(name: str) -> None:
    """Switch a connector off; nothing is revoked."""
    rest = Rest()
    done = rest.call("POST", f"/connectors/{_find(rest, 'connectors', name)['id']}/deactivate")
    print(f"{name} is inactive; {done['submissions_in_flight']} submissions are in flight.")


@connectors.command("copy")
def connectors_copy(name: str, new_name: str) -> None:
    """Copy a connector without its secrets."""
    rest = Rest()
    rest.call("POST", f"/connectors/{_find(rest, 'connectors', name)['id']}/copy", {"name": new_name})
    print(f"Created {new_name}, inactive and without secrets.")


@connectors.command("delete")
def connectors_delete(name: str, *, preview: bool = False) -> None:
    """Delete a connector that nothing uses; --preview only says what stands in the way."""
    rest = Rest()
    ident = _find(rest, "connectors", name)["id"]
    if preview:
        print(json.dumps(rest.call("GET", f"/connectors/{ident}/delete-preview"), indent=2))
        return
    rest.call("DELETE", f"/connectors/{ident}")
    print(f"{name} is deleted.")


@profiles.command("list")
def profiles_list(as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """List profiles."""
    whole = Rest().call("GET", "/profiles")
    show(whole["items"], ("name", "pool", "environment", "validity_days", "needs_approval"), whole, as_json)


@profiles.command("create")
def profiles_create(name: str, connector: str, values: Sets = None, product: Products = None) -> None:
    """Create a profile that orders through a connector."""
    rest = Rest()
    body = {"name": name, "connector": _find(rest, "connectors", connector)["id"], "product": _pairs(product)}
    for key, value in _pairs(values).items():
        body[key] = int(value) if isinstance(value, str) and value.isdigit() else value
    print(f"Created {rest.call('POST', '/profiles', body)['name']}.")


@orders.command("create")
def orders_create(
    profile: str,
    csr: Annotated[Path | None, typer.Option(help="File with the certificate request.")] = None,
    new_key: Annotated[
        str, typer.Option(help="Make a key here, for example EC-P256; it never leaves this machine.")
    ] = "",
    name: Annotated[
        list[str] | None, typer.Option(help="With --new-key: a name for the certificate (repeatable).")
    ] = None,
    key_out: Annotated[Path, typer.Option(help="With --new-key: where the key is written, mode 0600.")] = Path(
        "key.pem"
    ),
    wait: Annotated[int, typer.Option(min=0, max=60, help="Seconds to wait for the certificate.")] = 0,
    as_json: Json = False,  # noqa: FBT002  a flag
) -> None:
    """Place an order."""
    rest = Rest()
    request = _new_request(new_key, name or [], key_out) if new_key else csr.read_text(encoding="utf-8") if csr else ""
    if not request:
        stop("There is no certificate request.", "Give --csr FILE, or --new-key EC-P256 --name www.example.com.")
    headers = {"Idempotency-Key": str(uuid.uuid4()), **({"Prefer": f"wait={wait}"} if wait else {})}
    order = rest.call("POST", "/orders", {"profile": profile, "csr": request}, headers=headers)
    show([order], ("id", "state", "common_name", "reason"), order, as_json)


def _new_request(label: str, names: list[str], key_out: Path) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from chancery.core import csr, keys, pem
    from chancery.core.names import parse_name

    if label not in keys.available_key_labels() or not names:
        stop(f"--new-key {label} needs a known kind and --name.", f"Kinds: {', '.join(keys.available_key_labels())}.")
    key = keys.generate(label)
    handle = os.open(key_out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pem.encode("CERTIFICATE REQUEST", csr.build(key, [parse_name(n) for n in names], names[0]))


@orders.command("list")
def orders_list(state: str = "", as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """List orders, newest first."""
    whole = Rest().call("GET", "/orders", state=state)
    show(whole["items"], ("id", "state", "common_name", "placed_at", "reason"), whole, as_json)


@orders.command("show")
def orders_show(ident: str, as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """Show an order with its timeline."""
    order = Rest().call("GET", f"/orders/{ident}")
    if not as_json:
        show([order], ("id", "state", "common_name", "reason"), order, as_json=False)
    show(order["timeline"], ("at", "kind", "actor", "text"), order, as_json)


def _order_command(name: str, path: str, field: str = "") -> None:
    def run(ident: str, text: str = "") -> None:
        order = Rest().call("POST", f"/orders/{ident}/{path}", {field: text} if field else {})
        print(f"{order['common_name']} is {order['state'].replace('_', ' ')}.")

    orders.command(name, help=f"{name.replace('-', ' ').capitalize()} an order.")(run)


for _name, _field in (
    ("approve", ""),
    ("deny", "reason"),
    ("cancel", ""),
    ("adopt", "reference"),
    ("give-up", "reason"),
):
    _order_command(_name, _name, _field)


@certificates.command("list")
def certificates_list(status: str = "", as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """List certificates."""
    whole = Rest().call("GET", "/certificates", status=status)
    show(whole["items"], ("id", "common_name", "status", "not_after", "serial"), whole, as_json)


@certificates.command("download")
def certificates_download(ident: str, kind: Annotated[str, typer.Option("--format")] = "chain") -> None:
    """Print a certificate: pem or chain."""
    print(Rest().call("GET", f"/certificates/{ident}/download", format=kind), end="")


@certificates.command("revoke")
def certificates_revoke(ident: str, reason: str, comment: str = "") -> None:
    """Revoke a certificate, with a reason of RFC 5280."""
    row = Rest().call("POST", f"/certificates/{ident}/revoke", {"reason": reason, "comment": comment})
    print(f"{row['common_name']}: revocation {row['revocation']}.")


@certificates.command("renew")
def certificates_renew(ident: str, csr: Path | None = None) -> None:
    """Order a replacement; nothing is revoked."""
    text = csr.read_text(encoding="utf-8") if csr else ""
    order = Rest().call("POST", f"/certificates/{ident}/renew", {"csr": text})
    print(f"Order {order['id']} is {order['state']}.")


@audit.command("list")
def audit_list(as_json: Json = False) -> None:  # noqa: FBT002  a flag
    """List audit entries, newest first."""
    whole = Rest().call("GET", "/audit")
    rows = [
        {**e, "actor": e["actor"]["name"], "target": f"{e['target']['kind']} {e['target']['name']}"}
        for e in whole["items"]
    ]
    show(rows, ("at", "actor", "action", "target", "outcome"), whole, as_json)
