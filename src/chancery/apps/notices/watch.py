"""Compares what is so with what was told: opens notices, repeats them, closes them, and writes the outbox."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction

from chancery.apps.notices.conditions import CONDITIONS, Found, Look
from chancery.apps.notices.models import Channel, Delivery, DeliveryState, Kind, Notice, What
from chancery.core.ids import new_id

log = logging.getLogger("chancery.notices")
_KEPT = timedelta(days=90)
_PRUNED = 500
_TITLE, _TEXT = 300, 1000


def watch(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Look at every condition once; what is written is written together with the notice that it is about."""
    channels = list(Channel.objects.filter(is_active=True))
    for kind in CONDITIONS:
        look = _looked(kind, now)
        if look is not None:
            _compare(kind, look, channels, now)
    return state


def _looked(kind: Kind, now: datetime) -> Look | None:
    try:
        with transaction.atomic():
            return CONDITIONS[kind](now)
    except OperationalError:
        raise
    except Exception as error:
        # One condition that cannot be judged must not silence the others.
        log.error("the condition %s cannot be judged: %s", kind, type(error).__name__)
        return None


def _compare(kind: Kind, look: Look, channels: Sequence[Channel], now: datetime) -> None:
    before = {n.key: n for n in Notice.objects.filter(kind=kind, resolved_at__isnull=True)}
    found = {one.key: one for one in look.found}
    for key, one in found.items():
        notice = before.get(key)
        if notice is None:
            _tell(_opened(kind, one, now), What.OPENED, channels, now)
        else:
            _still(notice, one, channels, now)
    for key in before.keys() - found.keys() if look.whole else ():
        notice = before[key]
        notice.resolved_at = now
        notice.save(update_fields=["resolved_at"])
        _tell(notice, What.RESOLVED, _told(notice, channels), now)


def _opened(kind: Kind, one: Found, now: datetime) -> Notice:
    return Notice.objects.create(
        id=new_id(now),
        kind=kind,
        key=one.key,
        **_words(one),
        team_id=one.thing.team_id,
        environment_id=one.thing.environment_id,
        opened_at=now,
        told_at=now,
    )


def _words(one: Found) -> dict[str, str]:
    return {"title": one.title[:_TITLE], "text": one.text[:_TEXT], "link": one.link}


def _still(notice: Notice, one: Found, channels: Sequence[Channel], now: datetime) -> None:
    """Keep the words of a notice up to date, and tell of it again after `CHANCERY_NOTICE_REPEAT_HOURS`."""
    repeat = timedelta(hours=settings.NOTICE_REPEAT_HOURS)
    again = bool(repeat) and now - notice.told_at >= repeat
    changed = {name: text for name, text in _words(one).items() if getattr(notice, name) != text}
    if again:
        changed |= {"told_at": now, "rounds": notice.rounds + 1}  # type: ignore[dict-item]  # columns of several types
    if changed:
        for name, value in changed.items():
            setattr(notice, name, value)
        notice.save(update_fields=list(changed))
    if again:
        _tell(notice, What.AGAIN, channels, now)


def _told(notice: Notice, channels: Sequence[Channel]) -> list[Channel]:
    """Return the channels that were told of it, or are to be: to others its end is no news."""
    told = set(Delivery.objects.filter(notice=notice).values_list("channel", flat=True))
    return [channel for channel in channels if channel.pk in told]


def _tell(notice: Notice, what: What, channels: Iterable[Channel], now: datetime) -> None:
    rows = [
        Delivery(
            id=new_id(now),
            channel=channel,
            notice=notice,
            what=what,
            round=notice.rounds,
            state=DeliveryState.DUE,
            due_at=now,
            created_at=now,
        )
        for channel in channels
        if hears(channel, notice)
    ]
    Delivery.objects.bulk_create(rows, ignore_conflicts=True)


def hears(channel: Channel, notice: Notice) -> bool:
    """Say whether a notice is one of those that a channel wants."""
    wanted = not channel.kinds or notice.kind in channel.kinds
    return wanted and channel.team_id == notice.team_id and channel.environment_id in {None, notice.environment_id}


def prune(now: datetime) -> int:
    """Forget notices that have been over for three months, with their deliveries, and tests of that age."""
    over = Notice.objects.filter(resolved_at__lt=now - _KEPT).order_by("resolved_at").values_list("pk", flat=True)
    return Notice.objects.filter(pk__in=list(over[:_PRUNED])).delete()[0]
