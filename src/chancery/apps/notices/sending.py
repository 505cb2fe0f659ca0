"""The outbox as a worker sees it: what is due, as messages, and what came of them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection

from chancery.apps.connectors import sealing
from chancery.apps.connectors.sealed import CHANNEL_FIELD, CHANNEL_TABLE
from chancery.apps.notices.models import Channel, Delivery, DeliveryState, What
from chancery.core.errors import ChanceryError
from chancery.core.secret import Secret

LEASE = timedelta(minutes=3)
_ATTEMPTS = 12
_FIRST_GAP, _LONGEST_GAP = timedelta(seconds=30), timedelta(hours=2)
_AT_ONCE = 200
_LINES = 20
_HEADS = {What.OPENED: "New", What.AGAIN: "Still", What.RESOLVED: "Over", What.TEST: "Test"}


@dataclass(frozen=True, slots=True)
class Message:
    """All that is due for one channel at this moment: one message, so that a bad night is not a thousand of them."""

    channel: UUID
    fence: UUID
    url: Secret
    networks: tuple[str, ...]
    title: str
    body: str


def seal(channel: UUID, url: Secret) -> dict[str, object]:
    """Return a channel's address as its row keeps it."""
    return sealing.seal(url.reveal(), table=CHANNEL_TABLE, record=str(channel), field=CHANNEL_FIELD)


def waiting(now: datetime) -> bool:
    """Say whether anything is to be sent; it only reads."""
    return Delivery.objects.filter(due_at__lte=now).exists()


def claim(now: datetime, most: int) -> list[Message]:
    """Take what is due out of the table, under a lease, as one message for each channel, for `most` channels."""
    rows = Delivery.objects.filter(due_at__lte=now).select_related("channel", "notice").order_by("due_at")
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    by_channel: dict[UUID, list[Delivery]] = {}
    for row in rows[:_AT_ONCE]:
        if row.channel_id in by_channel or len(by_channel) < most:
            by_channel.setdefault(row.channel_id, []).append(row)
    messages = []
    for found in by_channel.values():
        fence = uuid.uuid4()
        Delivery.objects.filter(pk__in=[d.pk for d in found]).update(fence=fence, due_at=now + LEASE)
        try:
            messages.append(_message(found[0].channel, fence, found))
        except ChanceryError as error:
            # Its address cannot be opened; the other channels' can.
            record(Message(found[0].channel_id, fence, Secret(""), (), "", ""), f"{error} {error.remedy}".strip(), now)
    return messages


def _message(channel: Channel, fence: UUID, found: list[Delivery]) -> Message:
    url = sealing.unseal(channel.sealed, table=CHANNEL_TABLE, record=str(channel.pk), field=CHANNEL_FIELD)
    lines = [line(delivery) for delivery in found]
    title = lines[0][0] if len(lines) == 1 else f"{len(lines)} notices"
    shown = [text for _, text in lines[:_LINES]]
    if len(lines) > _LINES:
        shown.append(f"And {len(lines) - _LINES} more: {_address('/notices')}")
    networks = tuple(channel.allowed_networks)
    return Message(channel.pk, fence, url, networks, f"Chancery: {title}"[:250], "\n\n".join(shown))


def line(delivery: Delivery) -> tuple[str, str]:
    """Return the title and the text of one delivery."""
    head, notice = _HEADS[What(delivery.what)], delivery.notice
    if notice is None:
        return "Test", f"Test, asked for by {delivery.asked_by}: this channel works."
    parts = [f"{head}: {notice.title}", "" if delivery.what == What.RESOLVED else notice.text, _address(notice.link)]
    return f"{head}: {notice.title}", "\n".join(part for part in parts if part)


def _address(path: str) -> str:
    """Return where something is to be seen, if this installation knows its own address."""
    origin = next(iter(settings.CSRF_TRUSTED_ORIGINS), "")
    return f"{origin}{path}" if origin else ""


def record(message: Message, error: str, now: datetime) -> None:
    """Write down how sending went ('' for well); what failed is sent again later, some times, then given up."""
    rows = Delivery.objects.filter(channel=message.channel, fence=message.fence, state=DeliveryState.DUE)
    channel = Channel.objects.filter(pk=message.channel).first()
    if channel is None:
        return
    if not error:
        rows.update(state=DeliveryState.SENT, due_at=None, fence=None, finished_at=now, error="")
        Channel.objects.filter(pk=channel.pk).update(last_sent_at=now, failures=0, last_error="")
        return
    for row in rows:
        row.attempts, row.error, row.fence = row.attempts + 1, error[:500], None
        given_up = row.attempts >= _ATTEMPTS or row.what == What.TEST
        row.state = DeliveryState.FAILED if given_up else DeliveryState.DUE
        row.due_at = None if given_up else now + min(_FIRST_GAP * 2 ** (row.attempts - 1), _LONGEST_GAP)
        row.finished_at = now if given_up else None
        row.save()
    Channel.objects.filter(pk=channel.pk).update(failures=channel.failures + 1, last_error=error[:500])
