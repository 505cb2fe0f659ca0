"""Which call renews a certificate (B5): a free reissue inside the paid term, a renewal order, or a new order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.read import day, flag, moment, names, rows, table, word
from chancery.sdk.authority import Request
from chancery.sdk.errors import NotFound, OutcomeUnknown, RejectedByPolicy

_REFERENCE = re.compile(r"([0-9]{1,20})(?:/([A-Za-z0-9]{1,64}))?\Z")
_PATIENCE = timedelta(days=1)


@dataclass(frozen=True)
class Plan:
    """`verb` is new, renewal or reissue; `order` the old order's number, '' for a new one; `why` for the page."""

    verb: str
    order: str = ""
    why: str = ""


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
    if not _old_names(info) & _names(request):
        return Plan("new", why=f"Order {order} at DigiCert is for other names, so a new one is placed.")
    if status == "reissue_pending" and settings.renewal == "auto" and _is_young(info, now):
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
    return Plan("reissue", order, f"Reissued within order {order}, which is paid.")


def _hurdle(info: dict[str, Any], request: Request, now: datetime) -> str:
    """Return why the order cannot be reissued for this request; '' where it can."""
    settings: Any = request.settings
    if word(info.get("status")).lower() != "issued":
        return "it is not open for a reissue"
    if word(table(info.get("product")).get("name_id")) != settings.product:
        return "the product is another one"
    organization = word(table(info.get("organization")).get("id"))
    if settings.organization_id and organization and organization != settings.organization_id:
        return "the organisation is another one"
    # A reissue without one of the old names would revoke every older certificate of the order within 72 hours.
    if not _old_names(info) <= _names(request):
        return "a name was dropped, and a reissue would revoke the older certificates"
    until = day(info.get("order_valid_till"))
    # A day less: whether the last day counts, and in which zone, is not said.
    if until is None or (until - now.date()).days - 1 < request.validity.days:
        return "its paid term is nearly over"
    return ""


def _old_names(info: dict[str, Any]) -> set[str]:
    certificate = table(info.get("certificate"))
    return {*names(certificate.get("dns_names")), *names([certificate.get("common_name")])}


def _names(request: Request) -> set[str]:
    return {n.value.lower() for n in request.names}


def _is_young(info: dict[str, Any], now: datetime) -> bool:
    begun = [moment(r.get("date")) for r in rows(info.get("requests")) if word(r.get("type")) == "reissue"]
    known = [b for b in begun if b is not None]
    return bool(known) and now - max(known) < _PATIENCE
