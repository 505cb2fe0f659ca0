"""The bodies that we send (RFC 9810 section 5.3), as DER without their tags."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pyasn1.type import univ
from pyasn1_modules import rfc2459, rfc2511, rfc4210

from chancery.core.csr import build
from chancery.core.keys import spki_sha256
from chancery.core.names import Name
from chancery.core.order import RevocationReason
from chancery.protocols.cmp import oids
from chancery.protocols.cmp.message import decode, directory_name, encode, sequence
from chancery.protocols.cmp.signatures import algorithm_of, sign

NULL = bytes.fromhex("0500")
_GENERALIZED = 2050
_FORMS = {True: "%y%m%d%H%M%SZ", False: "%Y%m%d%H%M%SZ"}
WHOLE = -1
"""certReqId that stands for the whole answer, and for a PKCS#10 request (RFC 9810 sections 5.3.22 and 5.3.4)."""
_SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def verified(csr: bytes, until: datetime) -> bytes:
    """Return CertReqMessages for a PKCS#10 request whose proof of possession we have checked (raVerified).

    Unlike the request itself, it says until when the certificate shall be valid.
    """
    request = x509.load_der_x509_csr(csr)
    made = rfc2511.CertReqMessages()
    _template(made[0]["certReq"], request.subject, request.public_key(), list(request.extensions))
    end = made[0]["certReq"]["certTemplate"]["validity"]["notAfter"]
    # RFC 5280 section 4.1.2.5: UTCTime until 2049.
    end["utcTime" if until.year < _GENERALIZED else "generalTime"] = until.strftime(_FORMS[until.year < _GENERALIZED])
    made[0]["pop"]["raVerified"] = ""
    return encode(made)


def own(key: Any, names: Sequence[Name], common_name: str, replaces: x509.Certificate | None) -> bytes:
    """Return CertReqMessages for a key of our own, with its signature as proof; `replaces` is what kur updates."""
    request = x509.load_der_x509_csr(build(key, names, common_name))
    made = rfc2511.CertReqMessages()
    asked = made[0]["certReq"]
    subject = replaces.subject if replaces is not None else request.subject
    _template(asked, subject, request.public_key(), list(request.extensions))
    if replaces is not None:
        asked["controls"][0]["type"] = oids.OLD_CERT_ID
        asked["controls"][0]["value"] = _certificate_id(replaces)
    (oid, parameters), digest = algorithm_of(key)
    proof = made[0]["pop"]["signature"]
    proof["algorithmIdentifier"]["algorithm"] = oid
    if parameters:
        proof["algorithmIdentifier"]["parameters"] = parameters
    proof["signature"] = univ.BitString.fromOctetString(sign(key, digest, encode(asked)))
    return encode(made)


def spki(key: Any) -> str:
    """Return the SHA-256 (hex) of a private key's public key."""
    return spki_sha256(key.public_key())


def _template(asked: Any, subject: x509.Name, key: Any, extensions: list[x509.Extension[Any]]) -> None:
    asked["certReqId"] = 0
    template = asked["certTemplate"]
    template["subject"][0] = decode(subject.public_bytes(), rfc2459.Name())[0]
    public = decode(key.public_bytes(*_SPKI), rfc2459.SubjectPublicKeyInfo())
    template["publicKey"]["algorithm"] = public["algorithm"]
    template["publicKey"]["subjectPublicKey"] = public["subjectPublicKey"]
    for place, extension in enumerate(extensions):
        part = template["extensions"][place]
        part["extnID"], part["critical"] = extension.oid.dotted_string, extension.critical
        part["extnValue"] = extension.value.public_bytes()


def _certificate_id(certificate: x509.Certificate) -> bytes:
    """Return CertId (RFC 4211 section 6.5): issuer and serial number. The library's own holds no name in it."""
    issuer = directory_name(certificate.issuer.public_bytes())
    return sequence(issuer, encode(univ.Integer(certificate.serial_number)))


def revocation(issuer: bytes, serial: int, reason: RevocationReason) -> bytes:
    """Return RevReqContent for a certificate by its issuer (DER of the name) and serial number."""
    made = rfc4210.RevReqContent()
    template = made[0]["certDetails"]
    template["serialNumber"] = serial
    template["issuer"][0] = decode(issuer, rfc2459.Name())[0]
    entry = made[0]["crlEntryDetails"][0]
    entry["extnID"] = oids.CRL_REASON
    entry["extnValue"] = encode(univ.Enumerated(reason.code))
    return encode(made)


def confirmation(digest: bytes, number: int, *, complaint: str = "") -> bytes:
    """Return CertConfirmContent: we take the certificate of this hash, or refuse it with a complaint."""
    made = rfc4210.CertConfirmContent()
    made[0]["certHash"], made[0]["certReqId"] = digest, number
    if complaint:
        made[0]["statusInfo"]["status"] = "rejection"
        made[0]["statusInfo"]["statusString"][0] = complaint
        made[0]["statusInfo"]["failInfo"] = "incorrectData"
    return encode(made)


def polling(number: int) -> bytes:
    """Return PollReqContent for one request."""
    made = rfc4210.PollReqContent()
    made[0]["certReqId"] = number
    return encode(made)


def question(info: str) -> bytes:
    """Return GenMsgContent that asks for one thing, such as the CA's certificates (RFC 9810 section 5.3.19)."""
    made = rfc4210.GenMsgContent()
    made[0]["infoType"] = info
    return encode(made)
