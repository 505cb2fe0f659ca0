"""The keys that secrets are sealed with, by their ids.

A key store that holds its key itself (a file, a variable, a credential) may seal with that very key, as every
installation begins. After a rotation, and always with a store that gives no key away (Vault, KMS, an HSM), a key of our
own seals: it is kept wrapped by the store, unwrapped once for each process, and held in memory. Other processes find a
new one in the table, so nothing has to be restarted.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from chancery.apps.connectors import sealed
from chancery.apps.connectors.models import SealingKey
from chancery.apps.shared import keyfile
from chancery.apps.shared.action import current_clock
from chancery.core.errors import Unavailable
from chancery.keystores import opening
from chancery.keystores.base import KEY, KeyStore
from chancery.keystores.held import Held

LOST = "lost"
"""The store of a key that somebody said is gone for good."""
_keys: dict[str, bytes] = {}
_lock = threading.Lock()


def current() -> tuple[bytes, str]:
    """Return the key that seals now, and its id; made where this is the first secret."""
    row = newest()
    if row is not None:
        return key(row.kid), row.kid
    store = _store()
    if isinstance(store, Held):
        return store.key, store.kid
    row = fresh(store)
    return key(row.kid), row.kid


def key(kid: str) -> bytes:
    """Return a key by its id; raises `Unavailable` where no store that the settings name has it."""
    with _lock:
        found = _keys.get(kid)
        if found is None:
            stores, refusals = _stores()
            found = _keys[kid] = _direct(kid, stores) or _unwrapped(kid, stores, refusals)
    return found


def newest() -> SealingKey | None:
    """Return the key of our own that seals now, None where a store's own does."""
    return SealingKey.objects.exclude(wrapped="").order_by("-created_at", "-kid").first()


def fresh(store: KeyStore | None = None) -> SealingKey:
    """Make a new key of our own, wrapped by the store that the settings name; it seals from the commit on."""
    store = store or _store()
    kid = secrets.token_hex(8)
    wrapped = store.wrap(os.urandom(KEY), _bound(kid))
    at, before = current_clock().now(), newest()
    if before is not None:
        # The newest seals: a clock that was set back since would leave the key in force that is to be replaced.
        at = max(at, before.created_at + timedelta(microseconds=1))
    row = SealingKey(kid=kid, store=store.ident[:300], wrapped=wrapped, created_at=at)
    row.save(force_insert=True)
    return row


def key_id() -> str:
    """Return the id of the key that seals now, '' where there is none yet; raises `Unavailable` for a spoilt one."""
    row = newest()
    if row is not None:
        return row.kid
    if _is_missing():
        return ""
    store = _opened(address())
    return store.kid if isinstance(store, Held) else ""


def store_name() -> str:
    """Return which store the settings name, without anything secret."""
    return f"file {settings.KEK_FILE}" if _is_missing() else _opened(address()).ident


def sealed_with() -> Counter[str]:
    """Return key id → number of stored secrets that were sealed with it; what a lost key sealed counts no more."""
    found = Counter(sealed.key_ids())
    for kid in lost():
        found.pop(kid, None)
    return found


def lost() -> frozenset[str]:
    """Return the ids of keys that were given up as lost."""
    return frozenset(SealingKey.objects.filter(store=LOST).values_list("kid", flat=True))


def check() -> None:
    """Raise `Unavailable` where a stored secret could not be opened: a key or its store is missing, spoilt, or away."""
    if not _is_missing():
        _opened(address())
    for kid in sorted(sealed_with()):
        key(kid)


def forget() -> None:
    """Ask the stores again at the next use (after a restore, and in tests)."""
    with _lock:
        _keys.clear()
    _opened.cache_clear()


def address() -> str:
    """Return the address of the store that new keys are wrapped by."""
    return settings.KEK or Path(settings.KEK_FILE).absolute().as_uri()


def _is_missing() -> bool:
    return not settings.KEK and not Path(settings.KEK_FILE).exists()


def _store() -> KeyStore:
    path = Path(settings.KEK_FILE)
    if _is_missing():
        _refuse_to_replace(path)
        keyfile.make(path, os.urandom(KEY))
    return _opened(address())


def _stores() -> tuple[list[KeyStore], list[Unavailable]]:
    """Return the stores that are there, the present one first, and why others are not."""
    found: list[KeyStore] = []
    refusals: list[Unavailable] = []
    if _is_missing():
        _refuse_to_replace(Path(settings.KEK_FILE))
    for where in (*(() if _is_missing() else (address(),)), *settings.KEK_OLD):
        try:
            found.append(_opened(where))
        except Unavailable as refusal:
            refusals.append(refusal)
    return found, refusals


@lru_cache(maxsize=16)
def _opened(where: str) -> KeyStore:
    return opening.opened(where)


def _direct(kid: str, stores: Sequence[KeyStore]) -> bytes | None:
    return next((s.key for s in stores if isinstance(s, Held) and s.kid == kid), None)


def _unwrapped(kid: str, stores: Sequence[KeyStore], refusals: list[Unavailable]) -> bytes:
    row = SealingKey.objects.exclude(wrapped="").filter(kid=kid).first()
    if row is not None:
        # The store that wrapped it first; a file may have another path by now.
        for store in sorted(stores, key=lambda s: s.ident != row.store):
            try:
                return store.unwrap(row.wrapped, _bound(kid))
            except Unavailable as refusal:
                refusals.append(refusal)
    if kid in lost():
        text = "The key that sealed this stored secret was given up as lost."
        raise Unavailable(text, remedy="Enter it anew.", code="key_lost")
    if refusals:
        raise refusals[0]
    text = f"Stored secrets were sealed with another key ({kid[:40]}), which no key store that is named here has."
    remedy = f"Put back the key file with id {kid[:40]}, or name its store in CHANCERY_KEK_OLD."
    raise Unavailable(text, remedy=remedy, code="wrong_kek")


def _refuse_to_replace(path: Path) -> None:
    found = sealed_with()
    if found and not settings.KEK_OLD:
        number, ids = found.total(), ", ".join(sorted(found))
        msg = f"The key-encryption key file {path} is missing, and {number} stored secrets were sealed with it (id {ids})."
        remedy = (
            "Put it back from a backup, or copy it from another node; without it they cannot be opened. If it is gone for good, "
            "`chancery keys lost` names what has to be entered anew; nothing else is lost."
        )
        raise Unavailable(msg, remedy=remedy, code="no_kek")


def _bound(kid: str) -> bytes:
    return f"chancery-sealing-key\x1f{kid}".encode()
