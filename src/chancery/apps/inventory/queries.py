"""Reading pulls and findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.descriptors import descriptor_with
from chancery.apps.connectors.models import Connector
from chancery.apps.inventory.models import Decision, Finding, Pull
from chancery.apps.shared.look import EVERYTHING, starting
from chancery.apps.shared.paging import Filter, Page, by_id, capped_count, one_of, paginate, uuid_or_none
from chancery.apps.shared.scope import scope, visible
from chancery.core.errors import Absent
from chancery.core.inventory import FindingKind, canonical_serial

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

KINDS = tuple(str(k) for k in FindingKind)
STATES = tuple(Decision.values)
SORTS = ("-id", "id", "common_name", "-common_name")
_NAMED = 200


def visible_to(actor: Actor) -> QuerySet[Finding]:
    """Return the findings that the actor may see."""
    return visible(Finding.objects.all(), actor, Permission.INVENTORY_VIEW)


def pulls_visible_to(actor: Actor) -> QuerySet[Pull]:
    """Return the pulls of the connectors that the actor may see."""
    return visible(Pull.objects.all(), actor, Permission.INVENTORY_VIEW)


def get(actor: Actor, ident: object) -> Finding:
    """Return one visible finding, or raise `Absent`."""
    rows = visible_to(actor).select_related("connector", "certificate", "team", "environment").defer("der", "chain")
    found = by_id(rows, ident)
    if found is None:
        raise Absent("finding", ident)
    return found


def get_pull(actor: Actor, ident: object) -> Pull:
    """Return one visible pull, or raise `Absent`."""
    found = by_id(pulls_visible_to(actor).select_related("connector"), ident)
    if found is None:
        raise Absent("pull", ident)
    return found


def listing(
    actor: Actor,
    *,
    kind: str = "",
    state: str = "",
    connector: str = "",
    search: str = "",
    sort: str = "-id",
    cursor: str = "",
    size: int = 50,
) -> Page[Finding]:
    """Return one page of findings. `search` is the beginning of a name, or a whole serial number in hex."""
    one_of("kind", kind, KINDS)
    one_of("state", state, STATES)
    one_of("sort", sort, SORTS)
    asked = {"connector": uuid_or_none(connector, "connector"), "kind": kind, "state": state}
    # Of one connector those in one state are the usual question: an index holds just them.
    together = [("connector", "state"), ("kind",)] if connector and state else [(field,) for field in asked]
    filters = [Filter(Q(**{f: asked[f] for f in fields})) for fields in together if all(asked[f] for f in fields)]
    rows = Finding.objects.select_related("connector", "certificate").defer("der", "chain", "certificate__der")
    serial, span = canonical_serial(search), EVERYTHING
    if serial and Finding.objects.filter(serial=serial).exists():
        filters.append(Filter(Q(serial=serial)))
    elif search:
        span, sort = starting(search.strip().lower()), "common_name"
    within = scope(actor, Permission.INVENTORY_VIEW)
    return paginate(rows, order=sort or "-id", cursor=cursor, size=size, span=span, filters=filters, scope=within)


def pulls(actor: Actor, *, connector: str = "", cursor: str = "", size: int = 50) -> Page[Pull]:
    """Return one page of pulls, newest first."""
    wanted = uuid_or_none(connector, "connector")
    return paginate(
        Pull.objects.select_related("connector"),
        order="-id",
        cursor=cursor,
        size=size,
        filters=[Filter(Q(connector=wanted))] if wanted else [],
        scope=scope(actor, Permission.INVENTORY_VIEW),
    )


def waiting(actor: Actor) -> dict[str, str]:
    """Return kind → number of findings that nobody has decided about, as people read it; without those of none."""
    rows = visible_to(actor).filter(state=Decision.OPEN)
    found = {kind: capped_count(rows.filter(kind=kind)) for kind in KINDS}
    return {kind: text for kind, text in found.items() if text != "0"}


def can_list(actor: Actor) -> list[Connector]:
    """Return the first visible connectors whose CA can be asked for its list, by name."""
    rows = connectors.visible_to(actor).order_by("name_key")[:_NAMED]
    there = [c for c in rows if catalog.find(c.authority) is not None]
    return [c for c in there if "lists" in descriptor_with(c).powers]
