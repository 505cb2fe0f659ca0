"""Why a login came to nothing, in sentences with a remedy."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.sdk.errors import AuthFailed, AuthorityError, Unreachable
from chancery.sdk.http import Answer

_KERBEROS_BASE = -1765328384
"""Error numbers of MIT Kerberos (krb5_err.et) start here; the offsets are those of RFC 4120 section 7.5.9."""
_ASK_TIME = "Set this machine's clock by the domain's time service; Kerberos allows five minutes."
_KERBEROS: dict[int, tuple[str, str]] = {
    6: (
        "The domain does not know the account.",
        "Write it as user@REALM; check its spelling and whether it is locked.",
    ),
    7: (
        "The domain has no such server name (SPN).",
        "Use the host's own name as base URL and no alias, or enter the SPN that is registered.",
    ),
    18: ("The account is locked, disabled or expired.", "Ask the administrators of the domain."),
    23: ("The account's password has expired.", "Set a new one in the domain, and enter it here."),
    24: (
        "The domain refused the password or keytab.",
        "Enter the password again, or a keytab made after its last change.",
    ),
    31: (
        "The domain refused the password or keytab.",
        "Enter the password again, or a keytab made after its last change.",
    ),
    37: ("This machine's clock and the domain's differ too much.", _ASK_TIME),
    156: ("No Kerberos server answers.", "Check port 88 and DNS (SRV _kerberos._tcp) from here, or /etc/krb5.conf."),
    154: ("The realm is not known here.", "Enter the realm in /etc/krb5.conf, or have DNS tell it."),
    220: ("The realm's servers cannot be found.", "Enter the realm in /etc/krb5.conf, or have DNS tell it."),
}
_KEYTAB = {-1765328203: "The keytab holds no key for this account.", -1765328154: "The keytab cannot be read."}
_NOBODY = 156
_NO_FILE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOENT})
_MOST = 6


def no_kerberos() -> AuthFailed:
    """Return the error where the Kerberos libraries are missing."""
    return _early(
        "Kerberos is chosen, and its libraries are not installed here.",
        "kerberos_missing",
        "Install the extra where server and workers run (pip install 'chancery[kerberos]'; it is compiled and needs libkrb5-dev, "
        "python3-dev and gcc), or choose another way to log in.",
    )


def no_realm(username: str) -> AuthFailed:
    """Return the error where an account does not say its realm."""
    text = f"Kerberos needs the account's realm, and {username[:100]!r} does not say it."
    return _early(text, "realm", "Write the account as user@REALM, with the domain's DNS name.")


def bad_keytab() -> AuthFailed:
    """Return the error for a keytab that is no Base64."""
    return _early("The keytab is not Base64 text.", "keytab", "Paste the output of: base64 -w0 account.keytab")


def not_offered(scheme: str, offered: Sequence[str], way: Way) -> AuthFailed:
    """Return the error where the server has no such way in."""
    listed = ", ".join(offered) or "none at all"
    return _early(
        f"The server does not offer {scheme} as a login; it offers: {listed}.",
        "not_offered",
        f"Switch it on in IIS (Authentication), or choose another way than {way} in the connector.",
    )


def of_library(error: Exception, credentials: Credentials, host: str) -> AuthorityError:
    """Return the instruction for what the login library raised; its text is kept, and no token is in it."""
    if isinstance(error, AuthorityError):
        return error
    if isinstance(error, OSError) and error.errno in _NO_FILE:
        return Unreachable(
            "This machine cannot make the temporary file through which Kerberos reads the keytab.",
            code="temporary_file",
            text=error.strerror or "",
            stage="request",
            bytes_sent=False,
            remedy="Make room in its folder for temporary files (TMPDIR); the connector goes on by itself then.",
        )
    for code in _codes(error):
        if code in _KEYTAB:
            return _early(_KEYTAB[code], "keytab", "Make a new keytab for the account, and enter it.", text=str(error))
        known = _KERBEROS.get(code - _KERBEROS_BASE)
        if known is not None:
            number = code - _KERBEROS_BASE
            kind: type[AuthorityError] = Unreachable if number == _NOBODY else AuthFailed
            return kind(
                known[0],
                code=f"kerberos_{number}",
                text=str(error),
                stage="request",
                bytes_sent=False,
                remedy=known[1],
            )
    if credentials.way is Way.NTLM:
        text = f"{host} does not log in by NTLM, although it offers a login that may hold it."
        return _early(text, "mechanism", "NTLM may be switched off in the domain: use Kerberos.", text=str(error))
    return _early(f"The Kerberos login at {host} failed.", "kerberos", "Check account, SPN and clock.", text=str(error))


def refused(answer: Answer, credentials: Credentials, *, bound: bool, offered: Sequence[str] = ()) -> AuthFailed:
    """Return the error for a 401 behind a login: Windows gives no reason with it."""
    way = credentials.way
    remedy = "Check user name and password, and whether the account is locked."
    if way in {Way.NTLM, Way.KERBEROS}:
        remedy += (
            " With the right password it is the channel binding: a proxy that ends TLS between here and IIS makes Extended "
            "Protection refuse us; connect to IIS itself."
            if bound
            else " No channel binding could be sent."
        )
    if way is Way.CERTIFICATE:
        remedy = "Check that the client certificate is mapped to an account, and that IIS asks for it."
    if way is Way.BASIC and "basic" not in {o.lower() for o in offered}:
        remedy = f"The server does not offer Basic (it offers: {', '.join(offered) or 'nothing'}). Choose another way."
    return AuthFailed(
        f"The server refused the login by {way}.",
        code=str(answer.status),
        text=answer.text,
        stage="response",
        bytes_sent=False,
        remedy=remedy,
    )


def _early(message: str, code: str, remedy: str, *, text: str = "") -> AuthFailed:
    return AuthFailed(message, code=code, text=text, stage="request", bytes_sent=False, remedy=remedy)


def _codes(error: BaseException | None) -> Iterator[int]:
    """Give the numbers of an error and of those that it was made from, as signed 32-bit numbers."""
    for _ in range(_MOST):
        if error is None:
            return
        for name in ("err_code", "min_code"):
            found = getattr(error, name, None)
            if isinstance(found, int) and found:
                yield (found + 2**31) % 2**32 - 2**31
        error = getattr(error, "base_error", None) or error.__cause__ or error.__context__
