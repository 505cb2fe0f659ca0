"""What the account has, by V1's lists, whose shapes are documented for products alone."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.read import first, rows, word
from chancery.authorities.emsign.v1.session import Session
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Choice

_CATEGORIES = {"3", "8", ""}


def products(session: Session, group: str) -> list[tuple[str, str]]:
    """Return (code, name) of what can be ordered; some accounts show nothing without a group."""
    body = {"productDetails": {"groupNumber": group}} if group else {"productDetails": {"groupNumber": ""}}
    found = _listed(session.read("GetProductDetails", body), "productNumber", "productDetails")
    listed = [p for c in found if word(c.get("categoryID")) in _CATEGORIES for p in rows(c.get("products"))]
    return [(code, word(p.get("productName"))) for p in listed if (code := word(p.get("productCode")))]


def groups(session: Session) -> list[tuple[str, str]]:
    """Return (number, name) of the groups."""
    found = _listed(session.read("GetGroupDetails"), "groupNumber", "groupDetails")
    return [(number, first(g, "groupName")) for g in found if (number := word(g.get("groupNumber")))]


def organizations(session: Session) -> list[tuple[str, str]]:
    """Return (number, name) of the active organisations."""
    found = _listed(session.read("GetOrganizationDetails"), "organizationNumber", "organizationDetails")
    active = [o for o in found if word(o.get("organizationStatusId")) in {"", "1"}]
    named = [(word(o.get("organizationNumber")), first(o, "organizationName")) for o in active]
    return [(number, name) for number, name in named if number]


def choices(session: Session, field: str, group: str) -> list[Choice]:
    """Return the pick list of a field; [] for one that has none."""
    found: list[tuple[str, str]] = []
    if field == "group_number":
        found = groups(session)
    elif field == "organization_number":
        found = organizations(session)
    elif field == "product_code":
        found = products(session, group)
    return [Choice(value, f"{value} {label}".strip()) for value, label in found]


def _listed(answer: dict[str, Any], key: str, usual: str) -> list[dict[str, Any]]:
    """Return the list of an answer: under its usual name, else whichever list has rows with the key."""
    found = answer.get(usual)
    if not isinstance(found, list):
        found = next((v for v in answer.values() if isinstance(v, list) and any(key in r for r in rows(v))), None)
    if found is None:
        text = "emSign's answer holds no list."
        raise ProtocolViolation(text, stage="response", bytes_sent=False, remedy="Look whether the base URL is right.")
    return rows(found)
