"""Commands about certificates."""

from __future__ import annotations

import uuid
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from chancery.doors.cli import files
from chancery.doors.cli.output import Exit, Json, Stop, hint, minute, say, show
from chancery.doors.cli.rest import Rest

certificates = typer.Typer(no_args_is_help=True, help="What was issued.")
_REPORT = ("id", "key", "state", "stops", "team", "when", "certificate", "reported_by")
_SHORT = 12
"""Hex digits of a key in a table; --json has all of them."""


class Format(StrEnum):
    """What a downloaded file holds."""

    PEM = "pem"
    CHAIN = "chain"
    PKCS7 = "pkcs7"
    DER = "der"


@certificates.command("list")
def certificates_list(
    status: Annotated[str, typer.Option(help="valid, expiring, expired, revoking or revoked.")] = "",
    search: Annotated[str, typer.Option(help="Beginning of a name, or a whole serial in hex.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 50,
    as_json: Json = False,
) -> None:
    """List certificates."""
    whole = Rest().listing("/certificates", limit, status=status, search=search)
    rows = [{**row, "until": minute(row["not_after"])[:10]} for row in whole["items"]]
    show(rows, ("id", "common_name", "status", "until"), whole, as_json)


@certificates.command("show")
def certificates_show(ident: str, as_json: Json = False) -> None:
    """Show a certificate."""
    row = Rest().call("GET", f"/certificates/{ident}")
    rows = [{"field": k, "value": v} for k, v in row.items() if k not in {"pem", "chain_pem"}]
    show(rows, ("field", "value"), row, as_json)


@certificates.command("download")
def certificates_download(
    ident: str,
    kind: Annotated[Format, typer.Option("--format", help="What the file holds.")] = Format.CHAIN,
    out: Annotated[Path | None, typer.Option(help="A new file; standard output without.")] = None,
) -> None:
    """Write a certificate to a file or to standard output, byte for byte."""
    if out is not None and str(out) != "-":
        files.absent(out, "--out")
    data = Rest().raw(f"/certificates/{ident}/download", format=kind.value)
    files.deliver(data, out, binary=kind in {Format.PKCS7, Format.DER})


@certificates.command("revoke")
def certificates_revoke(ident: str, reason: str, comment: str = "", as_json: Json = False) -> None:
    """Revoke a certificate, with a reason of RFC 5280 such as superseded."""
    row = Rest().call("POST", f"/certificates/{ident}/revoke", {"reason": reason, "comment": comment})
    say(f"{row['common_name']}: revocation {row['revocation']}.", row, as_json)


@certificates.command("report-key")
def certificates_report_key(
    ident: str,
    note: Annotated[str, typer.Option(help="What happened to the key.")] = "",
    revoke: Annotated[
        list[str] | None,
        typer.Option(metavar="CERTIFICATE=REASON", help="A certificate with the key to revoke too; may be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Report the key of a certificate as compromised: it gets no certificate any more."""
    wanted = [_revocation(one) for one in revoke or []]
    made = Rest().call("POST", f"/certificates/{ident}/report-key", {"note": note, "revoke": wanted})
    text = [f"The key {made['spki_sha256']} is reported as compromised."]
    text += [
        f"{row['id']}: {'the CA is asked to revoke it.' if row['ok'] else row['detail']}" for row in made["revocations"]
    ]
    say("\n".join(text), made, as_json)
    if not as_json:
        _say_the_rest(made)
    if not all(row["ok"] for row in made["revocations"]):
        raise Stop(Exit.REFUSED, settled=True)


@certificates.command("key-reports")
def certificates_key_reports(
    key: Annotated[str, typer.Option(help="Only of this key: SHA-256 of its SPKI, in hex.")] = "",
    limit: Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")] = 50,
    as_json: Json = False,
) -> None:
    """List reports of keys as compromised, withdrawn ones too."""
    whole = Rest().listing("/key-reports", limit, key=key)
    show([_report(row) for row in whole["items"]], _REPORT, whole, as_json, less=("reported_by", "certificate"))


def _report(row: dict[str, Any]) -> dict[str, Any]:
    """Return a report as a line has it: the beginning of its key, whom it stops, and what was decided about it."""
    stops = "everybody" if row["for_everybody"] else f"{row['team']} alone"
    state = "confirmed" if row["confirmed_at"] else "stands"
    if row["withdrawn_at"]:
        stops, state = "nobody", "withdrawn"
    when = minute(row["reported_at"])
    return {**row, "key": row["spki_sha256"][:_SHORT], "when": when, "stops": stops, "state": state}


@certificates.command("confirm-key-report")
def certificates_confirm_key_report(ident: str, as_json: Json = False) -> None:
    """Have a report that stops its own team's orders alone stop everybody's."""
    row = Rest().call("POST", f"/key-reports/{ident}/confirm")
    say(f"The report of {row['spki_sha256']} stops everybody's orders.", row, as_json)


@certificates.command("withdraw-key-report")
def certificates_withdraw_key_report(
    ident: str,
    reason: Annotated[str, typer.Option(help="Why it does not hold, for whoever looks later.")],
    as_json: Json = False,
) -> None:
    """Withdraw a report: where no other stands, the key is certified again. Orders that were ended stay ended."""
    row = Rest().call("POST", f"/key-reports/{ident}/withdraw", {"reason": reason})
    say(f"The report of {row['spki_sha256']} is withdrawn.", row, as_json)


def _say_the_rest(made: dict[str, Any]) -> None:
    if not made["for_everybody"]:
        hint("It stops this team's orders alone, since the team has none for the key. Others are told.")
        hint(f"An Administrator has it hold for everybody: chancery certificates confirm-key-report {made['id']}")
    for row in made["still_valid"]:
        hint(_still_valid(row))


def _revocation(text: str) -> dict[str, str]:
    ident, mark, reason = text.partition("=")
    if not (ident and mark and reason):
        raise typer.BadParameter(f"{text[:60]!r} is not CERTIFICATE=REASON.", param_hint="--revoke")
    return {"certificate": ident, "reason": reason}


def _still_valid(row: dict[str, Any]) -> str:
    said = f"Still valid with this key until {minute(row['not_after'])}: {row['common_name']}."
    if not row["reasons"]:
        return f"{said} It cannot be revoked from here: do it in its CA's own console."
    if "keyCompromise" in row["reasons"]:
        return f"{said} Revoke it: chancery certificates revoke {row['id']} keyCompromise"
    return f"{said} Revoke it: chancery certificates revoke {row['id']} REASON, one of {', '.join(row['reasons'])}"


@certificates.command("renew")
def certificates_renew(
    ident: str,
    csr: Annotated[Path | None, typer.Option(help="A fresh request; without, the old one's key is used again.")] = None,
    comment: str = "",
    profile: Annotated[str, typer.Option(help="For one that was not ordered here and has none.")] = "",
    idempotency_key: Annotated[str, typer.Option(help="Repeats a renewal with the key it was asked with.")] = "",
    as_json: Json = False,
) -> None:
    """Order a replacement; nothing is revoked. If the network breaks, what is printed asks for the same one."""
    more = {"profile": profile} if profile else {}
    body = {"comment": comment, **more, **({"csr": files.request(csr)} if csr is not None else {})}
    key = idempotency_key or str(uuid.uuid4())
    try:
        order = Rest().call("POST", f"/certificates/{ident}/renew", body, headers={"Idempotency-Key": key})
    except Stop as stopped:
        if not stopped.settled:
            hint(f"          Repeat the same command with --idempotency-key {key}: there will be one order.")
        raise
    say(f"Order {order['id']} is {order['state'].replace('_', ' ')}.", order, as_json)
