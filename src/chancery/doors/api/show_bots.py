"""How bots, their targets and deployments look in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chancery.apps.bots import queries
from chancery.apps.bots.models import Bot, Deployment, LogLine, Target


def bot(row: Bot, now: datetime) -> dict[str, Any]:
    """Return a bot; of its token only until when it works."""
    names = ("name", "purpose", "tags", "poll_seconds", "hostname", "address", "os", "version")
    times = ("token_expires_at", "enrolled_at", "seen_at", "created_at")
    return {
        "id": str(row.pk),
        "status": queries.standing(row, now),
        "reason": queries.why(row, now),
        "team": row.team.name,
        "environment": row.environment.name,
        **{n: getattr(row, n) for n in (*names, *times)},
    }


def whole_bot(row: Bot, now: datetime) -> dict[str, Any]:
    """Return a bot with what it found."""
    return {**bot(row, now), "found": row.found}


def target(row: Target) -> dict[str, Any]:
    """Return a target."""
    names = ("name", "kind", "key_type", "renew_days", "window", "settings", "revision", "due_at", "problem")
    return {
        "id": str(row.pk),
        "bot": str(row.bot_id),
        "profile": str(row.profile_id),
        "profile_name": row.profile.name,
        "names": [value for _, value in row.names],
        "certificate": str(row.certificate_id) if row.certificate_id else None,
        **{n: getattr(row, n) for n in names},
    }


def served_at(row: Target) -> dict[str, Any]:
    """Return where a certificate is served, and since when."""
    last = row.deployment
    return {
        "bot": str(row.bot_id),
        "bot_name": row.bot.name,
        "hostname": row.bot.hostname,
        "target": str(row.pk),
        "target_name": row.name,
        "since": last.finished_at if last is not None else None,
    }


def deployment(row: Deployment) -> dict[str, Any]:
    """Return a deployment without its timeline."""
    names = ("kind", "state", "asked_by", "served", "text", "created_at", "finished_at")
    return {
        "id": str(row.pk),
        "target": str(row.target_id),
        "target_name": row.target.name,
        "order": str(row.order_id) if row.order_id else None,
        "certificate": str(row.certificate_id) if row.certificate_id else None,
        **{n: getattr(row, n) for n in names},
    }


def whole_deployment(row: Deployment) -> dict[str, Any]:
    """Return a deployment with its timeline."""
    lines = [{n: getattr(x, n) for n in ("at", "kind", "actor", "level", "text")} for x in queries.timeline(row)]
    return {**deployment(row), "timeline": lines}


def line(row: LogLine) -> dict[str, Any]:
    """Return a line of a log."""
    return {"at": row.at, "level": row.level, "text": row.text}
