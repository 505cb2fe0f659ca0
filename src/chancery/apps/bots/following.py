"""What becomes of deployments when something becomes of their orders; called in the commit in which it does."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from chancery.apps.bots.models import Bot, Deployment, DeploymentEvent, Stage, Target
from chancery.apps.shared.returning import instances, one_of
from chancery.core.ids import new_id

if TYPE_CHECKING:
    from chancery.apps.certificates.models import Certificate

REVOKED = "The certificate that is served was revoked. Another is ordered, and deployed within the target's window."


def issued(found: Mapping[UUID, UUID], now: datetime) -> None:
    """Make the deployments due whose orders (order → certificate) were just issued."""
    some, values = one_of(list(found))
    for row in instances(
        Deployment, f"FROM bots_deployment WHERE state = %s AND order_id {some}", [str(Stage.ORDERED), *values]
    ):
        row.state, row.certificate_id = Stage.READY, found[row.order_id or row.pk]
        row.save(update_fields=["state", "certificate"])
        say(row.pk, now, "due", "engine", "The certificate is here; the bot fetches it at its next look.")


def ended(order: UUID, state: str, text: str, now: datetime) -> None:
    """Fail the deployment whose order ended without a certificate."""
    for row in Deployment.objects.filter(order=order, state=Stage.ORDERED).select_related("target__bot"):
        fail(row, f"The order is {state.replace('_', ' ')}. {text}".strip(), now, "engine")


def serving(certificate: Certificate) -> Target | None:
    """Return a target that serves a certificate, so whose bot orders the next one; None where there is none."""
    rows = Target.objects.filter(certificate=certificate, deleted_at=None, bot__deleted_at=None)
    return rows.select_related("bot").order_by("due_at", "id").first()


def hurry(target: Target, now: datetime) -> None:
    """Have the bot order the next certificate of a target at its next look, unless something is wrong with it."""
    Target.objects.filter(pk=target.pk, due_at__gt=now).update(due_at=now)


def revoked(certificate: UUID, now: datetime) -> None:
    """Have the next certificate ordered for each target that serves one that was just revoked, at its bot's next look.

    It is said as a problem until another is served. A target that had one is due as well, this once: what it serves is
    refused by whoever asks for revocations. What was replaced before it was revoked is no target's any more.
    """
    serving = Target.objects.filter(certificate=certificate, deleted_at=None)
    # The bot's row first, as for what a bot tells: neither waits for the other with what the other waits for.
    for bot in Bot.objects.select_for_update().filter(pk__in=serving.values("bot")).order_by("id"):
        serving.filter(bot=bot, problem="").update(problem=REVOKED)
        serving.filter(bot=bot).update(due_at=now)
        summed_up(bot)


def fail(row: Deployment, text: str, now: datetime, actor: str) -> None:
    """End a deployment badly, and say so at its target and its bot."""
    refuse(row, text, now, actor)
    mind(row.target, text)


def refuse(row: Deployment, text: str, now: datetime, actor: str) -> None:
    """End a deployment that nobody has begun, so that nothing is wrong with its target."""
    row.state, row.finished_at, row.text = Stage.FAILED, now, text[:2000]
    row.save(update_fields=["state", "finished_at", "text"])
    say(row.pk, now, "failed", actor, text, "error")


def mind(target: Target, problem: str) -> None:
    """Note what is wrong with a target now ('' for nothing), and sum it up at its bot.

    While something is wrong nothing is ordered by itself: each try might be paid for.
    """
    bot = target.bot
    target.problem, target.due_at = problem[:500], None if problem else target.due_at
    target.save(update_fields=["problem", "due_at"])
    summed_up(bot)


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
