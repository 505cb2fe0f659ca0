"""What people are told of: each condition is a function of the tables and the time, and bounded.

A condition that finds more than it may say so with `whole=False`; then nothing of its kind counts as over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from chancery import catalog
from chancery.apps.certificates.models import Certificate, KeyReport
from chancery.apps.connectors.models import Connector, Health, Status
from chancery.apps.health.ages import credential_since
from chancery.apps.health.models import Vital
from chancery.apps.notices.models import Kind
from chancery.apps.orders.models import Order
from chancery.apps.renewals.models import Plan, PlanState
from chancery.core.deadlines import revocation_limit
from chancery.core.order import IN_THE_END, RevocationReason, RevocationState, State
from chancery.core.renewal import worry_at

MOST = 500
"""Things of one kind that are told of at once."""
_SOON = timedelta(days=30)
_SILENT = timedelta(hours=1)
_QUARTER = 4
_LOOKED_AT = 50
"""Of a queue, the most urgent orders."""
_SICK_AFTER = 2
_USUAL_SHARE = 67
"""Percent of its life after which a certificate is renewed, where no profile says it: what profiles begin with."""
_SKEW = timedelta(minutes=5).total_seconds()
_ENDS_SOON = {"ca_certificate": timedelta(days=60), "server_certificate": timedelta(days=10), "crl": timedelta(0)}
"""Kind of measure → how long before its end it is told of."""
_EARLY = ((0.5, "half is"), (0.8, "four fifths are"))
"""Shares of the time for a revocation after which it is told of, each by a notice of its own."""
_REVOKING = (RevocationState.REQUESTED, RevocationState.WAITING_AT_CA)
_GOOD = (Health.HEALTHY, Health.UNKNOWN, Health.THROTTLED)
_OPEN = (State.AWAITING_APPROVAL, State.SUBMITTING, State.PENDING, State.OUTCOME_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is so: what it is about, in words, and whose it is. `thing` has a team and an environment."""

    key: str
    title: str
    text: str
    link: str
    thing: Any


@dataclass(frozen=True, slots=True)
class Look:
    """All of one kind; `whole` unless there was more than is looked at."""

    found: list[Found]
    whole: bool = True


def _capped(found: Iterator[Found]) -> Look:
    some: list[Found] = []
    for one in found:
        if len(some) == MOST:
            return Look(some, whole=False)
        some.append(one)
    return Look(some)


def _active() -> list[Connector]:
    return list(
        Connector.objects.filter(deleted_at=None, status=Status.ACTIVE).select_related("current").order_by("pk")
    )


def _connector_link(row: Connector) -> str:
    return f"/integrations/ca-connectors/{row.pk}"


def connector_sick(now: datetime) -> Look:
    """Find active connectors that failed twice in a row or more; a login that is refused counts at once."""
    del now
    rows = Connector.objects.filter(deleted_at=None, status=Status.ACTIVE).exclude(health__in=_GOOD)
    rows = rows.filter(Q(failures__gte=_SICK_AFTER) | Q(health=Health.LOGIN_REFUSED)).order_by("pk")
    return _capped(
        Found(str(r.pk), f"{r.name}: {r.get_health_display().lower()}", r.health_text, _connector_link(r), r)
        for r in rows[: MOST + 1]
    )


def nothing_issued(now: datetime) -> Look:
    """Find active connectors at which orders wait for an hour, and which have issued nothing in that time."""
    return _capped(_silent(now))


def _silent(now: datetime) -> Iterator[Found]:
    since = now - _SILENT
    for row in _active():
        if row.last_issue_at is not None and row.last_issue_at > since:
            continue
        waiting = Order.objects.filter(connector=row, state="queued").order_by("deadline_at", "id")
        first = min(waiting.values_list("placed_at", flat=True)[:_LOOKED_AT], default=now)
        if first <= since:
            last = f"{row.last_issue_at:%Y-%m-%d %H:%M} UTC" if row.last_issue_at else "never"
            text = f"An order waits since {first:%Y-%m-%d %H:%M} UTC. The last certificate came: {last}."
            yield Found(
                str(row.pk), f"{row.name} issues nothing though orders are due", text, _connector_link(row), row
            )


def deadline_at_risk(now: datetime) -> Look:
    """Find connectors with open orders that have less than a quarter of their time left."""
    late: dict[Any, list[Order]] = {}
    for row in _active():
        waiting = Order.objects.filter(connector=row, state="queued").order_by("deadline_at", "id")
        late[row.pk] = [o for o in _plain(waiting) if _late(o, now)]
    for state in _OPEN:
        for order in _plain(Order.objects.filter(state=state).order_by("id")):
            # What only asks goes to no CA, so no time of its own runs out.
            if not order.asks and _late(order, now):
                late.setdefault(order.connector_id, []).append(order)
    rows = Connector.objects.filter(pk__in=[k for k, v in late.items() if v]).order_by("pk")
    return _capped(_at_risk(row, late[row.pk]) for row in rows)


def _plain(rows: Any) -> Iterator[Order]:
    return iter(rows.only("placed_at", "deadline_at", "common_name", "connector_id", "requested_via", "state")[:MOST])


def _late(order: Order, now: datetime) -> bool:
    return (order.deadline_at - now) * _QUARTER < order.deadline_at - order.placed_at


def _at_risk(row: Connector, orders: list[Order]) -> Found:
    first = min(orders, key=lambda o: o.deadline_at)
    number = f"{len(orders)}{'+' if len(orders) >= MOST else ''}"
    text = f"The first is {first.common_name}, wanted by {first.deadline_at:%Y-%m-%d %H:%M} UTC."
    title = f"{row.name}: {number} order{'s' if len(orders) > 1 else ''} close to the deadline"
    return Found(str(row.pk), title, text, f"/orders?connector={row.pk}", row)


def outcome_unknown(now: datetime) -> Look:
    """Find orders of which a person must say what became of them."""
    del now
    wanted = Q(state=State.QUARANTINED) | Q(state=State.OUTCOME_UNKNOWN, due_at__isnull=True)
    rows = Order.objects.filter(wanted, state__in=[State.QUARANTINED, State.OUTCOME_UNKNOWN]).order_by("id")
    return _capped(
        Found(
            str(o.pk),
            f"{o.common_name}: {o.state.replace('_', ' ')}",
            f"{o.reason} A person decides: adopt, order again, or give up.",
            f"/orders/{o.pk}",
            o,
        )
        for o in rows.defer("csr")[: MOST + 1]
    )


def certificate_expiring(now: datetime) -> Look:
    """Find certificates that should have been renewed for long, and were not."""
    rows = Certificate.objects.filter(revoked_at__isnull=True, not_after__gt=now, not_after__lte=now + _SOON)
    rows = rows.exclude(renewal__state__in=[PlanState.REPLACED, PlanState.OFF])
    # What ended as expired under a clock that was ahead is told of; what is about to be revoked is not.
    rows = rows.exclude(renewal__state=PlanState.ENDED, revocation__in=list(IN_THE_END))
    some = list(rows.select_related("profile").defer("der").order_by("not_after", "id")[: 4 * MOST])
    look = _capped(_expiring(some, now))
    return Look(look.found, whole=look.whole and len(some) < 4 * MOST)


def _expiring(rows: list[Certificate], now: datetime) -> Iterator[Found]:
    for row in rows:
        share = _USUAL_SHARE if row.profile is None else row.profile.renewal_share
        if worry_at(row.not_before, row.not_after, share / 100) > now:
            continue
        title = f"{row.common_name} expires on {row.not_after:%Y-%m-%d %H:%M} UTC"
        text = (
            "It was not renewed."
            if row.profile is not None
            else "It was imported, and no profile says how it is renewed."
        )
        yield Found(str(row.pk), title, text, f"/certificates/{row.pk}", row)


def renewal_needs_person(now: datetime) -> Look:
    """Find renewals that are due and cannot go on by themselves, or came to nothing."""
    del now
    rows = Plan.objects.filter(state__in=[PlanState.WAITING, PlanState.RETRYING]).select_related("certificate")
    return _capped(
        Found(
            str(p.pk),
            f"{p.certificate.common_name}: {'its renewal needs you' if p.state == PlanState.WAITING else 'its renewal failed'}",
            p.text,
            f"/certificates/{p.pk}",
            p,
        )
        for p in rows.defer("certificate__der", "csr").order_by("state", "id")[: MOST + 1]
    )


def credential_old(now: datetime) -> Look:
    """Find connectors whose credential has been the same for longer than `CHANCERY_CREDENTIAL_DAYS`."""
    return _capped(_old(now))


def _old(now: datetime) -> Iterator[Found]:
    limit = timedelta(days=settings.CREDENTIAL_DAYS)
    rows = [r for r in _active() if r.current is not None and r.current.secrets and _is_outside(r)]
    since = credential_since(rows)
    for row in rows:
        if limit and now - since[row.pk] > limit:
            text = f"It is the same since {since[row.pk]:%Y-%m-%d}. Make a new one at the CA, and edit the connector."
            yield Found(str(row.pk), f"{row.name}: its credential is old", text, _connector_link(row), row)


def _is_outside(row: Connector) -> bool:
    """Say whether its secrets are credentials: what signs here has a CA's key, which is not changed by its age."""
    descriptor = catalog.find(row.authority)
    return descriptor is not None and descriptor.outside


def ca_stale(now: datetime) -> Look:
    """Find what runs out at a CA (certificates, revocation lists), and clocks that differ."""
    return _capped(_stale(now))


def _stale(now: datetime) -> Iterator[Found]:
    active = {row.pk: row for row in _active()}
    for vital in Vital.objects.filter(connector__in=active).order_by("connector", "kind", "subject"):
        said = _said(vital, now)
        if said:
            row = active[vital.connector_id]
            link = f"{_connector_link(row)}/health"
            yield Found(
                f"{row.pk}:{vital.pk}", f"{row.name}: {said}", f"{vital.subject} {vital.text}".strip(), link, row
            )


def _said(vital: Vital, now: datetime) -> str:
    if vital.seconds is not None and abs(vital.seconds) > _SKEW:
        return f"the CA's clock and this machine's are {abs(vital.seconds):.0f} s apart"
    ahead = _ENDS_SOON.get(vital.kind)
    if vital.until is None or ahead is None or vital.until > now + ahead:
        return ""
    what = vital.kind.replace("_", " ").replace("crl", "revocation list").replace("ca ", "CA ")
    return f"{what} {'ran out' if vital.until <= now else 'runs out'} on {vital.until:%Y-%m-%d %H:%M} UTC"


def revocation_late(now: datetime) -> Look:
    """Find revocations that are not through though half of their time is gone, and again when four fifths are."""
    since = now - min(revocation_limit(reason) for reason in RevocationReason) * _EARLY[0][0]
    rows = Certificate.objects.filter(due_at__isnull=False, revocation__in=_REVOKING, revocation_asked_at__lte=since)
    some = list(rows.defer("der").order_by("revocation_asked_at", "id")[: 4 * MOST])
    look = _capped(_unrevoked(some, now))
    return Look(look.found, whole=look.whole and len(some) < 4 * MOST)


def _unrevoked(rows: list[Certificate], now: datetime) -> Iterator[Found]:
    for row in rows:
        asked, limit = row.revocation_asked_at or now, revocation_limit(row.revocation_reason)
        text = (
            f"Asked for at {asked:%Y-%m-%d %H:%M} UTC ({row.revocation_reason}), and wanted by {asked + limit:%Y-%m-%d %H:%M} UTC"
            f" (BR 4.9.1.1). {row.revocation_text or 'Nothing came from the CA yet.'} Call the CA."
        )
        for share, words in _EARLY:
            if now - asked >= limit * share:
                title = f"{row.common_name}: its revocation is not through, and {words} gone of its time"
                yield Found(f"{row.pk}:{share}", title, text, f"/certificates/{row.pk}", row)


def revocation_refused(now: datetime) -> Look:
    """Find certificates that somebody wanted revoked, which are valid because the CA refused it."""
    rows = Certificate.objects.filter(revocation=RevocationState.REFUSED, not_after__gt=now)
    return _capped(_refused(c) for c in rows.defer("der").order_by("id")[: MOST + 1])


def _refused(row: Certificate) -> Found:
    text = f"{row.revocation_text} Ask again from its page, for another reason or with other rights; or revoke it at the CA."
    title = f"{row.common_name}: the CA refused to revoke it ({row.revocation_reason}), and it is valid"
    return Found(str(row.pk), title, text.strip(), f"/certificates/{row.pk}", row)


def key_compromised(now: datetime) -> Look:
    """Find valid certificates whose key was reported as compromised, and which nobody has asked to revoke.

    Such as one that was on its way from its CA when its key was reported; and those of other teams than the one that reported
    it, though nothing of theirs is stopped before somebody confirms the report.
    """
    standing = KeyReport.objects.filter(withdrawn_at__isnull=True)
    rows = Certificate.objects.filter(
        spki_sha256__in=standing.values("spki_sha256"), revoked_at=None, not_after__gt=now
    )
    found = list(rows.exclude(revocation__in=list(IN_THE_END)).defer("der").order_by("id")[: MOST + 1])
    reports: dict[str, list[KeyReport]] = {}
    for report in standing.filter(spki_sha256__in={c.spki_sha256 for c in found}):
        reports.setdefault(report.spki_sha256, []).append(report)
    return _capped(_reported(c, reports.get(c.spki_sha256, [])) for c in found)


def _reported(row: Certificate, reports: list[KeyReport]) -> Found:
    stops = any(report.stops(row.team_id) for report in reports)
    who = "its key was reported as compromised" if stops else "another team reported its key as compromised"
    asked = row.revocation_text or "Nobody has asked to revoke it."
    text = (
        f"{asked} Have it revoked, or replace it where it is used."
        if stops
        else "That team has no order for the key, and nobody has confirmed it, so nothing is stopped. Look whether somebody"
        " else has the key; if so, report it. An Administrator confirms the report or withdraws it."
    )
    return Found(str(row.pk), f"{row.common_name}: {who}, and it is valid", text, f"/certificates/{row.pk}", row)


CONDITIONS: dict[Kind, Callable[[datetime], Look]] = {
    Kind.CONNECTOR_SICK: connector_sick,
    Kind.NOTHING_ISSUED: nothing_issued,
    Kind.DEADLINE_AT_RISK: deadline_at_risk,
    Kind.OUTCOME_UNKNOWN: outcome_unknown,
    Kind.CERTIFICATE_EXPIRING: certificate_expiring,
    Kind.RENEWAL_NEEDS_PERSON: renewal_needs_person,
    Kind.CREDENTIAL_OLD: credential_old,
    Kind.CA_STALE: ca_stale,
    Kind.REVOCATION_LATE: revocation_late,
    Kind.REVOCATION_REFUSED: revocation_refused,
    Kind.KEY_COMPROMISED: key_compromised,
}
