"""Reading the record, and giving out the very bytes that were written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db.models import Q

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.models import Entry
from chancery.apps.shared.paging import Filter, Page, paginate
from chancery.apps.shared.texts import clean
from chancery.core.errors import NotPermitted

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor


def listing(
    actor: Actor, *, action: str = "", by: str = "", target: str = "", cursor: str = "", size: int = 50
) -> Page[Entry]:
    """Return one page of entries, newest first: all, or those of the actor's teams."""
    filters = [Filter(Q(**{field: value})) for field, value in _asked(action, by, target)]
    scope = _scope(actor, Permission.AUDIT_VIEW)
    if scope is not None:
        # The record has no index by team: whoever sees a part of it looks through all of it.
        filters.append(Filter(scope, served=False))
    return paginate(Entry.objects.all(), order="-id", cursor=cursor, size=size, filters=filters)


def export(actor: Actor, *, action: str = "", by: str = "", target: str = "") -> Iterator[bytes]:
    """Yield each entry's stored bytes and a line end, oldest first."""
    rows = Entry.objects.filter(_scope(actor, Permission.AUDIT_EXPORT) or Q(), **dict(_asked(action, by, target)))
    bodies = rows.order_by("id").values_list("body", flat=True)
    return (bytes(body) + b"\n" for body in bodies.iterator(chunk_size=2000))


def content(entry: Entry) -> dict[str, Any]:
    """Return what an entry says."""
    found: dict[str, Any] = json.loads(bytes(entry.body))
    return found


def _scope(actor: Actor, permission: Permission) -> Q | None:
    scopes = actor.scopes(permission)
    if scopes is None:
        return None
    if not scopes:
        raise NotPermitted(permission)
    # An entry knows its team and no environment, so a grant for one environment opens none of them.
    return Q(team_id__in={g.team for g in scopes if g.team is not None and g.environment is None})


def _asked(action: str, by: str, target: str) -> list[tuple[str, str]]:
    """Return the conditions that were asked for, the narrowest first."""
    given = (("target_id", "target", target), ("actor", "by", by), ("action", "action", action))
    return [(column, clean(name, text, len(text))) for column, name, text in given if text]
