"""Keys that were reported as compromised: nothing is certified, renewed or deployed for one, whoever asks.

The report stands on the key itself, so it stays whatever becomes of the certificates with it, and it is not taken back: the
way on is a new key.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import TYPE_CHECKING

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates.models import CompromisedKey
from chancery.apps.shared.returning import one_of, read
from chancery.core.errors import ChanceryError, Invalid

if TYPE_CHECKING:
    from chancery.apps.shared.action import Scoped
    from chancery.apps.shared.actor import Actor

TEXT = "Its key was reported as compromised."
REMEDY = "Make a new key and send its request."
CODE = "key_compromised"
_AMONG = "SELECT spki_sha256 FROM certificates_compromisedkey WHERE spki_sha256"


def compromised(keys: AbstractSet[str]) -> set[str]:
    """Return those of some public keys (SHA-256 of the SPKI, hex) that were reported, by whomever and wherever.

    One query by the primary key of a short table, asked once for a batch of orders.
    """
    if not keys:
        return set()
    some, values = one_of(sorted(keys))
    return {key for (key,) in read(f"{_AMONG} {some}", values)}


def refusal() -> Invalid:
    """Return the refusal of a request for such a key."""
    return Invalid.one("csr", TEXT, REMEDY, CODE)


def refuses(error: ChanceryError) -> bool:
    """Say whether an order was refused for its key."""
    return isinstance(error, Invalid) and any(p.code == CODE for p in error.problems)


def of(key: str) -> CompromisedKey | None:
    """Return what is known of a key's report, None where it was never reported."""
    return CompromisedKey.objects.filter(pk=key).first()


def record(key: str, place: Scoped, by: str, at: datetime, note: str = "") -> bool:
    """Write a report down, in the caller's transaction; the first one stays. Returns whether it is the first."""
    if compromised({key}):
        return False
    where = {"team_id": place.team_id, "environment_id": place.environment_id}
    row = CompromisedKey(spki_sha256=key, reported_by=by[:200], reported_at=at, note=note[:500], **where)
    # Whoever reports it at the same moment was as right.
    CompromisedKey.objects.bulk_create([row], ignore_conflicts=True)
    return True


def tells(actor: Actor, row: CompromisedKey) -> bool:
    """Say whether somebody may know who reported a key and why: whoever sees the certificates of the place it was reported in."""
    return row.team_id is not None and actor.may(Permission.CERTIFICATE_VIEW, row.team_id, row.environment_id)
