"""What is weak about the connectors that somebody may see, and what was decided about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors.models import Connector
from chancery.apps.health.ages import credential_since
from chancery.apps.inventory.models import Finding as Difference
from chancery.apps.inventory.models import Pull, PullState
from chancery.apps.posture import conditions, sharing
from chancery.apps.posture.models import Decision, Print
from chancery.apps.posture.walking import Walk
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import Page, by_id, one_of
from chancery.apps.shared.scope import visible
from chancery.core.errors import Absent
from chancery.core.inventory import FindingKind
from chancery.core.posture import ORDER, SHARED, Facts, Finding, Kind, Level, Limits, of_one, up_to
from chancery.sdk.authority import Descriptor

if TYPE_CHECKING:
    from chancery.apps.shared.actor import Actor

STATES = ("open", "decided", "all")
COMPARE_DAYS = 35


@dataclass(frozen=True)
class Shown:
    """A finding with the connectors that it is about, and what was decided; `decided` says that it still holds."""

    finding: Finding
    connectors: list[Connector]
    decision: Decision | None
    decided: bool
    enforced: bool


def listing(
    actor: Actor, *, state: str = "open", kind: str = "", level: str = "", cursor: str = "", size: int = 50
) -> Page[Shown]:
    """Return one page of the findings about connectors that the actor may see, the weightiest first.

    Each weight and kind in turn is asked for what comes next, so a page reads no more connectors than it shows.
    """
    one_of("state", state, STATES)
    one_of("kind", kind, tuple(Kind))
    one_of("level", level, tuple(Level))
    wanted = [n for n, (weight, what) in enumerate(ORDER) if kind in {"", what} and level in {"", weight}]
    seen, walk = _connectors(actor), Walk[_Answer](cursor, size, len(ORDER))
    for number in walk.ahead(wanted):
        weight, what = ORDER[number]
        if what in SHARED:
            answers = [_Answer(weight, what, None, rows, one) for one, rows in _shared(seen, weight, what, state)]
            walk.among(number, [(one.told.text, one.told.key, one) for one in answers if one.told is not None])
        else:
            rows = seen.filter(conditions.condition(weight, what, limits()), *_decided(weight, what, state))
            walk.along(number, rows, partial(_Answer, weight, what))
    items, following, previous = walk.ends()
    return Page(_shown(items), following, previous, str)


@dataclass(frozen=True)
class _Answer:
    """A finding as it was asked for: about one `row`, of which it is still to be told, or about several."""

    level: Level
    kind: Kind
    row: Connector | None = None
    rows: Sequence[Connector] = ()
    told: Finding | None = None


def _shared(
    seen: QuerySet[Connector], level: Level, kind: Kind, state: str
) -> Iterator[tuple[Finding, list[Connector]]]:
    found = [(one, rows) for one, rows in sharing.found(kind, seen, facts) if one.level == level]
    holding = {row.key for row in _holding(level).filter(key__in=[one.key for one, _rows in found])}
    return ((one, rows) for one, rows in found if (state, one.key in holding) not in _HIDDEN)


def _holding(level: Level) -> QuerySet[Decision]:
    """Return the decisions by which a finding of a weight is put off today."""
    return Decision.objects.filter(until__gt=_today(), level__in=["", *up_to(level)])


def _decided(level: Level, kind: Kind, state: str) -> list[Q]:
    """Return the condition that a finding of a weight and kind about a connector was put off, or that it was not."""
    rows = _holding(level).filter(connector=OuterRef("pk"), kind=kind)
    return {"open": [~Q(Exists(rows))], "decided": [Q(Exists(rows))]}.get(state or STATES[0], [])


def _shown(answers: list[_Answer]) -> list[Shown]:
    """Return findings as they are shown; what a condition found and the facts deny is left out."""
    alone = {one.row.pk: one.row for one in answers if one.row is not None}
    known = {about.id: list(of_one(about, limits())) for about in facts(alone.values())} if alone else {}
    kept = [
        (found, list(one.rows) if one.row is None else [one.row])
        for one in answers
        if (found := one.told or _of(known, one)) is not None
    ]
    decisions = Decision.objects.in_bulk([one.key for one, _rows in kept])
    return [_one(one, rows, decisions.get(one.key)) for one, rows in kept]


def _of(known: dict[str, list[Finding]], answer: _Answer) -> Finding | None:
    found = known[str(answer.row.pk)] if answer.row is not None else ()
    return next((one for one in found if (one.level, one.kind) == (answer.level, answer.kind)), None)


def _one(one: Finding, rows: list[Connector], decision: Decision | None) -> Shown:
    until, level = (None, "") if decision is None else (decision.until, decision.level)
    decided = until is not None and until > _today() and level in {"", *up_to(one.level)}
    return Shown(one, rows, decision, decided, one.kind in settings.POSTURE_ENFORCED)


_HIDDEN = {("open", True), ("", True), ("decided", False)}


def get(actor: Actor, key: str) -> Shown:
    """Return one finding that holds and that the actor may see, or raise `Absent`."""
    kind, _hyphen, rest = key.rpartition("-")
    seen = _connectors(actor)
    if kind in SHARED:
        about = [(one, rows) for one, rows in sharing.found(Kind(kind), seen, facts) if one.key == key]
    else:
        row = by_id(seen, rest)
        found = of_one(facts([row])[0], limits()) if row is not None else ()
        about = [(one, [row]) for one in found if one.key == key and row is not None]
    if not about:
        raise Absent("finding", key)
    return _one(*about[0], Decision.objects.filter(key=key).first())


def serious(actor: Actor) -> int:
    """Return how many serious findings are open."""
    if not actor.may(Permission.POSTURE_VIEW):
        return 0
    seen, number = _connectors(actor), 0
    for level, kind in ORDER:
        if level is Level.SERIOUS and kind in SHARED:
            number += len(list(_shared(seen, level, kind, "open")))
        elif level is Level.SERIOUS:
            number += seen.filter(conditions.condition(level, kind, limits()), *_decided(level, kind, "open")).count()
    return number


def _today() -> date:
    return current_clock().now().date()


def limits() -> Limits:
    """Return what this installation asks for."""
    return Limits(settings.CREDENTIAL_DAYS, COMPARE_DAYS, current_clock().now(), settings.EGRESS_ADDRESSES)


def _connectors(actor: Actor) -> QuerySet[Connector]:
    rows = visible(Connector.objects.filter(deleted_at=None), actor, Permission.POSTURE_VIEW)
    return rows.select_related("current", "team", "environment")


def facts(rows: Iterable[Connector]) -> list[Facts]:
    """Return what is known of connectors, in a handful of queries however many they are."""
    known = list(rows)
    ids = [row.pk for row in known]
    prints: dict[Any, list[tuple[str, str]]] = {}
    for version, field, value in Print.objects.filter(version__in=[r.current_id for r in known]).values_list(
        "version", "field", "value"
    ):
        prints.setdefault(version, []).append((field, value))
    pulls = Pull.objects.filter(connector__in=ids, state=PullState.DONE).order_by().values_list("connector")
    compared = dict(pulls.annotate(last=Max("finished_at")))
    open_ = Difference.objects.filter(connector__in=ids, kind=FindingKind.AT_CA_ONLY, state="open").order_by()
    unknown = dict(open_.values_list("connector").annotate(n=Count("pk")))
    since, now = credential_since(known), current_clock().now()
    return [
        fact(
            row,
            prints=tuple(sorted(prints.get(row.current_id, ()))),
            credential_days=(now - since[row.pk]).days if row.pk in since else 0,
            compared_at=compared.get(row.pk),
            unknown=unknown.get(row.pk, 0),
        )
        for row in known
    ]


def fact(row: Connector, **measured: Any) -> Facts:
    """Return what a connector's own row says of it, and what was measured."""
    version, about = row.current, _descriptor(row.authority)
    values = version.settings if version is not None else {}
    places = dict(about.base_urls) if about is not None else {}
    return Facts(
        id=str(row.pk),
        authority=row.authority,
        name=row.name,
        team=row.team.name,
        environment=row.environment.name,
        production=row.environment.is_production,
        base_url=row.base_url,
        place=places.get(row.base_url, ""),
        active=row.usable,
        outside=about is None or about.outside,
        accounts=tuple(str(values[n]) for n in sharing.ACCOUNTS if values.get(n)),
        lists=about is not None and "lists" in about.powers,
        networks=tuple(version.allowed_networks) if version is not None else (),
        untested=version.untested_reason if version is not None else "",
        tested=version is not None and version.tested_at is not None,
        owner=row.owner or row.contact,
        **measured,
    )


def _descriptor(slug: str) -> Descriptor | None:
    try:
        return catalog.get(slug)
    except Absent:
        return None
