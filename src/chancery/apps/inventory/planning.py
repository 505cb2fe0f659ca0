"""What an import would store, worked out before anything is: the same plan is shown, and then carried out."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from uuid import UUID

from chancery.apps.accounts import queries as people
from chancery.apps.accounts.models import Environment, Team
from chancery.apps.accounts.permissions import Permission
from chancery.apps.certificates import queries as certificates
from chancery.apps.certificates.models import Certificate
from chancery.apps.certificates.storing import display_name
from chancery.apps.connectors import queries as connectors
from chancery.apps.connectors.models import Connector
from chancery.apps.inventory.owners import KEYS, Line, Owners
from chancery.apps.profiles import queries as profiles
from chancery.apps.profiles.models import Profile
from chancery.apps.shared.action import Place, current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.paging import by_id
from chancery.core.certificate import CertificateFacts, facts
from chancery.core.errors import Absent, Invalid, NotPermitted
from chancery.core.importing import Brought, read

MOST = 10_000
"""Certificates of one import."""
MOST_BYTES = 20 * 1024 * 1024
_BATCH = 1000
_RECENT, _CONNECTORS = 50, 200
"""Certificates of a connector, and connectors, that are looked at to learn which issuers they lead to."""


@dataclass(frozen=True)
class Import:
    """What a person brings: certificates, a CSV of owners, and where they belong where no line says otherwise.

    `connector` is an id, or '' to have it found by the issuer; `profile`, `team` and `environment` are ids or names.
    """

    certificates: bytes = b""
    owners: bytes = b""
    connector: str = ""
    profile: str = ""
    team: str = ""
    environment: str = ""
    expired: bool = False
    source: str = ""

    def digest(self) -> str:
        """Return what two imports of the same have in common: by it the one that was previewed is carried out."""
        parts = [self.connector, self.profile, self.team, self.environment, self.expired]
        raw = json.dumps(parts).encode() + hashlib.sha256(self.certificates).digest()
        return hashlib.sha256(raw + hashlib.sha256(self.owners).digest()).hexdigest()


class Fate(StrEnum):
    """What becomes of one certificate of an import."""

    NEW = "new"
    OWNER = "owner"
    KNOWN = "known"
    EXPIRED = "expired"
    AUTHORITY = "authority"
    HOMELESS = "homeless"
    FORBIDDEN = "forbidden"
    WRONG = "wrong"


STORES = frozenset({Fate.NEW, Fate.OWNER})
HINDERS = frozenset({Fate.HOMELESS, Fate.FORBIDDEN, Fate.WRONG})
"""Fates that have to be mended before anything is stored: a person expects all of the file, or to be told."""


@dataclass
class Item:
    """One certificate of an import: what becomes of it, where it would belong, and why."""

    facts: CertificateFacts
    fate: Fate
    text: str = ""
    place: Place | None = None
    connector: Connector | None = None
    profile: Profile | None = None
    owner: str = ""
    contact: str = ""
    known: Certificate | None = None

    @property
    def name(self) -> str:
        """Return what people call it."""
        return display_name(self.facts)


@dataclass
class Plan:
    """What an import would do. `digest` stands for what was brought."""

    digest: str
    items: list[Item]
    unreadable: int = 0
    unused: list[Line] = field(default_factory=list)
    authorities: tuple[CertificateFacts, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Return fate → how many, also those of none."""
        found = Counter(item.fate for item in self.items)
        return {str(fate): found[fate] for fate in Fate} | {"unreadable": self.unreadable}

    @property
    def stores(self) -> list[Item]:
        """Return what would be stored or changed."""
        return [item for item in self.items if item.fate in STORES]

    @property
    def possible(self) -> bool:
        """Say whether it can be carried out: something is stored, and nothing is in the way."""
        return bool(self.stores) and not self.hindered

    @property
    def hindered(self) -> list[Item]:
        """Return what has to be mended first."""
        return [item for item in self.items if item.fate in HINDERS]


def preview(actor: Actor, asked: Import) -> Plan:
    """Return what an import would do, to somebody who may import; stores nothing."""
    if not actor.may(Permission.INVENTORY_IMPORT):
        raise NotPermitted(Permission.INVENTORY_IMPORT)
    return plan(actor, asked, current_clock().now())


def plan(actor: Actor, asked: Import, now: datetime) -> Plan:
    """Return what an import would do; stores nothing. Raises `Invalid` by field for what cannot be read at all."""
    if len(asked.certificates) > MOST_BYTES:
        raise Invalid.one("certificates", f"It has more than {MOST_BYTES // 2**20} MiB.", "Split it.", "too_large")
    owners = Owners.read(asked.owners)
    # Owners alone are for certificates that are here already.
    brought = read(asked.certificates, MOST) if asked.certificates.strip() or not owners.lines else _here(actor, owners)
    planner = _Planner(actor, asked, owners, now)
    items = planner.items(brought)
    return Plan(asked.digest(), items, brought.unreadable, owners.unused(), brought.authorities)


class _Planner:
    """Looks names up once, however many certificates need them."""

    def __init__(self, actor: Actor, asked: Import, owners: Owners, now: datetime) -> None:
        self._actor, self._asked, self._owners, self._now = actor, asked, owners, now
        self._profile: Callable[[str], Profile] = cache(self._find_profile)
        self._team = cache(people.team)
        self._environment = cache(people.environment)
        self._chosen = self._find_connector(asked.connector) if asked.connector else None
        self._leads_to = {} if asked.connector else _issuers(actor)
        # What the form itself names is refused by its field; what a line names, at its certificate.
        if asked.profile:
            self._profile(asked.profile)
        if asked.team or asked.environment:
            self._named(asked.team, asked.environment)

    def items(self, brought: Brought) -> list[Item]:
        """Return an item for each certificate, those of CAs last."""
        hashes = [one.sha256 for one in (*brought.leaves, *brought.authorities)]
        known = {c.sha256: c for c in _stored(hashes)}
        found = [self._item(one, known.get(one.sha256)) for one in brought.leaves]
        text = "A CA's own certificate; it completes the chains of the others."
        return found + [Item(one, Fate.AUTHORITY, text) for one in brought.authorities]

    def _item(self, one: CertificateFacts, known: Certificate | None) -> Item:
        line = self._owners.of(one)
        if known is not None:
            return self._known(one, known, line)
        if one.not_after <= self._now and not self._asked.expired:
            return Item(one, Fate.EXPIRED, f"It expired on {one.not_after:%Y-%m-%d}.")
        try:
            return self._new(one, line)
        except Invalid as refusal:
            problem = refusal.problems[0]
            return Item(one, Fate.WRONG, f"{problem.message} {problem.remedy}".strip())

    def _known(self, one: CertificateFacts, known: Certificate, line: Line | None) -> Item:
        text = "It is here already."
        if line is None or not (line.owner or line.contact):
            return Item(one, Fate.KNOWN, text, known=known)
        given = (line.owner or known.owner, line.contact or known.contact)
        if given == (known.owner, known.contact):
            return Item(one, Fate.KNOWN, text, known=known)
        place = Place(known.team_id, known.environment_id)
        if not self._actor.may(Permission.INVENTORY_IMPORT, place.team_id, place.environment_id):
            # Nothing of another team's is told but that it is there, which who holds the certificate may know.
            return Item(one, Fate.KNOWN, text)
        return Item(one, Fate.OWNER, "It is here already; its owner changes.", place, None, None, *given, known)

    def _new(self, one: CertificateFacts, line: Line | None) -> Item:
        given = line or Line(0, "", "")
        connector = self._chosen or self._leads_to.get(one.issuer[:500])
        profile = self._profile(given.profile or self._asked.profile) if given.profile or self._asked.profile else None
        item = Item(one, Fate.NEW, "", None, connector, profile, given.owner, given.contact)
        item.place = self._place(given, profile, connector)
        if item.place is None:
            item.fate, item.text = Fate.HOMELESS, "Nothing says to which team and environment it belongs."
        elif not self._actor.may(Permission.INVENTORY_IMPORT, item.place.team_id, item.place.environment_id):
            item.fate, item.text = Fate.FORBIDDEN, "You may not import for this team and environment."
        elif connector is not None and item.place != Place(connector.team_id, connector.environment_id):
            # A file proves nothing: whoever decides for the connector takes it over, once the CA's list has shown it.
            item.connector = None
            item.text = f"{connector.name} is of another team or environment, so it is stored without a connector."
        return item

    def _place(self, line: Line, profile: Profile | None, connector: Connector | None) -> Place | None:
        """Return where a certificate belongs: as its line says, else its profile, else the form, else its connector."""
        team, environment = line.team or self._asked.team, line.environment or self._asked.environment
        if profile is not None:
            place = Place(profile.team_id, profile.environment_id)
            named = line.team or line.environment
            if named and self._named(line.team, line.environment, place) != place:
                raise Invalid.one(
                    "profile", f"The profile {profile.name} is of another team or environment.", "Name one."
                )
            return place
        around = Place(connector.team_id, connector.environment_id) if connector is not None else None
        return self._named(team, environment, around) if team or environment else around

    def _named(self, team: str, environment: str, around: Place | None = None) -> Place | None:
        """Return the place of these names or ids; what is not named is that of `around`."""
        of_team = self._team(team).pk if team else around.team_id if around else None
        of_environment = self._environment(environment).pk if environment else around.environment_id if around else None
        return Place(of_team, of_environment) if of_team is not None and of_environment is not None else None

    def _find_profile(self, name: str) -> Profile:
        try:
            return profiles.get(self._actor, name)
        except Absent:
            raise Invalid.one(
                "profile", f"There is no profile {name[:60]!r} that you may see.", "Name another."
            ) from None

    def _find_connector(self, ident: str) -> Connector:
        found = by_id(connectors.visible_to(self._actor), ident)
        if found is None:
            raise Invalid.one("connector", "There is no such connector that you may see.", "Choose one from the list.")
        return found


def _here(actor: Actor, owners: Owners) -> Brought:
    """Return the stored certificates that the lines are about."""
    found: dict[UUID, CertificateFacts] = {}
    rows = certificates.visible_to(actor)
    for key in KEYS:
        values = [line.value for line in owners.lines if line.key == key]
        for start in range(0, len(values), _BATCH):
            some = rows.filter(**{f"{key}__in": values[start : start + _BATCH]})
            found |= {pk: facts(bytes(der)) for pk, der in some.values_list("pk", "der")[:MOST]}
    return Brought(tuple(found.values())[:MOST], (), 0)


def _stored(hashes: Iterable[str]) -> Iterable[Certificate]:
    every = list(hashes)
    for start in range(0, len(every), _BATCH):
        yield from Certificate.objects.filter(sha256__in=every[start : start + _BATCH]).defer("der")


def _issuers(actor: Actor) -> dict[str, Connector]:
    """Return issuer → the one connector that it is known to issue through: by the newest certificates of each."""
    found: dict[str, dict[UUID, Connector]] = {}
    for connector in connectors.visible_to(actor).order_by("created_at", "id")[:_CONNECTORS]:
        rows = Certificate.objects.filter(connector=connector).order_by("-id").values_list("issuer", flat=True)
        for issuer in set(rows[:_RECENT]):
            found.setdefault(issuer, {})[connector.pk] = connector
    return {issuer: next(iter(some.values())) for issuer, some in found.items() if len(some) == 1}


def place_names(items: Iterable[Item]) -> dict[Place, tuple[str, str]]:
    """Return place → names of its team and environment."""
    teams = dict(Team.objects.values_list("pk", "name"))
    environments = dict(Environment.objects.values_list("pk", "name"))
    places = {item.place for item in items if item.place is not None}
    return {p: (teams[p.team_id], environments[p.environment_id]) for p in places}
