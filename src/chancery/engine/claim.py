"""Takes due work out of the tables: lease, fence and intent are committed before any call is made."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Q

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import BreakerState, Call, CallState, Connector, Pace, Status
from chancery.apps.connectors.pace import limits
from chancery.apps.inventory.models import Finding, Pull
from chancery.apps.orders.models import Order
from chancery.apps.shared.returning import columns_of, held, instances, joined, key, one_of, read, returned, skip_locked
from chancery.core.names import Name
from chancery.core.order import RevocationState, State
from chancery.core.pacing import Limits, shares
from chancery.engine.jobs import Asked, Job, Kind
from chancery.sdk.authority import Dedup, Descriptor, Facts

_ORDER_FIELDS = (
    "id",
    "state",
    "csr",
    "common_name",
    "names",
    "spki_sha256",
    "validity_days",
    "intended_at",
    "product",
    "poll_state",
    "lease_until",
    "attempt",
    "searches",
    "again",
    "cancel_requested",
    "profile_id",
    "team_id",
    "environment_id",
    "replaces_id",
)
_INTEND = """
UPDATE orders_order SET state = %s, version_id = %s, intended_at = COALESCE(intended_at, %s), submitted_at = %s,
       fence = %s, lease_until = %s, due_at = %s
WHERE id IN (SELECT id FROM due)"""
# IS TRUE keeps the planners from the index by due_at, which would have to be sorted by urgency each time.
_DUE = """
WITH due AS (SELECT id FROM orders_order WHERE connector_id = %s AND state = 'queued' AND (due_at <= %s) IS TRUE
             ORDER BY deadline_at, id LIMIT %s{lock})"""
# The first condition on the state is the partial index's own.
_BEGUN = """
FROM orders_order WHERE connector_id = %s AND state IN ('submitting', 'pending', 'outcome_unknown') AND due_at IS NOT NULL
AND due_at <= %s AND state {some} ORDER BY due_at LIMIT %s{lock}"""
# The same for several teams: a part for each, which reads the index by team and urgency.
_PART = """SELECT id FROM orders_order WHERE connector_id = %s AND team_id = %s AND state = 'queued'
           AND (due_at <= %s) IS TRUE ORDER BY deadline_at, id LIMIT %s"""
_EXISTS = "EXISTS (SELECT 1 FROM {table} x WHERE x.connector_id = c.id AND x.due_at <= %s) AS {name}"
BEGUN, QUEUED = "begun", "queued"
"""Lanes of orders: what the CA has or may have, and what it has never seen."""
# Where one act is to show whether the CA works: an order that fails by itself shows nothing, nor does a profile whose orders all do.
_PROFILES = """SELECT DISTINCT profile_id FROM orders_order WHERE connector_id = %s AND team_id = %s AND state = 'queued'
               AND (due_at <= %s) IS TRUE"""
_TRIAL = """
WITH due AS (SELECT id FROM orders_order WHERE connector_id = %s AND team_id = %s AND state = 'queued'
             AND (due_at <= %s) IS TRUE AND profile_id = %s ORDER BY attempt, deadline_at, id LIMIT 1{lock})"""
Draw = Callable[[Sequence[Any]], Any]
"""Chooses one of several, such as `random.Random().choice`."""
# Jumps through the index from one team to the next, so that a hundred thousand orders of one cost no more than ten; beside
# each stands whether it has one that is due. (No EXISTS, for which PostgreSQL may read the orders of all teams.)
_TEAMS = """
WITH RECURSIVE teams(id) AS (
  SELECT min(team_id) FROM orders_order WHERE connector_id = %s AND state = 'queued'
  UNION ALL
  SELECT (SELECT min(o.team_id) FROM orders_order o
          WHERE o.connector_id = %s AND o.state = 'queued' AND o.team_id > teams.id)
  FROM teams WHERE teams.id IS NOT NULL)
SELECT id, (SELECT 1 FROM orders_order o WHERE o.connector_id = %s AND o.team_id = teams.id AND o.state = 'queued'
            AND (o.due_at <= %s) IS TRUE ORDER BY o.deadline_at, o.id LIMIT 1)
FROM teams WHERE id IS NOT NULL"""


@dataclass(frozen=True)
class Ready:
    """A connector with due work, as its row stood inside the claiming transaction."""

    id: UUID
    authority: str
    status: str
    epoch: int
    version: UUID
    broken: bool
    facts: Facts
    powers: frozenset[str]
    limits: Limits
    half_open: bool = False
    slowed: float = 1.0
    slowed_at: datetime | None = None
    pace: Pace | None = None
    """What all workers share, locked by this one; None where only the processors of this machine are the limit."""

    @property
    def one_at_a_time(self) -> bool:
        """Say whether one act is to show whether its CA works."""
        return self.half_open and self.pace is not None

    @property
    def takes_new(self) -> bool:
        """Say whether queued orders may be submitted."""
        return self.status == Status.ACTIVE and not self.broken


@dataclass(frozen=True, slots=True)
class Due:
    """A connector, and of what kind it has something to look at."""

    connector: UUID
    orders: bool = True
    revocations: bool = True
    inventory: bool = True


_KINDS = {"orders": Order, "revocations": Certificate, "pulls": Pull, "fetches": Finding}
_DUE_AT = f"""
SELECT * FROM (
  SELECT c.id, {", ".join(_EXISTS.format(table=m._meta.db_table, name=n) for n, m in _KINDS.items())}
  FROM connectors_connector c WHERE c.deleted_at IS NULL) d
WHERE orders OR revocations OR pulls OR fetches ORDER BY id"""


def due_connectors(now: datetime) -> list[Due]:
    """Return the connectors that have an order, a revocation or a part of an inventory to look at."""
    found = read(_DUE_AT, [now] * 4)
    return [Due(key(row[0]), bool(row[1]), bool(row[2]), bool(row[3] or row[4])) for row in found]


def connector_row(ident: UUID) -> Ready | None:
    """Read a connector inside a transaction, holding off its administrators until the commit."""
    # A row that an administrator is just changing is passed over until the next turn: waiting could deadlock.
    if not held(Connector, [ident], skip=True):
        return None
    pace = _pace(ident)
    row = pace.connector if pace is not None else Connector.objects.get(pk=ident)
    if row.current_id is None:
        return None
    try:
        descriptor = descriptor_of(row.authority, row.current_id)
    except Exception:
        return None
    if not _shared(row, descriptor.facts):
        pace = None
    elif pace is None:
        pace = _new_pace(ident)
        if pace is None:
            return None
    return _ready(row, descriptor, pace)


def _ready(row: Connector, descriptor: Descriptor, pace: Pace | None) -> Ready:
    facts = descriptor.facts
    return Ready(
        id=row.pk,
        authority=row.authority,
        status=row.status,
        epoch=row.epoch,
        version=row.current_id,  # type: ignore[arg-type]  # looked at before
        broken=row.breaker_until is not None or row.breaker == BreakerState.STOPPED,
        facts=facts,
        powers=descriptor.powers,
        limits=limits(row, facts),
        half_open=row.breaker == BreakerState.HALF_OPEN,
        slowed=row.slowed,
        slowed_at=row.slowed_at,
        pace=pace,
    )


def _shared(row: Connector, facts: Facts) -> bool:
    return not facts.cpu_bound or any((row.limit_seats, row.limit_rate, row.limit_burst))


def _pace(ident: UUID) -> Pace | None:
    """Return what the workers share of a connector, locked, and the connector with it; None where there is none to be had."""
    lock = " FOR UPDATE OF connectors_pace SKIP LOCKED" if connection.vendor == "postgresql" else ""
    sql = "FROM connectors_pace JOIN connectors_connector ON connectors_connector.id = connectors_pace.connector_id"
    for pace, row in joined([(Pace, ()), (Connector, ())], f"{sql} WHERE connector_id = %s{lock}", [ident]):
        found: Pace = pace
        found.connector = row
        return found
    return None


def _new_pace(ident: UUID) -> Pace | None:
    """Make that row for a connector that has none; None where another worker holds it at this moment."""
    if Pace.objects.filter(pk=ident).exists():
        return None
    Pace.objects.bulk_create([Pace(connector_id=ident)], ignore_conflicts=True)
    return _pace(ident)


def claim_orders(
    ready: Ready, now: datetime, most: int, lanes: Sequence[str] = (BEGUN, QUEUED), draw: Draw = min
) -> tuple[list[Job], list[UUID]]:
    """Claim due orders of one connector. Returns jobs, and orders whose lease ran out unsettled.

    `lanes` says which: those that the CA has or may have, those that it has never seen, or both.
    Where one act is to show whether the CA works, `draw` chooses the profile of a new one.
    """
    jobs, lost = _begun(ready, now, most) if BEGUN in lanes else ([], [])
    left = most - len(jobs) - len(lost)
    if QUEUED in lanes and ready.takes_new and left > 0:
        jobs += _fresh(ready, now, left, draw)
    return jobs, lost


def _begun(ready: Ready, now: datetime, most: int) -> tuple[list[Job], list[UUID]]:
    states = [State.SUBMITTING]
    if not ready.broken:
        states += [State.PENDING, State.OUTCOME_UNKNOWN]
    some, values = one_of([str(state) for state in states])
    rows = columns_of(
        Order, _ORDER_FIELDS, _BEGUN.format(some=some, lock=skip_locked()), [ready.id, now, *values, most]
    )
    fence = uuid.uuid4()
    kinds = [_kind(row, ready, now) for row in rows]
    previous = _previous(rows, ready)
    jobs = [_job(k, row, ready, fence, now, previous) for k, row in zip(kinds, rows, strict=True) if k is not None]
    _lease(jobs, ready, fence, now)
    return jobs, [row["id"] for k, row in zip(kinds, rows, strict=True) if k is None]


def _fresh(ready: Ready, now: datetime, most: int, draw: Draw) -> list[Job]:
    """Claim queued orders, of each team the most urgent first: the intent is written and read back in one statement."""
    teams = read(_TEAMS, [*[ready.id] * 3, now])
    due = _in_turn(ready, [team for team, one in teams if one is not None])
    if not due:
        return []
    if ready.one_at_a_time:
        sql, where = _by_lot(ready, due[0], now, draw)
    elif len(teams) > 1:
        sql, where = _by_turns(ready, _turns(ready, due, now, most), now)
    else:
        sql, where = _DUE.format(lock=skip_locked()) + _INTEND, [ready.id, now, most]
    fence, until = uuid.uuid4(), now + ready.facts.lease
    intent = [str(State.SUBMITTING), ready.version, now, now, fence, until, until]
    rows = returned(Order, _ORDER_FIELDS, sql, [*where, *intent])
    previous = _previous(rows, ready)
    return [_job(Kind.SUBMIT, row, ready, fence, now, previous) for row in rows]


def _in_turn(ready: Ready, due: list[int]) -> list[int]:
    """Return the teams that have something due, beginning with whoever comes after the one that began last."""
    last = ready.pace.turn if ready.pace is not None else 0
    found = [*(team for team in due if team > last), *(team for team in due if team <= last)]
    if ready.pace is not None and found:
        ready.pace.turn = found[0]
    return found


def _turns(ready: Ready, due: list[int], now: datetime, most: int) -> dict[int, int]:
    """Return team → how many of its orders go now: as many of each, and what one leaves goes to the others.

    The odd place, or each where there are more teams than places, goes to whoever is first in `due`.
    """
    asked = due[:most]
    parts = " UNION ALL ".join(f"SELECT {at}, count(*) FROM ({_PART}) AS p{at}" for at in range(len(asked)))
    counts = dict(read(parts, [value for team in asked for value in (ready.id, team, now, most)]))
    return dict(zip(asked, shares([counts[at] for at in range(len(asked))], most), strict=True))


def _by_lot(ready: Ready, team: int, now: datetime, draw: Draw) -> tuple[str, list[Any]]:
    """Return the claim for one order of a team, and the parameters of its first part.

    A profile whose orders all fail has many that never failed before: drawn by lot among profiles, they keep no other waiting.
    """
    profiles = [profile for (profile,) in read(_PROFILES, [ready.id, team, now])]
    # None is left where somebody has just cancelled the last order; no profile equals NULL.
    return _TRIAL.format(lock=skip_locked()) + _INTEND, [ready.id, team, now, draw(profiles or [None])]


def _by_turns(ready: Ready, turns: dict[int, int], now: datetime) -> tuple[str, list[Any]]:
    """Return the claim for so many orders of each team, and the parameters of its first part."""
    parts = ", ".join(f"p{at} AS ({_PART}{skip_locked()})" for at in range(len(turns)))
    due = " UNION ALL ".join(f"SELECT id FROM p{at}" for at in range(len(turns)))
    where = [value for team, number in turns.items() for value in (ready.id, team, now, number)]
    return f"WITH {parts}, due AS ({due}){_INTEND}", where


def _previous(rows: list[dict[str, Any]], ready: Ready) -> dict[UUID, str]:
    """Return what the CA calls the certificates that these orders replace; what another type of CA calls one says nothing."""
    wanted = [row["replaces_id"] for row in rows if row["replaces_id"] is not None]
    if not wanted:
        return {}
    found = Certificate.objects.filter(pk__in=wanted, connector__authority=ready.authority)
    return dict(found.values_list("pk", "ca_reference"))


def _kind(row: dict[str, Any], ready: Ready, now: datetime) -> Kind | None:
    state = row["state"]
    if state == State.OUTCOME_UNKNOWN:
        return Kind.SETTLE
    if state == State.PENDING:
        if "adopt" in row["poll_state"]:
            # Before a cancellation: what a person named is not yet found, so there is nothing to withdraw.
            return Kind.ADOPT
        if row["cancel_requested"] and "cancels" in ready.powers:
            return Kind.CANCEL
        if "release" in row["poll_state"] and "releases" in ready.powers:
            return Kind.RELEASE
        # The worker that polled it vanished; where a poll may order, it is not repeated blindly either.
        vanished = row["lease_until"] is not None and ready.facts.polls_are_acts
        return None if vanished and ready.facts.dedup is not Dedup.RETURN_ORIGINAL else Kind.POLL
    # Submitting, and the lease ran out: sent again only where that cannot make a second certificate.
    window = ready.facts.dedup_window
    still = window is None or row["intended_at"] + window > now
    again = ready.facts.dedup.harmless and still and ready.takes_new
    return Kind.SUBMIT if again else None


def _job(kind: Kind, row: dict[str, Any], ready: Ready, fence: UUID, now: datetime, previous: dict[UUID, str]) -> Job:
    asked = Asked(
        id=row["id"],
        csr=bytes(row["csr"]),
        common_name=row["common_name"],
        names=tuple(Name(k, v) for k, v in row["names"]),
        spki_sha256=row["spki_sha256"],
        validity=timedelta(days=row["validity_days"]),
        intended_at=row["intended_at"] or now,
        product=row["product"],
        # A wish for its release stands around the authority's own state (`orders.release`).
        poll_state=row["poll_state"].get("release", row["poll_state"]),
        attempt=row["attempt"],
        searches=row["searches"],
        again=row["again"],
        previous=previous.get(row["replaces_id"], ""),
        profile=row["profile_id"],
        team=row["team_id"],
        environment=row["environment_id"],
        companions=ready.facts.certificates.companion_names,
    )
    return Job(kind, row["id"], fence, ready.id, ready.epoch, ready.version, ready.authority, asked)


def _lease(jobs: list[Job], ready: Ready, fence: UUID, now: datetime) -> None:
    until = now + ready.facts.lease
    common = {"fence": fence, "lease_until": until, "due_at": until}
    # Taken up anew after a worker vanished: the first try may have reached the CA, so the order is bound to it.
    fresh = [j.row for j in jobs if j.kind is Kind.SUBMIT]
    if fresh:
        rows = Order.objects.filter(pk__in=fresh)
        rows.filter(intended_at=None).update(intended_at=now)
        rows.update(state=State.SUBMITTING, version_id=ready.version, submitted_at=now, bound=True, **common)
    others = [j.row for j in jobs if j.kind is not Kind.SUBMIT]
    if others:
        Order.objects.filter(pk__in=others).update(**common)


def claim_revocations(ready: Ready, now: datetime, most: int, *, looks: bool = False) -> list[Job]:
    """Claim revocations that are asked for, or `looks` at those that wait at the CA; they go on while it is inactive."""
    if ready.broken:
        return []
    waits = Q(revocation=RevocationState.WAITING_AT_CA)
    rows = Certificate.objects.filter(waits if looks else ~waits, connector=ready.id, due_at__lte=now)
    rows = rows.order_by("due_at")
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    found = list(rows[:most])
    fence, until = uuid.uuid4(), now + ready.facts.lease
    if found:
        Certificate.objects.filter(pk__in=[c.pk for c in found]).update(fence=fence, lease_until=until, due_at=until)
    return [_revocation_job(c, ready, fence) for c in found]


def _revocation_job(certificate: Certificate, ready: Ready, fence: UUID) -> Job:
    waiting = certificate.revocation == RevocationState.WAITING_AT_CA
    extra = {
        "der": bytes(certificate.der),
        "serial": certificate.serial,
        "reference": certificate.ca_reference,
        "reason": certificate.revocation_reason,
        "comment": certificate.revocation_comment,
        "state": certificate.revocation_state,
        "attempt": certificate.attempt,
    }
    kind = Kind.POLL_REVOCATION if waiting else Kind.REVOKE
    return Job(kind, certificate.pk, fence, ready.id, ready.epoch, ready.version, ready.authority, extra=extra)


def claim_calls(now: datetime, most: int) -> list[Call]:
    """Claim due tests, probes and pick lists, also of inactive connectors."""
    # The states are written out for the partial index: a parameter would keep SQLite from using it.
    sql = f"FROM connectors_call WHERE state IN ('due', 'running') AND due_at <= %s ORDER BY due_at LIMIT %s{skip_locked()}"
    found = instances(Call, sql, [now, most])
    until = now + timedelta(seconds=60)
    for call in found:
        call.fence, call.lease_until, call.due_at, call.state = uuid.uuid4(), until, until, CallState.RUNNING
        call.save(update_fields=["fence", "lease_until", "due_at", "state"])
    return found
