"""Entries of what changes no table of ours, such as a backup taken on the host."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from chancery.apps.audit.record import Note, write
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor


def note(actor: Actor, action: str, kind: str, name: str, detail: dict[str, Any]) -> None:
    """Record one occasion."""
    with transaction.atomic():
        write(actor, action, current_clock().now(), [Note(kind, "", name, detail=detail)])
