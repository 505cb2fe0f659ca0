"""Roles of an installation's own, and which roles are only for whoever shows a second factor."""

from __future__ import annotations

import re
from collections.abc import Sequence

from chancery.apps.accounts.models import Grant, Role
from chancery.apps.accounts.permissions import EVERYBODYS, MACHINES, ROLES, Permission
from chancery.apps.accounts.tokens import known
from chancery.apps.shared import asked
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.texts import clean
from chancery.apps.shared.unique import name_taken
from chancery.core.errors import Absent, Blocker, Conflict, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")
_SHOWN = 5


@action("roles.create", Permission.PEOPLE_MANAGE)
def create(act: Act, name: str, permissions: Sequence[str], *, description: str = "") -> Role:
    """Add a role. What it gives counts where it is granted: everywhere, in a team, or in an environment."""
    if not _NAME.fullmatch(name):
        raise Invalid.one("name", "A role's name is small letters, digits and _.", "Write it as server_owner.")
    if name in ROLES or name in MACHINES:
        raise Invalid.one("name", f"There is already a role {name!r}.", "Choose another name.", "taken")
    role = Role(name=name, permissions=_given(permissions), description=clean("description", description, 300))
    with name_taken(f"There is already a role {name!r}."):
        role.save()
    act.note("role", role.pk, role.name, detail={"permissions": role.permissions})
    return role


@action("roles.edit", Permission.PEOPLE_MANAGE)
def edit(act: Act, name: str, permissions: Sequence[str], *, description: str = "") -> Role:
    """Change what a role of one's own gives; for whoever has it that counts from their next request."""
    role = _own(act, name)
    before = (role.permissions, role.description)
    role.permissions, role.description = _given(permissions), clean("description", description, 300)
    role.save()
    after = (role.permissions, role.description)
    changed = tuple(f for f, a, b in zip(("permissions", "description"), before, after, strict=True) if a != b)
    act.note("role", role.pk, role.name, changed=changed, detail={"permissions": role.permissions})
    return role


@action("roles.delete", Permission.PEOPLE_MANAGE)
def delete(act: Act, name: str) -> None:
    """Remove a role of one's own that nobody has."""
    role = _own(act, name)
    holders = Grant.objects.filter(role=name).select_related("user").order_by("pk")[: _SHOWN + 1]
    blockers = [Blocker("user", g.user.username, str(g.user_id), "has it") for g in holders]
    if blockers:
        remedy = "Give these people other roles first."
        raise Conflict(f"Somebody has the role {name}.", remedy=remedy, blockers=blockers, code="in_use")
    act.note("role", role.pk, role.name)
    role.delete()


@action("roles.require_factor", Permission.PEOPLE_MANAGE)
def require_factor(act: Act, name: str, *, needed: bool) -> Role:
    """Say whether a role, built-in or not, is only for whoever logged in with a second factor.

    Whoever has none is led to set one up, and can do nothing else in the console until then. API tokens that their people made
    without a second factor give nothing any more.
    """
    role = Role.objects.select_for_update().filter(name=name).first()
    if role is None and name not in ROLES:
        raise Absent("role", name)
    role = role or Role(name=name)
    changed = ("needs_factor",) if role.needs_factor != needed else ()
    role.needs_factor = needed
    role.save()
    act.note("role", role.pk, role.name, changed=changed)
    return role


def _given(permissions: Sequence[str]) -> list[str]:
    return [p for p in known(permissions) if p not in EVERYBODYS]


def _own(act: Act, name: str) -> Role:
    role = Role.objects.select_for_update().exclude(name__in=ROLES).filter(name=name).first()
    if role is None:
        raise Absent("role", name)
    act.about = asked.about(role)
    return role
