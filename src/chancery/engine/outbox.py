"""Sends notices: claimed in one transaction, sent on threads of its own, recorded in another."""

from __future__ import annotations

import queue
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from django.db import transaction

from chancery.apps.notices import sending
from chancery.apps.notices.sending import Message
from chancery.net import notify

_SENDERS = 2


class Outbox:
    """One per worker. A notice whose worker vanished while it was sent goes out again after its lease."""

    def __init__(self) -> None:
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="notice")
        self._done: queue.SimpleQueue[tuple[Message, str]] = queue.SimpleQueue()
        self._busy = 0

    def turn(self, now: datetime) -> None:
        """Record what was sent and begin to send what is due."""
        while not self._done.empty():
            message, error = self._done.get()
            self._busy -= 1
            with transaction.atomic():
                sending.record(message, error, now)
        # No more than are sent at once: what waited here would outlive its lease, and be sent by another worker as well.
        if self._busy >= _SENDERS or not sending.waiting(now):
            return
        with transaction.atomic():
            messages = sending.claim(now, _SENDERS - self._busy)
        for message in messages:
            self._busy += 1
            self._senders.submit(
                notify.send, message.url, message.title, message.body, message.networks
            ).add_done_callback(
                lambda f, m=message: self._sent(m, f)  # type: ignore[misc]  # the default binds this message
            )

    def _sent(self, message: Message, future: Future[str]) -> None:
        error = future.exception() if not future.cancelled() else None
        said = "" if error is None else f"It could not be sent ({type(error).__name__})."
        self._done.put((message, said or (future.result() if not future.cancelled() else "The worker was stopped.")))

    def close(self) -> None:
        """Let what is under way finish; it is not recorded any more."""
        self._senders.shutdown(wait=True, cancel_futures=True)
