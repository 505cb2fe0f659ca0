"""How an order stands at V1, by two numbers: of the order and of its certificate (2.2, 2.5)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from chancery.authorities.emsign.attempt import attempt
from chancery.authorities.emsign.bundle import certificates, foreign, pick
from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.meanings import ALREADY_SIGNED, ALREADY_VERIFIED, GENERIC, TOO_EARLY
from chancery.authorities.emsign.progress import Progress, instruction, record_of
from chancery.authorities.emsign.read import table, word
from chancery.authorities.emsign.v1.ordering import DCV, agreement
from chancery.authorities.emsign.v1.session import Session
from chancery.authorities.emsign.wire import csr_text
from chancery.sdk.authority import Request
from chancery.sdk.errors import AuthorityError, NotFound, ProtocolViolation, RejectedByPolicy, ValidationFailed
from chancery.sdk.outcome import Issued, Outcome, PendingKind

ISSUED = {"20", "9", "23"}
APPROVED = {"15", "7"}
"""Approvals that were seen to mean *issued*: only the certificate itself tells."""
FAILED = {"3", "5", "8", "13", "14", "18", "19", "21"}
REVOKED, EXPIRED, SETUP = "22", "12", "1"
ORDER_ENDED = {"4", "5"}
_PEOPLE = {"2", "6", "16"}
ORDER_WITH_PEOPLE = {"8", "9"}
"""Approval by the account, and by its administrator: whatever the certificate's own state says meanwhile."""
_UNSIGNED = {"1", "24"}
"""States in which an order may wait for its agreement: set-up, and the approver that is a machine."""
_RESERVED = "status"
"""The one key of `domainVerification` that is no domain."""
WRONG_DOWNLOADS, _MOST = 5, 5
_NO = (RejectedByPolicy, NotFound, ValidationFailed)


class Standing:
    """Reads orders, and does what they wait for from us."""

    def __init__(self, session: Session, config: EmSignConfig) -> None:
        self._session, self._config = session, config

    def detail(self, order: str) -> dict[str, Any]:
        """Return an order as the CA shows it; that the CA refuses a question about it must not end it."""
        try:
            return table(self._session.read("TrackOrder", {"orderDetails": {"orderNumber": order}}).get("orderDetails"))
        except (RejectedByPolicy, ValidationFailed) as error:
            raise ProtocolViolation(
                error.message, code=error.code, text=error.text, stage="response", bytes_sent=False
            ) from None

    def outcome(self, progress: Progress, detail: dict[str, Any], request: Request, *, acts: bool = True) -> Outcome:
        """Return how an order stands, after doing what it waits for from us; unknown numbers wait with a note.

        Without `acts`, as for a search, nothing is done, and the next look follows soon.
        """
        of_order, of_certificate = word(detail.get("orderStatusId")), word(detail.get("certificateStatusId"))
        told = " / ".join(t for t in (word(detail.get("orderStatus")), word(detail.get("certificateStatus"))) if t)
        if of_certificate in FAILED | {REVOKED, EXPIRED} or of_order in ORDER_ENDED:
            raise RejectedByPolicy(
                f"Order {progress.order} has ended at emSign: {told or 'without words'}.",
                code=f"{of_order}/{of_certificate}",
                text=told,
                remedy="Look at the order in the portal for who ended it, and why.",
            )
        if of_certificate in ISSUED | APPROVED:
            return self._issued(progress, f"{of_order}/{of_certificate}", told, request)
        if not acts:
            return progress.found(f"{of_order}/{of_certificate}")
        return self._waiting(progress, detail, told, request).pending()

    def _waiting(self, progress: Progress, detail: dict[str, Any], told: str, request: Request) -> Progress:
        of_certificate = word(detail.get("certificateStatusId"))
        status = f"{word(detail.get('orderStatusId'))}/{of_certificate}"
        open_names, said = _domains(detail)
        if open_names:
            looked = progress.looked_at(status, PendingKind.VALIDATION, "emSign validates domain control.")
            return self._control(looked, open_names, said, request)
        if of_certificate == SETUP and not word(detail.get("csr")):
            return self._hand_in_csr(
                progress.looked_at(status, PendingKind.PROCESSING, "emSign waits for the request."), request
            )
        if not said and of_certificate in _UNSIGNED and self._must_sign(progress):
            return self._sign(progress.looked_at(status, PendingKind.PROCESSING, "The agreement is signed."))
        people = of_certificate in _PEOPLE or word(detail.get("orderStatusId")) in ORDER_WITH_PEOPLE
        kind = PendingKind.APPROVAL if people else PendingKind.PROCESSING
        whom = "an approver at emSign or in your account" if kind is PendingKind.APPROVAL else "emSign"
        text = " ".join([f"Waits for {whom}{f' ({told})' if told else ''}.", *said])
        return progress.looked_at(status, kind, text)

    # What it waits for from us -------------------------------------------------------------------------

    def _hand_in_csr(self, progress: Progress, request: Request) -> Progress:
        if "csr" in progress.done:
            return progress
        body = {"orderNumber": progress.order, "requestorEmail": self._config.requestor_email, "csr": csr_text(request)}
        try:
            self._session.act("SubmitCSR", {"orderDetails": body})
        except (RejectedByPolicy, ValidationFailed) as error:
            if error.code == TOO_EARLY:
                return progress
            if error.code == GENERIC:
                # It stands for anything, so it is no word on the request: that is handed in again at the next look.
                return replace(progress, text=f"emSign did not take the certificate request yet: {error.text[:300]}")
            self._cancel_orphan(progress.order, error)
            raise
        return replace(progress.did("csr"), text="The certificate request was handed in.")

    def _cancel_orphan(self, order: str, error: AuthorityError) -> None:
        remarks = "Its certificate request was refused."
        try:
            self._session.act("RejectOrder", {"orderDetails": {"orderNumber": order, "rejectRemarks": remarks}})
        except AuthorityError:
            error.remedy = f"{error.remedy} The order is still open at emSign: cancel it in the portal."

    def _must_sign(self, progress: Progress) -> bool:
        """Say whether to sign: how V1 shows an agreement is not documented, and that it is signed already is harmless."""
        return self._config.accept_agreement and "agreement" not in progress.done

    def _sign(self, progress: Progress) -> Progress:
        who = {"requestorEmail": self._config.requestor_email, "orderNumber": progress.order}
        try:
            self._session.act("AgreementAcceptance", {"agreementDetails": {**who, **agreement(self._config)}})
        except (RejectedByPolicy, ValidationFailed) as error:
            if error.code != ALREADY_SIGNED:
                text = f"The subscriber agreement was not taken: {error.text} {error.remedy}"
                return replace(progress, kind=PendingKind.ACTION, text=text)
        signed = f"The subscriber agreement was signed in the name of {self._config.signer}."
        return replace(progress.did("agreement"), text=signed)

    def _control(self, progress: Progress, waiting: list[str], said: list[str], request: Request) -> Progress:
        settings: Any = request.settings
        method, kept = settings.dcv_method, []
        records = {r["domain"]: r for r in progress.records}
        for domain in waiting[:_MOST]:
            record = records.get(domain)
            found = self._look(progress, domain, method) if self._config.dcv_verify and record else ""
            if found is None:
                said.append(f"{domain} has just been validated.")
                continue
            record = record or self._challenge(progress, domain, method)
            if record is None:
                said.append(f"{domain} is not validated yet; emSign gives its challenge later.")
                continue
            kept.append(record)
            said.append(f"{instruction(record, method, self._config.dcv_txt_host)}{found}")
        if len(waiting) > _MOST:
            said.append(f"{len(waiting) - _MOST} more domains are open.")
        return replace(progress, records=tuple(kept), text=" ".join([progress.text, *said]))

    def _dcv(self, progress: Progress, domain: str, method: str) -> dict[str, Any]:
        return {
            "dcvDetails": {
                "requestorEmail": self._config.requestor_email,
                "orderNumber": progress.order,
                "domainName": domain,
                "dcvMethod": DCV.get(method, "1"),
                "dcvEmail": "",
            }
        }

    def _challenge(self, progress: Progress, domain: str, method: str) -> dict[str, str] | None:
        answer = attempt(lambda: self._session.read("GetDcv", self._dcv(progress, domain, method)))
        return record_of(domain, table(answer.get("dcvDetails"))) if answer is not None else None

    def _look(self, progress: Progress, domain: str, method: str) -> str | None:
        """Have the CA look; None where the domain is validated now, else what it found, as the end of a sentence."""
        try:
            self._session.act("VerifyDcv", self._dcv(progress, domain, method))
        except _NO as error:
            if error.code == ALREADY_VERIFIED:
                return None
            return f" emSign looked and found: {error.text[:200]}"
        return None

    # The certificate -----------------------------------------------------------------------------------

    def _issued(self, progress: Progress, status: str, told: str, request: Request) -> Outcome:
        try:
            ders = self.download(progress.order)
        except _NO:
            text = f"Issued; not yet downloadable{f' ({told})' if told else ''}."
            return progress.looked_at(status, PendingKind.PROCESSING, text).pending()
        issued = pick(ders, request, progress.reference) or self._other_key(progress, ders)
        if issued is None:
            text = "The download held no certificate for the request's key; it is fetched again."
            return progress.looked_at("wrong-download", PendingKind.PROCESSING, text).pending()
        return issued

    @staticmethod
    def _other_key(progress: Progress, ders: list[bytes]) -> Issued | None:
        patient = progress.status == "wrong-download" and progress.looks >= WRONG_DOWNLOADS
        return foreign(ders, progress.reference) if patient else None

    def download(self, order: str) -> list[bytes]:
        """Return the certificates of an order, out of the PEM alone: the serial number beside it is decimal."""
        body = {"orderNumber": order, "requestorEmail": self._config.requestor_email}
        found = table(self._session.read("GetCertificate", {"orderDetails": body}).get("certificateDetails"))
        return certificates(found.get(n) for n in ("endEntityCertificate", "caCertificate", "rootCertificate"))


def _domains(detail: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Return the domains that are open, and what is to be said of the others: a map with one reserved key."""
    listed = {
        name: row
        for name, row in table(detail.get("domainVerification")).items()
        if name != _RESERVED and isinstance(row, dict)
    }
    said = [f"{name[:255]} was rejected." for name, row in listed.items() if word(row.get("dcvStatus")) == "2"]
    failed = [name for name, row in listed.items() if word(row.get("caaStatus")).upper() == "FAILED"]
    said += [f"The CAA records of {name[:255]} forbid it." for name in failed]
    return [name[:255] for name, row in listed.items() if word(row.get("dcvStatus")) == "0"], said
