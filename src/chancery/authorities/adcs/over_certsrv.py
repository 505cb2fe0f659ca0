"""AD CS over Web Enrollment (certsrv): submit, follow, fetch with chain, search, adopt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from chancery.authorities.adcs import search
from chancery.authorities.adcs.client import CertsrvClient
from chancery.authorities.adcs.config import ENTERPRISE, AdcsConfig, typed_templates
from chancery.authorities.adcs.diagnosis import Diagnosis
from chancery.authorities.adcs.hresults import error_of
from chancery.authorities.adcs.hygiene import check_request
from chancery.authorities.adcs.issued import warnings_about
from chancery.authorities.adcs.pages import Kind, Verdict, options_in, renewals_in
from chancery.authorities.adcs.progress import Progress, is_id
from chancery.authorities.adcs.refusals import explain
from chancery.authorities.adcs.transport import Transport
from chancery.core.certificate import spki_of
from chancery.protocols.bundle import climb
from chancery.protocols.hresult import Refusal
from chancery.protocols.negotiate import Session
from chancery.sdk.authority import Context, Request
from chancery.sdk.errors import AuthorityError, OutcomeUnknown, ProtocolViolation, RejectedByPolicy, Unreachable
from chancery.sdk.finding import Finding
from chancery.sdk.outcome import Absence, Choice, Found, Issued, Outcome, PollState

REFERENCE = "chancery-request"
"""The request attribute that carries our reference: MS-WCCE has the CA store what it does not know with the row."""
_MOST_RENEWALS = 5


class OverCertsrv(Transport):
    """Every verb is a login of its own, and its requests go over the connection that logged in."""

    name = "Web Enrollment"

    def __init__(self, config: AdcsConfig, context: Context) -> None:
        self._config, self._clock = config, context.clock
        self._client = CertsrvClient(context.http, config)
        self._diagnosis = Diagnosis(self._client, config)

    def check(self) -> list[Finding]:
        """Diagnose by reading only."""
        return self._diagnosis.findings(self._clock.now())

    # Ordering -----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Post the request, once. Of what is issued at once the id is kept first, and the certificate fetched by it next."""
        template = str(getattr(request.settings, "template", ""))
        check_request(request, needs_template=self._config.setup_type == ENTERPRISE)
        attributes = [("CertificateTemplate", template)] if template else []
        if self._config.send_reference:
            attributes.append((REFERENCE, request.reference))
        with self._client.session() as session:
            verdict = self._client.submit(session, request.csr_pem, attributes)
        return self._accepted(verdict)

    @staticmethod
    def _accepted(verdict: Verdict) -> Outcome:
        if verdict.kind in {Kind.ISSUED, Kind.PENDING} and is_id(verdict.request):
            return Progress(int(verdict.request), issued=verdict.kind is Kind.ISSUED).pending()
        error = _refused(verdict, verdict.request, effect=True)
        if error is not None:
            raise error
        raise OutcomeUnknown(
            "The page does not say what became of the request.",
            code=verdict.kind,
            text=verdict.text,
            stage="response",
            remedy="Look in the CA's console for a request of this account, and enter its id.",
        )

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Fetch the certificate by the request's id; a page in its place says how the request stands."""
        progress = Progress.read(state)
        with self._client.session() as session:
            return self._stand(session, progress, request)

    def _stand(self, session: Session, progress: Progress, request: Request) -> Outcome:
        found = self._client.certificate(session, progress.request)
        if isinstance(found, Verdict):
            return self._told(found, progress)
        return self.issued(session, found, progress.request, request)

    @staticmethod
    def _told(verdict: Verdict, progress: Progress) -> Outcome:
        number = str(progress.request)
        if verdict.kind is Kind.PENDING:
            return progress.looked().pending()
        if verdict.kind is Kind.REVOKED:
            text = f"Request {number} was issued, and its certificate is revoked already."
            raise RejectedByPolicy(text, code="revoked", text=verdict.text, remedy="Order again.", stage="response")
        error = _refused(verdict, number, effect=False)
        if error is not None:
            raise error
        raise ProtocolViolation(
            f"The page does not say how request {number} stands.",
            code=verdict.kind,
            text=verdict.text,
            stage="response",
            bytes_sent=False,
        )

    def issued(self, session: Session, leaf: bytes, number: int, request: Request) -> Issued:
        """Return the certificate with its chain, built out of what the CA gives and not believed to be in order.

        Anybody's certificate comes for anybody's id, so that one for another key reaches the engine, which quarantines it.
        """
        pool: list[bytes] = []
        for ders in self._pools(session, number):
            pool += ders
            issuers, whole = climb(leaf, pool)
            if whole:
                return Issued(leaf, issuers, str(number), warnings_about(leaf))
        issuers, _ = climb(leaf, pool)
        if issuers or (pool and spki_of(leaf) != request.spki_sha256):
            return Issued(leaf, issuers or tuple(pool), str(number), warnings_about(leaf))
        raise ProtocolViolation(
            f"Request {number} is issued, but the CA gives no certificate that signed it.",
            code="chain",
            stage="response",
            bytes_sent=False,
            remedy="Look at certnew.p7b on the web server: the CA's own certificates must be readable there.",
        )

    def _pools(self, session: Session, number: int) -> Iterable[list[bytes]]:
        """Give certificates above the request's: its own chain, then those of the CA's certificates, the newest first."""
        try:
            yield self._client.chain(session, number)
        except (ProtocolViolation, Unreachable):
            pass  # a web server apart from the CA was seen to fail here; those of the CA below are as good
        newest = renewals_in(session.first.body) or 0
        for renewal in range(newest, max(-1, newest - _MOST_RENEWALS), -1):
            yield self._client.chain(session, "CACert", renewal)

    # Lost answers, pick lists -------------------------------------------------------------------------

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Look for the request's key among the CA's newest requests (A8.2, third way); `since` is not needed for that."""
        del since
        if not self._config.search_from:
            return super().find(request, request.intended_at)
        with self._client.session() as session:
            found = search.newest(self._client, session, request, self._config.search_from)
            if isinstance(found, Absence):
                return found
            number, leaf = found
            outcome = self.issued(session, leaf, number, request)
        return Found(outcome, f"Request {number} of the CA is for this key.")

    def adopt(self, reference: str, request: Request) -> Found:
        """Take over the request that a person names by its id; its certificate must be for the request's key.

        A request that still waits shows no key: it is compared when it is issued.
        """
        number = reference.strip()
        if not is_id(number):
            raise error_of(0x80094004, "", request=number[:20])
        progress = Progress.read({"request": int(number)})
        with self._client.session() as session:
            outcome = self._stand(session, progress, request)
        if isinstance(outcome, Issued) and spki_of(outcome.leaf) != request.spki_sha256:
            text = f"Request {number} is for another key."
            raise RejectedByPolicy(text, code="wrong_key", remedy="Check the request's id.", stage="response")
        return Found(outcome, f"A person named the CA's request {number}.")

    def choices(self, field: str) -> list[Choice]:
        """Return the templates that the administrator typed, each with whether the request form offers it to the account.

        What the form's own list holds in detail is not documented, so nothing is taken from there but that.
        """
        if field != "template" or self._config.setup_type != ENTERPRISE:
            return []
        with self._client.session() as session:
            body = self._client.page(session, "certrqxt.asp")
        options = options_in(body)
        if options is None:
            raise ProtocolViolation("The page certrqxt.asp shows no templates.", stage="response", bytes_sent=False)
        return [_choice(name, label, options) for name, label in typed_templates(self._config).items()]


def _refused(verdict: Verdict, number: str, *, effect: bool) -> AuthorityError | None:
    """Return the error that a page tells, None where it tells none.

    A denial is the CA's word on the request. An error page has the number of whatever failed, which may be the web server's
    call of a CA that restarts.
    """
    denied = verdict.kind is Kind.DENIED
    if verdict.code is None:
        return error_of(None, verdict.text, request=number) if denied else None
    known = int(number) if number else None
    return explain(Refusal(verdict.code, verdict.text, denied or None, effect, known))


def _choice(name: str, label: str, options: list[frozenset[str]]) -> Choice:
    offered = any(name in words for words in options)
    if not offered:
        label = f"{label} (not in the CA's request form; can be asked for by name)"
    return Choice(name, label, {"offered": offered})
