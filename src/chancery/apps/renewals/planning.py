"""Makes and remakes plans: by the profile's share of the lifetime, or by the window that the CA suggests."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.profiles.models import Profile
from chancery.apps.renewals.models import Plan, PlanState, Policy
from chancery.core.ids import first_of
from chancery.core.renewal import renew_at, within

State = dict[str, Any]
_AT_ONCE = 500
_OVERLAP = timedelta(minutes=10)
"""Ids are in order of time, commits not quite: so far back is looked again for what was stored late."""
_FIRST = str(UUID(int=0))
_ASKED_ANEW = timedelta(hours=6)
"""When a CA that did not answer is asked again; one that did says so itself."""
_OVER = (PlanState.REPLACED, PlanState.ENDED)
_SCHEDULED = (PlanState.OFF, PlanState.PLANNED, PlanState.RETRYING, PlanState.WAITING)


def cover(now: datetime, state: State) -> State:
    """Plan the renewal of certificates that have no plan yet; `state` remembers up to which one all have."""
    after = UUID(state.get("after", _FIRST))
    if after > first_of(now):
        # Written under a clock that was wrong: what came since would never be looked at.
        after = UUID(_FIRST)
    rows = Certificate.objects.filter(pk__gt=after).order_by("pk").defer("der", "names")
    found = list(rows.select_related("profile", "connector")[:_AT_ONCE])
    _plan(found, now)
    return {"after": str(found[-1].pk if len(found) == _AT_ONCE else first_of(now - _OVERLAP))}


def _plan(certificates: list[Certificate], now: datetime) -> None:
    known = set(Plan.objects.filter(pk__in=[c.pk for c in certificates]).values_list("pk", flat=True))
    advised: dict[UUID, bool] = {}
    plans = []
    for row in certificates:
        if row.pk in known or row.not_after <= now:
            continue
        if row.connector_id not in advised:
            advised[row.connector_id] = advises(row)
        plans.append(_fresh(row, now if advised[row.connector_id] else None))
    Plan.objects.bulk_create(plans, ignore_conflicts=True)


def _fresh(row: Certificate, ask_at: datetime | None) -> Plan:
    where = {"connector_id": row.connector_id, "team_id": row.team_id, "environment_id": row.environment_id}
    plan = Plan(id=row.pk, certificate=row, profile=row.profile, ask_at=ask_at, **where)
    schedule(plan)
    return plan


def advises(row: Certificate) -> bool:
    """Say whether the CA of a certificate can be asked when to renew it."""
    if row.connector.deleted_at is not None:
        return False
    try:
        return "renewal_hint" in descriptor_of(row.connector.authority, row.connector.current_id).powers
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
        plan.due_at = min(within(plan.hint_start, plan.hint_end, str(plan.pk)), row.not_after)


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


def revoked(ident: UUID) -> None:
    """End the plan of a certificate that was revoked, but for a renewal that is ordered already."""
    plans = Plan.objects.filter(pk=ident).exclude(state__in=[PlanState.ORDERED, PlanState.REPLACED])
    plans.update(state=PlanState.ENDED, due_at=None, ask_at=None, text="It was revoked, so it is not renewed.")
