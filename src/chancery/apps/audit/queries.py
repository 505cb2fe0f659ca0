"""Reading the record, and giving out the very bytes that were written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.models import Entry
from chancery.apps.shared.paging import Page, paginate
from chancery.core.errors import NotPermitted

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor


def visible_to(actor: Actor, permission: Permission = Permission.AUDIT_VIEW) -> QuerySet[Entry]:
    """Return the entries that the actor may see: all, or those of their teams."""
    scopes = actor.scopes(permission)
    if scopes is None:
        return Entry.objects.all()
    if not scopes:
        raise NotPermitted(permission)
    return Entry.objects.filter(team_id__in={g.team for g in scopes if g.team is not None})


def listing(
    actor: Actor, *, action: str = "", by: str = "", target: str = "", cursor: str = "", size: int = 50
) -> Page[Entry]:
    """Return one page of entries, newest first."""
    return paginate(_filtered(visible_to(actor), action, by, target), order="-id", cursor=cursor, size=size)


def export(actor: Actor, *, action: str = "", by: str = "", target: str = "") -> Iterator[bytes]:
    """Yield each entry's stored bytes and a line end, oldest first."""
    rows = _filtered(visible_to(actor, Permission.AUDIT_EXPORT), action, by, target)
    bodies = rows.order_by("id").values_list("body", flat=True)
    return (bytes(body) + b"\n" for body in bodies.iterator(chunk_size=2000))


def content(entry: Entry) -> dict[str, Any]:
    """Return what an entry says."""
    found: dict[str, Any] = json.loads(bytes(entry.body))
    return found


def _filtered(rows: QuerySet[Entry], action: str, by: str, target: str) -> QuerySet[Entry]:
    if target:
        return rows.filter(target_id=target)
    if by:
        return rows.filter(actor=by)
    return rows.filter(action=action) if action else rows
