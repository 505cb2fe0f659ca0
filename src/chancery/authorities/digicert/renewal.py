"""Which call renews a certificate (B5): a free reissue or duplicate inside the paid term, a renewal order, or a new order."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.digicert.ceilings import days_of
from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.explain import attempt
from chancery.authorities.digicert.read import day, flag, moment, names, number, rows, segment, table, word
from chancery.sdk.authority import Request
from chancery.sdk.errors import NotFound, OutcomeUnknown, RejectedByPolicy

_REFERENCE = re.compile(r"([0-9]{1,20})(?:/([A-Za-z0-9]{1,64}))?\Z")
_PATIENCE = timedelta(days=1)
_RENEWABLE = 90
"""Days before the end of the paid term from which on a renewal order keeps what is left of it (B5)."""
_MOST_SERIALS = 5
_GONE = {"revoked", "expired", "rejected"}


@dataclass(frozen=True)
class Plan:
    """`verb` is new, renewal, reissue, duplicate, or held, which sends nothing and asks a person first.

    `order` is the old order's number, '' for a new one; `why` is for the page. `days` is how long the certificate may live
    within the old order. `free` are names that a single-name product gave on top and a reissue has to name again.
    """

    verb: str
    order: str = ""
    why: str = ""
    days: int = 0
    free: tuple[str, ...] = ()


def split_reference(reference: str) -> tuple[str, str]:
    """Return order and certificate number of our reference; '' for what is not there."""
    match = _REFERENCE.match(reference.strip())
    return (match[1], match[2] or "") if match else ("", "")


def plan(client: Client, request: Request, now: datetime) -> Plan:
    """Decide how to renew `request.previous`; reads the old order and changes nothing.

    Raises `OutcomeUnknown` with nothing sent, which means *later*, while another reissue of that order is under way.
    """
    settings: Any = request.settings
    order, _ = split_reference(request.previous)
    if not order or settings.renewal == "new":
        return Plan("new")
    try:
        info = client.get(f"order/certificate/{order}")
    except (NotFound, RejectedByPolicy):
        return Plan("new", why=f"DigiCert does not know order {order} any more, so a new one is placed.")
    status = word(info.get("status")).lower()
    if not old_names(info) & _names(request):
        return Plan("new", why=f"Order {order} at DigiCert is for other names, so a new one is placed.")
    if status == "reissue_pending" and settings.renewal != "renewal" and _is_young(info, now):
        raise OutcomeUnknown(
            f"A reissue of order {order} is under way at DigiCert; this one waits for its end.",
            code="reissue_pending",
            stage="work",
            bytes_sent=False,
            remedy="Approve or cancel that reissue at DigiCert. After a day a renewal order is placed instead.",
        )
    if status not in {"issued", "expired", "reissue_pending"} or flag(info.get("is_renewed")):
        return Plan("new", why=f"Order {order} is {status[:40] or 'ended'} or renewed already, so a new one is placed.")
    hurdle = "the profile says so" if settings.renewal == "renewal" else _hurdle(info, request, now)
    if hurdle:
        return Plan("renewal", order, f"Renewal of order {order}: {hurdle}.")
    return replace(_within(client, order, info, request), days=min(days_of(request, now.date()), _left(info, now)))


def _within(client: Client, order: str, info: dict[str, Any], request: Request) -> Plan:
    """Return how the paid order gives another certificate."""
    settings: Any = request.settings
    asked = bool(old_names(info) - _names(request)) or settings.renewal == "duplicate"
    detail = table(attempt(lambda: client.get(f"product/{settings.product}"))) if asked else {}
    free = _free(detail, info, request)
    dropped = sorted(old_names(info) - _names(request) - set(free))
    if dropped and settings.dropped_names != "reissue":
        why = "a name was dropped, and a reissue would revoke the older certificates"
        return Plan("renewal", order, f"Renewal of order {order}: {why}.")
    if dropped:
        verb = "reissue" if request.confirmed else "held"
        return Plan(verb, order, _warning(client, order, info, dropped), free=free)
    # A duplicate has the same names; with more of them a reissue keeps the older certificates just as well.
    same = old_names(info) == _names(request) | set(free)
    if settings.renewal == "duplicate" and same and flag(detail.get("duplicates_allowed")) is not False:
        return Plan("duplicate", order, f"Duplicate within order {order}, which is paid.", free=free)
    return Plan("reissue", order, f"Reissued within order {order}, which is paid.", free=free)


def _free(detail: dict[str, Any], info: dict[str, Any], request: Request) -> tuple[str, ...]:
    """Return the old names that nobody asked for: a single-name product gives the name with or without `www.` on top."""
    if flag(detail.get("additional_dns_names_allowed")) is not False:
        return ()
    asked = _names(request)
    twins = {n.removeprefix("www.") if n.startswith("www.") else f"www.{n}" for n in asked}
    return tuple(sorted((old_names(info) & twins) - asked))


def _warning(client: Client, order: str, info: dict[str, Any], dropped: list[str]) -> str:
    """Return what a reissue without these names does, naming the certificates that it does it to."""
    status = {word(table(info.get("certificate")).get("serial_number")).upper(): ""}
    for kind in ("reissue", "duplicate"):
        path = f"order/certificate/{segment(order)}/{kind}"
        found = table(attempt(lambda path=path: client.get(path, {"show_archived": "true"})))  # type: ignore[misc]  # bound
        told = {word(c.get("serial_number")).upper(): word(c.get("status")) for c in rows(found.get("certificates"))}
        status |= told
    serials = [serial for serial, said in status.items() if serial and said.lower() not in _GONE]
    shown = ", ".join(serials[:_MOST_SERIALS]) + (f" and {n} more" if (n := len(serials) - _MOST_SERIALS) > 0 else "")
    gone = ", ".join(dropped[:_MOST_SERIALS])
    return (
        f"Reissue of order {order} without {gone}: within 72 hours of it DigiCert revokes every older certificate of this "
        f"order, duplicates included{f' ({shown})' if shown else ''}. Servers that use one of them need the new one before."
    )


def _hurdle(info: dict[str, Any], request: Request, now: datetime) -> str:
    """Return why the order gives no other certificate for this request, whatever its names; '' where it does."""
    settings: Any = request.settings
    if word(info.get("status")).lower() != "issued":
        return "it is not open for a reissue"
    if word(table(info.get("product")).get("name_id")) != settings.product:
        return "the product is another one"
    organization = number(table(info.get("organization")).get("id"))
    if settings.organization_id and organization and organization != settings.organization_id:
        return "the organisation is another one"
    left = _left(info, now)
    # Earlier a renewal would lose what is paid for; so near the end the remaining days are carried over (B5).
    if left < days_of(request, now.date()) and left < _RENEWABLE:
        return "its paid term is nearly over"
    return ""


def _left(info: dict[str, Any], now: datetime) -> int:
    """Return the days that are left of the paid term, less one: whether the last day counts, and in which zone, is open."""
    until = day(info.get("order_valid_till"))
    return (until - now.date()).days - 1 if until is not None else 0


def old_names(info: dict[str, Any]) -> set[str]:
    """Return the names of an order's primary certificate."""
    certificate = table(info.get("certificate"))
    return {*names(certificate.get("dns_names")), *names([certificate.get("common_name")])}


def _names(request: Request) -> set[str]:
    return {n.value.lower() for n in request.names}


def _is_young(info: dict[str, Any], now: datetime) -> bool:
    begun = [moment(r.get("date")) for r in rows(info.get("requests")) if word(r.get("type")) == "reissue"]
    known = [b for b in begun if b is not None]
    return bool(known) and now - max(known) < _PATIENCE
