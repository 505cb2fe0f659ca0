"""How an order stands at V2, and what moves it on: CSR, agreement, domain control, download (2.3, 2.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chancery.authorities.emsign.bundle import certificates_in, foreign, pick
from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.meanings import ALREADY_SIGNED, WRONG_STATE
from chancery.authorities.emsign.progress import Progress
from chancery.authorities.emsign.read import ident, segment, table, word
from chancery.authorities.emsign.v2.control import control
from chancery.authorities.emsign.v2.ordering import agreement, family_of
from chancery.authorities.emsign.v2.session import Session
from chancery.authorities.emsign.wire import csr_text
from chancery.sdk.authority import Request
from chancery.sdk.errors import AuthorityError, NotFound, ProtocolViolation, RejectedByPolicy, ValidationFailed
from chancery.sdk.outcome import Issued, Outcome, PendingKind

ENDED = {"rejected", "cancelled", "canceled", "revoked", "expired"}
WRONG_DOWNLOADS = 5
"""Downloads without the request's key before it is believed that the certificate is for another one."""
_KINDS = {
    "pending-dcv": (PendingKind.VALIDATION, "emSign validates domain control."),
    "pending-organization-verification": (PendingKind.VALIDATION, "emSign verifies the organisation."),
    "pending-csr": (PendingKind.PROCESSING, "emSign waits for the certificate request."),
    "pending-documents": (PendingKind.ACTION, "Documents are missing: upload them to the order in the portal."),
    "pending-agreement": (PendingKind.ACTION, "The subscriber agreement is not signed: sign it in the portal."),
    "pending-approval": (PendingKind.APPROVAL, "Waits for an approver at emSign or in your account."),
}


class Standing:
    """Reads orders, and does what they wait for from us."""

    def __init__(self, session: Session, config: EmSignConfig) -> None:
        self._session, self._config = session, config

    def detail(self, order: str, request: Request) -> dict[str, Any]:
        """Return an order as the CA shows it; that the CA refuses a question about it must not end it."""
        settings: Any = request.settings
        try:
            return self._session.get(f"{family_of(settings.variant)}/{segment(order)}")
        except (RejectedByPolicy, ValidationFailed) as error:
            raise ProtocolViolation(
                error.message, code=error.code, text=error.text, stage="response", bytes_sent=False
            ) from None

    def outcome(self, progress: Progress, detail: dict[str, Any], request: Request, *, acts: bool = True) -> Outcome:
        """Return how an order stands, after doing what it waits for from us; an unknown status waits with a note.

        Without `acts`, as for a search, nothing is done, and the next look follows soon.
        """
        status = word(detail.get("status")).lower()
        progress = replace(progress, request=progress.request or ident(detail.get("requestId")))
        if status in ENDED:
            raise RejectedByPolicy(
                f"Order {progress.order} is {status} at emSign.",
                code=status,
                text=word(detail.get("orderState")),
                remedy="Look at the order in the portal for who ended it, and why.",
            )
        if status == "issued":
            return self._issued(progress, detail, request)
        if not acts:
            return progress.found(status)
        return self._waiting(progress, status, detail, request).pending()

    def _waiting(self, progress: Progress, status: str, detail: dict[str, Any], request: Request) -> Progress:
        if status not in _KINDS:
            shown = repr(status[:40]) if status else "none"
            text = f"emSign reports a status that Chancery does not know: {shown}. It is watched."
            return progress.looked_at(status, PendingKind.PROCESSING, text)
        kind, text = _KINDS[status]
        progress = progress.looked_at(status, kind, text)
        if status == "pending-csr":
            return self._hand_in_csr(progress, detail, request)
        if status == "pending-agreement":
            return self._sign(progress)
        if status == "pending-dcv":
            settings: Any = request.settings
            return control(self._session, self._config, settings.dcv_method, progress, detail)
        if status == "pending-organization-verification":
            return replace(progress, text=_organization(detail))
        return progress

    def _hand_in_csr(self, progress: Progress, detail: dict[str, Any], request: Request) -> Progress:
        """Hand in the request, once; where it is refused, the order that cannot go on is cancelled."""
        if "csr" in progress.done or detail.get("csrSubmitted") is True:
            return progress
        settings: Any = request.settings
        path = f"{family_of(settings.variant)}/{segment(progress.order)}"
        try:
            self._session.act("PUT", f"{path}/csr", {"csr": csr_text(request), "attested": False})
        except (RejectedByPolicy, ValidationFailed) as error:
            if error.code == WRONG_STATE:
                return progress
            self._cancel_orphan(path, error)
            raise
        return replace(progress.did("csr"), text="The certificate request was handed in.")

    def _cancel_orphan(self, path: str, error: AuthorityError) -> None:
        try:
            self._session.act("POST", f"{path}/cancel", {"reason": "Its certificate request was refused."})
        except AuthorityError:
            error.remedy = f"{error.remedy} The order is still open at emSign: cancel it in the portal."

    def _sign(self, progress: Progress) -> Progress:
        if not self._config.accept_agreement or "agreement" in progress.done:
            return progress
        path = f"ssl-certificates/{segment(progress.order)}/agreement"
        try:
            self._session.act("POST", path, {"agreement": agreement(self._config)})
        except (RejectedByPolicy, ValidationFailed) as error:
            if error.code not in {ALREADY_SIGNED, WRONG_STATE}:
                return replace(progress, text=f"The subscriber agreement was not taken: {error.text} {error.remedy}")
        signed = replace(progress.did("agreement"), kind=PendingKind.PROCESSING)
        return replace(signed, text=f"The subscriber agreement was signed in the name of {self._config.signer}.")

    def _issued(self, progress: Progress, detail: dict[str, Any], request: Request) -> Outcome:
        settings: Any = request.settings
        try:
            ders = self.download(progress.order, settings.variant)
        except (NotFound, RejectedByPolicy, ValidationFailed):
            return self._not_yet(progress, detail)
        issued = pick(ders, request, progress.reference)
        if issued is None:
            issued = self._other_key(progress, ders)
        if issued is None:
            text = "The download held no certificate for the request's key; it is fetched again."
            return progress.looked_at("wrong-download", PendingKind.PROCESSING, text).pending()
        return issued

    @staticmethod
    def _other_key(progress: Progress, ders: list[bytes]) -> Issued | None:
        patient = progress.status == "wrong-download" and progress.looks >= WRONG_DOWNLOADS
        return foreign(ders, progress.reference) if patient else None

    @staticmethod
    def _not_yet(progress: Progress, detail: dict[str, Any]) -> Outcome:
        state = word(detail.get("certificateState"))
        if "pending" in state.lower() or "approver" in state.lower():
            text = f"emSign calls it issued, and its certificate: {state}."
            return progress.looked_at("issued", PendingKind.APPROVAL, text).pending()
        text = f"Issued; not yet downloadable{f' ({state})' if state else ''}."
        return progress.looked_at("issued", PendingKind.PROCESSING, text).pending()

    def download(self, order: str, variant: str) -> list[bytes]:
        """Return the certificates of an order; PEM alone is read, for the fields beside it are not what they say."""
        return certificates_in(self._session.get(f"{family_of(variant)}/{segment(order)}/certificate"))


def _organization(detail: dict[str, Any]) -> str:
    found = table(table(detail.get("verifications")).get("organization"))
    name, consent, to = (word(found.get(n)) for n in ("organizationName", "consentStatus", "consentSentTo"))
    text = f"emSign verifies the organisation{f' {name}' if name else ''}."
    return f"{text} Its consent ({consent or 'open'}) was asked for at {to}." if to else text
