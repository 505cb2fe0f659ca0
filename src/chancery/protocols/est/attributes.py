"""What the CA wants to find in a request: /csrattrs (RFC 7030 section 4.5.2, RFC 9908)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import AttributeOID
from pyasn1_modules import rfc5280, rfc7030

from chancery.protocols.cms import parse

_EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
_TEMPLATE = "1.2.840.113549.1.9.16.2.61"
_CHALLENGE = AttributeOID.CHALLENGE_PASSWORD.dotted_string
_NAMES = {
    "2.5.29.17": "subjectAltName",
    "2.5.29.15": "keyUsage",
    "2.5.29.37": "extKeyUsage",
    "1.2.840.10045.2.1": "an EC key",
    "1.2.840.113549.1.1.1": "an RSA key",
    "1.2.840.10045.4.3.2": "a signature by ECDSA with SHA-256",
    "1.2.840.10045.4.3.3": "a signature by ECDSA with SHA-384",
    "1.2.840.113549.1.1.11": "a signature by RSA with SHA-256",
    "1.3.132.0.34": "curve P-384",
    "1.2.840.10045.3.1.7": "curve P-256",
    _TEMPLATE: "a template (RFC 9908)",
    _CHALLENGE: "challengePassword",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What /csrattrs asks for: attributes by OID, and extensions by OID whose presence or values it gives.

    `template` says that the CA describes the whole request by a template (RFC 9908 section 3.4). All of it is advice to
    whoever makes the request: Chancery passes requests on as they are, since only the subject's key could sign another.
    """

    attributes: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    template: bool = False

    @property
    def binds_to_connection(self) -> bool:
        """Say whether the CA wants the TLS connection's value inside the request (RFC 7030 section 3.5).

        It would stand in challengePassword, signed by the subject's key for *our* connection: it cannot be done here.
        """
        return _CHALLENGE in self.attributes

    def lacking(self, csr: bytes) -> tuple[str, ...]:
        """Return the names of the wanted extensions that a request (DER) does not ask for."""
        found = {e.oid.dotted_string for e in x509.load_der_x509_csr(csr).extensions}
        return tuple(named(oid) for oid in self.extensions if oid not in found)

    def __str__(self) -> str:
        return ", ".join(named(oid) for oid in (*self.attributes, *self.extensions)) or "nothing"


def named(oid: str) -> str:
    """Return an OID's usual name, else the OID."""
    return _NAMES.get(oid, oid)


def read(der: bytes) -> Wanted:
    """Return what a CsrAttrs (DER) asks for; raises `Unreadable`."""
    attributes: list[str] = []
    extensions: list[str] = []
    for one in parse(der, rfc7030.CsrAttrs()):
        if one.getName() == "oid":
            attributes.append(str(one["oid"]))
            continue
        kind = str(one["attribute"]["attrType"])
        if kind == _EXTENSION_REQUEST:
            for value in one["attribute"]["attrValues"]:
                extensions += [str(e["extnID"]) for e in parse(bytes(value), rfc5280.Extensions())]
        else:
            attributes.append(kind)
    return Wanted(tuple(attributes), tuple(dict.fromkeys(extensions)), _TEMPLATE in attributes)
