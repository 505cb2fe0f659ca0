"""The challengePassword (RFC 2985 section 5.4.1): an attribute of the certificate request, which we cannot put in."""

from __future__ import annotations

import hmac

from cryptography import x509
from cryptography.x509.oid import AttributeOID

from chancery.core.secret import Secret
from chancery.protocols.scep.settings import Authorization, ScepSettings
from chancery.sdk.errors import RejectedByPolicy

_REMEDY = (
    "Make the request anew with the attribute challengePassword (OpenSSL: `challengePassword = …` in the section that "
    "`attributes` names). Only whoever holds the request's key can do that. Or give this connector a transport certificate that the CA "
    "trusts as a registration authority, and no password is needed."
)


def check(csr: bytes, settings: ScepSettings) -> None:
    """Refuse a request without the password that its CA wants, before anything is sent; raises `RejectedByPolicy`."""
    found = _password(csr)
    if settings.authorization is not Authorization.CHALLENGE:
        return
    if not found:
        raise _refused("The CA wants a challengePassword, and the request has none.", "no_challenge")
    expected = settings.challenge.reveal() if settings.challenge is not None else ""
    if expected and not hmac.compare_digest(found.encode(), expected.encode()):
        raise _refused("The request's challengePassword is not the one that the CA expects.", "wrong_challenge")


def secrets_in(csr: bytes) -> tuple[Secret, ...]:
    """Return the password of a request, to keep it out of the CA's texts about it.

    The door is not told: it would keep the passwords of all orders for good.
    """
    found = _password(csr)
    return (Secret(found),) if found else ()


def _password(csr: bytes) -> str:
    try:
        attribute = x509.load_der_x509_csr(csr).attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD)
    except x509.AttributeNotFound:
        return ""
    return attribute.value.decode("utf-8", "replace")


def _refused(message: str, code: str) -> RejectedByPolicy:
    return RejectedByPolicy(message, code=code, bytes_sent=False, remedy=_REMEDY)
