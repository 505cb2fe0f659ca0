"""An order's way through ACME, a step at a time: what an authority's `submit`, `poll`, `revoke` and `adopt` call.

`submit` opens an order and never asks for the certificate; that is for a later `poll`, when the order's address is
recorded. So an order whose address got lost yields nothing, and one whose address is recorded yields one certificate
at most, however often it is looked at (RFC 8555 section 7.4): an authority built on this declares
`Dedup.ISSUES_LATER`. Between two steps everything may be restarted.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from josepy import b64

from chancery.core.certificate import spki_of
from chancery.core.order import SUBSCRIBER_REASONS, RevocationReason
from chancery.core.secret import Secret
from chancery.protocols.acme import opening
from chancery.protocols.acme.account import OTHER_ACCOUNT, Account
from chancery.protocols.acme.chains import Bundle, bundle_in
from chancery.protocols.acme.client import OTHER_HOST, AcmeClient
from chancery.protocols.acme.diagnosis import findings
from chancery.protocols.acme.links import link
from chancery.protocols.acme.problems import BAD_KEY, NO_ACCOUNT, OTHER_KEY, UNAUTHORIZED
from chancery.protocols.acme.progress import SOON, Progress, reference_of, split_reference
from chancery.protocols.acme.reading import OrderView, order_in
from chancery.protocols.acme.renewal import renewal_hint, renewal_id
from chancery.protocols.acme.settings import AcmeSettings, OrderSettings
from chancery.protocols.acme.solving.base import Solver
from chancery.protocols.acme.validating import Validation, invalid
from chancery.sdk.authority import Context, Request, Target
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Found, Issued, Outcome, Pending, PendingKind, PollState, RenewalHint, Revoked

_PEM = "application/pem-certificate-chain"
REASONS = SUBSCRIBER_REASONS
_MOST_CHAINS = 10
_NO_ORDER = "The CA does not have this order any more."
_NO_CERTIFICATE = "The CA says that it issued the certificate, and does not have it where it said."
_NOTHING_TO_REVOKE = "The CA does not have this certificate."
_LOOK = "Look at the CA whether a certificate was issued. Order again only if there is none."


class AcmeSteps:
    """Orders through one account. `solver` is None where the CA has validated all names before (`ChallengeType.NONE`).

    Safe between threads. Construction does nothing outside.
    """

    def __init__(
        self, context: Context, account_key: Secret, settings: AcmeSettings, solver: Solver | None = None
    ) -> None:
        self._settings, self._log = settings, context.log
        self._client = AcmeClient(context.http, account_key, context.clock, other_hosts=settings.other_hosts)
        self._account = Account(self._client, settings)
        self._validation = Validation(self._client, solver, context.log)

    def check(self, wanted: Sequence[OrderSettings] = ()) -> list[Finding]:
        """Diagnose from the stage *login* on; reads only. `wanted` are settings whose profiles must be on offer."""
        return list(findings(self._client, self._account, self._settings, self._validation.solver, wanted))

    def submit(self, request: Request, wanted: OrderSettings) -> Pending:
        """Open an order; a refusal or a lost answer leaves nothing that could become a certificate."""
        answer, account = self._account.using(
            lambda url: (opening.post(self._client, request, wanted, url, self._log), url)
        )
        progress = Progress(opening.address(answer), account)
        try:
            return self._opened(progress, order_in(answer))
        except AuthorityError as error:
            # The order is open and its address must not get lost; the next look finds the same trouble.
            self._log.info("order %s: %s", request.reference, error.message)
            return progress.pending(PendingKind.PROCESSING, "Open at the CA.", SOON)

    def _opened(self, progress: Progress, order: OrderView) -> Pending:
        if order.status == "pending" and self._validation.is_local:
            return self._validation.look(progress, order)
        return progress.pending(PendingKind.PROCESSING, "Open at the CA; the certificate is asked for next.", SOON)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Look at the order, and take the step that it is ready for."""
        progress = Progress.read(state)
        return self._stand(progress, self._own(progress, request), request)

    def _own(self, progress: Progress, request: Request) -> OrderView:
        """Look at an order; one for other names has only its address in common with ours, which is `NotFound`.

        A CA that was set up anew counts from one again. What it shows never has other names than were asked for (RFC 8555
        section 7.4); an order without names is taken for ours.
        """
        order = self._read(progress)
        if order.identifiers and order.identifiers != opening.identifiers_of(request):
            raise NotFound(
                "At the order's address the CA has an order for other names: it seems to have been set up anew.",
                code="other_names",
                stage="response",
                remedy=_LOOK,
            )
        return order

    def _read(self, progress: Progress) -> OrderView:
        """Look at an order. One that the CA or the account does not have is `NotFound`: no fault of the connector."""
        try:
            return order_in(self._client.read(progress.order, progress.account, missing=_NO_ORDER))
        except (AuthFailed, Forbidden, ProtocolViolation) as error:
            if error.code not in OTHER_ACCOUNT or not self._is_lost(error.code, progress.account):
                raise
            raise NotFound(
                "The order belongs to an account that the CA does not have for the connector's key.",
                code=error.code,
                text=error.text,
                stage=error.stage,
                remedy=_LOOK,
            ) from None

    def _is_lost(self, code: str, account: str) -> bool:
        """Say whether an order's account is gone, or not the one that the key has now; asks, and makes no account."""
        found = self._account.look()
        if found is None:
            # A former key may still have it, until the next order moves it to the new one.
            return code == NO_ACCOUNT or not self._settings.previous_key
        return code == NO_ACCOUNT or found.url != account

    def _stand(self, progress: Progress, order: OrderView, request: Request) -> Outcome:
        if order.status == "ready":
            order = self._finalize(progress, order, request)
        if order.status == "valid" and order.certificate:
            return self._issued(progress, order, request)
        if order.status == "pending":
            return self._validation.look(progress, order)
        if order.status == "invalid":
            self._validation.clean(progress)
            raise invalid(self._client, progress, order)
        text = "The CA is making the certificate."
        if order.status not in {"processing", "valid", "ready"}:
            text = f"The CA says that the order is {order.status[:100]!r}, which is not known here."
        return progress.pending(PendingKind.PROCESSING, text, order.wait)

    def _finalize(self, progress: Progress, order: OrderView, request: Request) -> OrderView:
        """Ask for the certificate (RFC 8555 section 7.4): the one request of an order that makes the CA issue."""
        payload = {"csr": _text(request.csr)}
        try:
            answer = self._client.post(order.finalize, payload, kid=progress.account, effect=True, ends=True)
        except AuthFailed as error:
            if error.code != BAD_KEY:
                raise
            # The account's key is taken, as the look just before shows; so it is the request's.
            raise RejectedByPolicy(
                error.message, code=error.code, text=error.text, stage=error.stage, remedy=OTHER_KEY
            ) from None
        except Forbidden as error:
            if error.code != UNAUTHORIZED:
                raise
            # The account is let in, as the look just before shows; what is not authorised any more are the names.
            raise ValidationFailed(
                error.message,
                code=error.code,
                text=error.text,
                stage=error.stage,
                remedy="Order again, so that the names are validated again.",
            ) from None
        except ProtocolViolation as error:
            if error.code != "orderNotReady":
                raise
            return order
        return order_in(answer)

    def _issued(self, progress: Progress, order: OrderView, request: Request) -> Issued:
        bundle = self._download(order.certificate, progress.account, request.spki_sha256)
        self._validation.clean(progress)
        return Issued(bundle.leaf, bundle.others, reference_of(progress.order, renewal_id(bundle.leaf)))

    def _download(self, url: str, account: str, spki: str) -> Bundle:
        answer = self._client.read(url, account, accept=_PEM, missing=_NO_CERTIFICATE)
        bundle, wanted = bundle_in(answer, spki), self._settings.preferred_chain
        if not wanted or bundle.leads_to(wanted):
            return bundle
        for other in link(answer, url, "alternate")[:_MOST_CHAINS]:
            found = bundle_in(self._client.read(other, account, accept=_PEM), spki)
            if found.leads_to(wanted):
                return found
        self._log.warning("no chain of the CA leads to %r; its first one is taken", wanted)
        return bundle

    def withdraw(self, state: PollState, request: Request) -> None:
        """Leave an order for which no certificate was asked: nothing is issued from it, and it ends by itself.

        ACME has no call that withdraws an order, and this sends none that changes anything. Raises `AlreadyDone` once
        the certificate was asked for (processing, valid).
        """
        order = self._own(Progress.read(state), request)
        if order.status in {"processing", "valid"}:
            text = f"The CA has been asked for the certificate (the order is {order.status}); it can only be revoked."
            raise AlreadyDone(text, code=order.status)

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over an order by its address; its names, and the key of what was issued, must be the request's."""
        url = split_reference(reference)[0]
        if not url.startswith(("https://", "http://")):
            raise NotFound("An ACME order is named by its address.", code="reference", bytes_sent=False)
        try:
            order = self._account.using(lambda account: order_in(self._client.read(url, account)))
        except (ProtocolViolation, Forbidden, Unreachable) as error:
            if isinstance(error, Unreachable) and error.code != OTHER_HOST:
                raise
            raise NotFound(
                "The CA shows no order of this account there.", code=error.code, text=error.text, stage=error.stage
            ) from None
        progress = Progress(url, self._account.url())
        if order.identifiers != opening.identifiers_of(request):
            raise RejectedByPolicy("That order is for other names.", code="other_names", remedy="Check the address.")
        outcome = self._stand(progress, order, request)
        if isinstance(outcome, Issued) and spki_of(outcome.leaf) != request.spki_sha256:
            raise RejectedByPolicy("That order is for another key.", code="wrong_key", remedy="Check the address.")
        return Found(outcome, f"A person named the CA's order {url}.")

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked:
        """Revoke one certificate by the account's key (RFC 8555 section 7.6)."""
        _check_target(target)
        url = self._client.directory().need("revokeCert")
        payload = {"certificate": _text(target.certificate), "reason": reason.code}
        try:
            answer = self._account.using(
                lambda account: self._client.post(
                    url, payload, kid=account, effect=True, ends=True, missing=_NOTHING_TO_REVOKE
                )
            )
        except Forbidden as error:
            if error.code != UNAUTHORIZED:
                raise
            raise RejectedByPolicy(
                "The CA does not let this account revoke that certificate.",
                code=error.code,
                text=error.text,
                stage=error.stage,
                remedy="Revoke it with the account that ordered it, or at the CA's console.",
            ) from None
        if answer.headers.get("content-type", "").startswith("text/html"):
            raise OutcomeUnknown(
                "A web page came back in place of the CA's confirmation.", text=answer.text, stage="response"
            )
        return Revoked("The CA confirms it.")

    def profiles(self) -> list[tuple[str, str]]:
        """Return (name, description) of the profiles that the directory offers."""
        return sorted(self._client.directory().profiles.items())

    def renewal_hint(self, certificate: bytes) -> RenewalHint | None:
        """Ask when the CA wants a certificate (DER) renewed; None where it has no such information."""
        return renewal_hint(self._client, certificate)


def _check_target(target: Target) -> None:
    serial = x509.load_der_x509_certificate(target.certificate).serial_number
    if serial != int(target.serial or "0", 16):
        raise RejectedByPolicy(
            "The certificate has another serial number than the register says.",
            code="serial",
            bytes_sent=False,
            remedy="Revoke it at the CA, by the serial number that is right.",
        )


def _text(raw: bytes) -> str:
    return str(b64.b64encode(raw).decode())
