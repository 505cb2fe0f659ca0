"""What becomes of deployments when something becomes of their orders; called in the commit in which it does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Q

from chancery.apps.bots.models import Bot, Deployment, DeploymentEvent, Stage, Target, Trouble
from chancery.apps.bots.queries import issued as issued_to
from chancery.apps.bots.queries import unfit
from chancery.apps.shared.returning import instances, one_of
from chancery.core.ids import new_id
from chancery.core.order import RevocationState
from chancery.core.renewal import renew_at

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from chancery.apps.certificates.models import Certificate

ENGINE = "engine"
"""By whom a deployment is asked for that nobody asks for."""
_PUT_OFF = timedelta(days=1)
"""For so long a renewal is put off that somebody gives up, at most."""
_BY_ITSELF = Q(asked_by=ENGINE, asked_by_user=None)
"""Deployments that nobody asked for; a person may be called as the engine is."""
_PAUSES = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""After how long a certificate that could not be deployed is deployed again; the last pause stays."""
REVOKED = "The certificate that is served was revoked. Another is ordered, and deployed within the target's window."


def asked_by_itself(row: Deployment) -> bool:
    """Say whether nobody asked for a deployment (`_BY_ITSELF`)."""
    return row.asked_by == ENGINE and row.asked_by_user_id is None


def settled(
    issued: Mapping[UUID, UUID], ended: Mapping[UUID, tuple[str, str]], revoked: Collection[UUID], now: datetime
) -> None:
    """Follow what became of many orders and certificates, at the end of the commit in which it did.

    `issued` is order → its certificate, `ended` is order that ended without one → its state and why, `revoked` are the
    certificates that were just revoked.
    """
    failing = Deployment.objects.filter(order__in=list(ended), state=Stage.ORDERED)
    serving = Target.objects.filter(certificate__in=list(revoked), deleted_at=None)
    failed_by = set(failing.values_list("target__bot", flat=True))
    served_by = set(serving.values_list("bot", flat=True))
    # The bots' rows first, as for what a bot says, and in one order whoever follows: neither waits for the other with what
    # the other waits for.
    bots = list(Bot.objects.select_for_update().filter(pk__in=failed_by | served_by).order_by("id"))
    for row in failing.filter(target__bot__in=failed_by).select_related("target__bot"):
        _ended(row, *ended[row.order_id or row.pk], now)
    for bot in bots:
        if bot.pk in served_by:
            _revoked(bot, serving.filter(bot=bot), now)
    _issued(issued, now)


def ended(order: UUID, state: str, text: str, now: datetime) -> None:
    """Fail the deployment whose order ended without a certificate."""
    settled({}, {order: (state, text)}, (), now)


def _ended(row: Deployment, state: str, text: str, now: datetime) -> None:
    fail(row, f"The order is {state.replace('_', ' ')}. {text}".strip(), now, ENGINE)


def _revoked(bot: Bot, serving: QuerySet[Target], now: datetime) -> None:
    """Have the next certificate ordered for a bot's targets that serve one that was just revoked, at its next look.

    It is said as a problem until another is served, in place of another one: a target that had one is due as well, this
    once, since what it serves is refused by whoever asks for revocations. What fails then says something else, and ends it.
    What was replaced before it was revoked is no target's any more.
    """
    serving.update(problem=REVOKED, trouble=Trouble.REVOKED, due_at=now)
    summed_up(bot)


def _issued(found: Mapping[UUID, UUID], now: datetime) -> None:
    """Make the deployments due whose orders (order → certificate) were just issued."""
    if not found:
        return
    some, values = one_of(list(found))
    for row in instances(
        Deployment, f"FROM bots_deployment WHERE state = %s AND order_id {some}", [str(Stage.ORDERED), *values]
    ):
        row.state, row.certificate_id = Stage.READY, found[row.order_id or row.pk]
        row.save(update_fields=["state", "certificate"])
        say(row.pk, now, "due", ENGINE, "The certificate is here; the bot fetches it at its next look.")


def serving(certificate: Certificate) -> Target | None:
    """Return a target that serves a certificate, so whose bot orders the next one; None where there is none."""
    rows = Target.objects.filter(certificate=certificate, deleted_at=None, bot__deleted_at=None)
    return rows.select_related("bot").order_by("due_at", "id").first()


def hurry(target: Target, now: datetime) -> None:
    """Have the bot order the next certificate of a target at its next look, unless something is wrong with it, or it is put off."""
    given_up = Deployment.objects.filter(_BY_ITSELF, target=target, kind="issue", state=Stage.CANCELLED)
    if not given_up.filter(finished_at__gt=now - _PUT_OFF).exists():
        Target.objects.filter(pk=target.pk, due_at__gt=now).update(due_at=now)


def put_off(row: Deployment, now: datetime, actor: str) -> None:
    """Put the next order of a target off whose renewal somebody gave up, by half of what is left of what it serves at most.

    Begun again at the bot's next look it could not be given up at all; never again, and what is served would run out.
    """
    served = row.target.certificate
    left = _PUT_OFF if served is None else max(served.not_after - now, timedelta(0)) / 2
    later = now + min(_PUT_OFF, left)
    if Target.objects.filter(pk=row.target_id, due_at__lt=later).update(due_at=later):
        say(
            row.pk,
            now,
            "later",
            actor,
            f"The next certificate is ordered by itself from {later:%Y-%m-%d %H:%M} UTC on.",
        )


def fail(row: Deployment, text: str, now: datetime, actor: str) -> None:
    """End a deployment badly, and say so at its target and its bot."""
    refuse(row, text, now, actor)
    failed(row, text, now)


def refuse(row: Deployment, text: str, now: datetime, actor: str) -> None:
    """End a deployment that nobody has begun, so that nothing is wrong with its target."""
    row.state, row.finished_at, row.text = Stage.FAILED, now, text[:2000]
    row.save(update_fields=["state", "finished_at", "text"])
    say(row.pk, now, "failed", actor, text, "error")


def failed(row: Deployment, problem: str, now: datetime) -> None:
    """Note at the target that a deployment failed, and when it is tried again by itself.

    Nothing is ordered by itself while an order failed, or what came of one was never served: each try might be paid for. A
    certificate that is here is deployed again, with growing pauses, until it is served or somebody does something. A
    rollback was no renewal: the next certificate comes when it is due.
    """
    target = row.target
    last = left(target, now)
    if row.kind != "issue" and last is None and target.trouble == Trouble.REVOKED:
        # The one order that a revocation is worth has not been placed yet.
        mind_revoked(target)
        return
    if last is not None and row.kind != "rollback":
        tried = Deployment.objects.filter(_BY_ITSELF, target=target, certificate=last.certificate_id, kind="again")
        target.due_at = now + _PAUSES[min(tried.count(), len(_PAUSES) - 1)]
        text = f"The certificate is here: it is deployed again by itself from {target.due_at:%Y-%m-%d %H:%M} UTC on."
        say(row.pk, now, "later", ENGINE, text, "warning")
    elif row.kind == "issue" or (row.kind == "again" and unserved(target) is not None):
        target.due_at = None
    mind(target, problem)


def mind(target: Target, problem: str, trouble: str = "") -> None:
    """Note what is wrong with a target now ('' for nothing) and when it is due, and sum it up at its bot."""
    target.problem, target.trouble = problem[:500], trouble
    target.save(update_fields=["problem", "trouble", "due_at"])
    summed_up(target.bot)


def mind_revoked(target: Target) -> None:
    """Note that what a target serves was revoked."""
    mind(target, REVOKED, Trouble.REVOKED)


def left(target: Target, now: datetime) -> Deployment | None:
    """Return the deployment that brought a target's newest certificate, where this was never served and may still be.

    None where somebody gave it up, or the target is for other names by now, or ordered by another profile.
    """
    last = unserved(target)
    row = last.certificate if last is not None else None
    if last is None or row is None or last.state not in {Stage.FAILED, Stage.ROLLED_BACK}:
        return None
    meant = {(kind, value) for kind, value in target.names} <= {(kind, value) for kind, value in row.names}
    return None if not meant or row.profile_id != target.profile_id or unfit([row], now) else last


def unserved(target: Target) -> Deployment | None:
    """Return the deployment that brought a target's newest certificate, where this was never served; None otherwise."""
    last = issued_to().filter(target=target).select_related("certificate").first()
    if last is None:
        return None
    served = Deployment.objects.filter(target=target, certificate=last.certificate_id, state=Stage.DEPLOYED)
    return None if served.exists() else last


def in_vain(target: Target) -> Deployment | None:
    """Return the deployment whose certificate was bought and never served, where another would be bought in vain as well.

    None where all is well, where somebody has edited the target since, and for the one order that a revocation is worth.
    """
    return None if not target.problem or target.trouble else unserved(target)


def due(target: Target, served: Certificate | None, now: datetime) -> datetime | None:
    """Return when the next certificate is ordered: at the usual share of this one's life, or so many days before its end.

    At once where it is revoked; never by itself where there is none.
    """
    if served is None or served.revocation == RevocationState.CONFIRMED:
        return None if served is None else now
    if target.renew_days:
        middle = served.not_before + (served.not_after - served.not_before) / 2
        return max(middle, served.not_after - timedelta(days=target.renew_days))
    return renew_at(served.not_before, served.not_after, seed=str(served.pk))


def changed(target: Target, now: datetime) -> None:
    """Set when a target with a problem that somebody has just edited is tried: at once what is here, else as if all were well."""
    if not target.problem:
        return
    if left(target, now) is not None:
        target.due_at = now
        return
    target.due_at = due(target, target.certificate, now)
    if not target.trouble:
        target.problem, target.trouble = f"Edited since: {target.problem}"[:500], Trouble.EDITED


def summed_up(bot: Bot) -> None:
    """Bring a bot's own columns to what its targets say."""
    bot.configured = bot.targets.filter(deleted_at=None).exists()
    first = bot.targets.filter(deleted_at=None).exclude(problem="").order_by("name").first()
    bot.problem = f"{first.name}: {first.problem}"[:500] if first else ""
    bot.save(update_fields=["problem", "configured"])


def say(deployment: UUID, at: datetime, kind: str, actor: str, text: str, level: str = "info") -> None:
    """Add a line to a deployment's timeline."""
    DeploymentEvent.objects.create(
        id=new_id(at), deployment_id=deployment, at=at, kind=kind, level=level, actor=actor[:200], text=text[:2000]
    )
