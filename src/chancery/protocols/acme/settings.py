"""What an authority tells the ACME client about its account and its orders. Plain values; no wire names."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chancery.core.secret import Secret


class ChallengeType(StrEnum):
    """How a name is shown to be ours (RFC 8555 section 8); `none` where the CA has validated the names before."""

    NONE = "none"
    HTTP = "http-01"
    DNS = "dns-01"
    PERSIST = "dns-persist-01"


@dataclass(frozen=True, slots=True)
class Eab:
    """An external account binding (RFC 8555 section 7.3.4).

    `key_id` as the CA shows it. `hmac_key` is Base64 in either alphabet, with or without padding. `algorithm` is
    HS256, HS384 or HS512.
    """

    key_id: str
    hmac_key: Secret
    algorithm: str = "HS256"


@dataclass(frozen=True, slots=True)
class AcmeSettings:
    """The account, and what holds for all its orders.

    `contacts` are e-mail addresses. `terms_agreed` says that a person agreed to the CA's terms. `previous_key` (PEM)
    is the account key that is being replaced: an account that is known by it alone is moved to the new key.
    `other_hosts` are hosts (`host` or `host:port`) beside the directory's that the CA's links may lead to.
    `preferred_chain` is a part of the name of the root or issuer at the end of the wanted chain.
    """

    contacts: tuple[str, ...] = ()
    terms_agreed: bool = False
    eab: Eab | None = None
    previous_key: Secret | None = None
    other_hosts: frozenset[str] = frozenset()
    preferred_chain: str = ""


@dataclass(frozen=True, slots=True)
class OrderSettings:
    """What one order asks for beside its names.

    `profile` is one of the directory's (draft-ietf-acme-profiles). With `not_after` the wanted end goes into the order
    (RFC 8555 section 7.4), which most public CAs refuse. With `replaces` a renewal names the certificate that it
    replaces (RFC 9773 section 5), where the CA has renewal information at all.
    """

    profile: str = ""
    not_after: bool = False
    replaces: bool = True
