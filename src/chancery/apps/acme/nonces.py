"""Nonces (RFC 8555 section 6.5): made anywhere, spent once everywhere.

A nonce says when it was made, and is authenticated by a key that all web nodes have; so making one writes nothing. What was
spent stands in a table, so that no two nodes take the same one and a restart forgets none. Those of messages that come
together are spent in one commit (`arriving`).
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from django.conf import settings
from django.db import connection

from chancery.apps.acme.errors import AcmeError
from chancery.apps.acme.jose import decode, encode
from chancery.apps.acme.models import SpentNonce
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.returning import returned

LIFE = timedelta(hours=2)
_AHEAD = 60
"""Seconds by which another node's clock may be ahead of ours."""
_TIME, _RANDOM, _MAC = 6, 12, 15


def fresh() -> str:
    """Return a new nonce."""
    at = int(current_clock().now().timestamp()).to_bytes(_TIME, "big")
    raw = at + os.urandom(_RANDOM)
    return encode(raw + _mac(raw))


def spend(text: object) -> bool:
    """Use a nonce up; says whether it was ours, young enough, and not spent before."""
    ident = authentic(text)
    return ident is not None and spend_all([ident])[0]


def prune(now: datetime) -> None:
    """Forget what was spent so long ago that its nonces are too old by themselves."""
    SpentNonce.objects.filter(at__lt=now - 2 * LIFE).delete()


def authentic(text: object) -> str | None:
    """Return what a nonce is kept by once it is spent; None where it is not ours, or too old."""
    try:
        raw = decode(text, "nonce")
    except AcmeError:
        return None
    body, mac = raw[: _TIME + _RANDOM], raw[_TIME + _RANDOM :]
    if len(raw) != _TIME + _RANDOM + _MAC or not hmac.compare_digest(_mac(body), mac):
        return None
    age = current_clock().now().timestamp() - int.from_bytes(body[:_TIME], "big")
    return encode(body) if -_AHEAD <= age < LIFE.total_seconds() else None


def _mac(raw: bytes) -> bytes:
    return hmac.digest(_key(), raw, "sha256")[:_MAC]


@lru_cache(maxsize=1)
def _key() -> bytes:
    return hashlib.sha256(b"chancery acme nonce\x1f" + settings.SECRET_KEY.encode()).digest()


def spend_all(idents: Sequence[str]) -> list[bool]:
    """Use nonces up (as `authentic` has them), and say of each whether it counts; one statement writes all of them.

    The rows that were not there before are those that count.
    """
    if not idents:
        return []
    now = current_clock().now()
    table = connection.ops.quote_name(SpentNonce._meta.db_table)
    wanted = sorted(set(idents))
    marks = ", ".join(["(%s, %s)"] * len(wanted))
    sql = f"INSERT INTO {table} (text, at) VALUES {marks} ON CONFLICT DO NOTHING"
    rows = returned(SpentNonce, ["text"], sql, [value for ident in wanted for value in (ident, now)])
    left = {row["text"] for row in rows}
    answers = []
    for ident in idents:
        answers.append(ident in left)
        # The second of two that came together with one nonce is a replay too.
        left.discard(ident)
    return answers
