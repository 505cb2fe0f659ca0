"""How credentials stand: their age, their end, rotations that are under way, and what somebody has to do about them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q

from chancery import catalog
from chancery.apps.accounts.permissions import Permission
from chancery.apps.connectors import references, versions
from chancery.apps.connectors.models import Connector, ConnectorVersion, CredentialChange
from chancery.apps.connectors.queries import get, visible_to
from chancery.apps.shared.actor import Actor
from chancery.core.errors import NotPermitted


@dataclass(frozen=True)
class Credential:
    """How old a connector's credential is, when it ends, and the rotation that is under way."""

    since: datetime
    expires_on: date | None
    change: CredentialChange | None

    def days_left(self, now: datetime) -> int | None:
        """Return the days until it ends; None where nobody said when."""
        return None if self.expires_on is None else (self.expires_on - now.date()).days


def credential(connector: Connector) -> Credential:
    """Return how a connector's credential stands; an account's first version is the one that it was given with."""
    accounts = [connector.current.account] if connector.current is not None else []
    given = ConnectorVersion.objects.filter(pk__in=accounts).values_list("created_at", flat=True)
    change = CredentialChange.objects.filter(connector=connector, ended_at=None).select_related("call").first()
    return Credential(given.first() or connector.created_at, connector.credential_expires_on, change)


def referred(actor: Actor, ident: object) -> dict[str, str]:
    """Return the references that stand in place of a connector's secrets, by field, to whoever may write them.

    What is no reference is a secret, and left out. Raises `Absent`, `NotPermitted`, and `Unavailable` where none can be opened.
    """
    connector = get(actor, ident)
    if not actor.may(Permission.SECRET_REFERENCE, connector.team_id, connector.environment_id):
        raise NotPermitted(Permission.SECRET_REFERENCE)
    if not catalog.get(connector.authority).outside:
        return {}  # keys that sign here are no references, and are not opened to find that out
    version = versions.current(connector)
    found = versions.unsealed_version(version, sorted(versions.stored(version)))
    return {name: secret.reveal() for name, secret in found.items() if references.kind(secret)}


def reminders(actor: Actor, now: datetime) -> list[tuple[Connector, str]]:
    """Return the connectors whose credential somebody has to look after: `expires`, or `revoke` the old one at the CA."""
    seen = visible_to(actor)
    soon = seen.filter(credential_expires_on__lte=now.date() + REMIND).order_by("credential_expires_on", "name_key")
    open_ = Q(credential_changes__state=CredentialChange.SWITCHED, credential_changes__ended_at=None)
    revoke = seen.filter(open_, credential_changes__confirmed_at__isnull=False).order_by("name_key")
    return [
        *((row, "expires") for row in soon[:_MOST_REMINDERS]),
        *((row, "revoke") for row in revoke[:_MOST_REMINDERS]),
    ]


REMIND = timedelta(days=30)
"""How long before a credential ends it is said."""
_MOST_REMINDERS = 20
