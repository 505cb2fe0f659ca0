"""Does what an inventory asks of an authority: a part of its list, or one certificate. Stores nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from chancery.core.certificate import CertificateFacts, facts
from chancery.core.errors import Invalid
from chancery.core.inventory import Marks, canonical_serial
from chancery.engine.jobs import Bad, Entry, Fetched, Job, Taken
from chancery.sdk.inventory import MOST_ENTRIES, InventoryPage, Listed, ListedState
from chancery.sdk.outcome import Issued

_NAMES, _CHAIN = 100, 10
_LONGEST_WAIT, _MOST_TOTAL = timedelta(hours=1), 2**31 - 1


def page(job: Job, authority: Any, now: Callable[[], datetime]) -> Taken:
    """Read a part of the CA's list. What a plug-in brings that is no page, or no entry, is its bug."""
    del now
    found = authority.inventory(job.extra["cursor"] or None)
    if not isinstance(found, InventoryPage) or len(found.entries) > MOST_ENTRIES:
        raise TypeError("inventory")
    if found.cursor is not None and not (isinstance(found.cursor, dict) and found.cursor):
        raise TypeError("cursor")
    wait = min(max(found.next_page, timedelta(0)), _LONGEST_WAIT)
    total = None if found.total is None else min(max(found.total, 0), _MOST_TOTAL)
    return Taken(tuple(_entry(one) for one in found.entries), found.cursor, total, wait)


def _entry(one: Listed) -> Entry:
    known = _facts(one.certificate) if one.certificate else None
    serial = known.serial if known else canonical_serial(one.serial)
    if not serial:
        raise TypeError("an entry without serial number")
    marks = Marks(
        serial,
        known.issuer[:500] if known else one.issuer[:500],
        known.key.spki_sha256 if known else _hash(one.spki_sha256),
        known.sha256 if known else "",
    )
    for moment in (one.not_after, one.revoked_at):
        if moment is not None and moment.tzinfo is None:
            raise TypeError("a moment without its zone")
    names = [n.value for n in known.names] if known else list(one.names)
    return Entry(
        marks=marks,
        state=str(ListedState(one.state)),
        reference=one.reference[:200],
        common_name=(known.common_name if known else one.common_name)[:255] or next(iter(names), "")[:255],
        names=tuple(name[:255] for name in names[:_NAMES]),
        not_after=known.not_after if known else one.not_after,
        revoked_at=one.revoked_at,
        text=one.text[:500],
        der=one.certificate if known else b"",
        chain=one.chain[:_CHAIN] if known else (),
    )


def _hash(text: str) -> str:
    return text if re.fullmatch("[0-9a-f]{64}", text) else ""


def _facts(der: bytes) -> CertificateFacts | None:
    try:
        return facts(der)
    except Invalid:
        return None


def fetch(job: Job, authority: Any, now: Callable[[], datetime]) -> Fetched | Bad:
    """Fetch the certificate of a finding, and see that it is that one: by its number and, where it is known, its key."""
    del now
    found = authority.fetch(job.extra["reference"])
    if not isinstance(found, Issued):
        raise TypeError(type(found).__name__)
    brought = _facts(found.leaf)
    if brought is None:
        return Bad(("The CA's certificate cannot be decoded.",), found.leaf, found.reference)
    key = job.extra["spki_sha256"]
    if brought.serial != job.extra["serial"] or key not in {"", brought.key.spki_sha256}:
        return Bad(("The CA gave another certificate than the one that it lists.",), found.leaf, found.reference)
    return Fetched(brought, found.chain[:_CHAIN], found.reference or job.extra["reference"])
