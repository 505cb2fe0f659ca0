"""Object identifiers of RFC 9481 (algorithms) and RFC 9810 (information types) that this client speaks."""

from __future__ import annotations

PBM = "1.2.840.113533.7.66.13"
PBMAC1 = "1.2.840.113549.1.5.14"
PBKDF2 = "1.2.840.113549.1.5.12"

DIGESTS = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
HMACS = {
    "1.3.6.1.5.5.8.1.2": "sha1",
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
RSA = {
    "1.2.840.113549.1.1.11": "sha256",
    "1.2.840.113549.1.1.12": "sha384",
    "1.2.840.113549.1.1.13": "sha512",
}
ECDSA = {
    "1.2.840.10045.4.3.2": "sha256",
    "1.2.840.10045.4.3.3": "sha384",
    "1.2.840.10045.4.3.4": "sha512",
}
ED25519, ED448 = "1.3.101.112", "1.3.101.113"

IMPLICIT_CONFIRM = "1.3.6.1.5.5.7.4.13"
CONFIRM_WAIT = "1.3.6.1.5.5.7.4.14"
CA_CERTS = "1.3.6.1.5.5.7.4.17"
CERT_PROFILE = "1.3.6.1.5.5.7.4.21"
OLD_CERT_ID = "1.3.6.1.5.5.7.5.1.5"
CRL_REASON = "2.5.29.21"


def oid_of(table: dict[str, str], name: str) -> str:
    """Return the identifier of a name in one of the tables above: the last one, where it has several."""
    return next(oid for oid in reversed(table) if table[oid] == name)
