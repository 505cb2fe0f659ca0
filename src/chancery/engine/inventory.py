"""Takes due pulls and fetches out of the tables, and writes what came of them: the two-sided comparison.

A pull is read in parts: each is one act under the connector's pace, recorded with its cursor in one commit, so that
whoever comes after a worker that vanished goes on from the last part. Then our own certificates are gone through.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, OuterRef, QuerySet

from chancery.apps.accounts.permissions import Permission
from chancery.apps.audit.record import Note
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import ConnectorVersion
from chancery.apps.inventory.adopting import take
from chancery.apps.inventory.models import Decision, Finding, Pull, PullState, Sighting
from chancery.apps.shared.action import Act, current_clock
from chancery.apps.shared.actor import engine_actor
from chancery.core.effects import Doing, Effect, consequence
from chancery.core.errors import Conflict
from chancery.core.inventory import FindingKind
from chancery.engine.claim import Ready
from chancery.engine.comparing import Comparing, ours_only
from chancery.engine.jobs import Failed, Fetched, Job, Kind, Result, Taken

_WAITS = frozenset({"Unreachable", "Throttled", "AuthFailed"})
"""What is the connector's fault: it passes, so the pull waits."""
_ENDS = frozenset({"Forbidden", "QuotaExhausted", "RejectedByPolicy", "ValidationFailed", "NotFound", "AlreadyDone"})
"""A no to this very question. It says nothing against orders, so the connector is left alone."""
_UNDECIDED: dict[str, Any] = {
    "state": Decision.OPEN, "due_at": None, "attempt": 0, "then": {}, "fence": None, "lease_until": None
}  # fmt: skip
"""What a finding says whose certificate could not be had, or may not be revoked from there: somebody decides again."""
_MOST_TRIES = 8
_WINDOW = 1000
"""Certificates of ours that are gone through in one commit."""
Fault = Callable[[Job, Failed, Effect], None]


def claim(ready: Ready, now: datetime, most: int) -> list[Job]:
    """Claim due fetches and the pull of one connector; they go on while it is inactive, not while it is broken."""
    if ready.broken:
        return []
    fence, until = uuid.uuid4(), now + ready.facts.lease
    findings = list(_locked(Finding.objects.filter(connector=ready.id, due_at__lte=now).order_by("due_at"))[:most])
    Finding.objects.filter(pk__in=[f.pk for f in findings]).update(fence=fence, lease_until=until, due_at=until)
    jobs = [_job(Kind.FETCH, f, ready, fence, _wanted(f)) for f in findings]
    pull = _locked(Pull.objects.filter(connector=ready.id, due_at__lte=now)).first() if len(jobs) < most else None
    if pull is None or _cannot_go_on(pull, ready, now):
        return jobs
    if pull.state == PullState.COMPARING:
        compare(pull, now)
        return jobs
    Pull.objects.filter(pk=pull.pk).update(fence=fence, lease_until=until, due_at=until, version=ready.version)
    return [*jobs, _job(Kind.LIST, pull, ready, fence, {"cursor": pull.cursor})]


def _locked(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.select_for_update(skip_locked=True, of=("self",)) if connection.vendor == "postgresql" else rows


def _job(kind: Kind, row: Any, ready: Ready, fence: uuid.UUID, extra: dict[str, Any]) -> Job:
    return Job(kind, row.pk, fence, ready.id, ready.epoch, ready.version, ready.authority, extra=extra)


def _wanted(finding: Finding) -> dict[str, Any]:
    return {"reference": finding.reference, "serial": finding.serial, "spki_sha256": finding.spki_sha256}


def _cannot_go_on(pull: Pull, ready: Ready, now: datetime) -> bool:
    """End a pull whose connector can no longer list, or leads to another account than the one that its cursor is of."""
    if "lists" not in ready.powers:
        end(pull, PullState.FAILED, now, "The connector's CA can no longer be asked for its list.")
        return True
    if pull.version_id != ready.version and len(_accounts(pull, ready)) > 1:
        end(pull, PullState.FAILED, now, "The connector's address or credential was changed. Pull once more.")
        return True
    return False


def _accounts(pull: Pull, ready: Ready) -> set[Any]:
    versions = ConnectorVersion.objects.filter(pk__in=[pull.version_id, ready.version])
    return set(versions.values_list("account", flat=True))


def end(pull: Pull, state: PullState, now: datetime, text: str = "") -> None:
    """End a pull, with exact counts of what it found."""
    found = Finding.objects.filter(pull=pull).values_list("kind").annotate(n=Count("id"))
    counts = {str(kind): 0 for kind in FindingKind} | dict(found)
    counts["matched"] = Sighting.objects.filter(pull=pull).count()
    columns = {"state": state, "text": text[:1000], "finished_at": now, **counts}
    Pull.objects.filter(pk=pull.pk).update(**columns, due_at=None, lease_until=None, fence=None)


def compare(pull: Pull, now: datetime) -> None:
    """Go through the next of our certificates of this connector, and report those that its CA did not list."""
    rows = Certificate.objects.filter(connector=pull.connector_id).order_by("id")
    if pull.compare_from is not None:
        rows = rows.filter(id__gt=pull.compare_from)
    window = list(rows.values_list("pk", flat=True)[:_WINDOW])
    seen = Sighting.objects.filter(pull=pull, certificate=OuterRef("pk"))
    # What ended is no loss, and what came while the list was read may not be in it yet.
    missing = Certificate.objects.filter(
        ~Exists(seen), pk__in=window, revoked_at=None, not_after__gt=now, stored_at__lte=pull.created_at
    )
    Comparing(pull, now).put([ours_only(c) for c in missing.defer("der")])
    if len(window) == _WINDOW:
        Pull.objects.filter(pk=pull.pk).update(compare_from=window[-1], due_at=now)
        return
    # What a search found, a list that does not show it yet says nothing against.
    left = Finding.objects.filter(connector=pull.connector_id, state=Decision.OPEN, pull__isnull=False)
    left = left.exclude(pull=pull)
    left.update(state=Decision.GONE, decided_at=now, decided_by="engine", reason="No longer so when it was pulled.")
    end(pull, PullState.DONE, now)


class Inventories:
    """Records results of pulls and fetches.

    `gap` is how long to wait after the so-manyth failure; `fault` tells the connector's health what an error says.
    """

    def __init__(self, now: datetime, gap: Callable[[int], timedelta], notes: list[Note], fault: Fault) -> None:
        self._now, self._gap, self._notes, self._fault = now, gap, notes, fault

    def record(self, job: Job, result: Result) -> None:
        """Write one result; under a stale fence it changes nothing."""
        if job.kind is Kind.LIST:
            pulls = Pull.objects.filter(pk=job.row, fence=job.fence, state=PullState.LISTING)
            pull = pulls.select_related("connector").first()
            if pull is not None:
                self._listed(pull, job, result)
            return
        finding = Finding.objects.filter(pk=job.row, fence=job.fence, state=Decision.FETCHING).first()
        if finding is not None:
            self._fetched(finding, job, result)

    # The CA's list ------------------------------------------------------------------------------------

    def _listed(self, pull: Pull, job: Job, result: Result) -> None:
        if not isinstance(result, Taken):
            self._pull_failed(pull, job, _error(result))
            return
        counted = Comparing(pull, self._now).page(result.entries, self._notes)
        columns: dict[str, Any] = {n: getattr(pull, n) + more for n, more in counted.items()}
        columns |= {"pages": pull.pages + 1, "total": result.total if result.total is not None else pull.total}
        columns |= {"attempt": 0, "text": "", "fence": None, "lease_until": None, "due_at": self._now + result.wait}
        if result.cursor is None:
            columns |= {"state": PullState.COMPARING, "cursor": {}, "due_at": self._now}
        else:
            columns |= {"cursor": result.cursor}
        Pull.objects.filter(pk=pull.pk).update(**columns)

    def _pull_failed(self, pull: Pull, job: Job, error: Failed) -> None:
        attempt = pull.attempt + 1
        text = f"{error.message} {error.remedy}".strip()[:1000]
        if self._gives_up(job, error, attempt):
            end(pull, PullState.FAILED, self._now, text)
            detail = {"state": str(PullState.FAILED)}
            self._notes.append(Note("pull", str(pull.pk), pull.name, team=pull.team_id, detail=detail))
            return
        columns = {"attempt": attempt, "text": text, "fence": None, "lease_until": None}
        Pull.objects.filter(pk=pull.pk).update(**columns, due_at=self._when(error, attempt))

    def _gives_up(self, job: Job, error: Failed, attempt: int) -> bool:
        """Say whether it is no use to ask again, after telling the connector's health what concerns it."""
        if error.kind in _WAITS:
            rule = consequence(error.kind, Doing.POLL, bytes_sent=error.bytes_sent, again=attempt > 1)
            self._fault(job, error, rule.effect)
            return False
        return error.kind in _ENDS or attempt >= _MOST_TRIES

    def _when(self, error: Failed, attempt: int) -> datetime:
        later = self._now + self._gap(attempt)
        return max(error.until, later) if error.until is not None else later

    # A certificate of it ------------------------------------------------------------------------------

    def _fetched(self, finding: Finding, job: Job, result: Result) -> None:
        if isinstance(result, Fetched):
            act = Act("engine.record", Permission.INVENTORY_DECIDE, engine_actor(), current_clock(), self._now)
            try:
                made = take(act, finding, result.facts, result.chain, result.reference)
            except Conflict as refusal:
                Finding.objects.filter(pk=finding.pk).update(**_UNDECIDED, text=f"{refusal} {refusal.remedy}"[:1000])
                return
            self._notes.extend(act.notes)
            detail = {"origin": made.origin, "finding": str(finding.pk)}
            self._notes.append(Note("certificate", str(made.pk), made.common_name, team=made.team_id, detail=detail))
            return
        error = _error(result)
        attempt = finding.attempt + 1
        text = f"It could not be fetched: {error.message} {error.remedy}".strip()[:1000]
        columns: dict[str, Any] = {"attempt": attempt, "fence": None, "lease_until": None}
        if self._gives_up(job, error, attempt):
            columns = _UNDECIDED
        else:
            columns |= {"due_at": self._when(error, attempt)}
        Finding.objects.filter(pk=finding.pk).update(**columns, text=text)


def _error(result: Result) -> Failed:
    """Return whatever came instead of an answer as an error; a wrong certificate is a no."""
    if isinstance(result, Failed):
        return result
    problems = getattr(result, "problems", ("The authority brought something else.",))
    return Failed("NotFound", " ".join(problems))
