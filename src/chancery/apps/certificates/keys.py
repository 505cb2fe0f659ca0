"""Keys that were reported as compromised: nothing is certified, renewed or deployed for one while a report stands.

A report stands on the key itself, so it stays whatever becomes of the certificates with it. Whom it stops is decided when it
is made, and anew when an Administrator confirms it (docs/adr/0027): everybody, or the team alone that made it. Withdrawn, it
stops nobody, and is still there to be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol

from chancery.apps.certificates.models import KeyReport
from chancery.apps.shared.action import Scoped
from chancery.apps.shared.returning import one_of, read
from chancery.core.errors import ChanceryError, Invalid
from chancery.core.ids import new_id

TEXT = "Its key was reported as compromised."
REMEDY = "Make a new key and send its request."
CODE = "key_compromised"
Pair = tuple[str, int | None]
"""A public key (SHA-256 of the SPKI, hex), and the team that wants something done with it."""
_STANDING = """
SELECT spki_sha256, team_id, for_everybody FROM certificates_keyreport WHERE withdrawn_at IS NULL AND spki_sha256"""


class Keyed(Protocol):
    """Something of a team that has a public key: an order, a certificate, what a CA's list has."""

    @property
    def spki_sha256(self) -> str:
        """The key, as in `Pair`."""
        ...

    @property
    def team_id(self) -> int | None:
        """The id of its team."""
        ...


def barred(asked: Iterable[Pair]) -> set[Pair]:
    """Return those of some keys that are stopped for the team beside them: the one place that says it.

    One query by an index of a short table, asked once for a batch of orders.
    """
    pairs = set(asked)
    if not pairs:
        return set()
    some, values = one_of(sorted({key for key, _ in pairs}))
    rows = read(f"{_STANDING} {some}", values)
    everybody = {key for key, _, wide in rows if wide}
    own = {(key, team) for key, team, _ in rows if team is not None}
    return {pair for pair in pairs if pair[0] in everybody or pair in own}


def bars(thing: Keyed) -> bool:
    """Say whether the key of one thing is stopped for its team."""
    return bool(barred([(thing.spki_sha256, thing.team_id)]))


def refusal() -> Invalid:
    """Return the refusal of a request for such a key."""
    return Invalid.one("csr", TEXT, REMEDY, CODE)


def refuses(error: ChanceryError) -> bool:
    """Say whether an order was refused for its key."""
    return isinstance(error, Invalid) and any(p.code == CODE for p in error.problems)


def about(thing: Keyed) -> list[KeyReport]:
    """Return the reports of a thing's key, withdrawn ones too, in the order in which they came."""
    return list(KeyReport.objects.filter(spki_sha256=thing.spki_sha256).select_related("team").order_by("id"))


def stopping(thing: Keyed, reports: Iterable[KeyReport]) -> KeyReport | None:
    """Return the first of the reports of a thing's key that stops it for the thing's team; None where none does."""
    return next((one for one in reports if one.stands and one.stops(thing.team_id)), None)


def record(
    key: str,
    place: Scoped,
    by: str,
    at: datetime,
    note: str = "",
    *,
    named: str = "",
    for_everybody: bool = True,
    confirmed_by: str = "",
) -> tuple[KeyReport, bool]:
    """Write a report down, in the caller's transaction; returns the team's report as it stands, and whether that is news.

    It is none where the team has one that stands and says no less; what it says again with more weight widens that one.
    `named` is the certificate that it is about, in words.
    """
    standing = KeyReport.objects.filter(spki_sha256=key, team_id=place.team_id, withdrawn_at=None)
    weight = {
        "for_everybody": for_everybody or bool(confirmed_by),
        "confirmed_by": confirmed_by[:200],
        "confirmed_at": at if confirmed_by else None,
    }
    # Held, so that nobody withdraws it meanwhile.
    before = standing.select_for_update(of=("self",)).first()
    if before is None:
        where = {"team_id": place.team_id, "environment_id": place.environment_id}
        said = {"reported_by": by[:200], "reported_at": at, "note": note[:500], "certificate": named[:300]}
        row = KeyReport(id=new_id(at), spki_sha256=key, **said, **where, **weight)
        # Whoever of the team reports it at the same moment was as right.
        KeyReport.objects.bulk_create([row], ignore_conflicts=True)
    elif before.for_everybody or not weight["for_everybody"]:
        return before, False
    else:
        standing.update(**weight)
    return standing.get(), True
