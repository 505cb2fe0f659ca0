"""Picking one of many: a list where there are few, else a field that takes a name and suggests what begins so.

Neither needs scripts: without them the first are suggested, the exact name is taken, and a name that nothing has is answered with
those that begin so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from chancery.apps.accounts.models import Environment, Team
from chancery.apps.acme import queries as acme
from chancery.apps.profiles import queries as profiles
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.look import starting
from chancery.apps.shared.texts import fold
from chancery.core.errors import Absent, Problem
from chancery.doors.console.forms import FEW

SUGGESTED = 20
Told = Callable[[list[Any]], list[tuple[str, str, str]]]
"""Rows → the id, the name, and the text by which each is shown."""


@dataclass(frozen=True)
class Kind:
    """Something to pick: how the form calls it, those there are, and where their names stand."""

    field: str
    rows: Callable[[Actor], QuerySet[Any]]
    name: str = "name"
    sort: str = "name_key"


def _teams(_actor: Actor) -> QuerySet[Team]:
    return Team.objects.order_by("name")


def _environments(_actor: Actor) -> QuerySet[Environment]:
    return Environment.objects.order_by("name")


KINDS = {
    "profiles": Kind("profile", profiles.usable),
    "seen-profiles": Kind("profile", profiles.offered),
    "offers": Kind("profile", acme.visible_offers, "profile__name", "profile__name_key"),
    "teams": Kind("team", _teams, sort="name"),
    "environments": Kind("environment", _environments, sort="name"),
}
"""What a form may ask suggestions of."""


@dataclass(frozen=True)
class Pick:
    """What a form shows: `options` are value and text. Where the name is to be `typed`, they are the first of many."""

    kind: str
    field: str
    value: str
    options: list[tuple[str, str]]
    typed: bool


def pick(
    kind: str,
    actor: Actor,
    value: str,
    *,
    told: Told | None = None,
    few: int = FEW,
    by_name: bool = False,
    **where: Any,
) -> Pick:
    """Return what there is to pick from, with `value` (an id or a name) picked; `by_name` lets the form send names alone."""
    about = KINDS[kind]
    rows = about.rows(actor).filter(**where).order_by(about.sort)
    found = list(rows[: few + 1])
    typed, shown = len(found) > few, found[:few]
    texts = told(shown) if told is not None else [_plain(about, row) for row in shown]
    options = [(name if typed or by_name else ident, text) for ident, name, text in texts]
    if typed:
        named = _by_id(rows, value)
        return Pick(kind, about.field, _name(about, named) if named is not None else value, options, typed)
    chosen = next((ident for ident, name, _text in texts if not by_name and name == value), value)
    return Pick(kind, about.field, chosen, options, typed)


def suggested(actor: Actor, kind: str, text: str) -> list[str]:
    """Return the first names of a kind that begin with a text, capitals aside where names are sorted without them."""
    about = KINDS.get(kind)
    if about is None:
        raise Absent("kind", kind)
    wanted = fold(text) if about.sort.endswith("_key") else text
    rows = about.rows(actor).filter(starting(wanted).on(about.sort)).order_by(about.sort)
    return list(rows.values_list(about.name, flat=True)[:SUGGESTED])


def unknown(actor: Actor, kind: str, text: str) -> Problem:
    """Return what to say of a name that nothing has."""
    names = suggested(actor, kind, text) if text else []
    remedy = _("These begin so: %(names)s.") % {"names": ", ".join(names)} if names else _("Type its whole name.")
    return Problem(KINDS[kind].field, _("Nothing here is called %(text)r.") % {"text": text[:60]}, remedy, "unknown")


def _plain(about: Kind, row: Any) -> tuple[str, str, str]:
    name = _name(about, row)
    return str(row.pk), name, name


def _name(about: Kind, row: Any) -> str:
    for part in about.name.split("__"):
        row = getattr(row, part)
    return str(row)


def _by_id(rows: QuerySet[Any], value: str) -> Any:
    try:
        return rows.filter(pk=value).first() if value else None
    except (ValueError, ValidationError):
        return None
