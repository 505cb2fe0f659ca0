"""What the account that manages can do: search, list, deny, issue, revoke (MS-CSRA)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from chancery.core.clock import Clock
from chancery.core.order import RevocationReason
from chancery.protocols.hresult import UNKNOWN_REQUEST, Explain, Refusal, failed, shown
from chancery.protocols.msrpc import calls, views
from chancery.protocols.msrpc.calls import ADMIN, ADMIN_2, ADMIN_CLASS
from chancery.protocols.msrpc.rows import Disposition, Restriction, Seek, Sort
from chancery.protocols.msrpc.session import Session
from chancery.protocols.msrpc.settings import MsrpcSettings
from chancery.protocols.msrpc.views import Row, Send
from chancery.sdk.authority import Target
from chancery.sdk.errors import AlreadyDone, NotFound, ProtocolViolation, RejectedByPolicy
from chancery.sdk.outcome import Revoked

T = TypeVar("T")

_WRONG_STATE, _BAD_ARGUMENT = 0x8009_4003, 0x8007_0057
_UNKNOWN_SERIAL = frozenset({_BAD_ARGUMENT, UNKNOWN_REQUEST})
_IS_REVOKED, _IS_VALID = 2, 3
_ISSUED, _PENDING = 3, 5
_FOUND_AT_MOST = 5000
_HEAVY = frozenset({"Request.RawRequest", "Request.RequestAttributes"})
"""Columns that only a search looks at, and half of what a row weighs."""
REASONS = (
    RevocationReason.UNSPECIFIED,
    RevocationReason.KEY_COMPROMISE,
    RevocationReason.AFFILIATION_CHANGED,
    RevocationReason.SUPERSEDED,
    RevocationReason.CESSATION_OF_OPERATION,
)
"""What the CA takes; privilegeWithdrawn is invalid for it."""
RIGHTS = {
    0x1: "Manage CA",
    0x2: "Issue and Manage Certificates",
    0x4: "Auditor",
    0x8: "Backup",
    0x100: "Read",
    0x200: "Enroll",
}
OFFICER = 0x2
_POLICY, _EDIT_FLAGS = "PolicyModules\\CertificateAuthority_MicrosoftDefault.Policy", "EditFlags"
"""Where the CA's own policy module keeps its switches; with another module this entry says nothing of what that one does."""
_SAN_ATTRIBUTE = 0x0004_0000


@dataclass(frozen=True, slots=True)
class Kept:
    """A row of the CA's database. `certificate` is DER, b'' where none was issued; `serial` as the CA writes it."""

    number: int
    disposition: int
    serial: str = ""
    certificate: bytes = b""
    request: bytes = b""
    attributes: str = ""
    template: str = ""
    requester: str = ""
    common_name: str = ""
    message: str = ""
    code: int = 0
    submitted: datetime | None = None
    not_after: datetime | None = None
    revoked: datetime | None = None
    reason: int | None = None


class Manager:
    """Manages one CA as an account that has the right Issue and Manage Certificates."""

    def __init__(self, session: Session, settings: MsrpcSettings, clock: Clock, explain: Explain) -> None:
        self._session, self._settings, self._clock, self._explain = session, settings, clock, explain
        self._columns: dict[str, int] = {}
        self._first: int | None = None

    # Looking ------------------------------------------------------------------------------------------

    def rights(self) -> frozenset[str]:
        """Return the names of the rights that the account has at the CA (GetMyRoles)."""
        code, found = self._session.object(ADMIN_CLASS, ADMIN_2, lambda send: calls.roles(send, self._settings.ca))
        self._good(code)
        return frozenset(name for bit, name in RIGHTS.items() if found & bit)

    def names_from_attributes(self) -> bool | None:
        """Say whether the CA takes names out of request attributes (EDITF_ATTRIBUTESUBJECTALTNAME2); None where it keeps no such flags."""
        code, found = self._session.object(
            ADMIN_CLASS, ADMIN_2, lambda send: calls.config_entry(send, self._settings.ca, _POLICY, _EDIT_FLAGS)
        )
        self._good(code)
        return None if found is None else bool(found & _SAN_ATTRIBUTE)

    def since(self, when: datetime) -> tuple[list[Kept], bool]:
        """Return the requests that came in since a moment, and whether these are all."""
        found = self._read(lambda ids: [views.since(ids["Request.SubmittedWhen"], when)], _FOUND_AT_MOST)
        return found, len(found) < _FOUND_AT_MOST

    def after(self, number: int, most: int) -> list[Kept]:
        """Return the rows behind a request number, in their order, without the requests: how everything is listed."""

        def conditions(ids: dict[str, int]) -> list[Restriction]:
            value = number.to_bytes(4, "little")
            return [Restriction(ids["Request.RequestID"], Seek.GREATER, value, Sort.ASCENDING)]

        return self._read(conditions, most, without=_HEAVY)

    def row(self, number: int) -> Kept | None:
        """Return the row of this number; None where the CA has none."""

        def conditions(ids: dict[str, int]) -> list[Restriction]:
            return [Restriction(ids["Request.RequestID"], Seek.EQUAL, number.to_bytes(4, "little"))]

        return next((row for row in self._read(conditions, 2, without=_HEAVY) if row.number == number), None)

    def _read(
        self,
        conditions: Callable[[dict[str, int]], list[Restriction]],
        most: int,
        *,
        without: frozenset[str] = frozenset(),
    ) -> list[Kept]:
        ca = self._settings.ca

        def act(send: Send) -> list[Kept]:
            ids = self._columns = self._columns or views.known_columns(send, ca)
            first = self._begin(send, ids["Request.RequestID"])
            wanted = {name: number for name, number in ids.items() if name not in without}
            found = views.read(send, ca, conditions(ids), wanted, self._explain, first=first, most=most)
            return list({row.number: row for row in map(_kept, found)}.values())

        return self._session.object(ADMIN_CLASS, ADMIN, act)

    def _begin(self, send: Send, column: int) -> int:
        """Return the number of the first row of a view, which the documents do not tell: 0 where the CA gives one for it.

        A CA that takes 0 for 1 gives the last row of a page once more on the next one.
        """
        if self._first is None:
            found = views.has_row_zero(send, self._settings.ca, column)
            if found is None:
                return 1
            self._first = 0 if found else 1
        return self._first

    # Deciding -----------------------------------------------------------------------------------------

    def deny(self, number: int) -> None:
        """Deny a pending request; raises `AlreadyDone` for one that waits no longer."""
        code = self._admin(lambda send: calls.deny(send, self._settings.ca, number))
        if code == _WRONG_STATE:
            raise AlreadyDone(f"Request {number} does not wait any more.", code=shown(code), stage="response")
        self._good(code, number, effect=True)

    def resubmit(self, number: int) -> int:
        """Have a pending request issued; returns its disposition (3 issued, 5 still pending). Raises what the CA says else."""
        code, disposition = self._admin(lambda send: calls.resubmit(send, self._settings.ca, number))
        self._good(code, number, effect=True)
        if disposition == _WRONG_STATE:
            raise AlreadyDone(f"Request {number} does not wait any more.", code=shown(disposition), stage="response")
        self._good(disposition, number, effect=True)
        if disposition not in {_ISSUED, _PENDING}:
            text = f"The CA answered with the disposition {disposition}."
            raise ProtocolViolation(text, code="disposition", stage="response")
        return disposition

    def revoke(self, target: Target, reason: RevocationReason) -> Revoked:
        """Revoke a certificate from now on. Looked at before: a second revocation would silently overwrite the first.

        Raises `AlreadyDone`, `NotFound`, or `RejectedByPolicy` for a reason that the CA does not take.
        """
        if reason not in REASONS:
            text = f"A Windows CA takes no revocation for the reason {reason}."
            raise RejectedByPolicy(text, code="reason", bytes_sent=False, remedy="Choose another reason.")
        when = self._clock.now()

        def act(send: Send) -> Revoked:
            serial = self._serial(send, target.serial)
            code = calls.revoke(send, self._settings.ca, serial, reason.code, when)
            self._good(code, effect=True)
            return Revoked("It is in the next CRL that the CA publishes.")

        return self._admin(act)

    def _serial(self, send: Send, serial: str) -> str:
        """Return the serial as the CA has it, of a certificate that is valid.

        It is compared letter by letter, and the documents leave open whether the sign byte of the INTEGER is a part of it.
        """
        text = serial.lower().removeprefix("0x")
        even = text if len(text) % 2 == 0 else f"0{text}"
        for form in (even, f"00{even}"):
            code, disposition, reason = calls.validity(send, self._settings.ca, form)
            if code in _UNKNOWN_SERIAL:
                continue
            self._good(code)
            if disposition == _IS_REVOKED:
                text = f"The certificate is revoked already (reason {reason})."
                raise AlreadyDone(text, code="revoked", stage="response", bytes_sent=False)
            if disposition == _IS_VALID:
                return form
        raise NotFound(
            f"The CA has issued no certificate with the serial number {even}.",
            code="unknown_serial",
            stage="response",
            bytes_sent=False,
            remedy="Check that this connector points at the CA that issued it.",
        )

    def _admin(self, act: Callable[[Send], T]) -> T:
        return self._session.object(ADMIN_CLASS, ADMIN, act)

    def _good(self, code: int, number: int | None = None, *, effect: bool = False) -> None:
        if failed(code):
            raise self._explain(Refusal(code, "", None, effect, number))


def _kept(row: Row) -> Kept:
    revoked = row.get("Request.RevokedEffectiveWhen") or row.get("Request.RevokedWhen")
    reason = row.get("Request.RevokedReason")
    disposition = _number(row, "Request.Disposition")
    return Kept(
        number=_number(row, "Request.RequestID") or _number(row, "RequestID"),
        disposition=disposition,
        serial=_text(row, "SerialNumber").lower(),
        certificate=_bytes(row, "RawCertificate"),
        request=_bytes(row, "Request.RawRequest"),
        attributes=_text(row, "Request.RequestAttributes"),
        template=_text(row, "CertificateTemplate"),
        requester=_text(row, "Request.RequesterName"),
        common_name=_text(row, "CommonName"),
        message=_text(row, "Request.DispositionMessage"),
        code=_number(row, "Request.StatusCode"),
        submitted=_date(row.get("Request.SubmittedWhen")),
        not_after=_date(row.get("NotAfter")),
        revoked=_date(revoked) if disposition == Disposition.REVOKED else None,
        reason=reason if isinstance(reason, int) and disposition == Disposition.REVOKED else None,
    )


def _number(row: Row, name: str) -> int:
    found = row.get(name)
    return found if isinstance(found, int) else 0


def _text(row: Row, name: str) -> str:
    found = row.get(name)
    return found if isinstance(found, str) else ""


def _bytes(row: Row, name: str) -> bytes:
    found = row.get(name)
    return found if isinstance(found, bytes) else b""


def _date(found: object) -> datetime | None:
    return found if isinstance(found, datetime) else None
