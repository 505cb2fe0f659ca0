"""The account that the simulator starts with: users, keys, divisions, organisations, custom fields (B1, B2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ACCOUNT = 4711
ROOT_CONTAINER = 14
ROLES = {1: "Administrator", 2: "Limited User", 3: "Finance Manager", 4: "Manager", 5: "Standard User"}


@dataclass(frozen=True)
class Key:
    """An API key: its user's role, its own restriction (0 none, 100 to 103) and its user's division."""

    value: str
    user: int
    username: str
    role: int = 1
    restriction: int = 0
    container: int = ROOT_CONTAINER


def keys(main: str) -> dict[str, Key]:
    """Return what each key is for → key; `main` is the administrator's."""
    return {
        "main": Key(main, 7, "svc-chancery"),
        "second": Key(f"{main}-SECOND", 7, "svc-chancery"),
        "orders": Key(f"{main}-ORDERS", 8, "svc-orders", restriction=100),
        "orders_domains": Key(f"{main}-DOMAINS", 9, "svc-domains", restriction=101),
        "view_only": Key(f"{main}-VIEW", 10, "svc-view", restriction=102),
        "users_only": Key(f"{main}-USERS", 11, "svc-users", restriction=103),
        "limited": Key(f"{main}-LIMITED", 12, "svc-limited", role=2),
        "standard": Key(f"{main}-STANDARD", 13, "svc-standard", role=5),
        "manager": Key(f"{main}-MANAGER", 14, "svc-manager", role=4),
        "branch": Key(f"{main}-BRANCH", 15, "svc-branch", container=15),
    }


CONTAINERS: list[dict[str, Any]] = [
    {"id": 14, "public_id": "pub14", "name": "Main", "parent_id": 0, "allowed_domain_names": []},
    {"id": 15, "public_id": "pub15", "name": "Branch", "parent_id": 14, "allowed_domain_names": []},
    {"id": 16, "public_id": "pub16", "name": "Laboratory", "parent_id": 14, "allowed_domain_names": []},
]
ORGANIZATIONS: list[dict[str, Any]] = [
    {"id": 112233, "name": "Example Org", "status": "active", "is_active": True, "container": {"id": 14}},
    {"id": 112234, "name": "Example Closed", "status": "inactive", "is_active": False, "container": {"id": 14}},
]
METADATA: list[dict[str, Any]] = [
    {"id": 12, "label": "CLM reference", "is_required": False, "is_active": True, "data_type": "text"},
    {"id": 13, "label": "Cost centre", "is_required": False, "is_active": True, "data_type": "text"},
    {"id": 11, "label": "Old field", "is_required": False, "is_active": False, "data_type": "text"},
]
REFERENCE_FIELD = 12


def visible(container: int) -> set[int]:
    """Return the ids of a division and those below it."""
    found = {container}
    for row in CONTAINERS:
        if row["parent_id"] in found:
            found.add(row["id"])
    return found
