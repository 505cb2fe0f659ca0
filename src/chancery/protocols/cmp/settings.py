"""What a connector that speaks CMP is configured with: where, with which credential, and what it believes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chancery.core.secret import Secret


class RequestKind(StrEnum):
    """Which message carries the subject's request (RFC 9810 sections 5.3.1 to 5.3.5)."""

    P10CR = "p10cr"
    CR = "cr"
    IR = "ir"


class Unprotected(StrEnum):
    """Which negative answers are believed although nothing protects them.

    RFC 9810 section 5.2.3 has every message protected, but a CA that knows no common secret cannot protect its refusal.
    `LOGIN` believes only that the credential was refused, which ends no order; `ALL` believes refusals of orders too.
    """

    NEVER = "never"
    LOGIN = "login"
    ALL = "all"


@dataclass(frozen=True)
class SharedSecret:
    """A MAC by a shared secret: `reference` goes into senderKID, `mac` is pbm (RFC 9481 6.1.1) or pbmac1 (6.1.2)."""

    reference: str
    secret: Secret
    mac: str = "pbm"
    digest: str = "sha256"
    iterations: int = 10_000


@dataclass(frozen=True)
class SigningKey:
    """A signature by the connector's own certificate, PEM with its chain, and its key, PEM, perhaps with a password."""

    certificate_pem: str
    key_pem: Secret
    password: Secret | None = None


Credential = SharedSecret | SigningKey


@dataclass(frozen=True)
class CmpSettings:
    """Everything but the credential.

    `path` is joined to the connector's base URL ('' for the base URL itself); `recipient` and `sender` (of answers) are
    distinguished names as in RFC 4514, '' for not known. `name` is our own one beside a shared secret: None takes the
    secret's reference as common name (RFC 9483 section 3.1), '' sends none (RFC 4210 section 5.1.1). `trust_pem` holds the certificates that signed answers must lead
    to, or the signer's own. `profile` is sent as certProfile where it is given. `ca` is what texts call the CA.
    """

    path: str = ""
    recipient: str = ""
    sender: str = ""
    name: str | None = None
    trust_pem: str = ""
    request: RequestKind = RequestKind.P10CR
    implicit_confirm: bool = True
    unprotected: Unprotected = Unprotected.LOGIN
    profile: str = ""
    ca: str = "The CA"
