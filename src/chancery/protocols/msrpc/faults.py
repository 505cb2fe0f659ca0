"""What goes wrong on the way to a call, made into the errors of the contract."""

from __future__ import annotations

from chancery.net.progress import Failed
from chancery.protocols.hresult import Explain, Refusal, shown
from chancery.sdk.diagnosis import SENTENCES
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    Forbidden,
    OutcomeUnknown,
    ProtocolViolation,
    Unreachable,
)

_LOOK = "Look in the CA's database of requests before anything is sent again."
PORTS = "Open port 135 and the dynamic ports (49152 to 65535, or the CA's fixed one) from here to the CA's machine."
_LOGIN = (
    "Check account, password and clock; the account must be allowed to log in to the CA's machine over the network."
)
ACCESS_DENIED, NO_LOGIN = 0x5, 0x721
_ABSENT = frozenset({0x1C01_0003, 0x1C01_0002, 0x16C9_A0D6, 0x0000_06D9})
"""nca_unk_if, nca_op_rng_error, ept_s_not_registered, EPT_S_NOT_REGISTERED: nobody is there for this call."""


def broken(failed: Failed | Exception, host: str, *, acting: bool) -> AuthorityError:
    """Return the error for a connection that could not be made, or that broke."""
    message, remedy = "The connection broke.", PORTS
    text, stage, code = str(failed), "response", "broken"
    if isinstance(failed, Failed):
        message, _ = SENTENCES[failed.cause]
        stage, code = failed.progress.stage, failed.cause.value
    if acting:
        told = f"The call left, and no whole answer came back. {message}"
        return OutcomeUnknown(f"{host}: {told}", code=code, text=text, stage="response", remedy=_LOOK)
    return Unreachable(f"{host}: {message}", code=code, text=text, stage=stage, bytes_sent=False, remedy=remedy)


def late(host: str, *, acting: bool) -> AuthorityError:
    """Return the error for an answer that did not come in time."""
    if acting:
        return OutcomeUnknown(f"{host}: The CA did not answer in time.", code="timeout", stage="response", remedy=_LOOK)
    text = f"{host}: The CA's machine does not answer in time."
    return Unreachable(text, code="timeout", stage="response", bytes_sent=False, remedy=PORTS)


def senseless(reason: str, host: str, *, acting: bool) -> AuthorityError:
    """Return the error for an answer that cannot be read, or not be believed."""
    kind = OutcomeUnknown if acting else ProtocolViolation
    remedy = _LOOK if acting else "Check that this is the machine of a Windows CA."
    text = f"{host}: The answer is not believed: {reason}."
    return kind(text, code="answer", stage="response", bytes_sent=acting, remedy=remedy)


def refused_bind(reason: int, host: str) -> AuthorityError:
    """Return the error for an interface that the server does not have, or a login that it does not know."""
    return Unreachable(
        f"{host}: The server does not offer this interface (reason {reason}).",
        code=f"bind_{reason}",
        stage="request",
        bytes_sent=False,
        remedy="RPC enrolment may be switched off at the CA (IF_NORPCICERTREQUEST): choose DCOM, or another transport.",
    )


def no_login(host: str) -> AuthorityError:
    """Return the error for a server that takes the interface, and does not answer to the login."""
    text = f"{host}: The server does not answer to the login."
    return AuthFailed(text, code="no_login", stage="request", bytes_sent=False, remedy=_LOGIN)


def fault(status: int, host: str, explain: Explain, *, acting: bool, sealed: bool) -> AuthorityError:
    """Return the error for a fault packet. Without a seal only what comes before any dispatch is believed of it."""
    if status == NO_LOGIN:
        text = f"{host}: The server refused the login ({shown(status)})."
        return AuthFailed(text, code=shown(status), stage="response", bytes_sent=False, remedy=_LOGIN)
    if status == ACCESS_DENIED:
        # Also what a wrong password looks like: the server answers nothing to the login itself.
        text = f"{host}: The server refused the login, or the account may not do this ({shown(status)})."
        remedy = f"{_LOGIN} For management it must be in the group Certificate Service DCOM Access."
        return AuthFailed(text, code=shown(status), stage="response", bytes_sent=False, remedy=remedy)
    if status in _ABSENT:
        return refused_bind(status, host)
    if acting and not sealed:
        return senseless(f"a fault without a signature ({shown(status)})", host, acting=True)
    return explain(Refusal(status, "", None, acting))


def forbidden_object(code: int, host: str) -> AuthorityError:
    """Return the error for an object that may not be made by this account, or not at all."""
    if code == 0x8007_0005:
        return Forbidden(
            f"{host}: The account may not activate the CA's objects ({shown(code)}).",
            code=shown(code),
            stage="request",
            bytes_sent=False,
            remedy="Put the account into the group Certificate Service DCOM Access on the CA's machine.",
        )
    text = f"{host}: The CA's object cannot be made ({shown(code)})."
    remedy = "Check that AD CS is installed there and its service runs."
    return Unreachable(text, code=shown(code), stage="request", bytes_sent=False, remedy=remedy)
