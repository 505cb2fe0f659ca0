"""What the host's operator does with the record: another signing key, a word after a restore, a person erased."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from chancery.apps.audit import occasions, sequencer, signing
from chancery.apps.audit.models import Checkpoint, Entry
from chancery.apps.audit.record import SALT
from chancery.apps.shared import keyfile
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.actor import Actor
from chancery.core.errors import Conflict, Unavailable
from chancery.core.note import Signer

_PART = 2_000
_TRIES = 10
"""How often a new key tries to sign while a worker goes on to place entries."""


def new_key(actor: Actor, *, lost: bool = False) -> Checkpoint:
    """Give the signing to a new key; the old one names it in a checkpoint that both sign.

    With `lost` the old one is not needed: then only the record's own entry says that there is another, and whoever
    verifies must be told its public half.
    """
    about = signing.log()
    old = None if lost else signing.signer(about)
    path = Path(settings.AUDIT_KEY_FILE)
    content = signing.fresh()
    new = Signer(about.name, signing.loaded(content, path))
    occasions.note(actor, "audit.new_key", "audit_key", new.key.hint.hex(), {"key": new.key.text, "lost": lost})
    keyfile.replace(signing.next_file(path), content)
    made = None
    for _ in range(_TRIES):
        while sequencer.sequence():
            pass
        made = sequencer.turn(signing.log(), old, new, current_clock().now())
        if made is not None:
            break
    if made is None:
        text = "The record grew while the new key was about to sign; the old one stays."
        raise Unavailable(text, remedy="Run the command again.", code="retry")
    signing.next_file(path).replace(path)
    keyfile.sync(path.parent)
    return made


def restored(actor: Actor) -> str:
    """Begin a new origin of checkpoints, since the tables were put back from a backup; returns it."""
    origin = sequencer.restored()
    occasions.note(actor, "audit.restored", "log", origin, {})
    return origin


def forget(actor: Actor, name: str, until: datetime | None = None) -> int:
    """Erase a login name, and the addresses its holder came from, beside every entry (up to a moment); returns how many.

    The entries' bytes and the tree stay as they are; the salts go too, so that nothing can be guessed from the bytes.
    """
    if not name or name == "engine":
        raise Conflict("This is nobody's login name.", remedy="Give the name as entries show it.", code="nobody")
    with transaction.atomic():
        rows = Entry.objects.filter(Q(actor=name) | Q(subject=name), **({"at__lte": until} if until else {}))
        number = 0
        for row in rows.only("actor", "address", "subject", "salt").iterator(chunk_size=_PART):
            number += 1
            _erase(row, name)
        occasions.note(actor, "audit.forget", "entries", "", {"number": number})
    return number


def _erase(row: Entry, name: str) -> None:
    salt = bytes(row.salt or b"")
    if row.actor == name:
        row.actor, row.address, salt = "", None, bytes(min(len(salt), SALT)) + salt[SALT:]
    if row.subject == name:
        row.subject, salt = "", salt[:SALT]
    row.salt = salt if salt.strip(b"\x00") else None
    row.save(update_fields=["actor", "address", "subject", "salt"])
