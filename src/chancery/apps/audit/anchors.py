"""Brings checkpoints to places outside, which whoever may write the database cannot rewrite.

Each place gets every checkpoint, in order. One that cannot be reached is tried again, ever less often; the others go on.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings

from chancery.apps.audit.models import Anchor, Checkpoint, Log
from chancery.core import note
from chancery.core.errors import ChanceryError, Unavailable
from chancery.net import objects, syslog

logger = logging.getLogger("chancery.audit")
_MOST = 100
_LONGEST = timedelta(minutes=5)
_TAIL = 4096
"""Bytes at the end of a file in which its last checkpoint stands."""
MARK = "chancery_checkpoint"
"""The name of the note in a syslog line."""


def places() -> tuple[str, ...]:
    """Return the addresses that the settings name."""
    found: tuple[str, ...] = settings.AUDIT_ANCHORS
    return found


def states() -> list[Anchor]:
    """Return how each place stands, also one that has got nothing yet."""
    rows = {row.place: row for row in Anchor.objects.filter(place__in=places())}
    return [rows.get(place) or Anchor(place=place) for place in places()]


def deliver(now: datetime) -> None:
    """Bring each place what it has not got yet."""
    last = Checkpoint.objects.order_by("-id").first()
    if last is None:
        return
    for place in places():
        row, _ = Anchor.objects.get_or_create(place=place, defaults={"done": last.pk - 1})
        if row.done < last.pk and (row.tried_at is None or row.tried_at + _pause(row.failures) <= now):
            _deliver(row, now)


def _pause(failures: int) -> timedelta:
    return min(_LONGEST, timedelta(seconds=2 ** min(failures, 10))) if failures else timedelta()


def _deliver(row: Anchor, now: datetime) -> None:
    row.tried_at = now
    try:
        for made in Checkpoint.objects.filter(pk__gt=row.done).order_by("pk")[:_MOST]:
            _put(row.place, made)
            row.done, row.size, row.at = made.pk, made.size, now
        row.failures, row.error = 0, ""
    except (OSError, ChanceryError) as error:
        row.failures += 1
        row.error = str(error)[:500]
        logger.error("no checkpoint of the record reaches %s: %s", row.place, row.error)
    row.save()


def _put(place: str, made: Checkpoint) -> None:
    scheme = urlsplit(place).scheme
    if scheme == "file":
        _append(Path(urlsplit(place).path), made.note)
    elif scheme == "s3":
        said = note.Checkpoint.parse(note.parse(made.note).text)
        name = f"{said.origin.replace('/', '-')}-{made.size:020d}-{made.pk}.txt"
        objects.store(place, name, made.note.encode(), made.at)
    else:
        line = json.dumps({MARK: made.note}, ensure_ascii=False)
        syslog.send(place, made.at, "audit-checkpoint", line)


def _append(path: Path, text: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        _whole(handle, text.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def _whole(handle: int, content: bytes) -> None:
    """Write all or nothing: a disk that fills up takes a part, and half a checkpoint looks like one that was tampered with."""
    before, left = os.fstat(handle).st_size, content
    try:
        # One write, unless it is cut short: two processes do not mix their lines.
        while left:
            left = left[os.write(handle, left) :]
    except OSError:
        # Not where another process has added something since.
        if os.fstat(handle).st_size == before + len(content) - len(left):
            os.ftruncate(handle, before)
        raise


def refuse_older(about: Log) -> None:
    """Refuse to sign a tree that is smaller than what a file outside has of it: it was cut, or put back from a backup."""
    for path in files():
        for said in _last(path):
            if said.origin == about.origin and said.size > about.size:
                text = f"The record has {about.size} entries in its tree, and {path} has a checkpoint of {said.size}."
                remedy = (
                    "If the database was put back from a backup, say so with `chancery audit restored`. "
                    "If not, somebody removed entries: keep everything as it is and look for who did."
                )
                raise Unavailable(text, remedy=remedy, code="record_older")


def files() -> list[Path]:
    """Return the files among the places."""
    return [Path(urlsplit(place).path) for place in places() if urlsplit(place).scheme == "file"]


def _last(path: Path) -> Iterator[note.Checkpoint]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            tail = file.read().decode(errors="replace")
    except OSError:
        return
    for raw in list(note.split(tail))[-1:]:
        try:
            yield note.Checkpoint.parse(note.parse(raw).text)
        except ValueError:
            logger.error("the last lines of %s are no checkpoint", path)
