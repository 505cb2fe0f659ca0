"""A client of a Windows CA over RPC: enrolment by MS-ICPR or MS-WCCE, management by MS-CSRA."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chancery.core.certificate import spki_of
from chancery.core.clock import Clock
from chancery.core.order import RevocationReason
from chancery.net.redact import register
from chancery.protocols.bundle import climb
from chancery.protocols.cms import Unreadable, certificates
from chancery.protocols.hresult import DENIED_BY_MANAGER, UNKNOWN_REQUEST, Explain, Refusal, failed, plainly
from chancery.protocols.msrpc import calls, listing
from chancery.protocols.msrpc.calls import REQUEST, REQUEST_2, REQUEST_CLASS, Answered
from chancery.protocols.msrpc.channel import Wire
from chancery.protocols.msrpc.diagnosis import findings, managing, switches
from chancery.protocols.msrpc.enrolment import REFERENCE, attributes, outcome
from chancery.protocols.msrpc.managing import Kept, Manager
from chancery.protocols.msrpc.ndr import text_of
from chancery.protocols.msrpc.reaching import reach
from chancery.protocols.msrpc.rows import Disposition
from chancery.protocols.msrpc.session import Session
from chancery.protocols.msrpc.settings import EnrollBy, MsrpcCredentials, MsrpcSettings
from chancery.protocols.waiting import Waiting, number_of
from chancery.sdk.authority import Dedup, Request, Target
from chancery.sdk.errors import AuthorityError, Forbidden, NotFound, OutcomeUnknown, ProtocolViolation, RejectedByPolicy
from chancery.sdk.finding import Finding
from chancery.sdk.inventory import InventoryPage
from chancery.sdk.outcome import Absence, Found, Issued, Outcome, PollState, Revoked

_SKEW = timedelta(hours=1)
"""How far the clock of a CA may be behind ours in a search by time."""
DEDUP = Dedup.NONE
"""What an authority declares that speaks to such a CA: it makes a row, and often a certificate, of every request."""


class MsrpcClient:
    """Speaks to one CA. Construction opens nothing; every call has connections of its own."""

    def __init__(
        self,
        wire: Wire,
        settings: MsrpcSettings,
        credentials: MsrpcCredentials,
        clock: Clock,
        explain: Explain = plainly,
    ) -> None:
        self._wire, self._settings, self._explain = wire, settings, explain
        accounts = [one for one in (credentials.enroll, credentials.manage) if one is not None]
        register(one.password for one in accounts if one.password)
        self._session = Session(wire, settings, credentials.enroll, explain)
        self._manager: Manager | None = None
        if credentials.manage is not None:
            managing = Session(wire, settings, credentials.manage, explain)
            self._manager = Manager(managing, settings, clock, explain)

    # Enrolling ----------------------------------------------------------------------------------------

    def submit(self, request: Request) -> Outcome:
        """Ask for the certificate, once."""
        reference = request.reference if self._settings.send_reference else ""
        answered = self._asked(request.csr, attributes(self._settings.template, reference), 0)
        return outcome(answered, None, request, self._explain)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Ask how the request stands, by its number."""
        waiting = Waiting.read(state)
        return outcome(self._asked(b"", "", waiting.number), waiting, request, self._explain)

    def adopt(self, reference: str, request: Request) -> Found:
        """Return how the request of this number stands; raises `NotFound`, or `RejectedByPolicy` for one of another key."""
        number = number_of(reference)
        if number is None:
            remedy = "Enter the Request ID as the CA's console shows it."
            raise NotFound("That is no request number of a Windows CA.", bytes_sent=False, remedy=remedy)
        found = outcome(self._asked(b"", "", number), Waiting(number), request, self._explain)
        if isinstance(found, Issued) and spki_of(found.leaf) != request.spki_sha256:
            text, remedy = f"Request {number} was made for another key.", "Enter the number of this order's request."
            raise RejectedByPolicy(text, code="other_key", remedy=remedy)
        how = "it is issued, for the key of this order" if isinstance(found, Issued) else "it waits"
        return Found(found, f"The CA answered for request {number}: {how}.")

    def _asked(self, csr: bytes, given: str, number: int) -> Answered:
        ca, effect = self._settings.ca, bool(csr)
        if self._settings.enroll_by is EnrollBy.ICPR:
            return self._session.icpr(lambda send: calls.submit_by_icpr(send, ca, csr, given, number, effect=effect))
        return self._session.object(
            REQUEST_CLASS, REQUEST, lambda send: calls.submit_by_dcom(send, ca, csr, given, number, effect=effect)
        )

    # What the CA says of itself -----------------------------------------------------------------------

    def certificates(self) -> tuple[bytes, ...]:
        """Return the CA's newest certificate with its issuers (DER)."""
        try:
            return tuple(certificates(self._property(calls.CHAIN, calls.LATEST)))
        except Unreadable as error:
            raise ProtocolViolation(
                f"The CA's chain cannot be read: {error}.", code="chain", stage="response"
            ) from None

    def templates(self) -> dict[str, str]:
        """Return the templates that the CA publishes: short name → OID, '' for those of version 1. Rights are not shown."""
        lines = text_of(self._property(calls.TEMPLATES, text=True)).splitlines()
        return {
            name.strip(): oid.strip() for name, oid in zip(lines[::2], [*lines[1::2], ""], strict=False) if name.strip()
        }

    def name(self) -> str:
        """Return the CA's name."""
        return text_of(self._property(calls.NAME, text=True))

    def _property(self, which: int, index: int = 0, *, text: bool = False) -> bytes:
        code, content = self._session.object(
            REQUEST_CLASS,
            REQUEST_2,
            lambda send: calls.property_of_ca(send, self._settings.ca, which, index, text=text),
        )
        if failed(code):
            raise self._explain(Refusal(code, "", None, effect=False))
        return content

    def check(self, templates: Sequence[str] = ()) -> list[Finding]:
        """Return what *Test connection* shows, by reading alone; of these templates, or of that of the settings."""
        names = templates or ([self._settings.template] if self._settings.template else [])
        return findings(self._touch, self.check_manager, self.templates, self.certificates, names)

    def reach(self) -> list[Finding]:
        """Return how the CA's machine is reached: the stages name and TCP, with no login."""
        return reach(self._wire, self._settings, self._explain)

    def check_manager(self) -> list[Finding]:
        """Return what *Test connection* shows of the account that manages, and of the switches that it may read."""
        if self._manager is None:
            return [managing(None)]
        return [managing(self._manager.rights), switches(self._manager.names_from_attributes)]

    def _touch(self) -> None:
        """Ask about a request, whose number may be anybody's: any answer of the CA shows that the login is good."""
        answered = self._asked(b"", "", 1)
        if failed(answered.code) and answered.code not in {UNKNOWN_REQUEST, DENIED_BY_MANAGER}:
            raise self._explain(Refusal(answered.code, answered.message, None, effect=False))

    # Managing -----------------------------------------------------------------------------------------

    def find(self, request: Request, since: datetime) -> Found | Absence:
        """Search the CA's database for a request that came in since a moment: the very same bytes, or our reference."""
        rows, whole = self._managing().since(since - _SKEW)
        ours = [row for row in rows if _is_ours(row, request)]
        if not ours and not whole:
            raise OutcomeUnknown(
                f"The CA took more than {len(rows)} requests since {since:%Y-%m-%d %H:%M} UTC, and not all were read.",
                code="too_many",
                stage="response",
                bytes_sent=False,
                remedy="Look for the order in the CA's console, and enter its request number.",
            )
        if not ours:
            return Absence(f"{len(rows)} requests since {since:%Y-%m-%d %H:%M} UTC, and none is this one.")
        row = ours[-1]
        return Found(
            self._standing(row, request), f"Request {row.number} of {row.requester} holds the request of this order."
        )

    def _standing(self, row: Kept, request: Request) -> Outcome:
        if row.disposition == Disposition.ISSUED and row.certificate:
            chain, _ = climb(row.certificate, self._issuers())
            return Issued(row.certificate, chain, str(row.number))
        if row.disposition in {Disposition.PENDING, Disposition.ACTIVE}:
            return Waiting(row.number).pending(row.message)
        if row.disposition == Disposition.REVOKED:
            text = f"Request {row.number} was issued and has been revoked since."
            raise RejectedByPolicy(text, code="revoked", stage="response", remedy="Order anew.")
        raise self._explain(Refusal(row.code, row.message, True, effect=False, request=row.number))

    def _issuers(self) -> tuple[bytes, ...]:
        """Return the CA's certificates; () where they cannot be had just now, as what was found must not be lost for that."""
        try:
            return self.certificates()
        except AuthorityError:
            return ()

    def cancel(self, state: PollState) -> None:
        """Deny a pending request; raises `AlreadyDone` if it waits no longer."""
        self._managing().deny(Waiting.read(state).number)

    def release(self, state: PollState) -> None:
        """Have a pending request issued, as its certificate manager; raises `AlreadyDone` if it waits no longer."""
        self._managing().resubmit(Waiting.read(state).number)

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked:
        """Revoke one certificate."""
        return self._managing().revoke(target, reason)

    def rows(self, after: int, most: int) -> list[Kept]:
        """Return the rows behind a request number, in their order; [] at the end."""
        return self._managing().after(after, most)

    def inventory(self, cursor: PollState | None) -> InventoryPage:
        """Return the certificates among the next rows, with their bytes; raises `ProtocolViolation` for a foreign cursor."""
        return listing.page(cursor, self.rows, self._issuers)

    def fetch(self, reference: str) -> Issued:
        """Return the certificate of a row, revoked or not; raises `NotFound` where the CA has none of this number."""
        return listing.certificate_of(reference, self._managing().row, self._issuers)

    def _managing(self) -> Manager:
        if self._manager is None:
            raise Forbidden(
                "This connector has no account that manages the CA.",
                code="no_manager",
                bytes_sent=False,
                remedy="Enter an account with the right Issue and Manage Certificates; it may be another one than enrols.",
            )
        return self._manager


def _is_ours(row: Kept, request: Request) -> bool:
    """Say whether a row is this order's: a reference, where one is there, decides; else the bytes of the request."""
    lines = (line.partition(":") for line in row.attributes.replace("\r", "\n").split("\n"))
    references = [value.strip() for name, _, value in lines if name.strip() == REFERENCE]
    return request.reference in references if references else row.request == request.csr
