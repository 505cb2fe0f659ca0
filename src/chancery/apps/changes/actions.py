"""Proposing, approving, denying and applying changes; and how many have to agree."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from chancery.apps.accounts.models import Environment
from chancery.apps.accounts.permissions import Permission
from chancery.apps.accounts.queries import able, actor_of
from chancery.apps.changes import queries
from chancery.apps.changes.holding import APPLY, DOORS, Held, Proposed, Wanted, applying, fields, hold, proposable
from chancery.apps.changes.models import ENDED, OPEN, Change, Kind, Rule, State, Vote
from chancery.apps.connectors import sealing
from chancery.apps.connectors.sealed import PROPOSAL_TABLE
from chancery.apps.shared import asked
from chancery.apps.shared.action import Act, action, current_clock, record_refusal
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import by_id
from chancery.apps.shared.texts import clean
from chancery.core.errors import Absent, ChanceryError, Conflict, Invalid, NotPermitted
from chancery.core.ids import new_id
from chancery.core.secret import Secret

_MOST = 10


@action("changes.propose", Permission.CONNECTOR_VIEW)
def propose(act: Act, wanted: Wanted, given: dict[str, Any]) -> Change:
    """Write down what somebody wants to do, which the action itself has found to be possible.

    What the same person has proposed already, word for word, and what is open still, is not written down again.
    """
    values = given.get("values") or {}
    args = {n: v for n, v in given.items() if n not in {"values", "tested", "not_before"} and v not in (None, "")}
    args = {n: v if isinstance(v, int) else str(v) for n, v in args.items()}
    if values:
        args["values"] = {n: v for n, v in values.items() if n not in wanted.secrets and not isinstance(v, Secret)}
    secrets = {n: _plain(values[n]) for n in sorted(wanted.secrets & values.keys()) if values[n]}
    before = _proposed_before(act, wanted, args, secrets)
    if before is not None:
        _note(act, before, changed=())
        return before
    change = Change(
        id=new_id(act.at),
        kind=wanted.kind,
        state=State.WAITING if wanted.needed else State.SCHEDULED,
        connector_id=wanted.connector,
        name=wanted.name,
        team_id=wanted.team,
        environment_id=wanted.environment,
        revision=wanted.revision,
        args=args,
        diff=wanted.diff,
        needed=wanted.needed,
        not_before=wanted.not_before,
        proposed_by_id=act.actor.user,
        proposer=act.actor.name,
        proposed_at=act.at,
        expires_at=max(act.at, wanted.not_before or act.at) + timedelta(days=settings.CHANGE_DAYS),
    )
    change.sealed = {
        n: sealing.seal(text, table=PROPOSAL_TABLE, record=str(change.pk), field=n) for n, text in secrets.items()
    }
    change.save(force_insert=True)
    _note(act, change)
    return change


@action("changes.approve", Permission.CHANGE_APPROVE)
def approve(act: Act, ident: object) -> Change:
    """Agree to a change of somebody else; with the last approval it is applied, or waits for its time."""
    change = _decidable(act, ident)
    if change.votes.filter(user_id=act.actor.user or 0).exists():
        raise Conflict("You have approved this already.", remedy="Somebody else has to, too.", code="approved")
    Vote.objects.create(change=change, user_id=act.actor.user or 0, name=act.actor.name, at=act.at)
    if _agreed(change) >= change.needed:
        if change.not_before is not None and change.not_before > act.at:
            change.state, change.text = State.SCHEDULED, ""
            change.save()
        else:
            _apply(act, change)
    elif change.text != (text := _lost(change)):
        change.text = text
        change.save()
    _note(act, change)
    return change


@action("changes.deny", Permission.CHANGE_APPROVE)
def deny(act: Act, ident: object, reason: str) -> Change:
    """Refuse a change of somebody else, with a reason that they read."""
    change = _decidable(act, ident)
    _end(act, change, State.DENIED, clean("reason", reason, 1000, lines=True, wanted="Say in a sentence why."))
    _note(act, change)
    return change


@action("changes.withdraw", Permission.CHANGE_WITHDRAW)
def withdraw(act: Act, ident: object) -> Change:
    """Take back what one has proposed oneself, at any time before it is in force."""
    change = _own(act, ident)
    _end(act, change, State.WITHDRAWN, "")
    _note(act, change)
    return change


@action("changes.end_renewed", Permission.CHANGE_WITHDRAW)
def _renewed(act: Act, ident: object) -> dict[str, Any]:
    """End a change that is to be proposed anew, and return what it wanted, credentials included."""
    change = _own(act, ident)
    args = _args(change)
    if change.connector is not None and "revision" in args:
        args["revision"] = change.connector.revision
    _end(act, change, State.RENEWED, "")
    _note(act, change)
    return {**args, "kind": change.kind, "not_before": change.not_before}


def renew(actor: Actor, ident: object) -> None:
    """Propose again, for the connector as it is now, what one has proposed before; nothing has to be typed again.

    Raises `Proposed`, as what proposes does; where nobody has to approve it any more, it is done. A time that is over is left
    out. What is refused leaves the change as it was, with its credentials.
    """
    waits, at = None, current_clock().now()
    try:
        with transaction.atomic():
            args = _renewed(actor, ident)
            kind, later = args.pop("kind"), args.pop("not_before")
            try:
                DOORS[kind](actor, **args, **({"not_before": later} if later is not None and later > at else {}))
            except Proposed as proposed:
                waits = proposed
    except ChanceryError as refusal:
        # What the record said of it was taken back with all the rest.
        record_refusal(actor, "changes.end_renewed", at, refusal, lambda: asked.of("changes", ident))
        raise
    if waits is not None:
        raise waits


@action("changes.apply", Permission.CHANGE_APPROVE)
def apply_due(act: Act, ident: object) -> Change:
    """Bring into force what was approved for a time that has come; for the engine."""
    change = by_id(Change.objects.select_for_update().filter(state=State.SCHEDULED), ident)
    if change is None or change.not_before is None or change.not_before > act.at:
        raise Absent("change", ident)
    _apply(act, change)
    _note(act, change)
    return change


def _rule(act: Act, environment: int, kind: str, number: int) -> Rule:
    """Set how many people have to approve a kind of change in an environment.

    To ask fewer than before, as many as before have to agree; whoever operates the host may alone.
    """
    place = Environment.objects.filter(pk=environment).first()
    if place is None:
        raise Invalid.one("environment", f"There is no environment with the id {environment}.", "Choose one.")
    if kind not in set(Kind) - {Kind.RULE}:
        raise Invalid.one("kind", f"There is no kind {kind[:40]!r}.", f"One of: {', '.join(set(Kind) - {Kind.RULE})}.")
    if not 0 <= number <= _MOST:
        raise Invalid.one("needed", f"It is 0 to {_MOST} people.", "Choose such a number.")
    row = Rule.objects.select_for_update().filter(environment=place, kind=kind).first()
    row = row or Rule(environment=place, kind=kind)
    before, row.needed = row.needed, number
    row.save()
    name = f"{place.name}: {kind}"
    act.note("rule", row.pk, name, changed=("needed",) if before != number else (), detail={"needed": number})
    if number < before and act.actor.how != "host":
        diff = fields({"needed": str(before)}, {"needed": str(number)})
        hold(act, Wanted(Kind.RULE, name, place.pk, before, diff=diff))
    return row


set_rule = proposable(Kind.RULE, "environment", "kind", "number")(
    action("changes.rule", Permission.CHANGE_RULES)(_rule)
)


def _plain(value: Any) -> str:
    return value.reveal() if isinstance(value, Secret) else str(value)


def _proposed_before(act: Act, wanted: Wanted, args: dict[str, Any], secrets: dict[str, str]) -> Change | None:
    """Return the open change that says the very same: a program that is run again asks for it again."""
    rows = Change.objects.filter(
        kind=wanted.kind,
        state__in=OPEN,
        expires_at__gt=act.at,
        connector=wanted.connector,
        name=wanted.name,
        environment=wanted.environment,
        revision=wanted.revision,
        needed=wanted.needed,
        not_before=wanted.not_before,
        proposed_by=act.actor.user,
        proposer=act.actor.name,
    )
    # As the table gives them back: a tuple has become a list there.
    plain = json.loads(json.dumps(args))
    return next((row for row in rows if row.args == plain and _secrets(row) == secrets), None)


def _secrets(change: Change) -> dict[str, str]:
    return {
        n: sealing.unseal(sealed, table=PROPOSAL_TABLE, record=str(change.pk), field=n).reveal()
        for n, sealed in change.sealed.items()
    }


def _args(change: Change) -> dict[str, Any]:
    """Return the arguments of the action, with the credentials that were sealed meanwhile."""
    args = dict(change.args)
    if "values" in args:
        args["values"] = {**args["values"], **_secrets(change)}
    return args


def _decidable(act: Act, ident: object) -> Change:
    """Return a change that waits, for somebody who may decide about it: a person, and not the one who wants it."""
    change = _locked(act, ident)
    if act.actor.user is None or act.actor.machine:
        raise NotPermitted(Permission.CHANGE_APPROVE, "Only people approve changes.", "Log in as a person.")
    if change.proposed_by_id == act.actor.user:
        text = "Nobody decides about a change that they proposed themselves."
        raise NotPermitted(Permission.CHANGE_APPROVE, text, "Ask a second person with the role Approver to decide.")
    if change.state != State.WAITING:
        raise _not_now(change)
    if change.expires_at <= act.at:
        raise Conflict("The change has expired.", remedy="Its proposer can propose it again.", code="expired")
    return change


def _own(act: Act, ident: object) -> Change:
    change = _locked(act, ident)
    if change.proposed_by_id is None or change.proposed_by_id != act.actor.user:
        text = "Only who proposed a change takes it back or proposes it anew."
        raise NotPermitted(Permission.CHANGE_WITHDRAW, text, "Deny it, with the reason.")
    if change.state in ENDED:
        raise _not_now(change)
    return change


def _not_now(change: Change) -> Conflict:
    shown = change.get_state_display().lower()
    return Conflict(f"The change: {shown}.", remedy="Look at it again: somebody was faster.", code="wrong_state")


def _locked(act: Act, ident: object) -> Change:
    change = by_id(queries.visible_to(act.actor).select_for_update(of=("self",)), ident)
    if change is None:
        raise Absent("change", ident)
    # A rule is of an environment and of no team.
    if not act.actor.may(act.permission, change.team_id, change.environment_id):
        raise NotPermitted(act.permission)
    return change


def _apply(act: Act, change: Change) -> None:
    """Do what was approved, with the rights that its proposer has now; what refuses it is written to the change.

    Where more people have to agree by now than have, it waits for the others.
    """
    person = change.proposed_by
    try:
        if person is None or not person.is_active:
            raise Conflict("Who proposed it is no longer let in.", code="proposer")
        if change.connector is not None and change.connector.revision != change.revision:
            raise Conflict("The connector was changed meanwhile.", remedy="Propose it again.", code="stale")
        who = replace(actor_of(person, how=f"change:{change.pk}"), address=act.actor.address, via=act.actor.via)
        with applying(_agreed(change)):
            done = APPLY[change.kind](who, **_args(change))
    except Held as held:
        change.state, change.needed = State.WAITING, held.wanted.needed
        change.text = f"By the rule of today {change.needed} have to approve it. {_lost(change)}".strip()
        change.save()
        return
    except ChanceryError as refusal:
        stale = isinstance(refusal, Conflict) and refusal.code == "stale"
        change.state = State.STALE if stale else State.REFUSED
        change.text = f"{refusal} {refusal.remedy}".strip()
        change.save()
        return
    if change.kind == Kind.CREATE:
        change.connector_id = done.pk
    _end(act, change, State.APPLIED, "")


def _agreed(change: Change) -> int:
    """Return how many approved it and may still: whoever was kept out or lost the right since then counts no more."""
    voters = [vote.user for vote in change.votes.select_related("user")]
    return able(voters, Permission.CHANGE_APPROVE, change.team_id, change.environment_id)


def _lost(change: Change) -> str:
    number = change.votes.count() - _agreed(change)
    return f"Of those who approved it {number} may not any more, and do not count." if number else ""


def _end(act: Act, change: Change, state: State, text: str) -> None:
    change.state, change.text, change.ended_at, change.sealed = state, text, act.at, {}
    change.save()


def _note(act: Act, change: Change, changed: tuple[str, ...] = ("state",)) -> None:
    detail = {"state": str(change.state), "kind": str(change.kind), "proposer": change.proposer}
    act.note("change", change.pk, change.name, team=change.team_id, changed=changed, detail=detail)


def due(now: datetime) -> list[Any]:
    """Return the ids of what was approved for a time that has come."""
    rows = Change.objects.filter(state=State.SCHEDULED, not_before__lte=now).order_by("not_before", "pk")
    return list(rows.values_list("pk", flat=True)[:20])


__all__ = ["Proposed", "apply_due", "approve", "deny", "due", "propose", "renew", "set_rule", "withdraw"]
