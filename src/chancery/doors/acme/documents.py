"""The objects of RFC 8555 section 7.1 as JSON, and the addresses that they have."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from chancery.apps.acme import ari
from chancery.apps.acme.jose import encode
from chancery.apps.acme.models import Account, AcmeOrder, Authorization, Challenge, Offer
from chancery.apps.acme.ordering import challenges_for
from chancery.apps.acme.proving import state
from chancery.apps.acme.states import View

PREFIX = "/acme/"
_NAMED = {
    "newNonce": "new-nonce",
    "newAccount": "new-account",
    "newOrder": "new-order",
    "revokeCert": "revoke-cert",
    "keyChange": "key-change",
    "renewalInfo": "renewal-info",
}


def at(path: str) -> str:
    """Return the address of something, as clients reach it: by the settings, never by what a request says."""
    return f"{settings.ACME_URL}{PREFIX}{path}"


def directory(listed: Sequence[Offer]) -> dict[str, Any]:
    """Return the directory; the profiles are those that administrators chose to show."""
    meta: dict[str, Any] = {"externalAccountRequired": True}
    if listed:
        meta["profiles"] = {o.profile.name: o.profile.description or o.profile.name for o in listed}
    return {name: at(path) for name, path in _NAMED.items()} | {"meta": meta}


def account(row: Account) -> dict[str, Any]:
    """Return an account."""
    return {"status": row.state, "contact": row.contact, "orders": at(f"account/{row.pk.hex}/orders")}


def order(view: View) -> dict[str, Any]:
    """Return an order."""
    row = view.order
    found = {
        "status": view.status,
        "expires": moment(row.expires_at),
        "identifiers": [{"type": kind, "value": value} for kind, value in row.names],
        "authorizations": _authorizations(view),
        "finalize": at(f"order/{row.pk.hex}/finalize"),
    }
    if row.profile:
        found["profile"] = row.profile
    if replaced := ari.reflected(row):
        found["replaces"] = replaced
    if view.certificate is not None:
        found["certificate"] = at(f"cert/{view.certificate.hex}")
    return {**found, "error": view.problem} if view.problem else found


def _authorizations(view: View) -> list[str]:
    row = view.order
    if not row.validated:
        return [at(f"authz/{row.pk.hex}/{index}") for index in range(len(row.names))]
    found = view.authorizations or row.authorizations.order_by("id")
    return [at(f"authz/{a.pk.hex}") for a in found]


def authorization(row: Authorization, now: datetime) -> dict[str, Any]:
    """Return an authorization with the challenges that are left to choose from."""
    whole = f"*.{row.value}" if row.wildcard else row.value
    kinds = [row.challenge] if row.challenge else challenges_for(row.order.offer, row.kind, whole)
    found = {
        "status": state(row, now),
        "expires": moment(row.expires_at),
        "identifier": {"type": row.kind, "value": row.value},
        "challenges": [challenge(row, kind) for kind in kinds],
    }
    return {**found, "wildcard": True} if row.wildcard else found


def challenge(row: Authorization, kind: str) -> dict[str, Any]:
    """Return one challenge (RFC 8555 section 8)."""
    status = {"pending": "pending", "valid": "valid", "invalid": "invalid"}.get(row.state, "invalid")
    if row.challenge == kind and row.state == "pending":
        status = "processing"
    found = {"type": kind, "url": at(f"challenge/{row.pk.hex}/{kind}"), "status": status, "token": row.token}
    if row.validated_at is not None:
        found["validated"] = moment(row.validated_at)
    return {**found, "error": row.problem} if row.problem else found


def beforehand(row: AcmeOrder, kind: str, value: str, index: int) -> dict[str, Any]:
    """Return the authorization of a name that the profile authorises beforehand: it is valid from the start."""
    wildcard = value.startswith("*.")
    shown = Challenge.DNS if wildcard else Challenge.HTTP
    told = {
        "type": str(shown),
        "url": at(f"authz/{row.pk.hex}/{index}"),
        "status": "valid",
        "token": encode(row.pk.bytes + index.to_bytes(16, "big")),
        "validated": moment(row.created_at),
    }
    found = {
        "status": "valid",
        "expires": moment(row.expires_at),
        "identifier": {"type": kind, "value": value.removeprefix("*.")},
        "challenges": [told],
    }
    return {**found, "wildcard": True} if wildcard else found


def moment(at_: datetime) -> str:
    """Return a time as RFC 3339 has it, whole seconds, UTC."""
    return at_.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def seconds(span: timedelta) -> str:
    """Return a span as Retry-After has it."""
    return str(int(span.total_seconds()))


def ident(text: str) -> UUID | None:
    """Return the id that a part of an address stands for; None for what is none."""
    try:
        return UUID(hex=text) if text == UUID(hex=text).hex else None
    except ValueError:
        return None
