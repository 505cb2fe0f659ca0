"""Gathers what the proof of standing in is about: the members of a pool as they stand, for one profile."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chancery import catalog
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import BreakerState, Connector, ConnectorVersion, Pool, PoolMember, Trust
from chancery.apps.profiles.models import Profile
from chancery.core.anchor import anchor
from chancery.core.errors import ChanceryError
from chancery.core.names import Name
from chancery.core.policy import AuthorityFacts, ProfileRules
from chancery.core.standing_in import Member, Wanted


@dataclass
class Setting:
    """A pool for one profile: its members, and what an order needs that goes to one of them."""

    profile: Profile
    pool: Pool
    rules: ProfileRules
    trust: str
    patience: timedelta
    members: list[Member]
    connectors: dict[str, Connector]

    def wanted(
        self, names: Sequence[Name], key_type: str, days: int, *, now: datetime, deadline: datetime, seed: object
    ) -> Wanted:
        """Return an order as the choice wants it."""
        return Wanted(
            tuple(names), key_type, days, self.rules, now, deadline, self.trust, self.profile.region, self.patience, str(seed)
        )  # fmt: skip

    def product(self, member: Member) -> dict[str, Any]:
        """Return the profile's settings for a member's type of CA."""
        found: dict[str, Any] = self.profile.products.get(self.connectors[member.key].authority, {})
        return found

    def home(self, connector: Connector) -> Member:
        """Return a connector as a member; one that has left the pool, or whose CA type is gone, is one that is draining."""
        for member in self.members:
            if member.key == str(connector.pk):
                return member
        self.connectors[str(connector.pk)] = connector
        row = PoolMember.objects.filter(pool=self.pool, connector=connector).first() or PoolMember()
        row.connector, row.draining = connector, True
        return _member(row, self.profile, roots([connector]) if self.trust == Trust.SAME_ROOT else {})


def rules_of(profile: Profile) -> ProfileRules:
    """Return a profile's rules as the policy chain wants them."""
    return ProfileRules(
        key_types=tuple(profile.key_types),
        name_kinds=tuple(profile.name_kinds),
        name_suffixes=tuple(profile.name_suffixes),
        wildcard=profile.wildcard,
        max_names=profile.max_names,
        validity_days_max=profile.validity_days_max,
        needs_approval=profile.needs_approval,
    )


def setting(profile: Profile, pool: Pool, *, vouched: bool = False) -> Setting:
    """Return a pool as it stands for a profile; `vouched` says that somebody vouches for the trust in it, this once."""
    rows = PoolMember.objects.filter(pool=pool, connector__deleted_at=None).select_related("connector__current")
    found = [row for row in rows.order_by("preference", "connector__name_key") if installed(row.connector)]
    trust = str(Trust.VOUCHED if vouched else pool.trust)
    anchors = roots([row.connector for row in found]) if trust == Trust.SAME_ROOT else {}
    members = [_member(row, profile, anchors) for row in found]
    connectors = {str(row.connector_id): row.connector for row in found}
    patience = timedelta(minutes=pool.patience_minutes)
    return Setting(profile, pool, rules_of(profile), trust, patience, members, connectors)


def _member(row: PoolMember, profile: Profile, anchors: dict[UUID, str]) -> Member:
    connector = row.connector
    facts = certified(connector)
    return Member(
        key=str(connector.pk),
        name=connector.name,
        environment=connector.environment_id,
        facts=facts or AuthorityFacts(key_types=()),
        known=facts is not None,
        region=connector.region,
        preference=row.preference,
        weight=row.weight,
        anchor=anchors.get(connector.pk, ""),
        validation=row.validation,
        product=connector.authority in profile.products,
        public=facts is not None and _public(connector, profile, facts),
        draining=row.draining,
        unavailable=unavailable(connector),
        sick_since=connector.sick_since,
    )


def _public(connector: Connector, profile: Profile, facts: AuthorityFacts) -> bool:
    """Say whether what a profile orders at a connector is known to be publicly trusted."""
    settings = connector.current.settings if connector.current is not None else {}
    product = profile.products.get(connector.authority, {})
    return catalog.publicly_trusted(connector.authority, connector.base_url, settings, product, facts)


def unavailable(connector: Connector) -> str:
    """Return why new work cannot go to a connector until a person acts; '' where it can, or where a fault may pass."""
    if not connector.usable:
        return f"{connector.name} is inactive."
    if not installed(connector):
        return f"The CA type of {connector.name} is not installed."
    if connector.breaker == BreakerState.STOPPED:
        return f"{connector.name} was refused its login too often and waits for a person."
    return ""


def away(member: Member, text: str) -> Member:
    """Return a member as one that new work leaves, whatever its state."""
    return replace(member, unavailable=text)


def roots(connectors: Sequence[Connector]) -> dict[UUID, str]:
    """Return connector → the root to which the newest certificate chains that it issued under its present settings."""
    found: dict[UUID, str] = {}
    for connector in connectors:
        rows = Certificate.objects.filter(connector=connector, order__isnull=False)
        newest = rows.select_related("chain", "order__version").order_by("-id").first()
        if newest is not None and newest.order is not None and _same_settings(newest.order.version, connector.current):
            chain = [base64.b64decode(der) for der in newest.chain.ders] if newest.chain is not None else []
            found[connector.pk] = anchor(bytes(newest.der), chain)
    return found


def _same_settings(then: ConnectorVersion | None, now: ConnectorVersion | None) -> bool:
    """Say whether two versions lead to the same account with the same settings: another issuing CA may have another root."""
    return then is not None and now is not None and (then.account, then.settings) == (now.account, now.settings)


def installed(connector: Connector) -> bool:
    """Say whether the CA type of a connector can be loaded."""
    return certified(connector) is not None


def certified(connector: Connector) -> AuthorityFacts | None:
    """Return what a connector's CA can certify at all; None where its type cannot be loaded."""
    try:
        return descriptor_of(connector.authority, connector.current_id).facts.certificates
    except ChanceryError:
        return None
