"""Revocation and cancelling at V1. A revocation is asked for, and `TrackOrder` says what became of it."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.bundle import leaf_of
from chancery.authorities.emsign.meanings import TOO_EARLY, WRONG_STATE
from chancery.authorities.emsign.progress import Progress, split_reference
from chancery.authorities.emsign.read import segment, table, word
from chancery.authorities.emsign.v1.session import Session
from chancery.authorities.emsign.v1.standing import EXPIRED, FAILED, ISSUED, ORDER_ENDED, REVOKED, Standing
from chancery.sdk.authority import Target
from chancery.sdk.errors import AlreadyDone, NotFound, RejectedByPolicy
from chancery.sdk.outcome import PollState, RevocationPending, Revoked

_DONE, _REJECTED = {"2", "5"}, {"3", "6"}
_CANCELLED = "13"


def revoke(
    session: Session, standing: Standing, target: Target, reason: str, comment: str, email: str
) -> Revoked | RevocationPending:
    """Revoke the one certificate of an order, after looking that it is this one."""
    order = split_reference(target.reference)[0]
    if not order:
        raise NotFound("The certificate's order number at emSign is not known.", remedy="Revoke it in the portal.")
    detail = standing.detail(order)
    if _is_revoked(detail):
        raise AlreadyDone("emSign had revoked it already.", code="revoked", text=_told(detail))
    if word(_revocation(detail).get("revokeRequestStatusId")) in {"1", "4"}:
        return _stand({"v": 1, "order": order}, detail)
    _check_certificate(standing, order, target)
    body = {
        "orderNumber": order,
        "requestorEmail": email,
        "revokeReasonId": reason,
        "revokeRemarks": (comment.replace(";", ",") or "Revoked in Chancery")[:500],
    }
    try:
        session.act("RevokeOrder", {"revocationDetails": body})
    except (RejectedByPolicy, NotFound) as error:
        return _refused(standing, order, error)
    found = attempt(lambda: standing.detail(order))
    return _stand({"v": 1, "order": order}, found or {})


def poll_revocation(standing: Standing, state: PollState) -> Revoked | RevocationPending:
    """Look how a revocation stands that was asked for."""
    return _stand(state, standing.detail(segment(state.get("order"))))


def _stand(state: PollState, detail: dict[str, Any]) -> Revoked | RevocationPending:
    told = _told(detail)
    if _is_revoked(detail):
        return Revoked(f"Revoked by emSign{f': {told}' if told else ''}.")
    if word(_revocation(detail).get("revokeRequestStatusId")) in _REJECTED:
        text = f"A person at emSign rejected the revocation: {told or 'without words'}."
        raise RejectedByPolicy(text, code="rejected", remedy="Ask emSign's support why.")
    return RevocationPending(state, text=f"emSign has taken the revocation{f' ({told})' if told else ''}.")


def _is_revoked(detail: dict[str, Any]) -> bool:
    done = word(_revocation(detail).get("revokeRequestStatusId")) in _DONE
    return done or word(detail.get("certificateStatusId")) == REVOKED


def _revocation(detail: dict[str, Any]) -> dict[str, Any]:
    return table(detail.get("revocationDetails"))


def _told(detail: dict[str, Any]) -> str:
    found = _revocation(detail)
    return word(found.get("revokeRequestStatus"))


def _check_certificate(standing: Standing, order: str, target: Target) -> None:
    ders = attempt(lambda: standing.download(order))
    leaf = leaf_of(ders) if ders else None
    if leaf is not None and leaf != target.certificate:
        raise RejectedByPolicy(
            "The order at emSign holds another certificate now, and revoking goes by the order.",
            code="other_certificate",
            bytes_sent=False,
            remedy="Find the certificate by its serial number in the portal and revoke it there.",
        )


def _refused(standing: Standing, order: str, error: RejectedByPolicy | NotFound) -> Revoked | RevocationPending:
    detail = attempt(lambda: standing.detail(order)) or {}
    if _is_revoked(detail):
        raise AlreadyDone("emSign had revoked it already.", code=error.code, text=error.text) from None
    if error.code in {TOO_EARLY, WRONG_STATE} and _revocation(detail):
        return _stand({"v": 1, "order": order}, detail)
    raise error


def cancel(session: Session, standing: Standing, progress: Progress, note: str) -> None:
    """Withdraw an order (RejectOrder) or a draft (RejectRequest); raises `AlreadyDone` where that is too late."""
    if not progress.order:
        body = {"requestNumber": progress.request, "rejectRemarks": note}
        session.act("RejectRequest", {"orderDetails": body})
        return
    try:
        session.act("RejectOrder", {"orderDetails": {"orderNumber": progress.order, "rejectRemarks": note}})
    except (RejectedByPolicy, NotFound) as error:
        detail = attempt(lambda: standing.detail(progress.order)) or {}
        of_certificate = word(detail.get("certificateStatusId"))
        if of_certificate == _CANCELLED:
            return
        if of_certificate in ISSUED | FAILED | {REVOKED, EXPIRED} or word(detail.get("orderStatusId")) in ORDER_ENDED:
            told = word(detail.get("certificateStatus"))
            text = f"The order is beyond that at emSign ({told}); there is nothing to cancel."
            raise AlreadyDone(text, code=of_certificate, text=error.text) from None
        raise
