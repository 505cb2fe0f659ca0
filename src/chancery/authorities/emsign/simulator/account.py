"""The account that the simulator starts with: credentials, groups and organisations."""

from __future__ import annotations

from typing import Any

ACCOUNT = "1234567890"
ACCESS_KEY = "SANDBOXACCESSKEY0123456789ABCDEF"
CLIENT_SECRET = "0123456789abcdef0123456789abcdef"  # noqa: S105  opens nothing but this stand-in
NOT_OAUTH = "fedcba9876543210fedcba9876543210"
"""A secret of a credential that was not made in OAuth mode."""
EAB_KEY_ID = "emsign-eab-dv"
EAB_KEY = "ZW1zaWduLWVhYi1rZXktMDEyMzQ1Njc4OWFiY2RlZg"
DEFAULT_GROUP = "8194218742"

GROUPS: list[dict[str, Any]] = [
    {"groupNumber": DEFAULT_GROUP, "groupName": "Default Group", "isDefaultGroup": "1"},
    {"groupNumber": "8194218743", "groupName": "Cloud Infrastructure", "isDefaultGroup": "0"},
]
ORGANIZATIONS: list[dict[str, Any]] = [
    {"number": "2368754851", "name": "Example Corporation", "active": True, "vetted": True},
    {"number": "2969772001", "name": "Example Closed Ltd", "active": False, "vetted": False},
]


def group(number: str) -> bool:
    """Say whether a billing group is there."""
    return any(g["groupNumber"] == number for g in GROUPS)


def organization(number: str) -> dict[str, Any] | None:
    """Return an active organisation."""
    return next((o for o in ORGANIZATIONS if o["number"] == number and o["active"]), None)
