"""Messages of accounts as they arrive: who has signed one, how that account stands, and that its nonce is spent.

What is asked of the tables for that is asked for all messages together that come at one moment. A signature is proven
before, by the key that the account had when this process last saw it; it counts only if the account still has that key
right before the nonce is spent. So nobody but the holder of an account's present key makes this server write anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from uuid import UUID

from chancery.apps.acme import accounts, jose, nonces
from chancery.apps.acme.jose import Key, Message
from chancery.apps.acme.models import Account, Standing
from chancery.apps.shared.grouped import Grouped

_MOST = 10_000
"""Keys that a process remembers; a remembered one spares a look at the account before the look that counts."""
_remembered: dict[UUID, Key] = {}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that a key has signed: the account it names, that key's thumbprint, and its nonce (None for a bad one)."""

    account: UUID
    thumbprint: str
    nonce: str | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """The account as it is now (None where there is none), and whether the nonce counts."""

    account: Account | None
    fresh: bool


def receive(message: Message, ident: UUID) -> tuple[Account, Key, bool]:
    """Return the account that has signed a message, its key, and whether the nonce counts, which is spent by that.

    Raises *accountDoesNotExist*, *malformed* where the account's key did not sign, and *unauthorized* for an account that
    is no longer valid; none of them spends the nonce.
    """
    key = _signed(message, ident)
    arrived = _ARRIVALS.do(Arrival(ident, key.thumbprint, nonces.authentic(message.header.get("nonce"))))
    account = accounts.standing(arrived.account or accounts.by_id(ident))
    if account.thumbprint != key.thumbprint:
        # It got another key since this process remembered, or at this very moment: nothing was spent yet.
        _remembered.pop(ident, None)
        return receive(message, ident)
    return account, key, arrived.fresh


def _signed(message: Message, ident: UUID) -> Key:
    """Return the key of an account that has signed a message, as it is remembered or as it is now."""
    known = _remembered.get(ident)
    if known is not None and jose.is_signed(message, known):
        return known
    key = jose.key(accounts.by_id(ident).jwk)
    jose.verify(message, key)
    if len(_remembered) >= _MOST:
        _remembered.clear()
    _remembered[ident] = key
    return key


def _arrive(group: Sequence[Arrival]) -> list[Arrived]:
    """Read all accounts, then spend the nonces of messages that count; of one account's messages each has it for itself."""
    rows, taken = accounts.several({one.account for one in group}), set[UUID]()
    found = [_own(rows.get(one.account), taken) for one in group]
    counts = [_counts(one, row) for one, row in zip(group, found, strict=True)]
    fresh = iter(nonces.spend_all([nonce for nonce in counts if nonce is not None]))
    return [Arrived(row, nonce is not None and next(fresh)) for row, nonce in zip(found, counts, strict=True)]


def _own(row: Account | None, taken: set[UUID]) -> Account | None:
    if row is None or row.pk not in taken:
        taken.update([row.pk] if row is not None else [])
        return row
    return copy(row)


def _counts(one: Arrival, row: Account | None) -> str | None:
    """Return the nonce that a message spends, if it does."""
    if row is None or row.state != Standing.VALID or row.thumbprint != one.thumbprint:
        return None
    return one.nonce


_ARRIVALS: Grouped[Arrival, Arrived] = Grouped("acme-arrivals", _arrive)


def close() -> None:
    """End this process's writer thread."""
    _ARRIVALS.close()
