"""Reading the record, and giving out the very bytes that were written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.models import Entry
from chancery.apps.shared.look import Span
from chancery.apps.shared.paging import Filter, Page, any_of, one_of, paginate
from chancery.apps.shared.texts import clean
from chancery.core.errors import Invalid, NotPermitted

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

OUTCOMES = ("done", "refused")
REFERRING = 2
"""The first version of entries whose bytes hold persons by reference."""


@dataclass(frozen=True)
class Asked:
    """What is asked for; each empty for everything.

    `action` is a whole name (`orders.place`) or its first word (`orders`); `by` a login name; `address` where the request
    came from; `target` an id; `outcome` one of `OUTCOMES`. `since` and `until` are days, the last one included, or
    moments in ISO 8601, in the time zone in force where they name none.
    """

    action: str = ""
    by: str = ""
    address: str = ""
    target: str = ""
    outcome: str = ""
    since: str = ""
    until: str = ""


def listing(actor: Actor, *, cursor: str = "", size: int = 50, **given: str) -> Page[Entry]:
    """Return one page of entries, newest first: all, or those of the actor's teams. `given` are fields of `Asked`."""
    asked = Asked(**given)
    filters = [Filter(Q(**{column: value})) for column, value in _columns(asked)]
    actions = _actions(asked.action)
    # Each action is a range of the index, so several are read side by side; the listing merges them.
    filters += [Filter(Q(action=actions[0]))] if len(actions) == 1 else []
    if asked.outcome:
        # All but a few were done: those are met by looking along. What was refused has an index of its own.
        filters.append(Filter(_outcome(asked), served=asked.outcome != "done"))
    seen = _scope(actor, Permission.AUDIT_VIEW)
    if seen is not None:
        # The record has no index by team: whoever sees a part of it looks through all of it.
        filters.append(Filter(seen, served=False))
    parts = [Q(action=name) for name in actions] if len(actions) > 1 else None
    span = _span(asked)
    return paginate(Entry.objects.all(), order="-id", cursor=cursor, size=size, span=span, filters=filters, scope=parts)


def export(actor: Actor, **given: str) -> Iterator[bytes]:
    """Yield each entry's stored bytes and a line end, oldest first. `given` are fields of `Asked`."""
    asked = Asked(**given)
    wanted = (_scope(actor, Permission.AUDIT_EXPORT) or Q()) & _span(asked).on("id") & _outcome(asked)
    wanted &= any_of(Q(action=name) for name in _actions(asked.action))
    rows: QuerySet[Entry] = Entry.objects.filter(wanted, **dict(_columns(asked)))
    bodies = rows.order_by("id").values_list("body", flat=True)
    return (bytes(body) + b"\n" for body in bodies.iterator(chunk_size=2000))


def seen(actor: Actor) -> QuerySet[Entry]:
    """Return the entries that an actor may read."""
    return Entry.objects.filter(_scope(actor, Permission.AUDIT_VIEW) or Q())


def content(entry: Entry) -> dict[str, Any]:
    """Return what an entry says, with the texts about persons that its bytes only refer to ('' where erased)."""
    found: dict[str, Any] = json.loads(bytes(entry.body))
    found["id"] = str(entry.pk)
    if found["v"] >= REFERRING:
        found["actor"].pop("seal", None)
        found["target"].pop("seal", None)
        found["actor"] |= {"name": entry.actor, "address": entry.address or ""}
        found["target"].setdefault("name", entry.subject)
    return found


def _scope(actor: Actor, permission: Permission) -> Q | None:
    scopes = actor.scopes(permission)
    if scopes is None:
        return None
    if not scopes:
        raise NotPermitted(permission)
    # An entry knows its team and no environment, so a grant for one environment opens none of them.
    return Q(team_id__in={g.team for g in scopes if g.team is not None and g.environment is None})


def _columns(asked: Asked) -> list[tuple[str, str]]:
    """Return the columns that must have a value, the narrowest first."""
    given = (("target_id", "target", asked.target), ("address", "address", asked.address), ("actor", "by", asked.by))
    return [(column, clean(name, text, len(text))) for column, name, text in given if text]


def _actions(asked: str) -> list[str]:
    """Return the actions of this name, or of this first word that the record holds; [] for all of them."""
    text = clean("action", asked, len(asked))
    area = text.removesuffix(".")
    if not area or "." in area:
        return [text] if text else []
    names = Entry.objects.filter(action__lt=f"{area}/").order_by("action").values_list("action", flat=True)
    found: list[str] = []
    # From each to the next one in the index: as many steps as there are actions, not as there are entries. One lower
    # bound each time, since SQLite begins at whichever it is told first.
    while (after := names.filter(action__gt=found[-1] if found else f"{area}.").first()) is not None:
        found.append(after)
    return found or [text]


def _outcome(asked: Asked) -> Q:
    one_of("outcome", asked.outcome, OUTCOMES)
    return Q(refusal__isnull=asked.outcome == "done") if asked.outcome else Q()


def _span(asked: Asked) -> Span:
    """Return the range of ids that were made in a span of time: they begin with their moment."""
    since, until = _moment("since", asked.since), _moment("until", asked.until, days=1)
    return Span(None if since is None else _first_id(since), None if until is None else _first_id(until))


def _moment(field: str, text: str, *, days: int = 0) -> datetime | None:
    """Return the moment that a text names; of a day its beginning, `days` later."""
    if not text:
        return None
    try:
        if len(text) == len("2026-01-01"):
            found = _begins(date.fromisoformat(text), days)
        else:
            found = datetime.fromisoformat(text)
        at = found if found.tzinfo is not None else found.replace(tzinfo=timezone.get_current_timezone())
        at.timestamp()
    except (ValueError, OverflowError):
        remedy = "Write a day, as 2026-11-23, or a moment, as 2026-11-23T21:44Z."
        raise Invalid.one(field, f"{text[:40]!r} is no date.", remedy) from None
    return at


def _begins(day: date, later: int) -> datetime:
    """Return the beginning of the day so many days after another; the last moment there is where that is past the calendar's end."""
    end = later > (date.max - day).days
    return datetime.combine(date.max, time.max) if end else datetime.combine(day + timedelta(days=later), time())


def _first_id(at: datetime) -> UUID:
    """Return the least id (UUIDv7) of a moment."""
    return UUID(int=max(0, int(at.timestamp() * 1000)) << 80)
