"""What the account has: groups, organisations, products, in the shapes of the field tables and of the older examples."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.read import first, rows, word
from chancery.authorities.emsign.v2.session import Session
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import Choice

CATEGORIES = {"3", "8", ""}
"""SSL and private PKI: the others are for people and documents."""


def groups(session: Session) -> list[dict[str, Any]]:
    """Return the billing groups."""
    return _listed(session.get("groups"), "groups")


def organizations(session: Session, group: str = "") -> list[dict[str, Any]]:
    """Return the organisations."""
    return _listed(session.get("organizations", {"groupNumber": group} if group else None), "organizations")


def is_active(row: dict[str, Any]) -> bool:
    """Say whether an organisation can be ordered for: `organizationStatusId` 1, or `status` ACTIVE, or neither."""
    return first(row, "organizationStatusId", "status").upper() in {"1", "ACTIVE", ""}


def is_vetted(row: dict[str, Any]) -> bool:
    """Say whether an organisation needs no verification with each order."""
    return row.get("preVetted") is True or word(row.get("isPreVettingOrg")) == "1"


def products(session: Session, group: str = "") -> list[tuple[str, str]]:
    """Return (code, name) of what can be ordered; the catalogue is by category, its older example flat."""
    found = _listed(session.get("catalog/products", {"groupNumber": group} if group else None), "products")
    listed = [
        p for row in found if word(row.get("categoryID")) in CATEGORIES for p in (rows(row.get("products")) or [row])
    ]
    named = ((first(p, "productCode", "productId"), first(p, "productName")) for p in listed)
    return [(code, name) for code, name in named if code]


def choices(session: Session, field: str, group: str) -> list[Choice]:
    """Return the pick list of a field; [] for one that has none."""
    if field == "group_number":
        return _choices(groups(session), "groupNumber", "groupName")
    if field == "organization_number":
        active = [o for o in organizations(session, group) if is_active(o)]
        return _choices(active, "organizationNumber", "organizationName")
    if field == "product_code":
        return [Choice(code, f"{code} {name}".strip()) for code, name in products(session, group)]
    return []


def _choices(found: list[dict[str, Any]], value: str, label: str) -> list[Choice]:
    told = [(word(r.get(value)), word(r.get(label))) for r in found]
    return [Choice(number, f"{number} {name}".strip()) for number, name in told if number]


def _listed(answer: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = answer.get(name)
    if not isinstance(found, list):
        text = f"emSign's answer holds no list of {name}."
        raise ProtocolViolation(text, stage="response", bytes_sent=False, remedy="Look whether the base URL is right.")
    return rows(found)
