"""DigiCert CertCentral as an authority: order, renew, poll, revoke, cancel, find, adopt, choose, list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from chancery.authorities.digicert.budget import Windows
from chancery.authorities.digicert.bundle import chain_in, pick
from chancery.authorities.digicert.ceilings import is_public
from chancery.authorities.digicert.client import Client
from chancery.authorities.digicert.config import DigiCertConfig, DigiCertProfile
from chancery.authorities.digicert.diagnosis import findings
from chancery.authorities.digicert.ending import cancel, poll_revocation, revoke
from chancery.authorities.digicert.explain import TEXT
from chancery.authorities.digicert.following import LATER, SOON, Following, warned
from chancery.authorities.digicert.listing import Listing
from chancery.authorities.digicert.offers import choices
from chancery.authorities.digicert.ordering import certificate_of, order_body, reference_of
from chancery.authorities.digicert.progress import Progress
from chancery.authorities.digicert.read import number, rows, table, word
from chancery.authorities.digicert.records import instruction, records_in
from chancery.authorities.digicert.renewal import Plan, plan, split_reference
from chancery.authorities.digicert.search import Search, same_key
from chancery.authorities.digicert.search import certificate_of as certificate_for
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.net.redact import scrub
from chancery.sdk.authority import Context, Dedup, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings
from chancery.sdk.errors import (
    AuthorityError,
    NotFound,
    OutcomeUnknown,
    RejectedByPolicy,
)
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import (
    Absence,
    Choice,
    Found,
    Issued,
    Outcome,
    Pending,
    PendingKind,
    PollState,
    RevocationPending,
    Revoked,
)

US = "https://www.digicert.com/services/v2"
EU = "https://certcentral.digicert.eu/services/v2"
_LIMITS = ((5.0, 100), (180.0, 1000))
"""(seconds, requests per key) as DigiCert documents them, "subject to change" (B1)."""
_USUAL_PERCENT = 80
_HELD_LOOK = timedelta(hours=6)
"""Between two looks at an order that waits for a person here; nothing is asked of DigiCert then."""


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
        # Ten minutes before an order counts as not placed (B8.4): how soon one is listed is not documented.
        search_tries=10,
    )

    def __init__(self, config: DigiCertConfig, context: Context) -> None:
        self._config, self._context = config, context
        keys = (config.api_key, *((config.second_api_key,) if config.second_api_key else ()))
        self._client = Client(context.http, keys, context.clock, _windows(self.facts, config.rate_percent))
        self._following = Following(self._client, context.clock)

    @classmethod
    def publicly_trusted(cls, base_url: str, settings: Mapping[str, Any], product: Mapping[str, Any]) -> bool:
        """Say so of the products of public TLS (B2), ordered at CertCentral itself."""
        del settings
        there = urlsplit(base_url).hostname in {urlsplit(url).hostname for url, _ in cls.base_urls}
        return there and is_public(word(product.get("product")))

    def check(self) -> Iterable[Finding]:
        """Login, rights, division, products, organisations and custom field, by reading only."""
        return findings(self._client, self._config, self._context.clock.now())

    # Ordering ----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Place one order, or renew, reissue or duplicate one (B3, B5).

        Names travel in the JSON: those in the request do not count. What would revoke other certificates is not sent
        before a person has accepted it.
        """
        now = self._context.clock.now()
        chosen = plan(self._client, request, now)
        if chosen.verb == "held":
            return _held(chosen.why)
        if chosen.verb in {"reissue", "duplicate"}:
            return self._once_more(chosen, request, now)
        body, settings = order_body(self._config, request, now.date()), request.settings
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
        return self._placed(answer, request, word(body.get("dcv_method")), chosen.why)

    def _once_more(self, chosen: Plan, request: Request, now: datetime) -> Outcome:
        """Ask for a reissue or a duplicate within a paid order."""
        asked_for = certificate_of(request, now.date(), chosen.days, chosen.free)
        body = {"certificate": asked_for, "skip_approval": self._config.skip_approval}
        _, answer = self._client.act("POST", f"order/certificate/{chosen.order}/{chosen.verb}", body)
        asked = next(iter(rows(table(answer).get("requests"))), {})
        waiting = word(asked.get("status")) == "pending"
        status = "processing" if not waiting else f"{chosen.verb}_pending"
        progress = Progress(chosen.order, status, text=chosen.why[:TEXT], again=chosen.verb)
        return replace(progress, request=number(asked.get("id"))).pending(SOON, LATER)

    def _placed(self, answer: Any, request: Request, method: str, why: str) -> Outcome:
        order = number(table(answer).get("id"))
        if not order:
            text = scrub(str(answer)[:500], (self._config.api_key,))
            raise OutcomeUnknown("DigiCert's answer to the order has no order number.", text=text, stage="response")
        chain = chain_in(answer)
        # The certificate's number rides along: revocation goes by it, never by the whole order.
        issued = pick(chain, request, reference_of(order, answer.get("certificate_id"))) if chain else None
        if issued is not None:
            return warned(issued, request)
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
        text = f"{why} {text}".strip()[:TEXT]
        found = Progress(order, status, kind=kind, text=text, records=records).pending(SOON, LATER)
        return replace(found, next_check=SOON)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Read the order (B3.2), or say once more what a person has to accept before anything is sent."""
        held = word(state.get("held"), TEXT)
        return _held(held) if held else self._following.poll(Progress.read(state), request)

    # Lost answers ------------------------------------------------------------------------------------

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search as B8.4 says, to the last page: by name and day, then by our reference, else by the key."""
        search = Search(self._client, request, since, has_field=bool(self._config.reference_field_id))
        found = search.order()
        if found is None:
            return Absence(f"DigiCert's search by name and day found {search.seen} orders, none of them ours.")
        order, info = found
        return Found(self._stand(order, info, request), f"DigiCert's search found order {order}.")

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order that a person names; one of its certificates must be for the request's key."""
        order = split_reference(reference)[0] or reference.strip()
        if not number(order):
            remedy = "DigiCert's order numbers have digits only; CertCentral shows them under Orders."
            raise NotFound(f"{order[:40]!r} is no order number.", code="reference", remedy=remedy, bytes_sent=False)
        info = self._client.get(f"order/certificate/{order}")
        order = number(info.get("id")) or order
        csr = table(info.get("certificate")).get("csr")
        if csr and not same_key(csr, request) and not certificate_for(self._client, order, info, request, None):
            raise RejectedByPolicy("That order is for another key.", code="wrong_key", remedy="Check the order number.")
        return Found(self._stand(order, info, request), f"A person named DigiCert's order {order}.")

    def _stand(self, order: str, info: dict[str, Any], request: Request) -> Outcome:
        again = order == split_reference(request.previous)[0]
        settings: Any = request.settings
        pending = word(info.get("status")).lower() == "reissue_pending"
        verb = "duplicate" if settings.renewal == "duplicate" and not pending else "reissue"
        return self._following.stand(Progress(order, again=verb if again else ""), info, request)

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
        if word(state.get("held")):
            return
        progress = Progress.read(state)
        cancel(self._client, progress, f"Cancelled in Chancery (order {request.reference}).")

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


def _held(text: str) -> Pending:
    """Return the outcome of what is not sent before a person accepts it."""
    return Pending({"v": 1, "held": text[:TEXT]}, PendingKind.CONFIRMATION, _HELD_LOOK, text[:TEXT])
