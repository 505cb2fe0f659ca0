"""Renews what is due: by an order that replaces the certificate, or by saying that a person must."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chancery.apps.acme import following as clients
from chancery.apps.bots import following as bots
from chancery.apps.certificates import keys
from chancery.apps.certificates.actions import renew as place
from chancery.apps.certificates.models import Certificate
from chancery.apps.orders.causing import Causes, How, causes, repeated
from chancery.apps.orders.models import Order
from chancery.apps.renewals.models import Plan, PlanState, Policy
from chancery.apps.renewals.planning import advises, schedule
from chancery.apps.shared.actor import engine_actor
from chancery.core.errors import ChanceryError
from chancery.core.order import ENDS, OPEN, RevocationState, State
from chancery.core.renewal import again_after, worry_at

_AT_ONCE = 10
_AFTER_THE_BOT = timedelta(hours=1)
_FOLLOWED = 200
_REVOKED = {RevocationState.REQUESTED, RevocationState.WAITING_AT_CA, RevocationState.CONFIRMED}
_BY_PERSON = {State.DENIED, State.CANCELLED, State.FAILED}
"""Ends after which nothing is ordered again unasked; one that was given up may still be at the CA."""
COMMENT = "Renewed by itself, as the profile says."


def renew(now: datetime, state: dict[str, Any]) -> dict[str, Any]:
    """Look how ordered renewals ended, then place those that are due; a few of each at once.

    `state` remembers `until`, the moment up to which plans may have been ended as expired: where the clock that said so has
    been put back since, they go on.
    """
    until = _revived(now, state.get("until", ""))
    rows = Plan.objects.filter(state=PlanState.ORDERED, order__state__in=list(ENDS)).select_related(
        "order", "certificate"
    )
    for plan in rows.defer("certificate__der", "order__csr").order_by("id")[:_FOLLOWED]:
        _ended(plan, now)
    due = Plan.objects.filter(due_at__lte=now).select_related("certificate__order", "profile").order_by("due_at", "id")
    for plan in due[:_AT_ONCE]:
        _renew(plan, now)
    return {**state, "until": until}


def _revived(now: datetime, before: str) -> str:
    """Plan anew some that ended as expired and are not: the clock was ahead. Returns how late it has been, for the next.

    `before` and what is returned are ISO 8601; '' where nobody wrote it down yet, so that all that ended are looked at.
    """
    rows = Plan.objects.filter(state=PlanState.ENDED, certificate__not_after__gt=now)
    if before:
        until = datetime.fromisoformat(before)
        if until <= now:
            return now.isoformat()
        rows = rows.filter(certificate__not_after__lte=until)
    rows = rows.exclude(certificate__revocation__in=_REVOKED).select_related("certificate", "profile", "connector")
    found = list(rows.defer("certificate__der").order_by("id")[:_FOLLOWED])
    for plan in found:
        plan.state, plan.ask_at = PlanState.PLANNED, now if advises(plan.connector) else None
        schedule(plan)
        plan.save()
    return before if len(found) == _FOLLOWED else now.isoformat()


def _renew(plan: Plan, now: datetime) -> None:
    if _over(plan, now) or _replaced_already(plan) or _left_to_a_bot(plan, now) or _left_to_a_client(plan, now):
        return
    csr, why, caused_by = _request(plan)
    if csr is None:
        _set(plan, PlanState.WAITING, f"{why}{_urged(plan, now)}")
        return
    try:
        order = place(engine_actor(), plan.pk, csr, COMMENT, caused_by=caused_by)
    except ChanceryError as refusal:
        if keys.refuses(refusal):
            # Whether it is the old key or a left request's: no later try is any better.
            plan.csr = None
            _set(plan, PlanState.WAITING, f"{keys.TEXT} {keys.REMEDY}{_urged(plan, now)}")
            return
        _again(plan, now, f"{refusal.detail} {refusal.remedy}".strip())
        return
    plan.csr = None
    _ordered(plan, order)


def _over(plan: Plan, now: datetime) -> bool:
    row = plan.certificate
    if row.revocation in _REVOKED:
        _set(plan, PlanState.ENDED, "It is revoked, so it is not renewed.")
    elif row.not_after <= now:
        _set(plan, PlanState.ENDED, "It expired before it was renewed.")
    elif plan.profile.deleted_at is not None:
        _set(plan, PlanState.WAITING, "Its profile was deleted. Order a new certificate with another profile.")
    return plan.due_at is None


def _replaced_already(plan: Plan) -> bool:
    """Say whether somebody else has ordered its successor, and then follow that order."""
    order = latest(plan.certificate)
    if order is None or not (order.state in OPEN or order.state == State.ISSUED):
        return False
    _ordered(plan, order)
    return True


def _left_to_a_bot(plan: Plan, now: datetime) -> bool:
    """Say whether a bot orders its successor, with a key of the bot's own, and then look again once it should have.

    Where the CA suggests a window, the bot is to follow that. A request that a person left goes before.
    """
    target = None if plan.csr is not None else bots.serving(plan.certificate)
    if target is None:
        return False
    bot = target.bot
    if target.due_at is None or bot.stopped_at is not None:
        why = "It is stopped." if bot.stopped_at is not None else target.problem
        _again(plan, now, f"It is for the bot {bot.name} to renew, which does not now. {why} Look at the bot.")
        return True
    due = target.due_at
    if plan.hint_start is not None:
        bots.hurry(target, now)
        due = now
    _set(plan, PlanState.PLANNED, f"The bot {bot.name} renews it.", max(due, now) + _AFTER_THE_BOT)
    return True


def _left_to_a_client(plan: Plan, now: datetime) -> bool:
    """Say whether an ACME client orders its successor, and then follow that, or look again whether it has.

    What the engine ordered in its place would be fetched by nobody. A request that a person left goes before.
    """
    row = plan.certificate
    credential = None if plan.csr is not None else clients.credential_of(row)
    if credential is None:
        return False
    order = clients.successor(row, credential)
    if order is not None:
        _ordered(plan, order)
    elif not clients.works(credential):
        text = f"No account of the ACME credential {credential.name} may order any more. Order it anew, or leave a request."
        _again(plan, now, text)
    elif urged := _urged(plan, now):
        _again(plan, now, f"The ACME client of {credential.name} has not renewed it.{urged}")
    elif worry_at(row.not_before, row.not_after, plan.profile.renewal_share / 100) <= now:
        _again(plan, now, f"The ACME client of {credential.name} has not renewed it. Look at that host.")
    else:
        text = f"The ACME client of {credential.name} renews it."
        _set(plan, PlanState.PLANNED, text, now + again_after(row.not_after - now))
    return True


def latest(certificate: Certificate) -> Order | None:
    """Return the newest order that replaces a certificate."""
    return Order.objects.filter(replaces=certificate).order_by("-id").first()


def _request(plan: Plan) -> tuple[bytes | None, str, Causes]:
    """Return the request that renews it, or None and why there is none, and whose it is; no private key is ever here."""
    row = plan.certificate
    if plan.csr is not None:
        return bytes(plan.csr), "", causes((plan.csr_by_user_id, How.REQUEST))
    if plan.profile.renewal != Policy.SAME_KEY:
        text = "Its profile does not use a key again. Send a request with a new key, or leave one for its renewal."
        return None, text, []
    if row.order is None:
        return None, "It was not ordered here, so there is no request to repeat. Send one.", []
    return bytes(row.order.csr), "", repeated(row.order)


def _urged(plan: Plan, now: datetime) -> str:
    """Say so where the CA's window is over already: that is how a CA asks for certificates to be replaced at once."""
    if plan.hint_end is None or plan.hint_end > now:
        return ""
    return f" The CA wants it renewed at once{f': {plan.hint_url}' if plan.hint_url else '.'}"


def _ended(plan: Plan, now: datetime) -> None:
    order = plan.order
    if order is None:  # pragma: no cover  what is ordered has its order
        raise AssertionError(plan.pk)
    if order.state == State.ISSUED:
        _set(plan, PlanState.REPLACED, "")
    elif order.state in _BY_PERSON and clients.credential_of(plan.certificate) is not None:
        # Its client orders anew by itself.
        _again(plan, now, f"The order of its ACME client was {order.state}.")
    elif order.state in _BY_PERSON:
        said = f": {order.reason}" if order.reason else "."
        _set(plan, PlanState.WAITING, f"The order that replaces it was {order.state}{said}")
    else:
        _again(plan, now, f"The order that replaces it was {order.state}: {order.reason}")


def _ordered(plan: Plan, order: Order) -> None:
    plan.order = order
    _set(plan, PlanState.ORDERED, "")


def _again(plan: Plan, now: datetime, text: str) -> None:
    plan.attempts += 1
    left = plan.certificate.not_after - now
    _set(plan, PlanState.RETRYING, text, now + again_after(left))


def _set(plan: Plan, state: PlanState, text: str, due_at: datetime | None = None) -> None:
    plan.state, plan.text, plan.due_at = state, text[:1000], due_at
    plan.save()
