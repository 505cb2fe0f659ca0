"""Finalizing (RFC 8555 section 7.4): the request goes to where every order goes, by the same rules, once.

A group of requests is looked at by one question and placed in one commit, together with the rows that say by which ACME
orders. The key of those rows is the ACME order itself, so a second finalize, on whichever node, finds what the first has
placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from chancery.apps.accounts.permissions import Permission
from chancery.apps.acme import accounts, ari, states
from chancery.apps.acme.accounts import actor_of
from chancery.apps.acme.errors import AcmeError
from chancery.apps.acme.models import Account, AcmeOrder, Placement
from chancery.apps.audit.record import write
from chancery.apps.orders import anew
from chancery.apps.orders.causing import How, causes
from chancery.apps.orders.models import Order
from chancery.apps.orders.place import PlaceOrder, limits, place_mixed
from chancery.apps.shared.action import Act, current_clock
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.grouped import Grouped
from chancery.core.csr import Request, parse
from chancery.core.errors import ChanceryError
from chancery.core.names import Name
from chancery.core.order import State

_COLUMNS = ("acme_order_id", "order_id")


Placed = tuple[AcmeOrder, UUID]
"""An ACME order, and the order that finalizing it has placed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an account asks to be finalized: its ACME order, and the request as it is read, or why it cannot be."""

    account: Account
    acme_order: UUID
    request: Request | ChanceryError
    address: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    """A request that may be placed for an ACME order."""

    acme_order: AcmeOrder
    actor: Actor
    ask: PlaceOrder


def finalize(account: Account, ident: UUID, csr: bytes, address: str = "") -> Placed:
    """Place what an order is for, and return the order that was placed. Repeated, it changes nothing."""
    return _PLACER.do(Wanted(account, ident, _read(csr), address))


def _read(csr: bytes) -> Request | ChanceryError:
    try:
        return parse(csr, limits())
    except ChanceryError as refusal:
        return refusal


def _prepared(wanted: Wanted, seen: states.View | AcmeError) -> Placed | Ready | ChanceryError:
    """Return what is to be placed for an order as it stands, what was placed before, or why nothing is."""
    if isinstance(seen, AcmeError):
        return seen
    if seen.placed is not None and seen.status in {"processing", "valid"}:
        return seen.order, seen.placed.pk
    if seen.status != "ready":
        text = f"The order is {seen.status}, not ready. {seen.problem.get('detail', '')}".strip()
        return AcmeError("orderNotReady", text, "Prove its names first, or place another order.")
    if isinstance(wanted.request, ChanceryError):
        return wanted.request
    return _unfit(wanted.account, wanted.request, seen.order) or _ready(wanted, wanted.request, seen.order)


def _ready(wanted: Wanted, request: Request, order: AcmeOrder) -> Ready:
    account, replaced = wanted.account, order.replaces
    ask = PlaceOrder(
        account.credential.offer.profile.name,
        request.der,
        comment=f"ACME order {order.pk} of the account {account.pk}",
        replaces=order.replaces_id,
        deadline=replaced.not_after if replaced is not None else None,
        parsed=request,
        caused_by=causes((account.credential.created_by_user_id, How.CREDENTIAL)),
    )
    return Ready(order, actor_of(account, wanted.address), ask)


def _unfit(account: Account, request: Request, order: AcmeOrder) -> AcmeError | None:
    names = tuple(Name(kind, value) for kind, value in order.names)
    if request.names != names:
        asked, ordered = _list(request.names), _list(names)
        return AcmeError(
            "badCSR", f"csr: It asks for {asked}, and the order is for {ordered}.", "Ask for exactly the order's names."
        )
    if request.key.spki_sha256 == account.spki_sha256:
        return AcmeError("badCSR", "csr: Its key is that of the account.", "Make another key for the certificate.")
    return None


def _list(names: Sequence[Name]) -> str:
    shown = ", ".join(n.value for n in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _place(group: Sequence[Wanted]) -> list[Placed | ChanceryError]:
    """Place a group in one commit; what was placed meanwhile by somebody else stays as it is."""
    prepared = _looked_at(group)
    fresh = {one.acme_order.pk: one for one in prepared if isinstance(one, Ready)}
    try:
        with transaction.atomic():
            # An account may have ended since its message was read; from here on whoever ends one waits, one finalize of an
            # account comes after the other, and each sees what those before it have placed.
            ended = accounts.hold({one.acme_order.account_id for one in fresh.values()})
            results: dict[UUID, Order | ChanceryError] = {
                ident: ended[one.acme_order.account_id]
                for ident, one in fresh.items()
                if one.acme_order.account_id in ended
            }
            results |= _replaced_already(fresh)
            stands = {ident: one for ident, one in fresh.items() if ident not in results}
            placed = place_mixed([(one.actor, one.ask) for one in stands.values()])
            results |= zip(stands, placed, strict=True)
            rows = [(ident, order.pk) for ident, order in results.items() if not isinstance(order, ChanceryError)]
            insert(Placement, _COLUMNS, rows)
            _in_place(fresh, results)
    except IntegrityError:
        # Another node was faster by a moment: what it has placed is what counts.
        if len(group) > 1 or isinstance(again := _looked_at(group)[0], Ready):
            raise
        return [again]
    return [_outcome(one, results) if isinstance(one, Ready) else one for one in prepared]


def _replaced_already(fresh: dict[UUID, Ready]) -> dict[UUID, ChanceryError]:
    """Refuse what says that it replaces what another order replaces, be it of the same group."""
    replacing = {ident: one.ask.replaces for ident, one in fresh.items() if one.ask.replaces is not None}
    taken, refused = ari.replaced_already(set(replacing.values())), dict[UUID, ChanceryError]()
    for ident, certificate in replacing.items():
        if certificate in taken:
            refused[ident] = ari.taken()
        taken.add(certificate)
    return refused


def _in_place(fresh: dict[UUID, Ready], results: dict[UUID, Order | ChanceryError]) -> None:
    """Let orders that people have to approve go ahead by what they have approved, or one of the account's ask for all for the same."""
    held = {
        order.pk: fresh[ident]
        for ident, order in results.items()
        if isinstance(order, Order) and order.state == State.AWAITING_APPROVAL
    }
    # The newest first: of several in one group, the oldest is left.
    for ident, ready in sorted(held.items(), reverse=True):
        clock = current_clock()
        act = Act("acme_orders.take_place", Permission.ORDER_PLACE, ready.actor, clock, clock.now())
        anew.take_place(act, ident, Order.objects.filter(acme__acme_order__account=ready.acme_order.account_id))
        write(act.actor, act.name, act.at, act.notes)


def _looked_at(group: Sequence[Wanted]) -> list[Placed | Ready | ChanceryError]:
    views = states.several([(one.account, one.acme_order) for one in group])
    return [_prepared(one, seen) for one, seen in zip(group, views, strict=True)]


def _outcome(one: Ready, results: dict[UUID, Order | ChanceryError]) -> Placed | ChanceryError:
    found = results[one.acme_order.pk]
    return found if isinstance(found, ChanceryError) else (one.acme_order, found.pk)


_PLACER: Grouped[Wanted, Placed] = Grouped("acme-placer", _place)


def close() -> None:
    """End this process's writer thread."""
    _PLACER.close()
