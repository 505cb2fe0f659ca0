"""Follows an order, or a reissue or duplicate of it, from its acceptance to its certificate (B3.1, B3.2)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from chancery.authorities.digicert.board import Board
from chancery.authorities.digicert.bundle import foreign, pick
from chancery.authorities.digicert.ceilings import shortness
from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.explain import QUICK, TEXT, Case, attempt, explain
from chancery.authorities.digicert.ordering import reference_of
from chancery.authorities.digicert.progress import Progress
from chancery.authorities.digicert.read import number, rows, segment, table, word
from chancery.authorities.digicert.records import TOKENS, look_again
from chancery.authorities.digicert.renewal import split_reference
from chancery.authorities.digicert.search import certificate_of
from chancery.core.clock import Clock
from chancery.sdk.authority import Request
from chancery.sdk.errors import NotFound, ProtocolViolation, QuotaExhausted, RejectedByPolicy, ValidationFailed
from chancery.sdk.outcome import Issued, Outcome, PendingKind

SOON, LATER = timedelta(seconds=2), timedelta(minutes=1)
_ENDED = {"rejected", "canceled", "cancelled", "revoked", "expired"}
_SLACK = timedelta(days=2)
"""Between our clock and DigiCert's days, in whatever zone."""
_WRONG_DOWNLOADS = 5
"""Downloads without the request's key before it is believed that the certificate is for another one."""
_TEXT = 1000
_CHECK_EVERY = timedelta(minutes=10)
"""How often DigiCert is told to look for the records of an order; it looks by itself as well."""


class Following:
    """Reads one account's orders."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._board = Board(client, clock)

    def poll(self, progress: Progress, request: Request) -> Outcome:
        """Look at the order; a status that is not known waits with a note, it never fails."""
        # A duplicate leaves its order's status as it is, so no list of changes speaks of it.
        slow = progress.status not in QUICK and progress.looked is not None and progress.again != "duplicate"
        if slow and self._board.unchanged(progress.order, progress.status, progress.looked):  # type: ignore[arg-type]  # looked at, so it has a time
            return progress.pending(SOON, LATER)
        return self.stand(progress, self.info(progress.order), request)

    def info(self, order: str) -> dict[str, Any]:
        """Return the order; that DigiCert refuses a question about it must not end it."""
        try:
            return self._client.get(f"order/certificate/{segment(order)}", {"include_caa_status": "true"})
        except (NotFound, RejectedByPolicy, ValidationFailed, QuotaExhausted) as error:
            if isinstance(error, NotFound) and error.code:
                raise
            # Without a code it is not the API that does not know the order.
            raise ProtocolViolation(
                error.message, code=error.code, text=error.text, stage="response", bytes_sent=False
            ) from None

    def stand(self, progress: Progress, info: dict[str, Any], request: Request) -> Outcome:
        """Return how an order stands whose `info` was just read."""
        status = word(info.get("status")).lower()
        if status in _ENDED:
            raise RejectedByPolicy(
                f"The order is {status} at DigiCert.{_comment(info)}",
                code=status,
                remedy="Ask the administrators of your account at DigiCert why.",
            )
        # `approved` is an old word, also for orders that show a serial number: those have their certificate.
        if status == "issued" or (status == "approved" and word(table(info.get("certificate")).get("serial_number"))):
            return self._issued(progress, info, request)
        progress, now_is, said = self._check(progress, status, info)
        if now_is not in {"", status}:
            return self.stand(progress, self.info(progress.order), request)
        now = self._clock.now()
        kind, text = explain(Case(self._client, progress.order, info, progress.records, now.date()), status)
        return progress.looked_at(status, kind, f"{text} {said}".strip()[:_TEXT], now).pending(SOON, LATER)

    def _check(self, progress: Progress, status: str, info: dict[str, Any]) -> tuple[Progress, str, str]:
        """Let DigiCert look for the records now and then; returns (progress, the order's status, what DigiCert says)."""
        now, method = self._clock.now(), word(info.get("dcv_method"))
        if status != "pending" or method not in TOKENS:
            return progress, "", ""
        if progress.checked is not None and now - progress.checked < _CHECK_EVERY:
            return progress, "", ""
        # At the first look nobody can have made a record yet.
        found = look_again(self._client, progress.order) if progress.checked is not None else ("", "")
        return replace(progress, checked=now), *found

    def _issued(self, progress: Progress, info: dict[str, Any], request: Request) -> Outcome:
        # An order may hold older certificates for the same key: one asked for later is never from before that.
        since = request.intended_at - _SLACK if progress.again else None
        certificate = certificate_of(self._client, progress.order, info, request, since)
        if progress.again and not certificate:
            waits = self._request_of(progress)
            if waits:
                return progress.looked_at("needs_approval", PendingKind.APPROVAL, waits, self._clock.now()).pending(
                    SOON, LATER
                )
        # An order that shows no request is taken at its primary certificate, whose key is checked all the same;
        # but never at the one that is being renewed, which may have the same key.
        primary = number(table(info.get("certificate")).get("id"))
        usable = progress.again != "duplicate" and primary != split_reference(request.previous)[1]
        certificate = certificate or (primary if usable else "")
        if not certificate:
            return self._again(progress, "issued", "Issued; not yet downloadable.")
        return self._downloaded(progress, certificate, request)

    def _downloaded(self, progress: Progress, certificate: str, request: Request) -> Outcome:
        try:
            raw = self._client.raw(f"certificate/{certificate}/download/format/pem_all")
        except (NotFound, RejectedByPolicy, ValidationFailed) as error:
            return self._again(progress, "issued", f"Issued, but it cannot be downloaded yet: {error.message}"[:TEXT])
        issued = pick(raw, request, reference_of(progress.order, certificate))
        if issued is None and progress.status == "wrong_download" and progress.looks >= _WRONG_DOWNLOADS:
            # No passing fault any more: it is for another key, and the engine keeps it from everybody.
            issued = foreign(raw, reference_of(progress.order, certificate))
        if issued is None:
            # A documented fault: downloads of one order fetched together may hold another's certificate.
            text = "The download held no certificate for the request's key; it is fetched again."
            return self._again(progress, "wrong_download", text)
        return warned(issued, request)

    def _again(self, progress: Progress, status: str, text: str) -> Outcome:
        now = self._clock.now()
        return replace(progress.looked_at(status, PendingKind.PROCESSING, text, now), looked=None).pending(SOON, LATER)

    def _request_of(self, progress: Progress) -> str:
        """Return what a reissue or duplicate waits for, '' for nothing known; raises where an approver refused it."""
        if not progress.request:
            return ""
        found = table(attempt(lambda: self._client.get(f"request/{progress.request}")))
        status = word(found.get("status")).lower()
        if status == "rejected":
            said = word(found.get("processor_comment"), 300)
            raise RejectedByPolicy(
                f"The {progress.again} of order {progress.order} was rejected at DigiCert."
                + (f" {said}" if said else ""),
                code="rejected",
                remedy="Ask the administrators of your account at DigiCert why.",
            )
        waits = status in {"pending", "submitted"}
        return f"Request {progress.request} waits for an approver at DigiCert." if waits else ""


def warned(issued: Issued, request: Request) -> Issued:
    """Return a certificate with what is to be said of it."""
    return replace(issued, warnings=(*issued.warnings, *shortness(issued.leaf, request)))


def _comment(info: dict[str, Any]) -> str:
    said = [word(r.get("processor_comment"), 300) for r in rows(info.get("requests"))]
    return f" {text}" if (text := " ".join(s for s in said if s)) else ""
