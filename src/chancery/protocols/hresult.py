"""What a Windows CA's no means: an HRESULT (MS-ERREF section 2.1) made into an instruction to the engine.

Both protocols of such a CA, SOAP and RPC, answer with the same codes. Here stands only what the engine must know of them:
whether the order ends, waits, or is to be searched for. An authority that has sentences for the single codes hands over
an `Explain` of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
)

_FAILURE = 0x8000_0000
_WORD = 0xFFFF_FFFF

BAD_STATUS, DENIED_BY_MANAGER = 0x8009_4003, 0x8009_4014
UNKNOWN_REQUEST = 0x8009_4004

_LOGIN = frozenset({0x8009_0308, 0x8009_030C, 0x8009_0322, 0x8009_0324, 0x8009_0346, 0x8007_052E, 0x0000_0721})
"""SEC_E_… (token, logon, principal, clock, bindings), ERROR_LOGON_FAILURE, RPC_S_SEC_PKG_ERROR."""
_ACCESS = frozenset({0x8007_0005, 0x0000_0005})
_RIGHTS = _ACCESS | {0x8009_4011, 0x8009_4009, 0x8009_4008}
"""Access, enrolment at this CA, restricted officer, role separation; 5 is the bare Windows error of an RPC fault."""
_AWAY = frozenset(
    {0x8007_06BA, 0x8009_4006, 0x8009_400F, 0x8009_4005, 0x8009_2012, 0x8009_2013, 0x800B_0109, 0x800B_010A}
)
"""The CA's service does not answer, is suspended, has no database session, or cannot check its own chain: nothing was issued."""
_BUSY = frozenset(
    {
        *(0x8007_06BB, 0x8007_06BE, 0x8007_06BF, 0x8007_06B5, 0x8007_045B),
        *(0x8001_0108, 0x8008_0005, 0x8007_0426),
    }
)
"""Too busy, call failed, failed and not run, unknown interface, shutdown, disconnected, no server process, not started.

The service was in trouble while it was asked. A look is made again when it is back; after an act nobody knows.
"""
_ASN1 = frozenset(range(0x8009_3100, 0x8009_3200))
_ANYWHERE = frozenset({0x8007_0057, 0x8007_000D}) | _ASN1
"""An argument, data or an encoding that some part of Windows does not take."""
_FINAL = _ANYWHERE | frozenset(
    {
        *(0x8009_4001, BAD_STATUS, 0x8009_400E, 0x8009_4012, DENIED_BY_MANAGER),
        *range(0x8009_4800, 0x8009_481B),
    }
)
"""The CA looked at the request and said no: names, template, key, signatures, or an encoding."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A code of the CA, with its own words, in the language of the server.

    `denied` is what the protocol says of its own about it: True where the CA denied the request, False where something
    else went wrong, None where it says nothing. `effect` says that the call was an act. `request` is the CA's number of
    the request where one came with the refusal: an administrator may issue that row later.
    """

    code: int
    text: str
    denied: bool | None
    effect: bool
    request: int | None = None

    @property
    def shown(self) -> str:
        """Return the code as it stands in every Microsoft document: 0x80094800."""
        return shown(self.code)


Explain = Callable[[Refusal], AuthorityError]
"""Makes an error of a refusal; an authority's own knows sentences and remedies for the single codes."""


def shown(code: int) -> str:
    """Return a code in eight hex digits."""
    return f"0x{code & _WORD:08X}"


def failed(code: int) -> bool:
    """Say whether a number is an HRESULT of failure (severity bit)."""
    return bool(code & _FAILURE)


def plainly(refusal: Refusal) -> AuthorityError:
    """Return the error for a refusal, by its code, else by what the protocol says of it.

    A code that nobody knows, of something that was no denial, leaves open what became of an act.
    """
    kind, message, remedy = _meaning(refusal)
    number = f" It has the request under number {refusal.request}." if refusal.request else ""
    said = f" {refusal.text[:500]}" if refusal.text else ""
    return kind(
        f"{message} ({refusal.shown}).{said}{number}",
        code=refusal.shown,
        text=refusal.text,
        stage="response",
        bytes_sent=refusal.effect,
        remedy=remedy,
    )


def _meaning(refusal: Refusal) -> tuple[type[AuthorityError], str, str]:
    code = refusal.code & _WORD
    if is_over(refusal):
        return RejectedByPolicy, "The CA refused the request", "Order again, once what the CA says is mended."
    if code in _LOGIN:
        return AuthFailed, "The CA refused the login", "Check account, password and clock of this connector."
    if code in _RIGHTS:
        remedy = "Give the account of this connector the right for this at the CA."
        return Forbidden, "The CA does not allow it", remedy
    if code in _AWAY:
        return Unreachable, "The CA's service is not available", "Start the CA's service, or wait for it."
    if code in _BUSY and not refusal.effect and not refusal.denied:
        return Unreachable, "The CA's service is busy or restarts", "Wait, or look at the CA's service (certsvc)."
    if code == UNKNOWN_REQUEST and not is_vague(refusal):
        remedy = "Check that this connector points at the CA where the request was made."
        return NotFound, "The CA does not know the request", remedy
    if refusal.denied or (code in _FINAL and not is_vague(refusal)):
        remedy = "Correct the request or the template, then order again."
        return RejectedByPolicy, "The CA refused the request", remedy
    if refusal.effect:
        remedy = "Look in the CA's list of requests before anything is sent again."
        return OutcomeUnknown, "The CA failed, and does not say what became of the request", remedy
    return ProtocolViolation, "The CA failed", "Look in the CA's event log."


def is_over(refusal: Refusal) -> bool:
    """Say whether a look found the request denied: whatever the reason was, nothing becomes of that request any more.

    A login, an access or a number that the CA does not know is the look's own trouble.
    """
    own = _LOGIN | _ACCESS | {UNKNOWN_REQUEST}
    return bool(refusal.denied) and not refusal.effect and refusal.code & _WORD not in own


def is_vague(refusal: Refusal) -> bool:
    """Say whether nothing makes a code the CA's word on the request.

    It is that word in a denial. What any part of Windows says is it also in the answer to an act that says nothing else; a
    look gets it for its own sake. A request that is only being made is neither known nor in a wrong state; and a look finds
    it in one for the moment.
    """
    code = refusal.code & _WORD
    if refusal.denied:
        return False
    if code in {BAD_STATUS, UNKNOWN_REQUEST} and refusal.effect:
        return refusal.request is None
    if code == BAD_STATUS:
        return True
    return code in _ANYWHERE and not (refusal.denied is None and refusal.effect)
