"""Writes what came of many jobs in one commit; a result whose fence is stale changes nothing."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache, reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q

from chancery.apps.audit.record import Note, write
from chancery.apps.bots import following as bots
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate, Chain
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import BreakerState, Call, CallKind, CallState, Connector, ConnectorVersion, Health
from chancery.apps.health.queries import in_vain
from chancery.apps.orders import published
from chancery.apps.orders.models import Order, OrderEvent
from chancery.apps.orders.place import EVENT_COLUMNS
from chancery.apps.renewals import planning
from chancery.apps.shared.actor import engine_actor
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.returning import execute, one_of, read, returned
from chancery.core.breaker import Breaker, Fault, Standing, failed, login_gap, probed
from chancery.core.effects import Consequence, Doing, Effect, Retry, consequence
from chancery.core.ids import new_id
from chancery.core.order import Cause, RevocationState, State, move
from chancery.core.pacing import slower
from chancery.core.retry import next_gap
from chancery.engine import routine, watching
from chancery.engine.bad_keys import with_bad_keys
from chancery.engine.breaking import SETTINGS_UNUSABLE, columns_of, standing
from chancery.engine.inventory import Inventories
from chancery.engine.jobs import (
    ORIGIN,
    Answered,
    Asked,
    Bad,
    Cancelled,
    Failed,
    Fetched,
    Good,
    Job,
    Kind,
    Missing,
    Result,
    Stopped,
    Waiting,
)
from chancery.engine.timers import sooner
from chancery.engine.work import UNFIT
from chancery.sdk.authority import Dedup
from chancery.sdk.outcome import PendingKind, RevocationPending, Revoked

Pair = tuple[Job, Result]
_ACTION = "engine.record"
_WRITES = frozenset({Kind.SUBMIT, Kind.CANCEL, Kind.RELEASE})
"""Acts on an order that change something at its CA: whether their request left is evidence. Of a look it says nothing."""
_LEFT = {True: " The request had left.", False: " Nothing had been sent.", None: ""}
_NOES = frozenset({"RejectedByPolicy", "ValidationFailed"})
_UNWILLING = {Kind.CANCEL: _NOES, Kind.RELEASE: _NOES | {"Forbidden"}}
"""Act → errors by which the CA says no to it alone, and not to the order or the connector."""
_UNREVOKED = _NOES | {"NotFound"}
"""Errors that end a revocation as refused. A person may ask for it once more, after the CA gave the right."""
_FOR_GOOD = 6
"""How often in a row, in some two minutes, an act must be forbidden until that is an answer: a proxy may be wrong for one."""
_MIN_WAIT, _MAX_WAIT = timedelta(seconds=1), timedelta(days=7)
"""Bounds of the pause until the next look, whatever an authority says: an order put off for years would wait unseen."""
_MOST_PATIENCE = timedelta(days=1)
"""For so long a CA may be left alone because it asks for patience; then it is probed."""
_MAX_SENT_AGAIN = 3
_SILENT = {State.REJECTED, State.FAILED, State.CANCELLED, State.QUARANTINED, State.QUEUED}
"""Where nothing of an order is answered to a CA any more."""
_BINDS = {State.PENDING, State.OUTCOME_UNKNOWN, State.QUARANTINED}
_NOT_THAT_ONE = {"NotFound", "RejectedByPolicy", "ValidationFailed", "ProtocolViolation", "AlreadyDone", "Bug"}
"""What gives an order that a person named back to the person, who may have mistyped its number; the rest passes by itself."""
_ENDED = {State.REJECTED, State.FAILED, State.CANCELLED}
_CERTIFICATE_COLUMNS = tuple(f.column for f in Certificate._meta.concrete_fields)
_BLANK_CERTIFICATE: dict[str, Any] = {f.attname: f.get_default() for f in Certificate._meta.concrete_fields}
_COMPLETE = """
UPDATE orders_order SET state = %s, finished_at = %s, due_at = NULL, lease_until = NULL, fence = NULL,
       reason = '', reason_code = ''
WHERE fence = %s AND state = %s AND id"""
_SICK = """
SELECT 1 FROM connectors_connector WHERE (health <> %s OR breaker <> %s OR failures <> 0 OR breaker_until IS NOT NULL) AND id"""
_SEEN_ISSUING = """
UPDATE connectors_connector SET last_issue_at = %s WHERE (last_issue_at IS NULL OR last_issue_at < %s) AND id"""
_ISSUED_EVENT = {kind: move(origin, State.ISSUED, Cause.ENGINE).event for kind, origin in ORIGIN.items()}
_HEALTH = {
    "Throttled": Health.THROTTLED,
    "AuthFailed": Health.LOGIN_REFUSED,
    "Forbidden": Health.NO_RIGHTS,
    "QuotaExhausted": Health.QUOTA_EXHAUSTED,
    "OutcomeUnknown": Health.ERROR,
    "ProtocolViolation": Health.ERROR,
    "Bug": Health.ERROR,
}
"""Kind of error → what is shown; anything else means that nobody answers."""
_ISSUED_ALL_THE_SAME = f"{keys.TEXT[:-1]} while the CA had it, and it was issued all the same. Have it revoked."
_CAUSE = {"cause": keys.CODE}
_IN_VAIN = "Its probe passes, but all {} acts on what it has failed in the last half hour; the orders say how."
_PROOFS = (Good, Waiting, Missing, Cancelled, Revoked, RevocationPending)
_READABLE = {"RejectedByPolicy", "ValidationFailed"}
"""Answers to acts that only a CA which works gives; a readable no to one request is one too."""
_ISSUE_SEEN_EVERY = timedelta(seconds=5)
"""How exact a connector's last issue is; written for every order it would be the busiest row of all."""


class Recorder:
    """Collects rows while it looks at results, then writes them all; used inside one transaction."""

    def __init__(self, now: datetime, rng: random.Random) -> None:
        self._now, self._rng = now, rng
        self._events: list[tuple[Any, ...]] = []
        self._notes: list[Note] = []
        self._made: dict[UUID, UUID] = {}
        self._ended: dict[UUID, tuple[str, str]] = {}
        self._revoked: set[UUID] = set()

    def record(self, pairs: Sequence[Pair]) -> None:
        """Write the results of jobs."""
        self._take(pairs)
        self.flush()

    def _take(self, pairs: Sequence[Pair]) -> None:
        orders = [p for p in pairs if p[0].asked is not None]
        self._issued([p for p in orders if isinstance(p[1], Good)])
        # Good news first: a breaker that opens in this batch stays open.
        self._healthy({(j.connector, j.epoch) for j, r in pairs if _proves(j, r)})
        for job, result in orders:
            if not isinstance(result, Good):
                self._order(job, result)
        for job, result in pairs:
            if job.kind in {Kind.REVOKE, Kind.POLL_REVOCATION}:
                self._revocation(job, result)
            elif job.kind is Kind.CALL:
                self._call(job, result)
            elif job.kind in {Kind.LIST, Kind.FETCH}:
                self._inventories.record(job, result)

    def lost(self, ids: Sequence[UUID], authority: str) -> None:
        """Move orders whose worker vanished in mid-act to *outcome unknown*; never sent again blindly."""
        for order in Order.objects.filter(pk__in=ids, state__in=(State.SUBMITTING, State.PENDING)):
            descriptor = descriptor_of(authority, order.version_id)
            lag = max(descriptor.facts.search_lag, _MIN_WAIT)
            due = self._now + lag if "finds" in descriptor.powers else None
            doing = "submitting it" if order.state == State.SUBMITTING else "sending it again, as this CA wants it,"
            text = f"The worker that was {doing} vanished; what became of it at the CA is not known."
            self._move(order, State.OUTCOME_UNKNOWN, text, due_at=due, reason_code="lease_expired", reason=text)
        self.flush()

    def compromised(self, ids: Sequence[UUID]) -> None:
        """End orders whose key was reported as compromised, before anything is sent.

        What an earlier call may have left at the CA stays an unknown outcome, for a person.
        """
        text = f"{keys.TEXT[:-1]}, so it was not sent. {keys.REMEDY}"
        for order in Order.objects.filter(pk__in=ids, state=State.SUBMITTING):
            target = State.OUTCOME_UNKNOWN if order.bound else State.FAILED
            self._move(order, target, text, due_at=None, reason_code=keys.CODE, reason=text)
        self.flush()

    def flush(self) -> None:
        """Write the collected events and audit entries, and have bots follow; these last, since their rows are locked for it."""
        insert(OrderEvent, EVENT_COLUMNS, self._events)
        write(engine_actor(), _ACTION, self._now, self._notes)
        bots.settled(self._made, self._ended, self._revoked, self._now)
        self._events, self._notes, self._made, self._ended, self._revoked = [], [], {}, {}, set()

    @property
    def _inventories(self) -> Inventories:
        return Inventories(self._now, lambda attempt: next_gap(attempt, self._rng), self._notes, self._connector)

    # Orders ------------------------------------------------------------------------------------------

    def _issued(self, pairs: list[Pair]) -> None:
        if not pairs:
            return
        alive = self._complete([job for job, _ in pairs])
        # By fence, too: an act whose lease ran out may have come back together with the one that took its place.
        kept = [(job, result) for job, result in pairs if (job.row, job.fence) in alive and isinstance(result, Good)]
        if kept:
            self._stored(kept)
        # Afterwards: what has come twice is stored by then.
        for job, result in pairs:
            if (job.row, job.fence) not in alive:
                self._late(job, result)

    def _stored(self, kept: list[tuple[Job, Good]]) -> None:
        if any(job.kind is not Kind.SUBMIT for job, _ in kept):
            published.remove(job.row for job, _ in kept)
        self._chains({result.chain for _, result in kept})
        rows = [self._certificate(job, result) for job, result in kept]
        insert(Certificate, _CERTIFICATE_COLUMNS, rows)
        bad = self._with_bad_keys([job for job, _ in kept])
        self._made |= {job.row: row[0] for (job, _), row in zip(kept, rows, strict=True) if job.row not in bad}
        for job, result in kept:
            told, more = (
                (f"{_ISSUED_ALL_THE_SAME} {result.evidence}", _CAUSE) if job.row in bad else (result.evidence, {})
            )
            self._event(job.row, _ISSUED_EVENT[job.kind], told.strip(), {"serial": result.facts.serial, **more})
            self._note_order(job.row, _asked(job).common_name, _asked(job).team, State.ISSUED, **more)
        self._seen_issuing({job.connector for job, _ in kept if job.connector is not None})

    def _with_bad_keys(self, jobs: list[Job]) -> set[UUID]:
        """Return those of issued orders whose key was reported while they were at the CA, once their rows say so; not deployed."""
        bad = {job.row for job in with_bad_keys(jobs)}
        if bad:
            Order.objects.filter(pk__in=bad).update(reason_code=keys.CODE, reason=_ISSUED_ALL_THE_SAME)
        self._ended |= dict.fromkeys(bad, (str(State.ISSUED), _ISSUED_ALL_THE_SAME))
        return bad

    def _complete(self, jobs: list[Job]) -> set[tuple[UUID, UUID]]:
        """Mark the orders of these jobs as issued where the fence still is the job's; return which, with their fences."""
        batches: dict[tuple[UUID, Kind], list[UUID]] = {}
        for job in jobs:
            batches.setdefault((job.fence, job.kind), []).append(job.row)
        done: set[tuple[UUID, UUID]] = set()
        for (fence, kind), ids in batches.items():
            some, values = one_of(ids)
            params = [str(State.ISSUED), self._now, fence, str(ORIGIN[kind]), *values]
            done |= {(row["id"], fence) for row in returned(Order, ("id",), f"{_COMPLETE} {some}", params)}
        return done

    def _chains(self, chains: set[tuple[bytes, ...]]) -> None:
        # Nearly always they are there: a CA has few.
        new = {_chain_id(chain): chain for chain in chains}
        some, values = one_of(list(new))
        for (known,) in read(f"SELECT sha256 FROM certificates_chain WHERE sha256 {some}", values):
            del new[known]
        if new:
            rows = [Chain(sha256=i, ders=[base64.b64encode(d).decode() for d in c]) for i, c in new.items()]
            Chain.objects.bulk_create(rows, ignore_conflicts=True)

    def _certificate(self, job: Job, result: Good) -> list[Any]:
        facts, asked = result.facts, _asked(job)
        row = {
            "id": new_id(self._now),
            "order_id": job.row,
            "connector_id": job.connector,
            "profile_id": asked.profile,
            "team_id": asked.team,
            "environment_id": asked.environment,
            "der": facts.der,
            "chain_id": _chain_id(result.chain),
            "serial": facts.serial,
            "issuer": facts.issuer[:500],
            "common_name": asked.common_name,
            "names": [[n.kind, n.value] for n in facts.names],
            "key_type": facts.key.label,
            "spki_sha256": facts.key.spki_sha256,
            "sha256": facts.sha256,
            "not_before": facts.not_before,
            "not_after": facts.not_after,
            "ca_reference": result.reference[:200],
            "warnings": list(result.warnings),
            "stored_at": self._now,
        }
        return list((_BLANK_CERTIFICATE | row).values())

    def _order(self, job: Job, result: Result) -> None:
        # Locked: a person may be changing it, who takes the fence away or asks for its withdrawal.
        rows = Order.objects.filter(pk=job.row, fence=job.fence).select_for_update(of=("self",))
        order = published.read(rows).first()
        if order is None:
            self._late(job, result)
            return
        self._outcomes[type(result)](order, job, result)

    def _late(self, job: Job, result: Result) -> None:
        """Let an answer settle the call that it is about, though it came after its worker had been given up for lost.

        An order that waits to be sent again, since the CA seemed not to have it, is not sent. A certificate for an order
        that has another by now, or has ended, is listed, for somebody to decide about. Nothing else that comes under a stale
        fence changes anything.
        """
        if not isinstance(result, Good | Waiting | Bad) or _only_asks(result):
            return
        number = _asked(job).again
        self._stay(job, number, result)
        if isinstance(result, Bad):
            return
        unknown = Order.objects.filter(pk=job.row, state=State.OUTCOME_UNKNOWN, again=number)
        if unknown.exclude(fence=job.fence).update(fence=job.fence):
            told = result.evidence or "The answer came after its worker had been given up for lost."
            self._take([(replace(job, kind=Kind.SETTLE), replace(result, evidence=told))])
        elif Order.objects.filter(pk=job.row, again__gt=number).exists():
            watching.late(job, result, self._now)
        elif isinstance(result, Good):
            watching.unwanted(job, result, self._now)

    def _stay(self, job: Job, number: int, result: Result) -> None:
        """Keep an order from being sent once more, as its CA has it after all.

        What cannot be taken settles nothing: then the CA is searched, or a person decides. One that gives the original back
        is asked for it once more, as it was to be.
        """
        about = descriptor_of(job.authority, job.version)
        unusable = isinstance(result, Bad)
        if unusable and about.facts.dedup is Dedup.RETURN_ORIGINAL:
            return
        sent = Order.objects.filter(pk=job.row, again=number, connector=job.connector, bound=True)
        queued = sent.filter(state=State.QUEUED).select_for_update(of=("self",)).first()
        if queued is not None:
            text = "An answer to the call before came late: the CA has it, and it is not sent once more."
            self._move(
                queued, State.OUTCOME_UNKNOWN, text, due_at=self._now if unusable and "finds" in about.powers else None
            )

    @cached_property
    def _outcomes(self) -> dict[type[Any], Callable[[Order, Job, Any], None]]:
        return {
            Waiting: self._waiting,
            Stopped: self._stopped,
            Bad: self._bad,
            Missing: self._missing,
            Cancelled: self._cancelled,
            Failed: self._failed,
        }

    def _stopped(self, order: Order, job: Job, result: Stopped) -> None:
        del job, result
        self._move(order, State.QUEUED, "The connector changed before anything was sent.", due_at=self._now)

    def _cancelled(self, order: Order, job: Job, result: Cancelled) -> None:
        del job, result
        self._move(order, State.CANCELLED, "The CA withdrew it.", due_at=None)

    def _bad(self, order: Order, job: Job, result: Bad) -> None:
        del job
        text = "The certificate that came back is not what was ordered: " + " ".join(result.problems)
        self._move(
            order,
            State.QUARANTINED,
            text,
            due_at=None,
            reason=text,
            reason_code="mismatch",
            ca_reference=result.reference[:200],
            evidence={"certificate": base64.b64encode(result.leaf).decode()},
        )

    def _waiting(self, order: Order, job: Job, result: Waiting) -> None:
        pending = result.pending
        note = pending.text != order.reason or order.state != State.PENDING
        columns: dict[str, Any] = {
            "due_at": self._next_look(pending.next_check),
            "poll_state": pending.state,
            "pending_kind": str(pending.kind),
            "ca_reference": pending.reference[:200] or order.ca_reference,
            "reason": pending.text,
            "attempt": 0,
            "cancel_requested": order.cancel_requested and job.kind is not Kind.CANCEL,
        }
        self._move(order, State.PENDING, result.evidence or pending.text, silent=not note, **columns)
        published.keep(order, pending.publish)

    def _missing(self, order: Order, job: Job, result: Missing) -> None:
        facts = descriptor_of(job.authority, job.version).facts
        searches = order.searches + 1
        doubt = _doubt(order, job)
        if doubt:
            text = f"{result.evidence} {doubt} A person decides."
            self._move(order, State.OUTCOME_UNKNOWN, text, due_at=None, searches=searches, reason=text)
        elif searches < facts.search_tries:
            due = self._now + max(facts.search_lag, _MIN_WAIT)
            self._move(
                order, State.OUTCOME_UNKNOWN, result.evidence, due_at=due, searches=searches, reason=result.evidence
            )
        elif (sent := _sent(order)) > _MAX_SENT_AGAIN:
            text = f"{result.evidence} It was sent {sent} times; a person decides."
            self._move(order, State.OUTCOME_UNKNOWN, text, due_at=None, searches=searches, reason=text)
        else:
            text = f"{result.evidence} The CA does not have it, so it is sent again."
            self._move(order, State.QUEUED, text, due_at=self._now, searches=0, attempt=order.attempt + 1, reason="")

    def _failed(self, order: Order, job: Job, error: Failed) -> None:
        doing = {Kind.SUBMIT: Doing.SUBMIT, Kind.SETTLE: Doing.SETTLE}.get(job.kind, Doing.POLL)
        again = _again(error, order.attempt, error.code or error.kind, order.reason_code)
        rule = consequence(error.kind, doing, bytes_sent=error.bytes_sent, again=again)
        if job.kind is Kind.ADOPT and error.kind in _NOT_THAT_ONE:
            rule = Consequence(State.OUTCOME_UNKNOWN, Effect.NONE, Retry.NEVER)
        for_good = job.kind is Kind.CANCEL and _forbidden(error, order.attempt)
        unwilling = for_good or error.kind in _UNWILLING.get(job.kind, ())
        if unwilling:
            # The CA refuses to withdraw it, or to issue it for us: that says nothing against the order itself.
            rule = Consequence(State.PENDING, Effect.NONE, Retry.BACKOFF)
        attempt = order.attempt + 1
        self._connector(job, error, rule.effect)
        columns: dict[str, Any] = {
            "due_at": self._when(rule, error, job, attempt, order.deadline_at - self._now),
            "attempt": attempt,
            "reason_code": error.code or error.kind,
            "reason": f"{error.message} {error.remedy}".strip(),
            "cancel_requested": order.cancel_requested and not unwilling,
        }
        if unwilling and job.asked is not None:
            columns["poll_state"] = job.asked.poll_state
        same = order.state == rule.target and order.reason == columns["reason"]
        same = same and (job.kind is not Kind.SETTLE or self._searched_again(order))
        sent = error.bytes_sent if job.kind in _WRITES else None
        told = {
            "error": error.kind,
            "doing": str(doing),
            "act": str(job.kind),
            "bytes_sent": sent,
            "said": _said(error),
        }
        self._move(order, rule.target, _evidence(error, sent=sent), silent=same, evidence=told, **columns)

    def _searched_again(self, order: Order) -> bool:
        """Count a search that failed as the one before on that one's line; False where it has none."""
        last = OrderEvent.objects.filter(order=order).order_by("-id").first()
        if last is None or last.kind != "order.searched":
            return False
        last.detail |= {"times": last.detail.get("times", 1) + 1, "last_at": self._now.isoformat()}
        last.save(update_fields=["detail"])
        return True

    def _when(self, rule: Consequence, error: Failed, job: Job, attempt: int, left: timedelta) -> datetime | None:
        if rule.retry is Retry.NEVER:
            return None
        if rule.retry is Retry.AFTER_LAG:
            descriptor = descriptor_of(job.authority, job.version)
            lag = max(descriptor.facts.search_lag, _MIN_WAIT)
            return self._now + lag if "finds" in descriptor.powers else None
        if rule.retry is Retry.WHEN_TOLD and error.until is not None:
            return max(self._patience(error.until), self._now + _MIN_WAIT)
        # Its own spacing, whatever the breaker does: one that fails whenever it is tried leaves its turn to others.
        return self._spaced(rule, attempt, left)

    def _next_look(self, wait: timedelta) -> datetime:
        return self._now + min(max(wait, _MIN_WAIT), _MAX_WAIT)

    def _patience(self, until: datetime) -> datetime:
        return min(until, self._now + _MOST_PATIENCE)

    def _spaced(self, rule: Consequence, attempt: int, left: timedelta | None = None) -> datetime:
        gap = next_gap(attempt, self._rng, left)
        return self._now + (max(gap, login_gap(attempt - 1)) if rule.retry is Retry.LOGIN and attempt > 1 else gap)

    def _move(
        self,
        order: Order,
        target: State,
        text: str,
        *,
        silent: bool = False,
        evidence: dict[str, Any] | None = None,
        **columns: Any,
    ) -> None:
        step = None if order.state == target == State.SUBMITTING else move(State(order.state), target, Cause.ENGINE)
        columns |= {"state": target, "fence": None, "lease_until": None}
        if target in _BINDS:
            # The CA has it, or may have: no other connector takes it from here on.
            columns["bound"] = True
        if target in _ENDED:
            columns["finished_at"] = self._now
        if target in _SILENT:
            published.drop(order)
        if target in _ENDED:
            self._ended[order.pk] = str(target), str(columns.get("reason", text))
        Order.objects.filter(pk=order.pk).update(**columns)
        if silent or step is None:
            return
        self._event(order.pk, step.event, text, {"cause": columns.get("reason_code", ""), **(evidence or {})})
        self._note_order(order.pk, order.common_name, order.team_id, target)

    def _note_order(self, ident: UUID, name: str, team: int, state: State, **more: str) -> None:
        self._notes.append(Note("order", str(ident), name, team=team, detail={"state": str(state), **more}))

    def _event(self, order: UUID, kind: str, text: str, detail: dict[str, Any]) -> None:
        self._events.append((new_id(self._now), order, self._now, kind, "engine", text[:1000], detail))

    # Connectors --------------------------------------------------------------------------------------

    def _connector(self, job: Job, error: Failed, effect: Effect) -> None:
        # Alone: another worker's fault, read before and written after, would be undone.
        row = Connector.objects.filter(pk=job.connector or job.row).select_for_update(no_key=True).first()
        if row is None or effect is Effect.NONE or row.epoch != job.epoch:
            return
        before = standing(row)
        refused = error.kind == "AuthFailed" and error.code != SETTINGS_UNUSABLE and effect is not Effect.ASK
        until = self._patience(error.until) if error.until is not None else None
        fault = Fault(effect, refused, until, probe=job.kind is Kind.CALL)
        after = failed(before, fault, self._now, self._rng)
        columns: dict[str, Any] = columns_of(after) if after != before else {}
        if after.failures > before.failures or after.state is not before.state:
            columns |= {"health": _HEALTH.get(error.kind, Health.UNREACHABLE), "health_text": error.message[:500]}
            columns |= {"health_at": self._now}
        if effect is Effect.ASK and not after.holds:
            columns["probe_at"] = sooner(row.probe_at, self._now)
        if effect is Effect.SLOW_DOWN and after.until != before.until:
            columns["slowed_at"] = after.until
            columns["slowed"] = slower(row.slowed, row.slowed_at, self._now) if not before.holds else row.slowed
        if columns:
            Connector.objects.filter(pk=row.pk).update(**columns)

    def _seen_issuing(self, connectors: set[UUID]) -> None:
        some, values = one_of(list(connectors))
        execute(f"{_SEEN_ISSUING} {some}", [self._now, self._now - _ISSUE_SEEN_EVERY, *values])

    def _healthy(self, seen: set[tuple[UUID | None, int]]) -> None:
        """Close the breakers of connectors whose CA has just answered an act, under the settings in force."""
        known = [Q(pk=ident, epoch=epoch) for ident, epoch in seen if ident is not None]
        if not known or not _some_are_sick([ident for ident, _ in seen if ident is not None]):
            return
        # An act that was on its way before says nothing against the patience that the CA asked for since.
        patient = Q(health=Health.THROTTLED, breaker_until__gt=self._now)
        rows = Connector.objects.filter(reduce(or_, known)).exclude(patient)
        sick = rows.exclude(health=Health.HEALTHY, breaker=BreakerState.CLOSED, failures=0, breaker_until=None)
        # What a probe has just said of looks at orders is for the next probe to take back: a new order proves nothing of it.
        sick = sick.exclude(health=Health.ERROR, breaker=BreakerState.CLOSED, failures=0, breaker_until=None)
        sick.update(health=Health.HEALTHY, health_text="", health_at=self._now, **columns_of(Standing()))

    # Revocations and calls ---------------------------------------------------------------------------

    def _revocation(self, job: Job, result: Result) -> None:
        row = Certificate.objects.filter(pk=job.row, fence=job.fence).first()
        if row is None:
            return
        columns = self._revocation_columns(job, result, row)
        columns |= {"fence": None, "lease_until": None}
        Certificate.objects.filter(pk=row.pk).update(**columns)
        state = str(columns.get("revocation", row.revocation))
        if state == RevocationState.CONFIRMED:
            planning.revoked(row.pk)
            self._revoked.add(row.pk)
        if state != row.revocation:
            self._notes.append(
                Note("certificate", str(row.pk), row.common_name, team=row.team_id, detail={"revocation": state})
            )

    def _revocation_columns(self, job: Job, result: Result, row: Certificate) -> dict[str, Any]:
        if isinstance(result, Revoked):
            done = {"revocation": RevocationState.CONFIRMED, "revoked_at": self._now, "due_at": None}
            return {**done, "revocation_text": result.text[:1000]}
        if isinstance(result, RevocationPending):
            due = self._next_look(result.next_check)
            waiting = {
                "revocation": RevocationState.WAITING_AT_CA,
                "due_at": due,
                "attempt": 0,
                "revocation_state": result.state,
            }
            return {**waiting, "revocation_text": result.text[:1000]}
        if not isinstance(result, Failed):
            return {"due_at": self._now + _MIN_WAIT}
        text = {"revocation_text": f"{result.message} {result.remedy}".strip()[:1000]}
        if result.kind in _UNREVOKED or (job.kind is Kind.REVOKE and _forbidden(result, row.attempt)):
            return {**text, "revocation": RevocationState.REFUSED, "due_at": None}
        again = _again(result, row.attempt, text["revocation_text"], row.revocation_text)
        rule = consequence(result.kind, Doing.POLL, bytes_sent=result.bytes_sent, again=again)
        self._connector(job, result, rule.effect)
        attempt = row.attempt + 1
        return {**text, "attempt": attempt, "due_at": self._spaced(rule, attempt)}

    def _call(self, job: Job, result: Result) -> None:
        call = Call.objects.filter(pk=job.row, fence=job.fence).first()
        if call is None:
            return
        call.state = CallState.DONE if isinstance(result, Answered | Fetched) else CallState.FAILED
        call.result = _call_result(result)
        call.sealed, call.fence, call.lease_until, call.finished_at = {}, None, None, self._now
        call.save()
        if call.connector_id is not None and call.kind in {CallKind.PROBE, CallKind.DIAGNOSE}:
            self._probed(job, result)
        routine.keep(call, result, self._now)

    def _probed(self, job: Job, result: Result) -> None:
        fault = result.fault if isinstance(result, Answered) else result
        if fault is None:
            self._passed(job)
        elif isinstance(fault, Failed):
            self._connector(job, fault, Effect.STOP_LOGIN if fault.kind == "AuthFailed" else Effect.OPEN_BREAKER)

    def _passed(self, job: Job) -> None:
        row = Connector.objects.filter(pk=job.connector or job.row, epoch=job.epoch).first()
        if row is None or (row.health == Health.THROTTLED and row.breaker_until and row.breaker_until > self._now):
            return
        before = standing(row)
        columns = columns_of(probed(before, self._now))
        # A CA may answer whoever looks whether it is there, and yet fail whatever is asked about what it has.
        failed = in_vain(row, self._now) if before.state is Breaker.CLOSED else 0
        health, text = (Health.ERROR, _IN_VAIN.format(failed)) if failed else (Health.HEALTHY, "")
        if (row.health, row.health_text) != (health, text):
            columns |= {"health": health, "health_text": text, "health_at": self._now}
        Connector.objects.filter(pk=row.pk).update(**columns)


def _some_are_sick(connectors: list[UUID]) -> bool:
    """Say whether there may be a breaker to close, in a tenth of the time that closing none would take."""
    some, values = one_of(connectors)
    return bool(read(f"{_SICK} {some} LIMIT 1", [str(Health.HEALTHY), str(BreakerState.CLOSED), *values]))


def _only_asks(result: Result) -> bool:
    """Say whether nothing was sent: a person here is to accept something first."""
    return isinstance(result, Waiting) and result.pending.kind is PendingKind.CONFIRMATION


def _proves(job: Job, result: Result) -> bool:
    refused = isinstance(result, Failed) and result.kind in _READABLE and job.asked is not None
    return refused or isinstance(result, _PROOFS)


def unstorable(result: Result, error: Exception) -> Result:
    """Return what is recorded when the tables refuse `result`: the order stays findable, and a person is told."""
    text = UNFIT.message
    if isinstance(result, Good) and isinstance(error, IntegrityError):
        text = "The CA answered with a certificate that is stored already, for another order."
        return Bad((text,), reference=result.reference)
    return Bad((text,)) if isinstance(result, Good) else UNFIT


def _sent(order: Order) -> int:
    """Return how often an order was sent under its present reference; failed searches are no sendings."""
    events = OrderEvent.objects.filter(order=order)
    decided = events.filter(kind="order.ordered_again").order_by("-id").values_list("pk", flat=True).first()
    absent = events.filter(kind="order.settled_absent")
    return 1 + (absent.filter(pk__gt=decided) if decided else absent).count()


def _call_result(result: Result) -> dict[str, Any]:
    if isinstance(result, Answered):
        return result.result
    return {} if isinstance(result, Fetched) else {"error": getattr(result, "message", str(result))}


def _doubt(order: Order, job: Job) -> str:
    """Say why the search's silence does not prove that this order was never placed; '' where it does."""
    if order.ca_reference:
        return f"But the CA had accepted it as {order.ca_reference}."
    back = (
        OrderEvent.objects.filter(order=order, kind__in=("order.put_back", "order.ordered_again"))
        .order_by("-id")
        .first()
    )
    if back is not None and back.detail.get("doubt"):
        return str(back.detail["doubt"])
    versions = [ident for ident in (order.version_id, job.version) if ident is not None]
    if len(set(ConnectorVersion.objects.filter(pk__in=versions).values_list("account", flat=True))) < 2:
        return ""
    return "But the connector's address or credential was changed since it was sent, so this may be another account."


def _asked(job: Job) -> Asked:
    if job.asked is None:  # pragma: no cover  only jobs of orders come here
        raise AssertionError(job.kind)
    return job.asked


@lru_cache(maxsize=256)
def _chain_id(chain: tuple[bytes, ...]) -> str:
    return hashlib.sha256(b"".join(chain)).hexdigest()


def _evidence(error: Failed, *, sent: bool | None) -> str:
    left = _LEFT[sent]
    said = f" The CA said: {_said(error)}" if _said(error) else ""
    return f"{error.kind}: {error.message}{left}{said}"


def _again(error: Failed, attempt: int, now: str, before: str) -> bool:
    """Say whether a row failed as it did before: `now` and `before` are what is kept of a fault, compared for log-ins.

    Whatever it failed of before, the first refusal of the log-in counts: three of them in a row lock many an account.
    """
    return attempt > 0 and (error.kind != "AuthFailed" or now == before)


def _forbidden(error: Failed, attempt: int) -> bool:
    return error.kind == "Forbidden" and attempt + 1 >= _FOR_GOOD


def _said(error: Failed) -> str:
    return f"{error.code} {error.text}".strip()[:500]
