"""Takes due work out of the tables: lease, fence and intent are committed before any call is made."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Call, CallState, Connector, Status
from chancery.apps.inventory.models import Finding, Pull
from chancery.apps.orders.models import Order
from chancery.apps.shared.returning import held, returned, skip_locked
from chancery.core.names import Name
from chancery.core.order import RevocationState, State
from chancery.engine.jobs import Asked, Job, Kind
from chancery.sdk.authority import Dedup, Facts

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
# IS TRUE keeps the planners from the index by due_at, which would have to be sorted by urgency each time.
_CLAIM = """
WITH due AS (SELECT id FROM orders_order WHERE connector_id = %s AND state = 'queued' AND (due_at <= %s) IS TRUE
             ORDER BY deadline_at, id LIMIT %s{lock})
UPDATE orders_order SET state = %s, version_id = %s, intended_at = COALESCE(intended_at, %s), submitted_at = %s,
       fence = %s, lease_until = %s, due_at = %s
WHERE id IN (SELECT id FROM due)"""


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

    @property
    def takes_new(self) -> bool:
        """Say whether queued orders may be submitted."""
        return self.status == Status.ACTIVE and not self.broken


def due_connectors(now: datetime) -> list[UUID]:
    """Return the connectors that have an order, a revocation or a part of an inventory to look at."""
    orders = Order.objects.filter(connector=OuterRef("pk"), due_at__lte=now)
    revocations = Certificate.objects.filter(connector=OuterRef("pk"), due_at__lte=now)
    pulls = Pull.objects.filter(connector=OuterRef("pk"), due_at__lte=now)
    fetches = Finding.objects.filter(connector=OuterRef("pk"), due_at__lte=now)
    due = Exists(orders) | Exists(revocations) | Exists(pulls) | Exists(fetches)
    rows = Connector.objects.filter(deleted_at=None).filter(due)
    return list(rows.values_list("pk", flat=True))


def connector_row(ident: UUID) -> Ready | None:
    """Read a connector inside a transaction, holding off its administrators until the commit."""
    # A row that an administrator is just changing is passed over until the next turn: waiting could deadlock.
    if not held(Connector, [ident], skip=True):
        return None
    row = Connector.objects.get(pk=ident)
    if row.current_id is None:
        return None
    try:
        descriptor = descriptor_of(row.authority, row.current_id)
    except Exception:
        return None
    open_breaker = row.breaker_until is not None
    return Ready(
        row.pk, row.authority, row.status, row.epoch, row.current_id, open_breaker, descriptor.facts, descriptor.powers
    )


def claim_orders(ready: Ready, now: datetime, most: int) -> tuple[list[Job], list[UUID]]:
    """Claim due orders of one connector. Returns jobs, and orders whose lease ran out unsettled."""
    states = [State.SUBMITTING]
    if not ready.broken:
        states += [State.PENDING, State.OUTCOME_UNKNOWN]
    rows = _due(Order.objects.filter(connector=ready.id, state__in=states), now, most)
    fence = uuid.uuid4()
    kinds = [_kind(row, ready, now) for row in rows]
    previous = _previous(rows, ready)
    jobs = [_job(k, row, ready, fence, now, previous) for k, row in zip(kinds, rows, strict=True) if k is not None]
    _lease(jobs, ready, fence, now)
    if ready.takes_new and len(rows) < most:
        jobs += _fresh(ready, fence, now, most - len(rows))
    return jobs, [row["id"] for k, row in zip(kinds, rows, strict=True) if k is None]


def _fresh(ready: Ready, fence: UUID, now: datetime, most: int) -> list[Job]:
    """Claim queued orders, the most urgent first: the intent is written and read back in one statement."""
    until = now + ready.facts.lease
    where = [ready.id, now, most]
    intent = [str(State.SUBMITTING), ready.version, now, now, fence, until, until]
    rows = returned(Order, _ORDER_FIELDS, _CLAIM.format(lock=skip_locked()), [*where, *intent])
    previous = _previous(rows, ready)
    return [_job(Kind.SUBMIT, row, ready, fence, now, previous) for row in rows]


def _previous(rows: list[dict[str, Any]], ready: Ready) -> dict[UUID, str]:
    """Return what the CA calls the certificates that these orders replace; what another type of CA calls one says nothing."""
    wanted = [row["replaces_id"] for row in rows if row["replaces_id"] is not None]
    found = Certificate.objects.filter(pk__in=wanted, connector__authority=ready.authority)
    return dict(found.values_list("pk", "ca_reference")) if wanted else {}


def _due(rows: QuerySet[Order], now: datetime, most: int) -> list[dict[str, Any]]:
    found = rows.filter(due_at__lte=now).order_by("due_at").values(*_ORDER_FIELDS)
    if connection.vendor == "postgresql":
        found = found.select_for_update(skip_locked=True, of=("self",))
    return list(found[:most])


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
    fresh = [j.row for j in jobs if j.kind is Kind.SUBMIT]
    if fresh:
        rows = Order.objects.filter(pk__in=fresh)
        rows.filter(intended_at=None).update(intended_at=now)
        rows.update(state=State.SUBMITTING, version_id=ready.version, submitted_at=now, **common)
    others = [j.row for j in jobs if j.kind is not Kind.SUBMIT]
    if others:
        Order.objects.filter(pk__in=others).update(**common)


def claim_revocations(ready: Ready, now: datetime, most: int) -> list[Job]:
    """Claim due revocations of one connector; they go on while it is inactive."""
    if ready.broken:
        return []
    rows = Certificate.objects.filter(connector=ready.id, due_at__lte=now).order_by("due_at")
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    found = list(rows[:most])
    fence, until = uuid.uuid4(), now + ready.facts.lease
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
    rows = Call.objects.filter(state__in=[CallState.DUE, CallState.RUNNING], due_at__lte=now).order_by("due_at")
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(skip_locked=True)
    found = list(rows[:most])
    until = now + timedelta(seconds=60)
    for call in found:
        call.fence, call.lease_until, call.due_at, call.state = uuid.uuid4(), until, until, CallState.RUNNING
        call.save(update_fields=["fence", "lease_until", "due_at", "state"])
    return found
