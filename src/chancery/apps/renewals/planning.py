"""Makes and remakes plans: by the profile's share of the lifetime, or by the window that the CA suggests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Connector
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Plan, PlanState, Policy
from chancery.core.ids import first_of
from chancery.core.renewal import renew_at, rest, within

State = dict[str, Any]
_AT_ONCE = 200
_LOOKED_AT = ("connector", "profile", "team", "environment", "not_before", "not_after")
_OVERLAP = timedelta(minutes=10)
"""Ids are in order of time, commits not quite: so far back is looked again for what was stored late."""
_FIRST = str(UUID(int=0))
_ASKED_ANEW = timedelta(hours=6)
"""When a CA that did not answer is asked again; one that did says so itself."""
_OVER = (PlanState.REPLACED, PlanState.ENDED)
_SCHEDULED = (PlanState.OFF, PlanState.PLANNED, PlanState.RETRYING, PlanState.WAITING)


def cover(now: datetime, state: State) -> State:
    """Plan the renewal of certificates that have no plan yet.

    `state` remembers `after`, up to which id all have one, but for some minutes that are looked at again; and, for what was stored by
    a machine whose clock is behind, how far a slow sweep over all of them has `swept`.
    """
    rows = _rows().filter(pk__gt=UUID(state.get("after", _FIRST))).order_by("pk")
    found = list(rows[:_AT_ONCE])
    _plan(found, now)
    if len(found) == _AT_ONCE:
        return {**state, "after": str(found[-1].pk)}
    return {"after": str(first_of(now - _OVERLAP)), "swept": _sweep(state.get("swept", _FIRST), now)}


def _rows() -> QuerySet[Certificate]:
    # What was imported without saying how it is renewed has no plan; people are told before it expires.
    return Certificate.objects.filter(profile__isnull=False, connector__isnull=False).only(*_LOOKED_AT)


def _sweep(swept: str, now: datetime) -> str:
    """Plan what has no plan among the next ids; returns where the sweep goes on, at the end from the beginning."""
    ids = list(Certificate.objects.filter(pk__gt=UUID(swept)).order_by("pk").values_list("pk", flat=True)[:_AT_ONCE])
    _plan(list(_rows().filter(pk__in=ids, renewal__isnull=True, not_after__gt=now)), now)
    return str(ids[-1]) if ids else _FIRST


def _plan(certificates: list[Certificate], now: datetime) -> None:
    known = set(Plan.objects.filter(pk__in=[c.pk for c in certificates]).values_list("pk", flat=True))
    fresh = [c for c in certificates if c.pk not in known and c.not_after > now]
    # Thousands share a profile and a connector: each is read once.
    profiles = Profile.objects.in_bulk({c.profile_id for c in fresh})
    connectors = Connector.objects.in_bulk({c.connector_id for c in fresh})
    advised = {ident: advises(connector) for ident, connector in connectors.items()}
    plans = [_fresh(c, profiles[c.profile_id], now if advised[c.connector_id] else None) for c in fresh]
    Plan.objects.bulk_create(plans, ignore_conflicts=True)


def _fresh(row: Certificate, profile: Profile, ask_at: datetime | None) -> Plan:
    where = {"connector_id": row.connector_id, "team_id": row.team_id, "environment_id": row.environment_id}
    plan = Plan(id=row.pk, certificate=row, profile=profile, ask_at=ask_at, **where)
    schedule(plan)
    return plan


def advises(connector: Connector) -> bool:
    """Say whether the CA behind a connector can be asked when to renew its certificates."""
    if connector.deleted_at is not None:
        return False
    try:
        return "renewal_hint" in descriptor_of(connector.authority, connector.current_id).powers
    except Exception:  # an authority that is not installed any more, or that somebody else wrote
        return False


def schedule(plan: Plan) -> None:
    """Set when a plan is due and in which state it is, by its profile as it is now; a window of the CA goes before."""
    profile, row = plan.profile, plan.certificate
    plan.revision = profile.revision
    if plan.state not in (*_SCHEDULED, ""):
        return
    plan.attempts, plan.text = 0, ""
    if profile.renewal == Policy.OFF:
        plan.state, plan.due_at = PlanState.OFF, None
        return
    plan.state = PlanState.PLANNED
    plan.due_at = renew_at(row.not_before, row.not_after, profile.renewal_share / 100, str(plan.pk))
    if plan.hint_start is not None and plan.hint_end is not None:
        due = within(plan.hint_start, plan.hint_end, str(plan.pk))
        if row.order is not None and row.order.replaces_id is not None:
            # A CA whose windows are always over would have each successor replaced at once, without end.
            due = max(due, row.stored_at + rest(row.not_after - row.not_before))
        plan.due_at = min(due, row.not_after)


def recover(now: datetime, state: State) -> State:
    """Plan anew what was planned by a profile that has been changed since."""
    del now
    for profile in Profile.objects.filter(deleted_at=None):
        plans = Plan.objects.filter(profile=profile, revision__lt=profile.revision).select_related("certificate")
        stale = list(plans.defer("certificate__der")[:_AT_ONCE])
        for plan in stale:
            plan.profile = profile
            schedule(plan)
        Plan.objects.bulk_update(stale, ["revision", "state", "due_at", "text", "attempts"])
        if len(stale) == _AT_ONCE:
            break
    return state


def to_ask(now: datetime, most: int) -> list[Plan]:
    """Return plans whose CA is to be asked for its window now; each is asked again later, whatever comes of this."""
    rows = Plan.objects.filter(ask_at__lte=now).select_related("connector", "certificate").order_by("ask_at")
    found = list(rows.defer("certificate__der")[:most])
    over = [
        p.pk for p in found if p.connector.deleted_at is not None or p.certificate.not_after <= now or p.state in _OVER
    ]
    Plan.objects.filter(pk__in=over).update(ask_at=None)
    kept = [p for p in found if p.pk not in over]
    Plan.objects.filter(pk__in=[p.pk for p in kept]).update(ask_at=now + _ASKED_ANEW)
    # Those of a profile that does nothing come round again, in case that it is changed.
    return [p for p in kept if p.state != PlanState.OFF]


def hinted(ident: str, hint: dict[str, Any] | None, now: datetime) -> None:
    """Take over the window that a CA answered (`start`, `end` ISO 8601, `explanation`, `next_look` seconds), if it did."""
    plan = Plan.objects.select_related("certificate", "profile").filter(pk=ident).first()
    if plan is None or hint is None:
        return
    plan.hint_start, plan.hint_end = datetime.fromisoformat(hint["start"]), datetime.fromisoformat(hint["end"])
    plan.hint_url, plan.hint_at = hint["explanation"][:500], now
    plan.ask_at = now + timedelta(seconds=hint["next_look"])
    if plan.state in {PlanState.OFF, PlanState.PLANNED}:
        schedule(plan)
    plan.save()


def good_again(key: str) -> None:
    """Have plans that wait because their key was reported planned anew by `recover`: the report was withdrawn."""
    waiting = Plan.objects.filter(certificate__spki_sha256=key, state=PlanState.WAITING, text__startswith=keys.TEXT)
    waiting.update(revision=0)


def revoked(ident: UUID) -> None:
    """End the plan of a certificate that was revoked, but for a renewal that is ordered already."""
    plans = Plan.objects.filter(pk=ident).exclude(state__in=[PlanState.ORDERED, PlanState.REPLACED])
    plans.update(state=PlanState.ENDED, due_at=None, ask_at=None, text="It was revoked, so it is not renewed.")
