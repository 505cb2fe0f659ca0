"""What *Test connection* says of a SCEP service, by reading alone: no message is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from chancery.protocols.scep.identity import Identity
from chancery.protocols.scep.roster import Roster
from chancery.protocols.scep.service import Service
from chancery.protocols.scep.settings import Authorization, ScepSettings
from chancery.sdk.errors import AuthFailed, AuthorityError
from chancery.sdk.finding import Finding, Level, failed

_LOOK = "Check the base URL and the path of the SCEP service."
READER = "Have the CA, or its registration authority, given an RSA certificate that allows key encipherment."
_SOON = timedelta(days=30)
_OLD = "Have it replaced by AES and SHA-256 at the CA; then switch the old algorithms off here."


def findings(
    identity: Callable[[], Identity], service: Service, settings: ScepSettings, now: datetime
) -> list[Finding]:
    """Return login (our certificate), rights (what the CA can do) and chain (who is who)."""
    return [_login(identity, settings, now), *_rights(service, settings), _chain(service, now)]


def _login(identity: Callable[[], Identity], settings: ScepSettings, now: datetime) -> Finding:
    try:
        found = identity()
    except AuthFailed as error:
        return failed("login", error, _LOOK)
    if not found.given:
        if settings.authorization is Authorization.CERTIFICATE:
            remedy = "Have the CA issue a registration authority's certificate for the transport key, and paste it."
            return Finding("login", Level.FAILED, "no_certificate", "No transport certificate is set.", "", remedy)
        text = "SCEP has no login; each transaction is signed by a certificate of its own making."
        return Finding("login", Level.SKIPPED, "self_signed", text)
    until = found.given[0].not_valid_after_utc
    evidence = f"{found.given[0].subject.rfc4514_string()}, until {until:%Y-%m-%d}"
    if until - now < _SOON:
        remedy = "Have it renewed at the CA, and paste the new one."
        level = Level.FAILED if until < now else Level.WARNING
        return Finding("login", level, "expires", "The transport certificate expires soon, or has.", evidence, remedy)
    return Finding("login", Level.OK, "ok", "The transport certificate is valid.", evidence)


def _rights(service: Service, settings: ScepSettings) -> Iterator[Finding]:
    try:
        found = service.capabilities()
        cipher, _ = found.cipher(allow_3des=settings.allow_3des), found.digest
    except AuthorityError as error:
        yield failed("login" if isinstance(error, AuthFailed) else "rights", error, _LOOK)
        return
    way = "POST" if found.post else "GET"
    yield Finding("rights", Level.OK, "ok", f"Messages go by {way}, with {cipher.name}.", str(found))
    if settings.allow_3des or settings.accept_sha1:
        old = " and ".join(n for n, on in (("triple DES", settings.allow_3des), ("SHA-1", settings.accept_sha1)) if on)
        yield Finding("rights", Level.WARNING, "old_algorithms", f"This connector allows {old}.", "", _OLD)


def _chain(service: Service, now: datetime) -> Finding:
    try:
        found = service.roster()
    except AuthorityError as error:
        return failed("chain", error, _LOOK)
    if not isinstance(found.reader.public_key(), rsa.RSAPublicKey):
        text = "The CA's key is not RSA, and no registration authority reads for it: SCEP cannot encrypt to it."
        return Finding("chain", Level.FAILED, "not_rsa", text, str(found), READER)
    over = _expired(found, now)
    if over:
        remedy = "Have them renewed at the CA: what is encrypted to them cannot be read for long, if at all."
        return Finding("chain", Level.FAILED, "expired", f"Expired: {over}.", str(found), remedy)
    return Finding(
        "chain", Level.OK, "ok", "The CA gives its certificate, and says who reads and signs for it.", str(found)
    )


def _expired(found: Roster, now: datetime) -> str:
    known = (found.ca, *found.registration)
    return ", ".join(one.subject.rfc4514_string() for one in known if one.not_valid_after_utc < now)
