"""Commands about the ACME server: offers, credentials, accounts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from chancery.doors.cli import files
from chancery.doors.cli.given import anew
from chancery.doors.cli.output import Json, minute, say, show
from chancery.doors.cli.rest import Rest

acme = typer.Typer(no_args_is_help=True, help="ACME clients: who may order what.")
Limit = Annotated[int, typer.Option(min=0, help="Most rows; 0 for all.")]
_UNOFFERED: dict[str, Any] = {"challenges": [], "networks": [], "listed": False, "any_name": False}


@acme.command("offers")
def acme_offers(as_json: Json = False) -> None:
    """List the profiles that ACME clients may order with."""
    whole = Rest().listing("/acme/offers", 0)
    rows = [
        {
            **o,
            "challenges": ", ".join(o["challenges"]) or "none: authorised beforehand",
            "networks": ", ".join(o["networks"]),
        }
        for o in whole["items"]
    ]
    show(rows, ("profile_name", "challenges", "networks", "listed"), whole, as_json)


@acme.command("offer")
def acme_offer(
    profile: Annotated[str, typer.Argument(help="The profile, by name or id.")],
    challenge: Annotated[
        list[str] | None,
        typer.Option(help="http-01, dns-01 or tls-alpn-01 (repeatable); none, or an empty one: no proof is wanted."),
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="A private network where names may be validated (repeatable).")
    ] = None,
    listed: Annotated[bool | None, typer.Option(help="Show its name in the directory.")] = None,
    any_name: Annotated[
        bool | None,
        typer.Option(help="Without a challenge, and where the profile names no domains: this is meant."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let ACME clients order with a profile, or change how its names are validated: what is not given keeps its value."""
    rest = Rest()
    offers = rest.rows("/acme/offers")
    present = next((row for row in offers if profile in {row["profile"], row["profile_name"]}), _UNOFFERED)
    given = {"challenges": anew(challenge), "networks": anew(network), "listed": listed, "any_name": any_name}
    body = {n: present[n] if value is None else value for n, value in given.items()}
    done = rest.call("PUT", f"/acme/offers/{quote(profile, safe='')}", body)
    say(f"{done['profile_name']} is offered.", done, as_json)


@acme.command("withdraw")
def acme_withdraw(
    profile: Annotated[str, typer.Argument(help="The profile, by name or id.")], as_json: Json = False
) -> None:
    """Offer a profile no longer."""
    rest = Rest()
    row = rest.find("profiles", profile)
    rest.call("DELETE", f"/acme/offers/{row['id']}")
    say(f"{row['name']} is not offered any more.", {"withdrawn": row["id"]}, as_json)


@acme.command("credentials")
def acme_credentials(limit: Limit = 200, as_json: Json = False) -> None:
    """List credentials."""
    whole = Rest().listing("/acme/credentials", limit)
    rows = [{**c, "created": minute(c["created_at"])} for c in whole["items"]]
    show(rows, ("name", "status", "profile_name", "accounts_left", "created"), whole, as_json)


@acme.command("create-credential")
def acme_create_credential(
    name: Annotated[str, typer.Argument(help="Whose it is, for example the host's name.")],
    profile: Annotated[str, typer.Option(help="The offered profile, by name or id.")],
    accounts: Annotated[int, typer.Option(min=1, help="For how many accounts it is good.")] = 1,
    orders_per_hour: Annotated[int, typer.Option(min=1, help="Most orders of one account in an hour.")] = 300,
    days: Annotated[int, typer.Option(min=0, help="For how many days; 0 for no end.")] = 0,
    out: Annotated[Path | None, typer.Option(help="A new file for the MAC key, mode 0600.")] = None,
    as_json: Json = False,
) -> None:
    """Make a credential; its MAC key is shown this once."""
    if out is not None:
        files.absent(out, "--out")
    body: dict[str, Any] = {"name": name, "profile": profile, "accounts": accounts}
    made = Rest().call("POST", "/acme/credentials", body | {"orders_per_hour": orders_per_hour, "days": days})
    if out is None:
        say(f"Key identifier  {made['id']}\nMAC key         {made['mac_key']}", made, as_json)
        return
    files.make(out, f"{made.pop('mac_key')}\n".encode(), "--out")
    say(f"The key identifier of {name} is {made['id']}; its MAC key is in {out}.", made, as_json)


@acme.command("revoke-credential")
def acme_revoke_credential(name: str, as_json: Json = False) -> None:
    """Revoke a credential and its accounts; their orders that no CA was asked for end, certificates stay as they are."""
    rest = Rest()
    done = rest.call("POST", f"/acme/credentials/{rest.find('acme/credentials', name)['id']}/revoke")
    say(f"{done['name']} is revoked.", done, as_json)


@acme.command("accounts")
def acme_accounts(
    name: Annotated[str, typer.Argument(help="The credential.")], limit: Limit = 200, as_json: Json = False
) -> None:
    """List the accounts that were made with a credential."""
    rest = Rest()
    whole = rest.listing(f"/acme/credentials/{rest.find('acme/credentials', name)['id']}/accounts", limit)
    rows = [{**a, "created": minute(a["created_at"])} for a in whole["items"]]
    show(rows, ("id", "status", "address", "created"), whole, as_json)


@acme.command("revoke-account")
def acme_revoke_account(account: Annotated[str, typer.Argument(help="Its id.")], as_json: Json = False) -> None:
    """End an account: its key counts no longer, and its orders that no CA was asked for end."""
    done = Rest().call("POST", f"/acme/accounts/{quote(account, safe='')}/revoke")
    say(f"The account {done['id']} is revoked.", done, as_json)


@acme.command("orders")
def acme_orders(
    account: Annotated[str, typer.Argument(help="Its id.")], limit: Limit = 50, as_json: Json = False
) -> None:
    """List what an account ordered."""
    whole = Rest().listing(f"/acme/accounts/{quote(account, safe='')}/orders", limit)
    rows = [{**o, "names": " ".join(o["names"]), "placed": minute(o["created_at"])} for o in whole["items"]]
    show(rows, ("id", "names", "state", "placed"), whole, as_json)
