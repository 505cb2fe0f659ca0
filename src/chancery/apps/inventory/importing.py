"""Carries out an import that was previewed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates.models import Certificate, Origin
from chancery.apps.certificates.storing import Foreign, store
from chancery.apps.inventory.planning import STORES, Fate, Import, Item, Plan, plan
from chancery.apps.shared.action import Act, Place, action
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.texts import clean
from chancery.core.errors import Conflict, Invalid, Problem
from chancery.core.importing import Chains

_NAMED = 20


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    stored: int
    owners: int


@action("inventory.import", Permission.INVENTORY_IMPORT)
def import_certificates(act: Act, asked: Import, previewed: str) -> Imported:
    """Store what was previewed, all of it or nothing. `previewed` is the digest of that preview's plan."""
    made = plan(act.actor, asked, act.at)
    _check_preview(made, previewed)
    touched = [item for item in made.items if item.fate in {*STORES, Fate.FORBIDDEN}]
    for place in sorted({item.place for item in touched if item.place is not None}, key=_in_order):
        act.require(place)
    _check_items(made)
    source = clean("source", asked.source, 120)
    try:
        with transaction.atomic():
            rows = store(_foreign(made, _told(act.actor, source)), act.at)
    except IntegrityError:
        raise Conflict(
            "Somebody has just stored one of these certificates.", remedy="Preview it once more.", code="retry"
        ) from None
    changed = _change_owners(made.stores)
    for row in rows:
        detail = {"origin": str(Origin.IMPORTED)}
        act.note("certificate", row.pk, row.common_name, team=row.team_id, detail=detail)
    for row in changed:
        act.note("certificate", row.pk, row.common_name, team=row.team_id, changed=("owner", "contact"))
    return Imported(len(rows), len(changed))


def _check_preview(made: Plan, previewed: str) -> None:
    if previewed != made.digest:
        raise Conflict(
            "This is not what was previewed." if previewed else "Nothing is stored before it was previewed.",
            remedy="Preview exactly this file with these settings, then import it.",
            code="not_previewed",
        )


def _check_items(made: Plan) -> None:
    if made.hindered:
        problems = [
            Problem("certificates", f"{i.name} ({i.facts.serial}): {i.text}", _MEND, str(i.fate)) for i in made.hindered
        ]
        raise Invalid(problems[:_NAMED])
    if not made.stores:
        raise Conflict("There is nothing in it to store.", remedy="Look at its preview for why.", code="nothing_new")


_MEND = "Name a team and an environment that you may import for, or correct its line."


def _in_order(place: Place) -> tuple[int, int]:
    return place.team_id, place.environment_id


def _told(actor: Actor, source: str) -> str:
    return f"From {source}, by {actor.name}" if source else f"By {actor.name}"


def _foreign(made: Plan, told: str) -> list[Foreign]:
    chains = Chains(one.der for one in made.authorities)
    return [
        Foreign(
            item.facts,
            team=item.place.team_id,
            environment=item.place.environment_id,
            origin=Origin.IMPORTED,
            origin_text=told,
            connector=item.connector.pk if item.connector else None,
            profile=item.profile.pk if item.profile else None,
            chain=chains.above(item.facts.der),
            owner=item.owner,
            contact=item.contact,
        )
        for item in made.stores
        if item.fate is Fate.NEW and item.place is not None
    ]


def _change_owners(items: Sequence[Item]) -> list[Certificate]:
    """Write down the new owners of certificates that are here already, and return these."""
    rows = []
    for item in items:
        if item.known is not None:
            item.known.owner, item.known.contact = item.owner, item.contact
            rows.append(item.known)
    Certificate.objects.bulk_update(rows, ["owner", "contact"], batch_size=200)
    return rows
