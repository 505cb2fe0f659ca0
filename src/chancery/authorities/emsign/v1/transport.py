"""Orders over CERTInext V1 (reference: CERTInext APIs, and what was seen of it live)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.listing import Part, certificate_of, part, unknown
from chancery.authorities.emsign.oauth import Tokens
from chancery.authorities.emsign.progress import SOON, Progress, split_reference
from chancery.authorities.emsign.read import count, ident, table, word
from chancery.authorities.emsign.rules import check_term, reason_of
from chancery.authorities.emsign.search import Search
from chancery.authorities.emsign.v1.diagnosis import findings
from chancery.authorities.emsign.v1.ending import cancel, poll_revocation, revoke
from chancery.authorities.emsign.v1.lists import choices
from chancery.authorities.emsign.v1.ordering import method_of, order_body
from chancery.authorities.emsign.v1.report import SIZE, OrderReport, same_key
from chancery.authorities.emsign.v1.session import Session
from chancery.authorities.emsign.v1.standing import APPROVED, EXPIRED, ISSUED, REVOKED, Standing
from chancery.core.order import RevocationReason
from chancery.net.redact import scrub
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.errors import AlreadyDone, NotFound, OutcomeUnknown, RejectedByPolicy
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage, ListedState
from chancery.sdk.outcome import (
    Absence,
    Choice,
    Found,
    Issued,
    Outcome,
    PendingKind,
    PollState,
    RevocationPending,
    Revoked,
)


class OverV1:
    """One account over V1."""

    def __init__(self, config: EmSignConfig, context: Context) -> None:
        self._config, self._context = config, context
        number, secret = config.account_number, config.client_secret
        tokens = Tokens(context.http, context.clock, number, secret) if secret is not None else None
        self._session = Session(context.http, context.clock, number, config.access_key or None, tokens)
        self._standing = Standing(self._session, config)

    def check(self) -> Iterable[Finding]:
        """Login, groups, rights, organisations, products, domains and chain, by reading only."""
        return findings(self._session, self._standing, self._config, self._context.clock.now())

    def submit(self, request: Request) -> Outcome:
        """Place an order, once; V1 has no call that renews, so a renewal is an order like others."""
        check_term(request)
        settings: Any = request.settings
        if not settings.product_code:
            raise RejectedByPolicy(
                "V1 orders by product code, and the profile has none.",
                code="product_code",
                bytes_sent=False,
                remedy="Choose the product code in the profile.",
            )
        try:
            answer = self._session.act(method_of(settings.variant), order_body(self._config, request))
        except AlreadyDone as error:
            raise self._judged(error, request) from None
        found = table(answer.get("orderDetails"))
        progress = Progress(ident(found.get("orderNumber")), ident(found.get("requestNumber")))
        if not progress.order and not progress.request:
            said = scrub(str(answer)[:500], self._context.http.secrets)
            raise OutcomeUnknown("emSign's answer to the order has no number.", text=said, stage="response")
        if not progress.order:
            return self._draft(progress)
        looked = progress.looked_at("placed", PendingKind.PROCESSING, "Accepted by emSign.")
        return replace(looked.pending(), next_check=SOON)

    @staticmethod
    def _judged(error: AlreadyDone, request: Request) -> AlreadyDone | RejectedByPolicy:
        """Return what a used request means: of a renewal it is the old order's, else it may be this very order's."""
        if not request.previous:
            return error
        return RejectedByPolicy(
            "emSign takes each request once, and this renewal repeats the old one's.",
            code=error.code,
            text=error.text,
            remedy="Renew with a new key.",
        )

    @staticmethod
    def _draft(progress: Progress) -> Outcome:
        text = f"Saved as draft {progress.request} at emSign: a person has to release it in the portal."
        return progress.looked_at("draft", PendingKind.ACTION, text).pending()

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look at the order, and do what it waits for from us."""
        progress = Progress.read(state)
        if not progress.order:
            number = self._search(request, request.intended_at).by_request(progress.request)
            if not number:
                return self._draft(progress)
            progress = replace(progress, order=number)
        return self._standing.outcome(progress, self._standing.detail(progress.order), request)

    def _search(self, request: Request, since: datetime) -> Search:
        report = OrderReport(self._session, self._standing, request)
        return Search(report, request, since, self._context.clock.now())

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search the report, to its last page, by our tag, else by the request's key."""
        search = self._search(request, since)
        row = search.order()
        if row is None:
            return Absence(f"emSign's report shows {search.seen} orders of these days for the name, none of them ours.")
        progress = Progress(ident(row.get("orderNumber")), ident(row.get("requestNumber")))
        told = f"emSign's report has order {progress.order or progress.request}."
        if not progress.order:
            return Found(self._draft(progress), told)
        detail = self._standing.detail(progress.order)
        return Found(self._standing.outcome(progress, detail, request, acts=False), told)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names, if its request is for the same key."""
        order = split_reference(reference)[0]
        if not order:
            raise NotFound("That is no order number.", code="reference", bytes_sent=False, remedy="Look in the portal.")
        detail = self._standing.detail(order)
        if word(detail.get("csr")) and not same_key(detail.get("csr"), request):
            raise RejectedByPolicy("That order is for another key.", code="wrong_key", remedy="Check the order number.")
        return Found(
            self._standing.outcome(Progress(order), detail, request, acts=False),
            f"A person named emSign's order {order}.",
        )

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke the certificate of an order, for exactly this reason."""
        number = reason_of(reason)[1]
        return revoke(self._session, self._standing, target, number, comment, self._config.requestor_email)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look how a revocation stands that was asked for."""
        del target
        return poll_revocation(self._standing, state)

    def cancel(self, state: PollState, request: Request) -> None:
        """Withdraw an order, or a draft by its request number."""
        note = f"Cancelled in Chancery (order {request.reference})."
        cancel(self._session, self._standing, Progress.read(state), note)

    def choices(self, field: str) -> list[Choice]:
        """Return groups, organisations or products of the account."""
        return choices(self._session, field, self._config.group_number)

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return the certificates of the next page of the report (`GetOrderReport`)."""
        return part(cursor, self._context.clock.now(), self._report, _state_of)

    def _report(self, page: int, first: str, last: str) -> Part:
        days = {"orderDateFrom": first, "orderDateTill": last}
        body = {"searchCriteria": {**days, "pageNumber": str(page), "pageSize": str(SIZE)}}
        found = table(self._session.read("GetOrderReport", body).get("orderDetails"))
        return Part(found.get("ordersArray"), count(found.get("noOfPages")), count(found.get("totalNoOfResults")))

    def fetch(self, reference: str) -> Issued:
        """Download the certificate of an order; one that is revoked the CA does not serve."""
        order = split_reference(reference)[0]
        if not order:
            raise unknown()
        self._standing.detail(order)
        return certificate_of(self._standing.download(order), reference)


def _state_of(row: dict[str, Any]) -> ListedState:
    """Return how a row's certificate stands, by the number of its state; another number is not known."""
    number = word(row.get("certificateStatusId"))
    if number == REVOKED:
        return ListedState.REVOKED
    return ListedState.VALID if number in ISSUED | APPROVED | {EXPIRED} else ListedState.UNKNOWN
