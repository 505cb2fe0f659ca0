"""What a worker does beside its turns: places for entries, checkpoints, bringing those outside, telling programs, new keys.

A thread with a connection of its own for each: one that is held up outside keeps back neither the orders nor the tree.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, close_old_connections, connections

from chancery.apps.audit import anchors, sequencer
from chancery.apps.connectors import rekeying, rotating
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.room import said as first_line
from chancery.core.errors import ChanceryError
from chancery.engine.hooks import tell

log = logging.getLogger("chancery.audit")
EVERY = 1.0
_BREATH = 0.02
"""Seconds between two batches, in which others get to write."""
_PATIENCE = 20.0
"""Seconds that the end waits for somebody outside who does not answer."""


@contextmanager
def notary(leads: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Run the threads while the block runs, and one round more, so that what was recorded last is sealed too.

    Only where `leads` says so: several workers that seal the same entries would only wait for each other. The last round
    is everybody's, since whoever leads next may not have begun.
    """
    ended = threading.Event()
    threads = [
        threading.Thread(target=_rounds, args=(step, ended, who), name=step.__name__, daemon=True)
        # What is told to others is claimed under a lease, so any worker tells it.
        for step, who in ((seal, leads), (bring, leads), (rewrap, leads), (tell, lambda: True))
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(_PATIENCE)


def seal() -> bool:
    """Place the next batch of entries, and sign where it is time; says whether more are waiting."""
    placed = sequencer.sequence()
    every = timedelta(seconds=settings.AUDIT_CHECKPOINT_SECONDS)
    sequencer.checkpoint(current_clock().now(), every)
    return placed == sequencer.BATCH


def bring() -> bool:
    """Bring checkpoints to the places outside."""
    anchors.deliver(current_clock().now())
    return False


def rewrap() -> bool:
    """Look after stored secrets: those of rotations, and those that another key sealed; says whether to go on at once."""
    rotating.tidy(current_clock().now())
    return rekeying.step(current_clock().now()) > 0


def _rounds(step: Callable[[], bool], ended: threading.Event, leads: Callable[[], bool]) -> None:
    said, last, more = "", False, False
    try:
        while not last or more:
            last = ended.is_set()
            more, said = _round(step, said) if last or leads() else (False, said)
            ended.wait(_BREATH if more else EVERY)
    finally:
        connections.close_all()


def _round(step: Callable[[], bool], said: str) -> tuple[bool, str]:
    """Take one step; what goes wrong is logged once, and tried again."""
    try:
        return step(), ""
    except DatabaseError as error:
        close_old_connections()
        text = f"the database does not answer: {first_line(error)}"
    except ChanceryError as error:
        text = f"{error} {error.remedy}"
    except Exception:
        # The record must not end because of one fault that nobody foresaw.
        log.exception("a round of %s failed; trying again", step.__name__)
        return False, ""
    if text != said:
        log.error("%s: %s", step.__name__, text)
    return False, text
