"""Finalizing (RFC 8555 section 7.4): the request goes to where every order goes, by the same rules, once.

A group of requests is placed in one commit, together with the rows that say by which ACME orders. The key of those rows is
the ACME order itself, so a second finalize, on whichever node, finds what the first has placed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from chancery.apps.acme import states
from chancery.apps.acme.accounts import actor_of, with_offer
from chancery.apps.acme.errors import AcmeError
from chancery.apps.acme.models import Account, Placement
from chancery.apps.orders.causing import How, causes
from chancery.apps.orders.place import PlaceOrder, limits, place_mixed
from chancery.apps.shared.actor import Actor
from chancery.apps.shared.bulk import insert
from chancery.apps.shared.grouped import Grouped
from chancery.apps.shared.returning import instances, one_of
from chancery.core.csr import Request, parse
from chancery.core.errors import ChanceryError
from chancery.core.names import Name

_COLUMNS = ("acme_order_id", "order_id")
_KINDS = {"dns": "DNS", "ip": "IP"}


@dataclass(frozen=True, slots=True)
class Ready:
    """A request that may be placed for an ACME order."""

    acme_order: UUID
    actor: Actor
    ask: PlaceOrder


def finalize(account: Account, ident: UUID, csr: bytes, address: str = "") -> UUID:
    """Place what an order is for, and return the order that was placed. Repeated, it changes nothing."""
    seen = states.of(account, ident)
    if seen.placed is not None and seen.status in {"processing", "valid"}:
        return seen.placed.pk
    if seen.status != "ready":
        text = f"The order is {seen.status}, not ready."
        raise AcmeError("orderNotReady", text, "Prove its names first, or place another order.")
    names = tuple(Name(kind, value) for kind, value in seen.order.names)
    request = _fits(account, csr, names)
    comment = f"ACME order {seen.order.pk} of the account {account.pk}"
    replaced = seen.order.replaces
    deadline = replaced.not_after if replaced is not None else None
    profile = with_offer(account).credential.offer.profile.name
    replaces = seen.order.replaces_id
    people = causes((account.credential.created_by_user_id, How.CREDENTIAL))
    ask = PlaceOrder(
        profile, csr, comment=comment, replaces=replaces, deadline=deadline, parsed=request, caused_by=people
    )
    return _PLACER.do(Ready(seen.order.pk, actor_of(account, address), ask))


def _fits(account: Account, csr: bytes, names: Sequence[Name]) -> Request:
    request = parse(csr, limits())
    if request.names != tuple(names):
        asked, ordered = _list(request.names), _list(names)
        raise AcmeError(
            "badCSR", f"csr: It asks for {asked}, and the order is for {ordered}.", "Ask for exactly the order's names."
        )
    if request.key.spki_sha256 == account.spki_sha256:
        raise AcmeError("badCSR", "csr: Its key is that of the account.", "Make another key for the certificate.")
    return request


def _list(names: Sequence[Name]) -> str:
    shown = ", ".join(n.value for n in names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def _place(group: Sequence[Ready]) -> list[UUID | ChanceryError]:
    """Place a group in one commit; what was placed meanwhile by somebody else stays as it is."""
    known = _placed(group)
    fresh: dict[UUID, Ready] = {r.acme_order: r for r in group if r.acme_order not in known}
    try:
        with transaction.atomic():
            results = place_mixed([(r.actor, r.ask) for r in fresh.values()])
            found = dict(zip(fresh, results, strict=True))
            rows = [(ident, order.pk) for ident, order in found.items() if not isinstance(order, ChanceryError)]
            insert(Placement, _COLUMNS, rows)
    except IntegrityError:
        # Another node was faster by a moment: what it has placed is what counts.
        if len(group) > 1 or not (known := _placed(group)):
            raise
        return list(known.values())
    known |= {ident: one if isinstance(one, ChanceryError) else one.pk for ident, one in found.items()}
    return [known[r.acme_order] for r in group]


def _placed(group: Sequence[Ready]) -> dict[UUID, UUID | ChanceryError]:
    some, values = one_of([r.acme_order for r in group])
    rows = instances(Placement, f"FROM acme_placement WHERE acme_order_id {some}", values)
    return {row.acme_order_id: row.order_id for row in rows}


_PLACER: Grouped[Ready, UUID] = Grouped("acme-placer", _place)


def close() -> None:
    """End this process's writer thread."""
    _PLACER.close()
