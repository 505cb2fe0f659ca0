"""Where an ACME order stands (RFC 8555 section 7.1.6): nothing is stored of it, everything follows from what is.

An order without a placement is as its authorizations are; one with a placement is as the order that was placed. A client is never
told to wait for somebody's approval: then its order is *invalid*, and what is approved counts for its next one (`orders.anew`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from chancery.apps.acme.errors import URN, AcmeError, malformed
from chancery.apps.acme.models import Account, AcmeOrder, Authorization, AuthorizationState
from chancery.apps.certificates import keys
from chancery.apps.certificates.models import Certificate
from chancery.apps.connectors.models import Connector
from chancery.apps.orders import anew
from chancery.apps.orders.models import Order as Placed
from chancery.apps.shared.action import current_clock
from chancery.apps.shared.returning import instances, joined, one_of
from chancery.core.order import State

SOON, LATER, FOR_PEOPLE = 3, 10, 20
"""Seconds after which a client is to look again: while the CA works, while it is away, while a person finds out."""
WANTED = (
    (Placed, ("id", "state", "reason", "reason_code", "connector_id", "finished_at")),
    (Connector, ("id", "status", "deleted_at", "breaker_until")),
    (Certificate, ("id",)),
)
"""What `of_placed` looks at: an order that was placed, its connector, and the certificate that it led to."""
_FROM = """
FROM acme_acmeorder LEFT JOIN acme_placement ON acme_placement.acme_order_id = acme_acmeorder.id
LEFT JOIN orders_order ON orders_order.id = acme_placement.order_id
LEFT JOIN connectors_connector ON connectors_connector.id = orders_order.connector_id
LEFT JOIN certificates_certificate ON certificates_certificate.order_id = orders_order.id
WHERE acme_acmeorder.id"""
_AUTHORIZATIONS = "FROM acme_authorization WHERE order_id"
_ASK_AGAIN = "Order again later: once it is approved, the next order for the same names gets its certificate at once."
_REFUSED = {State.DENIED, State.REJECTED, State.CANCELLED, State.FAILED}
_SAID = frozenset(
    {
        "badCSR",
        "badPublicKey",
        "caa",
        "connection",
        "dns",
        "incorrectResponse",
        "rateLimited",
        "rejectedIdentifier",
        "tls",
        "unauthorized",
        "unsupportedIdentifier",
    }
)
"""Types that a CA may have given itself, and that say of the order what its client can understand (RFC 8555 section 6.7)."""
_MEANT = {
    keys.CODE: "badPublicKey",
    "caa_check_failed": "caa",
    "no_challenge": "unauthorized",
    "not_validated": "unauthorized",
    "ValidationFailed": "unauthorized",
}
"""Code of what ended an order → type."""


@dataclass(frozen=True, slots=True)
class View:
    """An order as its client sees it: `status` as RFC 8555 has it, when to look again (seconds), why it failed."""

    order: AcmeOrder
    status: str
    authorizations: Sequence[Authorization] = ()
    certificate: UUID | None = None
    problem: dict[str, Any] = field(default_factory=dict)
    retry_after: int = 0
    placed: Placed | None = None


def of(account: Account, ident: UUID) -> View:
    """Return one order of an account; another account's is not there for it."""
    found = several([(account, ident)])[0]
    if isinstance(found, AcmeError):
        raise found
    return found


def several(wanted: Sequence[tuple[Account, UUID]]) -> list[View | AcmeError]:
    """Return orders of accounts, one after the other as they are asked for; a refusal where that account has none such."""
    some, values = one_of(sorted({ident for _, ident in wanted}))
    rows = {row[0].pk: row for row in joined(((AcmeOrder, ()), *WANTED), f"{_FROM} {some}", values)}
    proofs = _authorizations([order.pk for order, placed, *_ in rows.values() if placed is None and order.validated])
    return [_seen(account, rows.get(ident), proofs.get(ident, [])) for account, ident in wanted]


def listed(account: Account, before: UUID | None, most: int) -> tuple[list[UUID], UUID | None]:
    """Return orders of an account, newest first, but for the invalid ones (RFC 8555 section 7.1.2.1), and where to go on.

    So many are looked at, those before one of them or the newest; the second is None where no others are left.
    """
    rows = account.orders.order_by("-id")
    rows = rows if before is None else rows.filter(pk__lt=before)
    found = list(rows.values_list("pk", flat=True)[: most + 1])
    views = several([(account, ident) for ident in found[:most]])
    shown = [v.order.pk for v in views if isinstance(v, View) and v.status != "invalid"]
    return shown, found[most - 1] if len(found) > most else None


def _authorizations(orders: Sequence[UUID]) -> dict[UUID, list[Authorization]]:
    found: dict[UUID, list[Authorization]] = {}
    if orders:
        some, values = one_of(orders)
        for row in instances(Authorization, f"{_AUTHORIZATIONS} {some} ORDER BY id", values):
            found.setdefault(row.order_id, []).append(row)
    return found


def _seen(account: Account, row: tuple[Any, ...] | None, proofs: Sequence[Authorization]) -> View | AcmeError:
    if row is None or row[0].account_id != account.pk:
        return malformed("url", "This account has no such order.", "Place one.", 404)
    order, placed, connector, certificate = row
    if placed is None:
        return unplaced(order, proofs, current_clock().now())
    placed.connector = connector
    return of_placed(order, placed, certificate)


def unplaced(order: AcmeOrder, found: Sequence[Authorization], now: datetime) -> View:
    """Return where an order stands that was not finalized."""
    bad = [a for a in found if a.state in {AuthorizationState.INVALID, AuthorizationState.DEACTIVATED}]
    if bad:
        return View(order, "invalid", found, problem=_failed(bad))
    if order.expires_at <= now:
        told = AcmeError("malformed", "The order was not finalized in time.", "Place another.", status=403).document()
        return View(order, "invalid", found, problem=told)
    pending = any(a.state == AuthorizationState.PENDING for a in found)
    return View(order, "pending" if pending else "ready", found)


def _failed(bad: Sequence[Authorization]) -> dict[str, Any]:
    parts = [{**a.problem, "identifier": {"type": a.kind, "value": a.value}} for a in bad if a.problem]
    detail = (
        f"{len(bad)} of its names could not be validated, or their authorization was given up. Place another order."
    )
    return {"type": f"{URN}unauthorized", "detail": detail, "status": 403, **({"subproblems": parts} if parts else {})}


def of_placed(order: AcmeOrder, placed: Placed, certificate: Certificate | None) -> View:
    """Return where an order stands that was finalized, by the order that this placed, with its connector."""
    state = State(placed.state)
    if certificate is not None:
        return View(order, "valid", certificate=certificate.pk, placed=placed)
    if state in _REFUSED or state == State.AWAITING_APPROVAL:
        return View(order, "invalid", problem=_refused(placed), placed=placed)
    return View(order, "processing", retry_after=look_again(placed), placed=placed)


def asking(placed: Placed) -> AcmeError | None:
    """Return what a client is told whose order only asks; None for any other order."""
    if placed.state == State.AWAITING_APPROVAL:
        return AcmeError("unauthorized", f"Somebody has to approve the order {placed.pk}.", _ASK_AGAIN)
    if anew.waits(placed, current_clock().now()):
        return AcmeError("unauthorized", f"The order {placed.pk} is approved.", "Order again now, for the same names.")
    if placed.reason_code in {anew.ASKED, anew.REPLACED}:
        return AcmeError("unauthorized", placed.reason, _ASK_AGAIN)
    return None


def _refused(placed: Placed) -> dict[str, Any]:
    if (asks := asking(placed)) is not None:
        return asks.document()
    kind = _kind(placed)
    said = placed.reason or "No reason was given."
    text = f"The order {placed.pk} is {placed.state.replace('_', ' ')}: {said}"
    # It is over: the 503 of an answer would have the client try the same once more.
    status = 500 if kind == "serverInternal" else 0
    return AcmeError(kind, text[:2000], "Place another order once that is settled.", status=status).document()


def _kind(placed: Placed) -> str:
    """Return the type of what ended an order: what a person has decided, what the CA has, or a fault that is not the client's."""
    if placed.state in {State.DENIED, State.CANCELLED}:
        return "unauthorized"
    code = placed.reason_code
    # Of a failed order the code says at what it stood last, as that our login at the CA was refused.
    if code in _MEANT or (placed.state == State.REJECTED and code in _SAID):
        return _MEANT.get(code, code)
    return "serverInternal"


def look_again(placed: Placed) -> int:
    """Return the seconds after which it is worth a look: clients give up after a minute or two, whatever they are told."""
    if placed.state in {State.OUTCOME_UNKNOWN, State.QUARANTINED}:
        return FOR_PEOPLE
    return LATER if _is_away(placed.connector) else SOON


def worth_waiting(placed: Placed) -> bool:
    """Say whether an order is likely to be issued within seconds."""
    return placed.state in {State.QUEUED, State.SUBMITTING, State.PENDING} and not _is_away(placed.connector)


def _is_away(connector: Connector) -> bool:
    return not connector.usable or connector.breaker_until is not None
