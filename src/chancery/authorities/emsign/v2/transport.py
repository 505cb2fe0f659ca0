"""Orders over CERTInext V2 (reference: CERTInext API V2, and what was seen of it live)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from chancery.authorities.emsign.bundle import certificates_in, leaf_of
from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.listing import Part, certificate_of, part, unknown
from chancery.authorities.emsign.progress import SOON, Progress, split_reference
from chancery.authorities.emsign.read import count, ident, table, word
from chancery.authorities.emsign.rules import check_term, reason_of
from chancery.authorities.emsign.search import Search
from chancery.authorities.emsign.v2.diagnosis import findings
from chancery.authorities.emsign.v2.ending import cancel, find_order, poll_revocation, revoke
from chancery.authorities.emsign.v2.lists import choices
from chancery.authorities.emsign.v2.ordering import family_of, order_body, order_headers, reissue_body
from chancery.authorities.emsign.v2.renewal import reissues
from chancery.authorities.emsign.v2.report import SIZE, OrderReport
from chancery.authorities.emsign.v2.session import Session
from chancery.authorities.emsign.v2.standing import Standing
from chancery.core.certificate import spki_of
from chancery.core.order import RevocationReason
from chancery.net.redact import scrub
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.errors import NotFound, OutcomeUnknown, RejectedByPolicy, ValidationFailed
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

_STATES = {
    "generated": ListedState.VALID,
    "downloaded": ListedState.VALID,
    "expired": ListedState.VALID,
    "revoked": ListedState.REVOKED,
}
"""Words after *Certificate* in a report's row."""


class OverV2:
    """One account over V2."""

    def __init__(self, config: EmSignConfig, context: Context) -> None:
        secret = config.client_secret
        if secret is None:  # pragma: no cover  the settings of this transport ask for it
            raise AssertionError(config.transport)
        self._config, self._context = config, context
        self._session = Session(context.http, context.clock, config.account_number, secret)
        self._standing = Standing(self._session, config)

    def check(self) -> Iterable[Finding]:
        """Login, account, groups, rights, organisations, products, domains and chain, by reading only."""
        return findings(self._session, self._config, self._context.clock.now())

    def submit(self, request: Request) -> Outcome:
        """Place an order, or reissue one inside its subscription. Either is sent once."""
        check_term(request)
        old = reissues(self._session, request, self._context.clock.now())
        if old and (again := self._reissued(old, request)) is not None:
            return again
        settings: Any = request.settings
        body = order_body(self._config, request)
        _, answer = self._session.act("POST", family_of(settings.variant), body, order_headers(request))
        return self._placed(answer, "Accepted by emSign.")

    def _reissued(self, old: str, request: Request) -> Outcome | None:
        """Return the reissue of an order; None where the CA refuses it, for then nothing was ordered."""
        try:
            _, answer = self._session.act("POST", f"ssl-certificates/{old}/reissue", reissue_body(request))
        except (RejectedByPolicy, NotFound) as error:
            self._context.log.info("order %s cannot be reissued (%s); a new one is placed", old, error.code)
            return None
        return self._placed(answer, f"Reissued inside the subscription of order {old}.")

    def _placed(self, answer: Any, text: str) -> Outcome:
        found = table(answer)
        # A reissue was seen to get a number of its own, so the number in the answer is followed.
        progress = Progress(ident(found.get("orderId")), ident(found.get("requestId")))
        if not progress.order and not progress.request:
            said = scrub(str(answer)[:500], self._context.http.secrets)
            raise OutcomeUnknown("emSign's answer to the order has no number.", text=said, stage="response")
        if not progress.order:
            return self._draft(progress)
        looked = progress.looked_at(word(found.get("status")).lower(), PendingKind.PROCESSING, text)
        # The first look follows soon whatever it waits for: it says more than the answer to the order does.
        return replace(looked.pending(), next_check=SOON)

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
        return self._standing.outcome(progress, self._standing.detail(progress.order, request), request)

    def _search(self, request: Request, since: datetime) -> Search:
        report = OrderReport(self._session, self._standing, request)
        return Search(report, request, since, self._context.clock.now())

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search the report, to its last page, by our tag, else by name, time and key."""
        search = self._search(request, since)
        row = search.order()
        if row is None:
            return Absence(f"emSign's report shows {search.seen} orders of these days, none of them ours.")
        progress = Progress(ident(row.get("orderNumber")), ident(row.get("requestNumber")))
        told = f"emSign's report has order {progress.order or progress.request}."
        if not progress.order:
            return Found(self._draft(progress), told)
        detail = self._standing.detail(progress.order, request)
        return Found(self._standing.outcome(progress, detail, request, acts=False), told)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names: for the same names and, once it is issued, for the same key."""
        order = split_reference(reference)[0]
        if not order:
            raise NotFound("That is no order number.", code="reference", bytes_sent=False, remedy="Look in the portal.")
        detail = self._standing.detail(order, request)
        self._check_adopted(order, detail, request)
        outcome = self._standing.outcome(Progress(order), detail, request, acts=False)
        return Found(outcome, f"A person named emSign's order {order}.")

    def _check_adopted(self, order: str, detail: dict[str, Any], request: Request) -> None:
        settings: Any = request.settings
        domain = word(detail.get("domain") or detail.get("hostname"), 255).lower()
        if domain and domain not in {n.value for n in request.names}:
            text = f"Order {order} is for {domain}."
            raise RejectedByPolicy(text, code="wrong_names", remedy="Check the order number.")
        if word(detail.get("status")).lower() != "issued":
            return
        try:
            leaf = leaf_of(self._standing.download(order, settings.variant))
        except (NotFound, RejectedByPolicy, ValidationFailed):
            return
        if leaf is not None and spki_of(leaf) != request.spki_sha256:
            raise RejectedByPolicy("That order is for another key.", code="wrong_key", remedy="Check the order number.")

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke the certificate of an order, for exactly this reason."""
        return revoke(self._session, target, reason_of(reason)[0], comment)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look how a queued revocation stands."""
        del target
        return poll_revocation(self._session, state)

    def cancel(self, state: PollState, request: Request) -> None:
        """Withdraw an order, or a draft by its request number."""
        settings: Any = request.settings
        note = f"Cancelled in Chancery (order {request.reference})."
        cancel(self._session, Progress.read(state), settings.variant, note)

    def choices(self, field: str) -> list[Choice]:
        """Return groups, organisations or products of the account."""
        return choices(self._session, field, self._config.group_number)

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return the certificates of the next page of the report (`GET /reports/orders`)."""
        return part(cursor, self._context.clock.now(), self._report, _state_of)

    def _report(self, page: int, first: str, last: str) -> Part:
        params = {"page": str(page), "size": str(SIZE), "from": first, "to": last}
        answer = self._session.get("reports/orders", params)
        return Part(answer.get("content"), count(answer.get("totalPages")), count(answer.get("totalElements")))

    def fetch(self, reference: str) -> Issued:
        """Download the certificate of an order; one that is revoked the CA does not serve."""
        order = split_reference(reference)[0]
        if not order:
            raise unknown()
        path, _ = find_order(self._session, order)
        return certificate_of(certificates_in(self._session.get(f"{path}/certificate")), reference)


def _state_of(row: dict[str, Any]) -> ListedState:
    """Return how a row's certificate stands, by the words of its state; another word is not known."""
    said = word(row.get("certificateStatus")).lower()
    return _STATES.get(said.removeprefix("certificate").strip(), ListedState.UNKNOWN)
