"""Revocation and cancelling at V2: which answers are proof, which are a beginning, and which say nothing."""

from __future__ import annotations

from typing import Any

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.bundle import certificates_in, leaf_of
from chancery.authorities.emsign.meanings import WRONG_STATE
from chancery.authorities.emsign.progress import Progress, split_reference
from chancery.authorities.emsign.read import segment, table, word
from chancery.authorities.emsign.v2.ordering import family_of
from chancery.authorities.emsign.v2.session import Session
from chancery.sdk.authority import Target
from chancery.sdk.errors import (
    AlreadyDone,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    ValidationFailed,
)
from chancery.sdk.outcome import PollState, RevocationPending, Revoked

_FAMILIES = ("ssl-certificates", "private-pki-certificates")


def revoke(session: Session, target: Target, reason: str, comment: str) -> Revoked | RevocationPending:
    """Revoke the one certificate of an order, after looking that it is this one; 204 says that it is queued."""
    path, detail = find_order(session, split_reference(target.reference)[0])
    if word(detail.get("status")).lower() == "revoked":
        raise AlreadyDone("emSign had revoked it already.", code="revoked", text=_told(detail))
    _check_certificate(session, path, target)
    # A semicolon in the note is refused.
    body = {"reason": reason, "note": comment.replace(";", ",")}
    state: PollState = {"v": 1, "path": path, "reason": reason}
    try:
        status, answer = session.act("POST", f"{path}/revoke", body)
    except (RejectedByPolicy, NotFound) as error:
        return _refused(session, state, error)
    if word(table(answer).get("status")).lower() == "revoked":
        return Revoked(f"Revoked by emSign: {reason}.")
    if status not in {200, 202, 204} or (answer and "status" not in table(answer)):
        raise OutcomeUnknown(f"emSign's answer to the revocation ({status}) does not say what became of it.")
    found = attempt(lambda: session.get(path))
    return _stand(state, found or {})


def poll_revocation(session: Session, state: PollState) -> Revoked | RevocationPending:
    """Look how a queued revocation stands."""
    path = "/".join(segment(part) for part in word(state.get("path")).split("/"))
    try:
        return _stand(state, session.get(path))
    except ValidationFailed as error:
        raise ProtocolViolation(error.message, code=error.code, text=error.text, remedy=error.remedy) from None


def _stand(state: PollState, detail: dict[str, Any]) -> Revoked | RevocationPending:
    told = _told(detail)
    if word(detail.get("status")).lower() == "revoked":
        return Revoked(f"Revoked by emSign: {told or state.get('reason')}.")
    if "reject" in told.lower():
        raise RejectedByPolicy(
            f"A person at emSign rejected the revocation: {told}.", code="rejected", remedy="Ask emSign's support why."
        )
    return RevocationPending(state, text=f"emSign has taken the revocation{f' ({told})' if told else ''}.")


def _told(detail: dict[str, Any]) -> str:
    found = table(detail.get("revocation"))
    return ", ".join(t for t in (word(found.get("status")), word(found.get("reason"))) if t)


def find_order(session: Session, order: str) -> tuple[str, dict[str, Any]]:
    """Return path and detail of an order, of whichever family it is."""
    if not order:
        raise NotFound("The certificate's order number at emSign is not known.", remedy="Revoke it in the portal.")
    last: NotFound | None = None
    for family in _FAMILIES:
        path = f"{family}/{segment(order)}"
        try:
            return path, session.get(path)
        except NotFound as error:
            last = error
        except RejectedByPolicy as error:
            raise ProtocolViolation(error.message, code=error.code, text=error.text, bytes_sent=False) from None
    raise last or NotFound("emSign does not know the order.")


def _check_certificate(session: Session, path: str, target: Target) -> None:
    """Raise `RejectedByPolicy` where the order holds another certificate than the one to be revoked."""
    ders = attempt(lambda: certificates_in(session.get(f"{path}/certificate")))
    leaf = leaf_of(ders) if ders else None
    if leaf is not None and leaf != target.certificate:
        raise RejectedByPolicy(
            "The order at emSign holds another certificate now, and revoking goes by the order.",
            code="other_certificate",
            bytes_sent=False,
            remedy="Find the certificate by its serial number in the portal and revoke it there.",
        )


def _refused(session: Session, state: PollState, error: RejectedByPolicy | NotFound) -> Revoked | RevocationPending:
    """Return how it stands after a no: 404 and 422 both may mean that it is revoked, or that it is queued already."""
    detail = attempt(lambda: session.get(str(state["path"]))) or {}
    if word(detail.get("status")).lower() == "revoked":
        raise AlreadyDone("emSign had revoked it already.", code=error.code, text=error.text) from None
    if error.code == WRONG_STATE and word(detail.get("status")).lower() == "issued":
        return _stand(state, detail)
    raise error


def cancel(session: Session, progress: Progress, variant: str, note: str) -> None:
    """Withdraw an order or a draft that is not issued; raises `AlreadyDone` where that is too late."""
    family = family_of(variant)
    order = progress.order
    path = f"{family}/{segment(order)}" if order else f"ssl-certificates/requests/{segment(progress.request)}"
    try:
        session.act("POST", f"{path}/cancel", {"reason": note})
    except (RejectedByPolicy, NotFound) as error:
        status = word((attempt(lambda: session.get(path)) or {}).get("status")).lower() if order else ""
        if status in {"cancelled", "canceled"}:
            return
        if status in {"issued", "revoked", "expired", "rejected"}:
            raise AlreadyDone(
                f"The order is {status} at emSign; there is nothing to cancel.", code=status, text=error.text
            ) from None
        raise
