"""The connector's account, as the login protocols take it."""

from __future__ import annotations

from chancery.authorities.adcs.config import AdcsConfig
from chancery.protocols.negotiate import Credentials, Way
from chancery.sdk.errors import AuthFailed


def credentials_of(config: AdcsConfig) -> Credentials:
    """Return who logs in; raises `AuthFailed` naming what is missing."""
    way = Way(config.authentication)
    if way is Way.CERTIFICATE:
        return Credentials(way)
    if not config.username.strip():
        raise _missing(way, "user name", "Enter the account, as user@domain.")
    keytab = config.keytab if way is Way.KERBEROS else None
    if config.password is None and keytab is None:
        raise _missing(way, "password", "Enter the account's password (for Kerberos, its keytab will do).")
    return Credentials(way, config.username.strip(), config.password, keytab, config.spn.strip())


def _missing(way: Way, what: str, remedy: str) -> AuthFailed:
    text = f"The connector logs in by {way}, and its {what} is missing."
    return AuthFailed(text, code="missing", stage="request", bytes_sent=False, remedy=remedy)
