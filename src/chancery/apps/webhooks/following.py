"""What a worker does for webhooks: takes one that is due, reads what it is to be told, and records how far it got."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from chancery.apps.audit.models import Entry, Log
from chancery.apps.connectors import sealing
from chancery.apps.connectors.sealed import WEBHOOK_TABLE
from chancery.apps.shared import asked
from chancery.apps.webhooks.models import Webhook
from chancery.core import webhook
from chancery.core.secret import Secret

LEASE = timedelta(minutes=2)
TURN = 20.0
"""Seconds after which a worker begins no further message of a webhook: far less than the lease, and others wait for theirs."""
PAUSE = timedelta(seconds=2)
"""Until a webhook that has been told all is looked at again."""
_FIRST_GAP, _LONGEST_GAP = timedelta(seconds=10), timedelta(hours=1)
PATIENCE = timedelta(days=5)
"""How long one that does not answer is tried before it is switched off."""
_FORMER = "former"
_AT_ONCE, _LOOKED_AT, _CHUNK = 50, 2_000, 100
_ROOMS = {"order": "orders", "certificate": "certificates", "profile": "profiles", "bot": "bots",
          "connector": "integrations/ca-connectors", "finding": "inventory/findings", "pull": "inventory/pulls",
          "deployment": "bots/deployments"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One event: the id stays the same however often it is sent; `index` is its place in the record, None for a test."""

    ident: str
    index: int | None
    body: bytes


@dataclass
class Batch:
    """What one webhook is to be told now, in order; `reached` is the place that was read up to."""

    row: Webhook
    fence: UUID
    secrets: tuple[Secret, ...]
    reached: int
    messages: list[Message] = field(default_factory=list)

    @property
    def more(self) -> bool:
        """Say whether there may be more than was read."""
        return len(self.messages) >= _AT_ONCE or self.reached - self.row.position >= _LOOKED_AT


def seal(ident: UUID, name: str, secret: Secret) -> dict[str, object]:
    """Return a secret as the row keeps it; `name` is `present`, `former`, or what `earlier` returns."""
    return sealing.seal(secret.reveal(), table=WEBHOOK_TABLE, record=str(ident), field=name)


def unsealed(row: Webhook, name: str) -> Secret:
    """Return one of the row's secrets, opened; raises `Unavailable` where that cannot be."""
    return sealing.unseal(row.sealed[name], table=WEBHOOK_TABLE, record=str(row.pk), field=name)


def earlier(number: int, until: datetime) -> str:
    """Return the name of a secret from before the former one. It says its own end, which is sealed with it in this way."""
    return f"{_FORMER} {number} {until.isoformat()}"


def counting(row: Webhook, now: datetime) -> dict[str, datetime | None]:
    """Return the names of the secrets that count, each with its end: the present one (None) first, then the newest."""
    names = sorted(row.sealed, key=lambda name: (name != "present", name))
    ends = {name: _until(row, name) for name in names}
    return {name: end for name, end in ends.items() if name == "present" or (end is not None and end > now)}


def _until(row: Webhook, name: str) -> datetime | None:
    if name.startswith(f"{_FORMER} "):
        return datetime.fromisoformat(name.rpartition(" ")[2])
    return row.former_until if name == _FORMER else None


def secrets(row: Webhook, now: datetime) -> tuple[Secret, ...]:
    """Return the secrets that messages are signed with, the present one first."""
    return tuple(unsealed(row, name) for name in counting(row, now))


def claim(now: datetime) -> Webhook | None:
    """Take a webhook that is due, under a lease; None where none is."""
    row = Webhook.objects.filter(due_at__lte=now).order_by("due_at").first()
    if row is None:
        return None
    fence = uuid.uuid4()
    mine = Webhook.objects.filter(pk=row.pk, due_at=row.due_at, fence=row.fence)
    if not mine.update(fence=fence, due_at=now + LEASE):
        return None
    row.fence = fence
    return row


def batch(row: Webhook, now: datetime) -> Batch:
    """Read what a webhook is to be told next; raises `ChanceryError` where its secret cannot be opened."""
    size = Log.objects.values_list("size", flat=True).first() or 0
    until = min(size, row.position + _LOOKED_AT)
    found = Batch(row, row.fence or uuid.uuid4(), secrets(row, now), until)
    if row.test_asked_at is not None:
        ident = f"test-{row.pk.hex}-{int(row.test_asked_at.timestamp())}"
        found.messages.append(Message(ident, None, webhook.test_message(row.test_asked_at, row.name)))
    for message in _told(row, until):
        found.messages.append(message)
        if len(found.messages) >= _AT_ONCE:
            found.reached = (message.index or 0) + 1
            break
    return found


def _told(row: Webhook, until: int) -> Iterator[Message]:
    rows = Entry.objects.filter(team_id=row.team_id, tree_index__gte=row.position, tree_index__lt=until)
    rows = rows.order_by("tree_index").only("id", "tree_index", "body", "target_kind", "target_id")
    for some in _batched(rows.iterator(chunk_size=_CHUNK)):
        here = _within(row, some)
        for entry in some:
            said = json.loads(bytes(entry.body))
            name = webhook.event(said)
            if name and webhook.wants(row.events, name) and (here is None or entry.pk in here):
                body = webhook.message(name, said, entry.tree_index or 0, _link(said))
                yield Message(str(entry.pk), entry.tree_index, body)


def _batched(rows: Iterable[Entry]) -> Iterator[list[Entry]]:
    every = iter(rows)
    while some := list(islice(every, _CHUNK)):
        yield some


def _within(row: Webhook, entries: Sequence[Entry]) -> set[UUID] | None:
    """Return the entries about things of the webhook's environment; None where it is told of all. What is gone is of none."""
    if row.environment_id is None:
        return None
    found: set[UUID] = set()
    for kind in {entry.target_kind for entry in entries}:
        model = asked.model(kind)
        if model is None or not hasattr(model, "environment"):
            continue
        about = {entry.target_id for entry in entries if entry.target_kind == kind}
        there = model._default_manager.filter(pk__in=about, environment=row.environment_id).values_list("pk", flat=True)
        ids = {str(pk) for pk in there}
        found |= {entry.pk for entry in entries if entry.target_kind == kind and entry.target_id in ids}
    return found


def _link(said: dict[str, Any]) -> str:
    """Return where the thing is to be seen, if this installation knows its own address."""
    origin, target = next(iter(settings.CSRF_TRUSTED_ORIGINS), ""), said["target"]
    room = _ROOMS.get(target["kind"])
    if target["kind"] == "key_report":
        where = f"certificates/key-reports?key={said['detail']['spki_sha256']}"
    else:
        where = f"{room}/{target['id']}" if room else ""
    return f"{origin}/{where}" if origin and where else ""


@transaction.atomic
def record(done: Batch, sent: int, error: str, now: datetime) -> None:
    """Write down that `sent` messages were taken, and what stood in the way of the next ('' for nothing, or for time)."""
    row = Webhook.objects.select_for_update().filter(pk=done.row.pk, fence=done.fence).first()
    if row is None:
        return
    row.fence = None
    for message in done.messages[:sent]:
        row.last_sent_at = now
        if message.index is None:
            row.tested_at, row.test_asked_at = now, None
        else:
            row.position = message.index + 1
    if error:
        _failed(row, done, sent, error, now)
    else:
        left = sent < len(done.messages)
        row.position = row.position if left else max(row.position, done.reached)
        row.failures, row.failing_since, row.last_error = 0, None, ""
        row.due_at = (now if left or done.more else now + PAUSE) if row.is_active else None
    row.save()


def _failed(row: Webhook, done: Batch, sent: int, error: str, now: datetime) -> None:
    tested = sent < len(done.messages) and done.messages[sent].index is None
    if tested:
        # A test is tried once: whoever asked looks at how it went.
        row.test_asked_at = None
    row.failures, row.last_error = row.failures + 1, error[:500]
    row.failing_since = row.failing_since or now
    row.due_at = now + min(_FIRST_GAP * 2 ** min(row.failures - 1, 20), _LONGEST_GAP)
    if now - row.failing_since > PATIENCE:
        row.is_active, row.due_at = False, None
        row.last_error = f"Switched off after {PATIENCE.days} days without an answer; last: {error}"[:500]
    if not row.is_active:
        row.due_at = None
