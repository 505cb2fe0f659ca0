"""Revocation and cancelling (B4, B6): which answers are proof, which are a beginning, and which say nothing."""

from __future__ import annotations

from typing import Any

from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.progress import Progress
from chancery.authorities.digicert.read import number, rows, segment, table, word
from chancery.authorities.digicert.renewal import split_reference
from chancery.sdk.authority import Target
from chancery.sdk.errors import (
    AlreadyDone,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
)
from chancery.sdk.outcome import PollState, RevocationPending, Revoked

_SUBMITTED = {"submitted", "pending", ""}
_MAKES = {"new_request", "reissue", "duplicate", ""}
"""Types of requests that a certificate comes of."""


def revoke(client: Client, target: Target, body: dict[str, Any]) -> Revoked | RevocationPending:
    """Revoke one certificate: 204 is done, a request object waits for an approver.

    Where an earlier answer was lost, the request that it made is found by its mark, and none is made beside it.
    """
    order, certificate = split_reference(target.reference)
    ident = certificate or segment(target.serial.upper())
    mark = f"(certificate {ident})"
    before = _asked_before(client, order, mark)
    if before:
        return _waits({"v": 1, "request": before})
    body = {**body, "comments": f"{body['comments']} {mark}".strip()}
    try:
        status, answer = client.act("PUT", f"certificate/{ident}/revoke", body, urgent=True)
    except RejectedByPolicy as error:
        if _is_revoked(client, order, target, told="revoked" in f"{error.code} {error.text}".lower()):
            raise AlreadyDone("DigiCert had revoked it already.", code=error.code, text=error.text) from None
        raise
    if status == 204:
        return Revoked("Revoked by DigiCert.")
    request = number(table(answer).get("id"))
    if request:
        return _waits({"v": 1, "request": request})
    if _is_revoked(client, order, target, told=False):
        return Revoked("Revoked by DigiCert.")
    raise OutcomeUnknown(f"DigiCert's answer to the revocation ({status}) says neither done nor whom it waits for.")


def _asked_before(client: Client, order: str, mark: str) -> str:
    """Return the number of an open request of ours to revoke this certificate; '' for none."""
    found = rows(_or_nothing(client, f"order/certificate/{order}").get("requests")) if order else []
    ours = [r for r in found if word(r.get("type")) == "revoke" and mark in word(r.get("comments"), 2000)]
    return next((number(r.get("id")) for r in ours if word(r.get("status")).lower() in _SUBMITTED), "")


def poll_revocation(client: Client, state: PollState, target: Target) -> Revoked | RevocationPending:
    """Look at the approval request of a revocation."""
    try:
        info = client.get(f"request/{segment(state.get('request'))}")
    except NotFound:
        order, _ = split_reference(target.reference)
        if _is_revoked(client, order, target, told=False):
            return Revoked("Revoked by DigiCert.")
        raise
    except RejectedByPolicy as error:
        raise ProtocolViolation(error.message, code=error.code, text=error.text, remedy=error.remedy) from None
    status = word(info.get("status")).lower()
    if status == "approved":
        return Revoked("Approved and revoked at DigiCert.")
    if status == "rejected":
        said = word(info.get("processor_comment"), 300)
        text = "An approver at DigiCert rejected the revocation" + (f": {said}" if said else ".")
        raise RejectedByPolicy(text, code="rejected", remedy="Ask DigiCert's administrators of your account why.")
    return _waits(state, "" if status in _SUBMITTED else f" DigiCert calls it {status[:40]!r}.")


def cancel(client: Client, progress: Progress, note: str) -> None:
    """Withdraw an order, or its reissue or duplicate, that is not issued yet; raises `AlreadyDone` where that is too late."""
    if progress.again == "duplicate":
        _withdraw_duplicate(client, progress, note)
        return
    order = progress.order
    try:
        info = client.get(f"order/certificate/{order}")
    except RejectedByPolicy as error:
        raise ProtocolViolation(error.message, code=error.code, text=error.text, remedy=error.remedy) from None
    status = word(info.get("status")).lower()
    if status in {"canceled", "cancelled"}:
        return
    if status in {"issued", "revoked", "expired", "rejected"} or (status == "reissue_pending" and not progress.again):
        raise AlreadyDone(f"The order is {status} at DigiCert; there is nothing to cancel.", code=status)
    try:
        client.act("PUT", f"order/certificate/{order}/status", {"status": "CANCELED", "note": note}, urgent=True)
    except RejectedByPolicy as error:
        if not _reject_requests(client, info, note):
            raise AlreadyDone(error.message, code=error.code, text=error.text) from None


def _withdraw_duplicate(client: Client, progress: Progress, note: str) -> None:
    """Reject the request of a duplicate: while one waits, its order stays issued, so there is nothing else to cancel."""
    info = {"requests": [{"id": progress.request, "type": "duplicate", "status": "pending"}]}
    if not _reject_requests(client, info, note):
        text = f"DigiCert takes back no duplicate of order {progress.order} any more, or this key may not."
        raise AlreadyDone(text, code="duplicate")


def _reject_requests(client: Client, info: dict[str, Any], note: str) -> bool:
    """Reject what waits for an approver, which ends an order that cannot be cancelled; False where nothing could be."""
    waiting = [r for r in rows(info.get("requests")) if word(r.get("status")) in {"pending", "submitted"}]
    ours = [number(r.get("id")) for r in waiting if word(r.get("type")).replace(" ", "_") in _MAKES]
    done = False
    for request in filter(None, ours):
        try:
            client.act(
                "PUT", f"request/{request}/status", {"status": "rejected", "processor_comment": note}, urgent=True
            )
            done = True
        except (Forbidden, NotFound, RejectedByPolicy):
            continue
    return done


def _waits(state: PollState, more: str = "") -> RevocationPending:
    return RevocationPending(state, text=f"Request {state.get('request')} waits for an approver at DigiCert.{more}")


def _is_revoked(client: Client, order: str, target: Target, *, told: bool) -> bool:
    """Say whether DigiCert shows the certificate as revoked; where it shows nothing, what we were `told` counts."""
    if not order:
        return told
    words = {_status_of(client, order, target, kind) for kind in ("reissue", "duplicate")} - {""}
    info = _or_nothing(client, f"order/certificate/{order}")
    if "revoked" in words or word(info.get("status")).lower() == "revoked":
        return True
    return told and not words


def _status_of(client: Client, order: str, target: Target, kind: str) -> str:
    _, ident = split_reference(target.reference)
    found = rows(_or_nothing(client, f"order/certificate/{order}/{kind}").get("certificates"))
    serial = target.serial.upper().lstrip("0")
    mine = [
        c
        for c in found
        if (ident and number(c.get("id")) == ident) or word(c.get("serial_number")).upper().lstrip("0") == serial
    ]
    return word(mine[0].get("status")).lower() if mine else ""


def _or_nothing(client: Client, path: str) -> dict[str, Any]:
    try:
        return client.get(path, {"show_archived": "true"}, need="urgent")
    except (NotFound, RejectedByPolicy, Forbidden, ProtocolViolation):
        return {}
