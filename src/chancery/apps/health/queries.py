"""Reading what was measured of one connector: over time, per operation, and what ages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chancery.apps.connectors.models import Connector
from chancery.apps.health.ages import credential_since
from chancery.apps.health.models import ANSWERED, BOUNDS, CLASSES, COARSE, EVER, FINE, ISSUED, Bucket, Vital
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.paging import one_of

_P95 = 0.95
_LATELY, _A_FEW = timedelta(minutes=30), 3
_ON_WHAT_IT_HAS = ("poll", "settle", "adopt", "cancel", "release", "revoke", "poll_revocation")
_FAULTS = frozenset({"Unreachable", "OutcomeUnknown", "AuthFailed", "QuotaExhausted", "ProtocolViolation", "Bug"})


@dataclass(frozen=True, slots=True)
class Span:
    """How far back is looked, in points of `step` seconds made of buckets of `width` seconds."""

    back: timedelta
    step: int
    width: int


SPANS: dict[str, Span] = {
    "day": Span(timedelta(days=1), 1800, FINE),
    "week": Span(timedelta(days=7), 4 * 3600, COARSE),
    "quarter": Span(timedelta(days=90), 2 * 86_400, COARSE),
}
"""What may be asked for; about fifty points each, which is what a chart of a page's width shows."""


@dataclass
class Point:
    """Calls that ended within one step: how many were answered, which errors, and how long they took (seconds)."""

    start: datetime
    answered: int = 0
    issued: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * len(CLASSES))

    def add(self, row: Bucket) -> None:
        """Take over a bucket."""
        if row.outcome in {ANSWERED, ISSUED}:
            self.answered += row.number
            self.issued += row.number if row.outcome == ISSUED else 0
        else:
            self.errors[row.outcome] = self.errors.get(row.outcome, 0) + row.number
        self.seconds += row.seconds
        self.slowest = max(self.slowest, row.slowest)
        self.counts = [a + b for a, b in zip(self.counts, row.counts, strict=True)]

    @property
    def failed(self) -> int:
        """Return how many calls ended in an error."""
        return sum(self.errors.values())

    @property
    def calls(self) -> int:
        """Return how many calls ended."""
        return self.answered + self.failed

    @property
    def mean(self) -> float | None:
        """Return the mean time of a call."""
        return self.seconds / self.calls if self.calls else None

    @property
    def p95(self) -> float | None:
        """Return the time within which nineteen of twenty calls ended: the end of the class that it falls into."""
        wanted, seen = self.calls * _P95, 0
        for bound, number in zip((*BOUNDS, self.slowest), self.counts, strict=True):
            seen += number
            if number and seen >= wanted:
                return min(bound, self.slowest)
        return None


@dataclass
class Operation:
    """One kind of call: when it last went well, when it last failed and how, and how often, ever."""

    name: str
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""
    calls: int = 0
    failures: int = 0


@dataclass(frozen=True)
class History:
    """What a connector's health was over a span."""

    span: str
    points: list[Point]
    operations: list[Operation]
    vitals: list[Vital]
    credential_since: datetime | None
    total: Point

    @property
    def error_kinds(self) -> list[str]:
        """Return the kinds of errors of the span, the most frequent first."""
        return sorted(self.total.errors, key=lambda kind: (-self.total.errors[kind], kind))


def history(connector: Connector, span: str = "day") -> History:
    """Return what was measured of a connector that the caller may see; `span` is one of `SPANS`."""
    chosen = one_of("span", span, tuple(SPANS)) or "day"
    now = current_clock().now()
    points = _points(SPANS[chosen], now)
    total = Point(points[0].start)
    rows = Bucket.objects.filter(connector=connector, width=SPANS[chosen].width, start__gte=points[0].start)
    for row in rows.order_by("start"):
        place = int((row.start - points[0].start).total_seconds()) // SPANS[chosen].step
        for point in (points[min(place, len(points) - 1)], total):
            point.add(row)
    since = credential_since([connector]).get(connector.pk) if connector.current and connector.current.secrets else None
    vitals = list(Vital.objects.filter(connector=connector).order_by("kind", "subject"))
    return History(chosen, points, operations(connector), vitals, since, total)


def _points(span: Span, now: datetime) -> list[Point]:
    last = int(now.timestamp()) // span.step * span.step
    number = int(span.back.total_seconds()) // span.step
    return [Point(datetime.fromtimestamp(last - span.step * (number - 1 - n), UTC)) for n in range(number)]


def operations(connector: Connector) -> list[Operation]:
    """Return every operation that a connector was ever used for, by name."""
    found: dict[str, Operation] = {}
    for row in Bucket.objects.filter(connector=connector, width=EVER).order_by("operation", "last_at"):
        one = found.setdefault(row.operation, Operation(row.operation))
        one.calls += row.number
        if row.outcome in {ANSWERED, ISSUED}:
            one.succeeded_at = row.last_at
        else:
            one.failures += row.number
            one.failed_at, one.error = row.last_at, row.outcome
    return list(found.values())


def ever() -> Iterable[Bucket]:
    """Return the buckets without end of all connectors, for counters."""
    rows = Bucket.objects.filter(width=EVER, connector__deleted_at=None).select_related("connector")
    return rows.order_by("connector", "operation", "outcome")


def in_vain(connector: Connector, now: datetime) -> int:
    """Return how many acts on what its CA has failed of late, where none succeeded and they were a few; else 0.

    A no to one of them is an answer; patience that the CA asks for shows by itself; a missing right is the row's own matter.
    What was before a person changed the connector says nothing any more.
    """
    since = max(now - _LATELY, connector.updated_at)
    rows = Bucket.objects.filter(connector=connector, width=FINE, start__gt=since, operation__in=_ON_WHAT_IT_HAS)
    found: dict[bool, int] = {}
    for outcome, number in rows.exclude(outcome="Forbidden").values_list("outcome", "number"):
        found[outcome in _FAULTS] = found.get(outcome in _FAULTS, 0) + number
    failed = found.get(True, 0)
    return failed if failed >= _A_FEW and False not in found else 0
