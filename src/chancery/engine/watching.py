"""Looks for earlier calls of orders that were ordered again, so that what a CA made of them after all is not lost."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef

from chancery.apps.audit.record import Note, write
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.descriptors import descriptor_of
from chancery.apps.connectors.models import Call, CallKind, CallState, Status
from chancery.apps.inventory.models import Finding
from chancery.apps.orders.models import EarlierCall, Later, Order, OrderEvent
from chancery.apps.shared.actor import engine_actor
from chancery.core.again import LOOKS, call_reference, next_look
from chancery.core.ids import new_id
from chancery.core.inventory import FindingKind
from chancery.core.names import Name
from chancery.core.order import ENDS
from chancery.engine.jobs import Answered, Asked, Fetched, Good, Job, Kind, Result, Waiting
from chancery.engine.timers import ask
from chancery.sdk.authority import Dedup

_AT_ONCE = 20
_AGAIN = timedelta(minutes=15)
"""After a search that failed, or one that nobody has answered yet."""
_ACTION = "engine.record"


def ask_earlier(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Have some earlier calls searched for whose time has come; those of a connector that is off or paused wait."""
    under_way = Call.objects.filter(kind=CallKind.EARLIER, state__in=[CallState.DUE, CallState.RUNNING])
    rows = EarlierCall.objects.filter(due_at__lte=now, order__connector__status=Status.ACTIVE)
    rows = rows.filter(order__connector__breaker_until=None, order__connector__deleted_at=None)
    rows = rows.exclude(Exists(under_way.filter(connector=OuterRef("order__connector"))))
    asked = set()
    for row in rows.select_related("order__connector").order_by("due_at")[:_AT_ONCE]:
        # One at a time for each CA: these searches stand outside its pace.
        if row.order.connector_id not in asked:
            asked.add(row.order.connector_id)
            ask(CallKind.EARLIER, row.order.connector, now, str(row.pk))
            EarlierCall.objects.filter(pk=row.pk).update(due_at=now + _AGAIN)
    return state


def about(call: Call) -> dict[str, Any]:
    """Return what a seat needs to search for the call: the order as it was asked for then."""
    row = EarlierCall.objects.select_related("order").filter(pk=call.field).first()
    if row is None:
        return {}
    order = row.order
    asked = Asked(
        id=order.pk,
        csr=bytes(order.csr),
        common_name=order.common_name,
        names=tuple(Name(kind, value) for kind, value in order.names),
        spki_sha256=order.spki_sha256,
        validity=timedelta(days=order.validity_days),
        intended_at=row.intended_at or order.placed_at,
        product=order.product,
        again=row.number,
    )
    return {"asked": asked}


def keep(call: Call, result: Result, now: datetime) -> None:
    """Record what the search told. One that failed counts as no look, and is made again."""
    row = EarlierCall.objects.filter(pk=call.field).select_related("order").first()
    if row is None or row.due_at is None:
        return
    row.looked_at = now
    if isinstance(result, Fetched):
        row.looks += 1
        _found(row, result, now)
    elif isinstance(result, Answered):
        row.looks += 1
        _not_found(row, result.result, call, now)
    else:
        _failed(row, str(getattr(result, "message", "")), now)
    row.save()


def late(job: Job, result: Good | Waiting, now: datetime) -> None:
    """Keep an answer that came after its call had been left behind: it says what became of that call."""
    number = job.asked.again if job.asked is not None else 0
    row = EarlierCall.objects.filter(order=job.row, number=number).select_related("order").first()
    if row is None or row.state == Later.FOUND:
        return
    if isinstance(result, Good):
        _found(row, Fetched(result.facts, result.chain, result.reference, "Its answer came late."), now)
    else:
        row.state, row.text = Later.WAITING, "Its answer came late: the CA has it, and has not issued it yet."
        row.ca_reference = result.pending.reference[:200] or row.ca_reference
    row.save()


def unwanted(job: Job, result: Good, now: datetime) -> None:
    """List a certificate for an order that has ended, with another one or without; where it goes on, its timeline tells.

    Of an order that goes on nobody can say yet whether the certificate will be its own: nothing is offered for revocation.
    """
    order = Order.objects.filter(pk=job.row).first()
    if order is None or Certificate.objects.filter(sha256=result.facts.sha256).exists():
        return
    serial = result.facts.serial
    told = f"The CA did issue it, serial number {serial}. It is listed in the inventory, and not used."
    if order.state in ENDS:
        came = Fetched(result.facts, result.chain, result.reference, "Its answer came late.")
        text = f"It comes from the order {order.pk}, which was {order.state} when the CA's answer came."
        _listed(order, came, result.reference, text, now)
    elif job.kind is Kind.SUBMIT and not _gives_back(job):
        told = f"An answer to a call before came late: the CA issued serial number {serial}. The order goes on with its present call."
    else:
        return
    _line(order, "order.came_late", told, {"came_late": serial}, now)


def _gives_back(job: Job) -> bool:
    return descriptor_of(job.authority, job.version).facts.dedup is Dedup.RETURN_ORIGINAL


def _failed(row: EarlierCall, text: str, now: datetime) -> None:
    row.text = text[:1000]
    if now >= row.decided_at + LOOKS[-1]:
        row.due_at, row.state = None, Later.UNSEEN
        _tell(row, f"{row.text} The call {_reference(row)} is not searched for any more.", now)


def _not_found(row: EarlierCall, told: dict[str, Any], call: Call, now: datetime) -> None:
    row.ca_reference = str(told.get("reference") or row.ca_reference)[:200]
    row.text = str(next(told[kind] for kind in ("absent", "waiting", "odd") if kind in told))[:1000]
    row.state = Later.WATCHED if "absent" in told else Later.WAITING
    row.due_at = next_look(row.decided_at, row.looks, descriptor_of(call.authority, call.version_id).facts.search_lag)
    if row.due_at is None:
        row.state = Later.GONE if "absent" in told else Later.WAITING
        _tell(row, f"{row.text} The call {_reference(row)} is not searched for any more.", now)


def _found(row: EarlierCall, found: Fetched, now: datetime) -> None:
    row.due_at, row.text = None, found.evidence[:1000]
    row.ca_reference = (found.reference or row.ca_reference)[:200]
    known = Certificate.objects.filter(sha256=found.facts.sha256).first()
    if known is not None:
        row.state = Later.SAME
        row.text = f"{found.evidence} That certificate is stored here already, serial number {known.serial}."[:1000]
        return
    row.state, row.finding = Later.FOUND, _finding(row, found, now)
    text = f"The call {_reference(row)} did come to a certificate, serial number {found.facts.serial}."
    _tell(row, f"{text} It is listed in the inventory, and not used.", now)


def _finding(row: EarlierCall, found: Fetched, now: datetime) -> Finding:
    text = f"It comes from the order {row.order.pk}, which was ordered again while this one's fate was not known."
    return _listed(row.order, found, row.ca_reference, text, now)


def _listed(order: Order, found: Fetched, reference: str, text: str, now: datetime) -> Finding:
    """Return the inventory's finding for a certificate at the CA that no order here has."""
    facts = found.facts
    columns = {
        "id": new_id(now),
        "team_id": order.team_id,
        "environment_id": order.environment_id,
        "common_name": order.common_name,
        "names": [name.value for name in facts.names],
        "serial": facts.serial,
        "issuer": facts.issuer[:500],
        "reference": reference[:200],
        "spki_sha256": facts.key.spki_sha256,
        "not_after": facts.not_after,
        "der": facts.der,
        "chain": [base64.b64encode(der).decode() for der in found.chain],
        "text": text,
        "first_at": now,
        "last_at": now,
    }
    subject = f"{reference[:200]}|{facts.serial}"
    which = {"connector_id": order.connector_id, "kind": FindingKind.AT_CA_ONLY, "subject": subject}
    return Finding.objects.get_or_create(**which, defaults=columns)[0]


def _reference(row: EarlierCall) -> str:
    return call_reference(row.order.pk, row.number)


def _tell(row: EarlierCall, text: str, now: datetime) -> None:
    _line(row.order, "order.earlier_call", text, {"earlier_call": str(row.state)}, now)


def _line(order: Order, kind: str, text: str, detail: dict[str, Any], now: datetime) -> None:
    """Put a line on the order's timeline, with its entry in the record."""
    OrderEvent.objects.create(id=new_id(now), order=order, at=now, kind=kind, actor="engine", text=text[:1000])
    note = Note("order", str(order.pk), order.common_name, team=order.team_id, detail=detail)
    write(engine_actor(), _ACTION, now, [note])
