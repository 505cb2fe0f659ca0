"""What an authority raises. Each error is an instruction to the engine, not a complaint.

    AuthorityError
    ├── Unreachable         nobody answered; nothing happened at the CA. The connector is at fault
    ├── OutcomeUnknown      the CA may or may not have acted. Never repeated blindly
    ├── Throttled           the CA asks for patience until a moment; slows the whole connector
    ├── QuotaExhausted      the account has nothing left; the connector is at fault
    ├── AuthFailed          the login was refused; the connector is at fault
    ├── Forbidden           the login works but lacks this right; the connector is at fault
    ├── RejectedByPolicy    the CA says no to this order, for good
    ├── ValidationFailed    the CA could not validate a name or the organisation, for good
    ├── NotFound            the CA does not know what we asked about
    ├── AlreadyDone         it had been done before; for a revocation this is success
    └── ProtocolViolation   the answer made no sense

Anything else that escapes from an authority is a bug in it and is treated as such.
"""

from __future__ import annotations

from datetime import datetime

TEXT_LIMIT = 2000
"""Characters of the CA's own text that are kept."""


class AuthorityError(Exception):
    """Base: carries the CA's own code and text, how far the call got, and whether bytes were sent.

    `stage` is one of name, tcp, tls, request, response, work. `bytes_sent` is True as soon as the
    first byte of a request that could have an effect has left; with False nothing can have happened.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        text: str = "",
        stage: str = "work",
        bytes_sent: bool = True,
        remedy: str = "",
    ) -> None:
        super().__init__(message[:TEXT_LIMIT])
        self.message = message[:TEXT_LIMIT]
        self.code = code[:200]
        self.text = text[:TEXT_LIMIT]
        self.stage = stage
        self.bytes_sent = bytes_sent
        self.remedy = remedy[:TEXT_LIMIT]

    @property
    def kind(self) -> str:
        """Return the error's name in the engine's table."""
        return type(self).__name__


class Unreachable(AuthorityError):
    """No connection, or the connection broke where nothing can have happened."""


class OutcomeUnknown(AuthorityError):
    """The request left and no trustworthy answer came back."""


class Throttled(AuthorityError):
    """The CA's rate limit. `until` is when to come back, or None where the CA does not say."""

    def __init__(self, message: str, *, until: datetime | None = None, **more: object) -> None:
        super().__init__(message, **more)  # type: ignore[arg-type]  # the base names and checks them
        self.until = until


class QuotaExhausted(AuthorityError):
    """The account's balance, seats or licences are used up."""


class AuthFailed(AuthorityError):
    """Wrong, expired or revoked credential."""


class Forbidden(AuthorityError):
    """Right credential, missing right."""


class RejectedByPolicy(AuthorityError):
    """The CA will never issue this request."""


class ValidationFailed(AuthorityError):
    """Domain or organisation validation failed for good."""


class NotFound(AuthorityError):
    """The CA has no such order or certificate."""


class AlreadyDone(AuthorityError):
    """What was asked for is already so."""


class ProtocolViolation(AuthorityError):
    """The CA's answer broke its own documentation."""


KINDS: tuple[type[AuthorityError], ...] = (
    Unreachable,
    OutcomeUnknown,
    Throttled,
    QuotaExhausted,
    AuthFailed,
    Forbidden,
    RejectedByPolicy,
    ValidationFailed,
    NotFound,
    AlreadyDone,
    ProtocolViolation,
)
