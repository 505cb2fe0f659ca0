"""How clients prove their names (RFC 8555 sections 7.5 and 8): authorizations, and what a worker finds when it looks.

A request only says that a challenge is ready; looking is the worker's, through the guarded way out, with several tries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from chancery.apps.acme.errors import AcmeError, malformed
from chancery.apps.acme.models import Account, AcmeOrder, Authorization, AuthorizationState
from chancery.apps.acme.ordering import challenges_for
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.returning import instances

LEASE = timedelta(seconds=60)
PAUSES = (timedelta(seconds=2), timedelta(seconds=8), timedelta(seconds=20))
"""Before the second, third and fourth look: DNS takes a while, and so do web servers that reload."""
KEPT = timedelta(days=30)
"""How long a proven name counts, for revoking what others ordered for it (RFC 8555 section 7.6)."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker is to look at: one name, by one challenge. `networks` are those beside the public ones."""

    ident: UUID
    fence: datetime
    challenge: str
    kind: str
    value: str
    token: str
    key_authorization: str
    networks: tuple[str, ...]


def of(account: Account, ident: UUID) -> Authorization:
    """Return one authorization of an account; another account's is not there for it."""
    rows = Authorization.objects.select_related("order__offer").filter(pk=ident, account=account)
    found = rows.first()
    if found is None:
        raise malformed("url", "This account has no such authorization.", "Look at the order for its own.", 404)
    return found


def challenged(account: Account, ident: UUID, challenge: str) -> Authorization:
    """Return the authorization of a challenge that there is, by its kind."""
    row = of(account, ident)
    if challenge not in {row.challenge, *challenges_for(row.order.offer, row.kind, _whole(row))}:
        raise _no_challenge()
    return row


def _no_challenge() -> AcmeError:
    return malformed("url", "This account has no such challenge.", "Look at the authorization for its own.", 404)


def beforehand(account: Account, ident: UUID, index: int) -> tuple[AcmeOrder, list[str]]:
    """Return the name of an order that was authorised beforehand, with the order, as [kind, value]."""
    rows = instances(AcmeOrder, "FROM acme_acmeorder WHERE id = %s AND account_id = %s", [ident, account.pk])
    order = next((row for row in rows if not row.validated), None)
    if order is None or index >= len(order.names):
        raise malformed("url", "This account has no such authorization.", "Look at the order for its own.", 404)
    return order, order.names[index]


def state(row: Authorization, now: datetime) -> str:
    """Return where an authorization stands: as it is stored, but for one whose time is over."""
    if row.expires_at <= now and row.state in {AuthorizationState.PENDING, AuthorizationState.VALID}:
        return "expired"
    return row.state


def begin(account: Account, ident: UUID, challenge: str) -> Authorization:
    """Have a worker look at a challenge that the client says is ready; said again, it changes nothing."""
    now = current_clock().now()
    with transaction.atomic():
        rows = Authorization.objects.select_for_update(of=("self",)).select_related("order__offer")
        row = rows.filter(pk=ident, account=account).first()
        if row is None or challenge not in challenges_for(row.order.offer, row.kind, _whole(row)):
            raise _no_challenge()
        if state(row, now) != AuthorizationState.PENDING or row.challenge == challenge:
            return row
        if row.challenge:
            text = f"The challenge {row.challenge} of this name is being looked at."
            raise AcmeError("malformed", text, "Wait for that one.", status=409)
        row.challenge, row.due_at = challenge, now
        row.save(update_fields=["challenge", "due_at"])
    return row


def deactivate(account: Account, ident: UUID) -> Authorization:
    """Give an authorization up (RFC 8555 section 7.5.2)."""
    with transaction.atomic():
        rows = Authorization.objects.select_for_update(of=("self",)).select_related("order__offer")
        row = rows.filter(pk=ident, account=account).first()
        if row is None:
            raise malformed("url", "This account has no such authorization.", "Look at the order for its own.", 404)
        if row.state in {AuthorizationState.PENDING, AuthorizationState.VALID}:
            row.state, row.due_at = AuthorizationState.DEACTIVATED, None
            row.save(update_fields=["state", "due_at"])
    return row


def _whole(row: Authorization) -> str:
    return f"*.{row.value}" if row.wildcard else row.value


def waiting(now: datetime) -> bool:
    """Say whether there is anything to look at."""
    return Authorization.objects.filter(due_at__lte=now).exists()


def claim(now: datetime, most: int) -> list[Look]:
    """Take what is due, for a while: what is not told of by then is looked at again, by whoever comes first."""
    rows = Authorization.objects.select_for_update(skip_locked=True, of=("self",)).filter(due_at__lte=now)
    found = list(rows.select_related("order__offer", "account").order_by("due_at")[:most])
    lease = now + LEASE
    for row in found:
        row.due_at = row.lease_until = lease
        row.save(update_fields=["due_at", "lease_until"])
    return [_look(row, lease) for row in found]


def _look(row: Authorization, lease: datetime) -> Look:
    return Look(
        row.pk,
        lease,
        row.challenge,
        row.kind,
        row.value,
        row.token,
        f"{row.token}.{row.account.thumbprint}",
        tuple(row.order.offer.networks),
    )


def record(look: Look, problem: dict[str, Any], now: datetime) -> None:
    """Keep what a look found: nothing wrong, or a problem, for which it is looked again a few times."""
    rows = Authorization.objects.select_for_update().filter(pk=look.ident, lease_until=look.fence)
    row = rows.filter(state=AuthorizationState.PENDING).first()
    if row is None:
        return
    row.lease_until, row.problem = None, problem
    if not problem:
        row.state, row.due_at, row.validated_at, row.expires_at = AuthorizationState.VALID, None, now, now + KEPT
    elif row.attempt < len(PAUSES):
        row.due_at = now + PAUSES[row.attempt]
        row.attempt += 1
    else:
        row.state, row.due_at = AuthorizationState.INVALID, None
    row.save()


def holds(account: Account, names: Sequence[Sequence[str]], now: datetime) -> bool:
    """Say whether an account has proven each of some names ([kind, value]) by a challenge, not too long ago."""
    rows = Authorization.objects.filter(account=account, state=AuthorizationState.VALID, expires_at__gt=now)
    values = [value.removeprefix("*.") for _, value in names]
    proven = set(rows.filter(value__in=values).values_list("kind", "value", "wildcard"))
    return all((kind, value.removeprefix("*."), value.startswith("*.")) in proven for kind, value in names)
