"""A client of EST, Enrolment over Secure Transport (RFC 7030, 8951, 9908)."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import timedelta

from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.protocols.bundle import climb, pick, serial
from chancery.protocols.cms import Unreadable
from chancery.protocols.est import attributes
from chancery.protocols.est.answers import body_of, busy, certificates_in, refusal, senseless
from chancery.protocols.est.attributes import Wanted
from chancery.protocols.est.diagnosis import findings
from chancery.protocols.est.progress import Progress
from chancery.protocols.est.settings import EstCredentials, EstSettings
from chancery.sdk.answer import Answer
from chancery.sdk.authority import Dedup, Request
from chancery.sdk.errors import AuthorityError, NotFound, OutcomeUnknown, RejectedByPolicy
from chancery.sdk.finding import Finding
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Issued, Outcome, PollState

DEDUP = Dedup.NONE
"""What an authority declares that speaks EST, beside `polls_are_acts`: a request sent again may be a second certificate.

`Dedup.RETURN_ORIGINAL` only together with `EstSettings.returns_original`, and only for a product that is known for it.
"""
_LINE = 64


class EstClient:
    """Enrols through one EST service. Holds nothing but settings and the CA's certificates as last seen.

    **Never doubled.** EST has no number for a request. After 202 the client repeats *the very same POST* until the
    answer is another one, and the server recognises it (RFC 7030 section 4.2.3). So a poll is an act too: it is sent at
    most once per look, never before Retry-After is over, with the same bytes. While the server answers 202 repeating
    doubles nothing. But if the answer to a poll is lost, the server may have handed out the certificate and forgotten
    the request: the same POST would then be a new order, and the RFC does not say otherwise. A lost answer to a poll
    therefore raises `NotFound`, by which the order's outcome is unknown and a person decides, unless the settings say
    that this product returns the original. Only 503 is taken for what HTTP says that it is: not handled, ask later. A
    worker that vanishes in a poll leaves the same doubt: an authority that speaks EST declares `polls_are_acts`. A lost
    answer to the first POST is `OutcomeUnknown`, as everywhere.
    """

    def __init__(self, door: HttpDoor, settings: EstSettings, credentials: EstCredentials, clock: Clock) -> None:
        self._door, self._settings, self._credentials, self._clock = door, settings, credentials, clock
        self._issuers: tuple[bytes, ...] = ()
        if credentials.user:
            door.learn(Secret(_basic(credentials)))

    # Reading ------------------------------------------------------------------------------------------

    def cacerts(self) -> tuple[bytes, ...]:
        """Return the CA's certificates (DER, in no order): GET /cacerts, RFC 7030 section 4.1. No login is sent."""
        answer = self._door.get(self._path("cacerts"))
        if answer.status != 200:
            raise refusal(answer)
        self._issuers = tuple(certificates_in(answer))
        return self._issuers

    def csrattrs(self) -> Wanted | None:
        """Return what the CA wants in requests; None where it says nothing (204 or 404, RFC 7030 section 4.5.2)."""
        answer = self._door.get(self._path("csrattrs"), headers=self._login())
        if answer.status in {204, 404} or (answer.status == 200 and not answer.body.strip()):
            return None
        if answer.status != 200:
            raise refusal(answer)
        try:
            return attributes.read(body_of(answer))
        except Unreadable as error:
            raise senseless(answer, f"The CA's wishes for requests cannot be read: {error}.") from None

    def check(self) -> list[Finding]:
        """Return what *Test connection* shows: login, product and chain, by reading alone."""
        return findings(self.csrattrs, self.cacerts, has_user=bool(self._credentials.user))

    # Enrolling ----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Send the request once: POST to simpleenroll, or to simplereenroll for a renewal where the settings say so."""
        again = self._settings.reenroll and bool(request.previous)
        operation = "simplereenroll" if again else "simpleenroll"
        return self._enrolled(operation, self._post(operation, request), request)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Ask again by the same POST, no earlier than the server allowed; or complete the chain of what was issued."""
        progress = Progress.read(state)
        if progress.certificates:
            return self._completed(progress.certificates, request)
        now = self._clock.now()
        if progress.until is not None and now < progress.until:
            return progress.pending(now)
        try:
            answer = self._post(progress.operation, request)
            if answer.status == 503:
                raise busy(answer)
            return self._enrolled(progress.operation, answer, request)
        except OutcomeUnknown as error:
            if self._settings.returns_original:
                raise
            raise _lost(error) from None

    def _post(self, operation: str, request: Request) -> Answer:
        body = base64.b64encode(request.csr)
        if self._settings.line_breaks:
            body = b"".join(body[i : i + _LINE] + b"\r\n" for i in range(0, len(body), _LINE))
        headers = {"Content-Type": "application/pkcs10", **self._login()}
        if self._settings.encoding_header:
            headers["Content-Transfer-Encoding"] = "base64"
        return self._door.post(self._path(operation), content=body, headers=headers, effect=True)

    def _enrolled(self, operation: str, answer: Answer, request: Request) -> Outcome:
        if answer.status == 200:
            return self._completed(certificates_in(answer), request, fresh=answer)
        if answer.status == 202:
            now = self._clock.now()
            until = answer.retry_after or now + self._settings.patience
            return Progress(operation, max(until, now + timedelta(seconds=1)), answer.text).pending(now)
        error = refusal(answer)
        raise self._explained(error, request) if isinstance(error, RejectedByPolicy) else error

    def _completed(self, found: Sequence[bytes], request: Request, fresh: Answer | None = None) -> Outcome:
        """Return what was issued, with its chain. Where /cacerts cannot be had just now, the certificate is kept."""
        leaf, others = pick(found, request.spki_sha256)
        if leaf is None:
            raise senseless(fresh, "The answer holds only certificates of CAs.") if fresh else _spoilt()
        chain, whole = climb(leaf, (*others, *self._issuers))
        if not whole:
            try:
                chain, _ = climb(leaf, (*others, *self.cacerts()))
            except AuthorityError as error:
                if fresh is None:
                    raise
                progress = Progress("chain", None, f"Issued; its chain is still to be fetched: {error.message}")
                return progress.holding(found).pending(self._clock.now())
        return Issued(leaf, chain, serial(leaf))

    def _explained(self, error: RejectedByPolicy, request: Request) -> RejectedByPolicy:
        """Return a refusal with what /csrattrs asks for and the request does not have, where that can be said."""
        try:
            wanted = self.csrattrs()
            lacking = wanted.lacking(request.csr) if wanted is not None else ()
        except (AuthorityError, ValueError):
            return error
        if lacking:
            error.remedy = f"{error.remedy} The CA asks for {', '.join(lacking)}, which this request does not have."
        return error

    # On the way ---------------------------------------------------------------------------------------

    def _path(self, operation: str) -> str:
        parts = (self._settings.path.strip("/"), self._settings.label.strip("/"), operation)
        return "/".join(part for part in parts if part)

    def _login(self) -> dict[str, str]:
        return {"Authorization": f"Basic {_basic(self._credentials)}"} if self._credentials.user else {}


def _basic(credentials: EstCredentials) -> str:
    """Return the credentials of HTTP Basic in UTF-8 (RFC 7617)."""
    return base64.b64encode(f"{credentials.user}:{credentials.password.reveal()}".encode()).decode()


def _lost(error: OutcomeUnknown) -> NotFound:
    return NotFound(
        "The request was repeated, as EST wants it, and no readable answer came: the CA may have issued. "
        "It is not repeated once more, as that might order a second certificate.",
        code=error.code,
        text=error.text,
        stage=error.stage,
        remedy="Look in the CA's own list for a certificate for this key. Give this order up; order anew if there is none.",
    )


def _spoilt() -> NotFound:
    return NotFound(
        "What was kept of the CA's answer holds no certificate for the request.",
        remedy="Look in the CA's own list for a certificate for this key.",
    )
