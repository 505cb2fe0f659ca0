"""What a directory says no by, made into the errors of the contract."""

from __future__ import annotations

import re
from typing import Any

from chancery.net.progress import Failed
from chancery.sdk.diagnosis import SENTENCES
from chancery.sdk.errors import AuthFailed, AuthorityError, Forbidden, NotFound, ProtocolViolation, Unreachable

_STRONGER, _CONFIDENTIAL, _NO_OBJECT, _CREDENTIALS, _RIGHTS, _BUSY, _UNAVAILABLE = 8, 13, 32, 49, 50, 51, 52
_DATA = re.compile(r"data ([0-9a-f]{3,8})\b", re.IGNORECASE)
_REASONS = {
    0x525: "The domain does not know the account.",
    0x52E: "The domain refused the password.",
    0x530: "The account may not log in at this time.",
    0x531: "The account may not log in from here.",
    0x532: "The account's password has expired.",
    0x533: "The account is disabled.",
    0x701: "The account has expired.",
    0x773: "The account must change its password first.",
    0x775: "The account is locked.",
    0x8009_0346: "The directory refuses the login for its channel binding: another TLS connection ends in between.",
}
"""What a Windows directory prints behind 'data' (Win32 and SSPI error numbers, hexadecimal)."""
_PORTS = "Open port 636 (or 389) from here to the domain controller, and check its name."
_ACCOUNT = "Check account and password in the connector, and whether the account is locked."
_SEAL = "Choose LDAPS or StartTLS: the directory wants it protected otherwise."


def broken(failed: Failed | Exception, host: str) -> AuthorityError:
    """Return the error for a connection that could not be made, or that broke."""
    message, remedy, stage, code = "The connection broke.", _PORTS, "response", "broken"
    if isinstance(failed, Failed):
        message, remedy = SENTENCES[failed.cause]
        stage, code = failed.progress.stage, failed.cause.value
    text = f"Directory {host}: {message}"
    return Unreachable(text, code=code, text=str(failed), stage=stage, bytes_sent=False, remedy=remedy)


def late(host: str) -> AuthorityError:
    """Return the error for an answer that did not come in time."""
    text = f"Directory {host}: It does not answer in time."
    return Unreachable(text, code="timeout", stage="response", bytes_sent=False, remedy=_PORTS)


def senseless(reason: str, host: str) -> AuthorityError:
    """Return the error for an answer that cannot be read, or not be believed."""
    text = f"Directory {host}: The answer is not believed: {reason}."
    remedy = "Check that this is a domain controller, and the port one of LDAP."
    return ProtocolViolation(text, code="answer", stage="response", bytes_sent=False, remedy=remedy)


def refused(code: int, text: str, host: str) -> AuthorityError:
    """Return the error for a result code (RFC 4511 appendix A) with the directory's own words."""
    more: Any = {"code": f"ldap_{code}", "text": text[:500], "stage": "response", "bytes_sent": False}
    if code == _CREDENTIALS:
        found = _DATA.search(text)
        reason = _REASONS.get(int(found[1], 16), "") if found else ""
        return AuthFailed(f"Directory {host}: {reason or 'The login is refused.'}", remedy=_ACCOUNT, **more)
    if code in {_STRONGER, _CONFIDENTIAL}:
        return AuthFailed(f"Directory {host}: It wants the login protected otherwise.", remedy=_SEAL, **more)
    if code == _RIGHTS:
        remedy = (
            "Templates can be read by every account of the forest, unless somebody took that away: have it given back."
        )
        return Forbidden(f"Directory {host}: The account may not read this.", remedy=remedy, **more)
    if code == _NO_OBJECT:
        remedy = "Name a domain controller of the forest in which AD CS is set up."
        return NotFound(f"Directory {host}: It has no such entry.", remedy=remedy, **more)
    if code in {_BUSY, _UNAVAILABLE}:
        return Unreachable(f"Directory {host}: It is busy.", remedy="Try again later.", **more)
    remedy = "Look the code up in RFC 4511 appendix A, and the words in the directory's log."
    return ProtocolViolation(f"Directory {host}: It refuses with the code {code}.", remedy=remedy, **more)
