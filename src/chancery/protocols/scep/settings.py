"""What a SCEP client needs to know (RFC 8894). Plain values: each authority declares its own fields and fills these."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from chancery.core.secret import Secret


class Authorization(StrEnum):
    """By what the CA decides whether a request is allowed (RFC 8894 section 2.3 and 2.4).

    SCEP's usual shared secret, the challengePassword, is an attribute of the *certificate request*, which is signed by
    the subject's key. Chancery does not hold that key, so it cannot put the password in: whoever makes the request must.
    """

    CHALLENGE = "challenge"
    """The request must carry a challengePassword. One without is refused before anything is sent."""
    CERTIFICATE = "certificate"
    """The CA knows our transport certificate (a registration authority's): it signs for others."""
    MANUAL = "manual"
    """Nothing proves anything; a person at the CA approves."""


@dataclass(frozen=True, slots=True)
class ScepSettings:
    """How one SCEP service is spoken to.

    `path` lies below the door's base URL (AD CS: `certsrv/mscep/mscep.dll`; '' asks the base URL with a slash). `ca_name`
    goes along with GetCACaps and GetCACert where a server has several CAs. `fingerprint` is the SHA-256 of the CA's
    certificate in hex, learnt by another way (RFC 8894 section 2.2); '' trusts what comes over the door's TLS.
    `challenge` is what the CA expects as challengePassword, if it is one for all: it is only compared with what the
    request carries, never put in. `renewal_requests` sends renewals as RenewalReq (only with `CERTIFICATE`, and where
    the CA announces Renewal). `capabilities` stands in for GetCACaps where a server does not answer it. `allow_3des`
    and `accept_sha1` are for old servers: triple DES where AES is not announced, SHA-1 under the CA's *answers*. Single
    DES and MD5 are never used. `remembers` says that the CA keeps transactions: the same transactionID brings the
    original certificate, also by CertPoll. Known of the product, never guessed (see the README). `first_look` and
    `patience` are the waits before the first CertPoll and between later ones: SCEP has no way to say how long.
    """

    path: str = ""
    ca_name: str = ""
    authorization: Authorization = Authorization.CHALLENGE
    challenge: Secret | None = None
    fingerprint: str = ""
    renewal_requests: bool = False
    capabilities: tuple[str, ...] = ()
    allow_3des: bool = False
    accept_sha1: bool = False
    remembers: bool = False
    first_look: timedelta = timedelta(seconds=20)
    patience: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ScepCredentials:
    """The RSA key that signs our messages and to which the CA encrypts its answers; never a subject's key.

    `key_pem` is PEM without a passphrase; `fresh_key` makes one, for an authority's `prepare`. `certificate_pem` is the
    certificate that the CA gave us for it, with its issuers after it; '' makes a self-signed one for each transaction.
    """

    key_pem: Secret
    certificate_pem: str = ""
