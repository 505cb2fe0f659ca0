"""Orders of ACME clients (RFC 8555 section 7.4): what is asked for is held against the profile before it is stored."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from chancery.apps.accounts.permissions import Permission
from chancery.apps.acme import ari
from chancery.apps.acme.accounts import actor_of
from chancery.apps.acme.errors import AcmeError, all_of, kind_of, malformed, subproblem
from chancery.apps.acme.jose import encode
from chancery.apps.acme.models import Account, AcmeOrder, Authorization, Challenge, Offer
from chancery.apps.orders.place import Gathered, limits, look_up
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.grouped import Grouped
from chancery.apps.shared.returning import one_of, read, returned
from chancery.core.errors import ChanceryError, Invalid
from chancery.core.ids import new_id
from chancery.core.names import Name, canonical, parse_name
from chancery.core.policy import Ask, decide

LIFE = timedelta(days=1)
"""How long a client has to prove its names and to finalize."""
_HOUR = timedelta(hours=1)
_TOKEN_BYTES = 32
_KINDS = ("dns", "ip")
_COLUMNS = tuple(f.column for f in AcmeOrder._meta.concrete_fields)
_AUTHORIZATION_COLUMNS = tuple(f.column for f in Authorization._meta.concrete_fields)


Known = dict[tuple[str, tuple[object, ...]], Gathered]
"""Profile and rights → what placing needs to know."""


@dataclass(slots=True)
class Fresh:
    """An order that may be stored, with its authorizations."""

    account: Account
    order: AcmeOrder
    names: tuple[Name, ...]
    address: str
    authorizations: list[Authorization] = field(default_factory=list)


def new(account: Account, asked: dict[str, Any], address: str = "") -> tuple[AcmeOrder, list[Authorization]]:
    """Store what a client asks for. Raises `AcmeError`; of several bad names each is told."""
    names, offer = _identifiers(asked.get("identifiers")), account.credential.offer
    profile = asked.get("profile", "")
    if not isinstance(profile, str) or profile not in {"", offer.profile.name}:
        raise AcmeError(
            "invalidProfile",
            f"profile: {str(profile)[:60]!r} is not that of this account's credential.",
            f"Ask for {offer.profile.name!r}, or leave it out.",
        )
    for name in ("notBefore", "notAfter"):
        if asked.get(name):
            raise malformed(name, "The profile says how long a certificate lasts.", "Leave it out.")
    _provable(offer, names)
    now = current_clock().now()
    order = AcmeOrder(id=new_id(now), account=account, offer=offer, team_id=offer.team_id, created_at=now)
    order.environment_id, order.expires_at, order.profile = offer.environment_id, now + LIFE, profile
    order.names, order.validated = [[n.kind, n.value] for n in names], bool(offer.challenges)
    if asked.get("replaces"):
        order.replaces_id = ari.replaced(account, asked["replaces"], names)
    proofs = [_authorization(order, n) for n in names] if order.validated else []
    fresh = Fresh(account, order, names, address, proofs)
    return _STORE.do(fresh), fresh.authorizations


def _identifiers(given: Any) -> tuple[Name, ...]:
    if not isinstance(given, list) or not given:
        raise malformed("identifiers", "It is no list with names.", "Name what is to be certified.")
    most = limits().max_names
    if len(given) > most:
        raise malformed("identifiers", f"{len(given)} names; {most} are the most.", "Split them over several orders.")
    found, wrong = [], []
    for one in given:
        kind, value = (one.get("type"), one.get("value")) if isinstance(one, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(value, str):
            raise malformed("identifiers", "Each has a type and a value, both texts.", "Send them so.")
        if kind not in _KINDS:
            text = f"identifiers: Names of the type {kind[:20]!r} are not certified here."
            raise AcmeError("unsupportedIdentifier", text, "Ask for the types dns and ip.")
        try:
            found.append(_name(value, kind))
        except Invalid as error:
            wrong.append(((kind[:20], value[:255]), error.problems[0].message))
    if wrong:
        raise all_of("malformed", wrong, "Correct the names.")
    return canonical(found)


def _name(value: str, kind: str) -> Name:
    """Return a name that is written as certificates hold it: a client that writes it otherwise would never match it."""
    name = parse_name(value, kind)
    if kind == "dns" and not value.isascii():
        raise Invalid.one("identifiers", f"The name {value[:80]!r} is not in ASCII.", f"Write {name.value}.")
    return name


def _allowed(fresh: Fresh, known: Known) -> ChanceryError | None:
    """Return *rejectedIdentifier* where the profile or its CA allows a name not; `known` is what the group has looked up."""
    names, profile = fresh.names, fresh.account.credential.offer.profile.name
    actor = actor_of(fresh.account, fresh.address)
    try:
        if (gathered := known.get((profile, actor.rights))) is None:
            gathered = known[profile, actor.rights] = look_up(actor, profile, Permission.ORDER_PLACE)
    except ChanceryError as refusal:
        return refusal
    ask = Ask(names, "", 1, gathered.rules, gathered.facts, fresh.order.created_at)
    problems = [p for p in decide(ask).problems if p.field == "names"]
    if problems:
        text = " ".join(f"{p.field}: {p.message} {p.remedy}" for p in problems)
        parts = [
            subproblem(kind_of(p), (n.kind, n.value), p.message)
            for p in problems
            for n in names
            if n.value in p.message
        ]
        return AcmeError("rejectedIdentifier", text[:2000], subproblems=parts)
    return None


def _provable(offer: Offer, names: Sequence[Name]) -> None:
    """Raise *rejectedIdentifier* where no challenge of an offer could prove a name."""
    if offer.challenges:
        unprovable = [n for n in names if not challenges_for(offer, n.kind, n.value)]
        told = [
            ((n.kind, n.value), f"identifiers: No challenge of this profile can prove {n.value}.") for n in unprovable
        ]
        if told:
            raise all_of("rejectedIdentifier", told, "Wildcards need dns-01; IP addresses need http-01 or tls-alpn-01.")


def challenges_for(offer: Offer, kind: str, value: str) -> list[str]:
    """Return which of a profile's challenges can prove a name (RFC 8555 section 7.1.3, RFC 8738 sections 4 and 7)."""
    if value.startswith("*."):
        fit: tuple[str, ...] = (Challenge.DNS,)
    else:
        fit = (Challenge.HTTP, Challenge.TLS) if kind == "ip" else tuple(Challenge)
    return [c for c in offer.challenges if c in fit]


def _authorization(order: AcmeOrder, name: Name) -> Authorization:
    return Authorization(
        id=new_id(order.created_at),
        order=order,
        account_id=order.account_id,
        kind=name.kind,
        value=name.value.removeprefix("*."),
        wildcard=name.is_wildcard,
        token=encode(secrets.token_bytes(_TOKEN_BYTES)),
        expires_at=order.expires_at,
    )


def _store(group: Sequence[Fresh]) -> list[AcmeOrder | ChanceryError]:
    """Write a group in one commit, but for those that the profile does not allow, or that are one too many this hour."""
    now, known = current_clock().now(), Known()
    refused = [_allowed(one, known) for one in group]
    by_account: dict[UUID, list[Fresh]] = {}
    for one, refusal in zip(group, refused, strict=True):
        if refusal is None:
            by_account.setdefault(one.account.pk, []).append(one)
    with transaction.atomic():
        room = _room(by_account, now)
        results: list[AcmeOrder | ChanceryError] = []
        kept: list[Fresh] = []
        for one, refusal in zip(group, refused, strict=True):
            if refusal is not None:
                results.append(refusal)
                continue
            room[one.account.pk] -= 1
            if room[one.account.pk] < 0:
                results.append(_limited(one.account, now))
                continue
            kept.append(one)
            results.append(one.order)
        insert(AcmeOrder, _COLUMNS, [_values(one.order) for one in kept])
        insert(Authorization, _AUTHORIZATION_COLUMNS, [_values(a) for one in kept for a in one.authorizations])
    return results


def _values(row: AcmeOrder | Authorization) -> list[Any]:
    return [getattr(row, f.attname) for f in row._meta.concrete_fields]


def _room(by_account: dict[UUID, list[Fresh]], now: datetime) -> dict[UUID, int]:
    """Count orders to the hours of their accounts, all in one statement; returns how many of them each has room for."""
    if not by_account:
        return {}
    idents, since = sorted(by_account), now - _HOUR
    some, values = one_of(idents)
    if connection.vendor == "postgresql":
        # Every node locks them in this order, so that no two wait for one another.
        read(f"SELECT id FROM acme_account WHERE id {some} ORDER BY id FOR UPDATE", values)
    added = f"CASE id {' '.join(['WHEN %s THEN %s'] * len(idents))} END"
    adds = [value for ident in idents for value in (ident, len(by_account[ident]))]
    sql = (
        f"UPDATE acme_account SET hour_orders = CASE WHEN hour_from > %s THEN hour_orders ELSE 0 END + {added},"
        f" hour_from = CASE WHEN hour_from > %s THEN hour_from ELSE %s END WHERE id {some}"
    )
    rows = returned(Account, ["id", "hour_orders", "hour_from"], sql, [since, *adds, since, now, *values])
    return {row["id"]: _left(by_account[row["id"]], row) for row in rows}


def _left(found: list[Fresh], row: dict[str, Any]) -> int:
    account, number = found[0].account, len(found)
    for one in found:
        one.account.hour_from = row["hour_from"]
    return min(number, account.credential.orders_per_hour - int(row["hour_orders"]) + number)


def _limited(account: Account, now: datetime) -> AcmeError:
    most = account.credential.orders_per_hour
    seconds = max(1, int((account.hour_from + _HOUR - now).total_seconds()))
    return AcmeError(
        "rateLimited",
        f"This account may place {most} orders an hour, and has.",
        "Try again later, or have the credential's limit raised.",
        headers={"Retry-After": str(seconds)},
    )


_STORE: Grouped[Fresh, AcmeOrder] = Grouped("acme-orders", _store)


def close() -> None:
    """End this process's writer thread."""
    _STORE.close()
