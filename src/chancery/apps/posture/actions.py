"""Decisions about findings: who looks after one, and until when it may wait."""

from __future__ import annotations

from datetime import date, timedelta

from chancery.apps.accounts.permissions import Permission
from chancery.apps.posture import queries
from chancery.apps.posture.models import Decision
from chancery.apps.shared.action import Act, action
from chancery.apps.shared.texts import clean
from chancery.core.errors import Conflict, Invalid
from chancery.core.posture import SHARED

LONGEST = timedelta(days=366)
"""How long a finding may be put off: after that somebody looks again."""


@action("posture.decide", Permission.POSTURE_DECIDE)
def decide(act: Act, key: str, *, owner: str = "", until: str = "", reason: str = "") -> Decision:
    """Say who looks after a finding, and put it off until a day (ISO 8601) for a reason; without a day it is open again."""
    shown = _seen(act, key)
    row = Decision(key=key, kind=shown.finding.kind, level=shown.finding.level, by=act.actor.name, at=act.at)
    row.connector = None if shown.finding.kind in SHARED else shown.connectors[0]
    row.owner = clean("owner", owner, 200)
    row.until = _day(until, act.at.date())
    row.reason = clean("reason", reason, 500, wanted="Say why it may wait." if row.until else "")
    if row.until is not None and shown.enforced:
        raise Conflict(
            "Findings of this kind are refused in this installation, and cannot wait.",
            remedy=shown.finding.remedy,
            code="enforced",
        )
    row.save()
    detail = {"kind": str(shown.finding.kind), "until": row.until.isoformat() if row.until else ""}
    # The record's entry is about what stands behind the kind, which it has beside it: the whole key is longer than an id.
    about = key.rpartition("-")[2]
    act.note("posture", about, shown.finding.text[:200], team=shown.connectors[0].team_id, detail=detail)
    return row


def _seen(act: Act, key: str) -> queries.Shown:
    shown = queries.get(act.actor, key)
    for row in shown.connectors:
        act.require(row)
    return shown


def _day(text: str, today: date) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Invalid.one("until", "This is no day.", "Write it as 2027-01-31.") from None
    if not today < day <= today + LONGEST:
        raise Invalid.one(
            "until", "It may wait a year at most, and not until a day that is over.", "Choose a day ahead."
        )
    return day
