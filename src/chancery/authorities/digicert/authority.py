"""DigiCert CertCentral as an authority: order, renew, poll, revoke, cancel, find, adopt, choose, list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from chancery.authorities.digicert.board import Board
from chancery.authorities.digicert.budget import Windows
from chancery.authorities.digicert.bundle import chain_in, foreign, pick
from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.config import DigiCertConfig, DigiCertProfile
from chancery.authorities.digicert.diagnosis import findings
from chancery.authorities.digicert.ending import cancel, poll_revocation, revoke
from chancery.authorities.digicert.explain import QUICK, TEXT, attempt, explain, instruction, records_in
from chancery.authorities.digicert.listing import Listing
from chancery.authorities.digicert.ordering import choices, order_body, reference_of
from chancery.authorities.digicert.progress import Progress
from chancery.authorities.digicert.read import number, rows, segment, table, word
from chancery.authorities.digicert.renewal import Plan, plan, split_reference
from chancery.authorities.digicert.search import Search, certificate_of, same_key
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.net.redact import scrub
from chancery.sdk.authority import Context, Dedup, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.errors import (
    AuthorityError,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    QuotaExhausted,
    RejectedByPolicy,
    ValidationFailed,
)
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
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

US = "https://www.digicert.com/services/v2"
EU = "https://certcentral.digicert.eu/services/v2"
_SOON, _LATER = timedelta(seconds=2), timedelta(minutes=1)
_ENDED = {"rejected", "canceled", "cancelled", "revoked", "expired"}
_LIMITS = ((5.0, 100), (180.0, 1000))
"""(seconds, requests per key) as DigiCert documents them, "subject to change" (B1)."""
_USUAL_PERCENT = 80
_SLACK = timedelta(days=2)
"""Between our clock and DigiCert's days, in whatever zone."""
_WRONG_DOWNLOADS = 5
"""Downloads without the request's key before it is believed that the certificate is for another one."""


class DigiCert:
    """CertCentral, Services API v2 (reference B)."""

    slug: ClassVar[str] = "digicert"
    title: ClassVar[str] = "DigiCert"
    maker: ClassVar[str] = "DigiCert CertCentral"
    proof: ClassVar[str] = "bronze"
    config: ClassVar[type[Config]] = DigiCertConfig
    profile: ClassVar[type[ProfileSettings]] = DigiCertProfile
    api: ClassVar[tuple[int, int]] = (1, 1)
    default_base_url: ClassVar[str] = US
    base_urls: ClassVar[tuple[tuple[str, str], ...]] = ((US, "United States"), (EU, "Europe"))
    facts: ClassVar[Facts] = Facts(
        certificates=AuthorityFacts(
            key_types=("RSA-2048", "RSA-3072", "RSA-4096", "EC-P256", "EC-P384"),
            name_kinds=("dns",),
            max_names=250,
            # For single-name OV and EV products (B3.1).
            companion_names=True,
        ),
        # Together under 80 % of 100 requests in 5 seconds and of 1,000 in 3 minutes (B12).
        calls_per_second=4.1,
        burst=50,
        concurrency=16,
        dedup=Dedup.NONE,
        search_lag=timedelta(seconds=60),
        search_tries=4,
    )

    def __init__(self, config: DigiCertConfig, context: Context) -> None:
        self._config, self._context = config, context
        self._client = Client(context.http, config.api_key, context.clock, _windows(self.facts, config.rate_percent))
        self._board = Board(self._client, context.clock)

    def check(self) -> Iterable[Finding]:
        """Login, rights, division, products, organisations and custom field, by reading only."""
        return findings(self._client, self._config, self._context.clock.now())

    # Ordering ----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Place one order, or renew or reissue one (B3, B5). Names travel in the JSON: those in the request do not count."""
        chosen = plan(self._client, request, self._context.clock.now())
        if chosen.verb == "reissue":
            return self._reissue(chosen, request)
        body, settings = order_body(self._config, request), request.settings
        path = f"order/certificate/{settings.product}"  # type: ignore[attr-defined]  # DigiCertProfile
        try:
            renews = {"renewal_of_order_id": int(chosen.order)} if chosen.verb == "renewal" else {}
            _, answer = self._client.act("POST", path, {**body, **renews})
        except (RejectedByPolicy, NotFound) as error:
            if chosen.verb != "renewal" or not _is_about_renewal(error):
                raise
            # A refusal with 4xx is an answer: nothing was ordered, so a new order doubles nothing.
            self._context.log.info("order %s cannot be renewed (%s); a new one is placed", chosen.order, error.code)
            _, answer = self._client.act("POST", path, body)
        return self._placed(answer, request, word(body.get("dcv_method")))

    def _reissue(self, chosen: Plan, request: Request) -> Outcome:
        body = {
            "certificate": order_body(self._config, request)["certificate"],
            "skip_approval": self._config.skip_approval,
        }
        _, answer = self._client.act("POST", f"order/certificate/{chosen.order}/reissue", body)
        asked = next(iter(rows(table(answer).get("requests"))), {})
        waiting = word(asked.get("status")) == "pending"
        progress = Progress(chosen.order, "reissue_pending" if waiting else "processing", text=chosen.why, reissue=True)
        return replace(progress, request=number(asked.get("id"))).pending(_SOON, _LATER)

    def _placed(self, answer: Any, request: Request, method: str) -> Outcome:
        order = number(table(answer).get("id"))
        if not order:
            text = scrub(str(answer)[:500], (self._config.api_key,))
            raise OutcomeUnknown("DigiCert's answer to the order has no order number.", text=text, stage="response")
        chain = chain_in(answer)
        # The certificate's number rides along: revocation goes by it, never by the whole order.
        issued = pick(chain, request, reference_of(order, answer.get("certificate_id"))) if chain else None
        if issued is not None:
            return issued
        asked = next(iter(rows(answer.get("requests"))), {})
        if word(asked.get("status")) == "pending":
            status, kind, text = "needs_approval", PendingKind.APPROVAL, "Waits for an approver at DigiCert."
        else:
            status, kind, text = "processing", PendingKind.PROCESSING, "Accepted by DigiCert."
        records = records_in(answer, method)
        if records:
            status, kind = "pending", PendingKind.VALIDATION
            text = " ".join(instruction(r, r["name"] or request.common_name) for r in records)[:TEXT]
        # The first look follows soon whatever it waits for: it says more than the answer to the order does.
        found = Progress(order, status, kind=kind, text=text, records=records).pending(_SOON, _LATER)
        return replace(found, next_check=_SOON)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Read the order (B3.2); a status that is not known waits with a note, it never fails."""
        progress = Progress.read(state)
        slow = progress.status not in QUICK and progress.looked is not None
        if slow and self._board.unchanged(progress.order, progress.status, progress.looked):  # type: ignore[arg-type]  # looked at, so it has a time
            return progress.pending(_SOON, _LATER)
        return self._stand(progress, self._info(progress.order), request)

    def _info(self, order: str) -> dict[str, Any]:
        """Return the order; that DigiCert refuses a question about it must not end it."""
        try:
            return self._client.get(f"order/certificate/{segment(order)}")
        except (RejectedByPolicy, ValidationFailed, QuotaExhausted) as error:
            raise ProtocolViolation(
                error.message, code=error.code, text=error.text, stage="response", bytes_sent=False
            ) from None

    def _stand(self, progress: Progress, info: dict[str, Any], request: Request) -> Outcome:
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
        kind, text = explain(self._client, progress.order, status, info, progress.records)
        return progress.looked_at(status, kind, text, self._context.clock.now()).pending(_SOON, _LATER)

    def _issued(self, progress: Progress, info: dict[str, Any], request: Request) -> Outcome:
        # An order may hold older certificates for the same key: a reissue is never one from before it was asked for.
        since = request.intended_at - _SLACK if progress.reissue else None
        certificate = certificate_of(self._client, progress.order, info, request, since)
        if progress.reissue and not certificate:
            self._check_reissue(progress)
        # An order that shows no request is taken at its primary certificate, whose key is checked all the same;
        # but never at the one that is being renewed, which may have the same key.
        primary = number(table(info.get("certificate")).get("id"))
        certificate = certificate or (primary if primary != split_reference(request.previous)[1] else "")
        if not certificate:
            return self._again(progress, "issued", "Issued; not yet downloadable.")
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
        return issued

    def _again(self, progress: Progress, status: str, text: str) -> Outcome:
        now = self._context.clock.now()
        return replace(progress.looked_at(status, PendingKind.PROCESSING, text, now), looked=None).pending(
            _SOON, _LATER
        )

    def _check_reissue(self, progress: Progress) -> None:
        found = attempt(lambda: self._client.get(f"request/{progress.request}")) if progress.request else None
        if word(table(found).get("status")) == "rejected":
            said = word(table(found).get("processor_comment"), 300)
            raise RejectedByPolicy(
                f"The reissue of order {progress.order} was rejected at DigiCert." + (f" {said}" if said else ""),
                code="rejected",
                remedy="Ask the administrators of your account at DigiCert why.",
            )

    # Lost answers ------------------------------------------------------------------------------------

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search as B8.4 says, to the last page: by name and day, then by our reference, else by the key."""
        search = Search(self._client, request, since, has_field=bool(self._config.reference_field_id))
        found = search.order()
        if found is None:
            return Absence(f"DigiCert's search by name and day found {search.seen} orders, none of them ours.")
        order, info = found
        progress = Progress(order, reissue=order == split_reference(request.previous)[0])
        return Found(self._stand(progress, info, request), f"DigiCert's search found order {order}.")

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names; one of its certificates must be for the request's key."""
        order = split_reference(reference)[0] or segment(reference.strip())
        info = self._client.get(f"order/certificate/{order}")
        order = number(info.get("id")) or order
        csr = table(info.get("certificate")).get("csr")
        if csr and not same_key(csr, request) and not certificate_of(self._client, order, info, request, None):
            raise RejectedByPolicy("That order is for another key.", code="wrong_key", remedy="Check the order number.")
        progress = Progress(order, reissue=order == split_reference(request.previous)[0])
        return Found(self._stand(progress, info, request), f"A person named DigiCert's order {order}.")

    # Revoke, cancel, choose --------------------------------------------------------------------------

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked | RevocationPending:
        """Revoke one certificate (B6), never the whole order: 204 is done, 201 waits for an approver."""
        body = {"revocation_reason": str(reason), "comments": comment, "skip_approval": self._config.skip_approval}
        return revoke(self._client, target, body)

    def poll_revocation(self, state: PollState, target: Target) -> Revoked | RevocationPending:
        """Look at the approval request of a revocation."""
        return poll_revocation(self._client, state, target)

    def cancel(self, state: PollState, request: Request) -> None:
        """Cancel a pending order or reissue, or reject its request where it waits for an approver (B4)."""
        progress = Progress.read(state)
        note = f"Cancelled in Chancery (order {request.reference})."
        cancel(self._client, progress.order, reissue=progress.reissue, note=note)

    def choices(self, field: str) -> list[Choice]:
        """Return products, organisations, divisions or custom fields of the account (B2)."""
        return choices(self._client, field)

    # Inventory ---------------------------------------------------------------------------------------

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return the certificates of the next few orders: originals, reissues and duplicates (B3.3)."""
        return Listing(self._client, self._context.clock).page(cursor)

    def fetch(self, reference: str) -> Issued:
        """Download a certificate by its number (B3.2)."""
        return Listing(self._client, self._context.clock).fetch(reference)


def _windows(facts: Facts, percent: int) -> Windows:
    """Return what may be sent with one key: what the engine paces by, scaled to the connector's share."""
    scale = percent / _USUAL_PERCENT
    return tuple((s, max(1, int((facts.burst + s * facts.calls_per_second) * scale))) for s, _ in _LIMITS)


def _is_about_renewal(error: AuthorityError) -> bool:
    """Say whether a refusal is about the old order: the codes are not documented, so the word decides."""
    return (error.kind == "NotFound" and "order" in error.code) or "renew" in f"{error.code} {error.text}".lower()


def _comment(info: dict[str, Any]) -> str:
    said = [word(r.get("processor_comment"), 300) for r in rows(info.get("requests"))]
    return f" {text}" if (text := " ".join(s for s in said if s)) else ""
