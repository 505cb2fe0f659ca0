"""Offers, credentials, accounts and orders of ACME clients: half of the accounts and orders are those of the first."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from bench.rows.ground import FEW, Ground, named, store
from chancery.apps.acme.models import Account, AcmeOrder, Credential, Offer, Placement
from chancery.apps.orders.models import Order
from chancery.apps.profiles.models import Profile
from chancery.core.ids import new_id


def fill(ground: Ground, number: int) -> None:
    """Add accounts and orders, and offers and credentials, of these `FEW` at most; every second order is placed."""
    few = min(number, FEW)
    profiles = Profile.objects.filter(deleted_at=None).order_by("id").values_list("pk", flat=True)[:few]
    offers = [{"profile_id": pk, **ground.scope(), "updated_at": ground.now} for pk in profiles]
    credentials = [_credential(ground, n, offers[0]) for n in range(few)]
    accounts = [_account(ground, n, number, credentials) for n in range(number)]
    orders = [_order(ground, n, number, accounts, offers[0]["profile_id"]) for n in range(number)]
    for model, rows in ((Offer, offers), (Credential, credentials), (Account, accounts), (AcmeOrder, orders)):
        store(model, rows)
    placed = zip(orders[1::2], Order.objects.order_by("id").values_list("pk", flat=True), strict=False)
    store(Placement, ({"acme_order_id": one["id"], "order_id": pk} for one, pk in placed))


def _credential(ground: Ground, n: int, offer: dict[str, Any]) -> dict[str, Any]:
    made = {"created_at": ground.now, "created_by": "ada", "offer_id": offer["profile_id"]}
    return {"id": new_id(ground.now), **named(f"Cluster {ground.word()} {n:06}"), **made, **ground.scope()}


def _account(ground: Ground, n: int, number: int, credentials: list[dict[str, Any]]) -> dict[str, Any]:
    at, of = ground.at(n, number), credentials[0] if n % 2 else ground.random.choice(credentials)
    key = {"jwk": {"kty": "EC"}, "thumbprint": f"bench{n:038}", "spki_sha256": f"{n:064x}"}
    where = {"team_id": of["team_id"], "environment_id": of["environment_id"]}
    return {"id": new_id(at), "credential_id": of["id"], **where, **key, "hour_from": at, "created_at": at}


def _order(ground: Ground, n: int, number: int, accounts: list[dict[str, Any]], offer: UUID) -> dict[str, Any]:
    at, of = ground.at(n, number), accounts[1] if n % 2 else ground.random.choice(accounts)
    where = {"team_id": of["team_id"], "environment_id": of["environment_id"], "offer_id": offer}
    asked = {"names": [["dns", f"host{n}.example.com"]], "created_at": at, "expires_at": at + timedelta(days=7)}
    return {"id": new_id(at), "account_id": of["id"], **where, **asked}
