"""What a request asks for: a PKCS#10 request, or a certificate template with its proof of possession (RFC 4211)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from chancery.protocols.cmp.simulator.guard import WRONG, Refused, verify
from chancery.protocols.cmp.simulator.wire import Asked, bits, encode
from chancery.sandbox.der import SEQUENCE, read_all, tlv

_SAN = "2.5.29.17"
_OLD_CERTIFICATE = "1.3.6.1.5.5.7.5.1.5"
_SPKI = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True)
class Wish:
    """Subject, key and extensions as a CA needs them; `number` is the certReqId of the answer."""

    subject: x509.Name
    key: Any
    extensions: list[x509.Extension[Any]]
    number: int
    digest: str
    until: datetime | None = None
    replaces: int = 0

    def public_key(self) -> Any:
        """Return the key, as a PKCS#10 request does."""
        return self.key

    @property
    def spki(self) -> str:
        """Return the SHA-256 of the public key, in hex."""
        return sha256(self.key.public_bytes(*_SPKI)).hexdigest()


def wish_of(asked: Asked, *, verified: bool) -> Wish:
    """Return what an enrolment asks for; `verified` lets the asker vouch for the proof. Raises `Refused`."""
    try:
        return _pkcs10(asked) if asked.kind == "p10cr" else _template(asked, verified=verified)
    except InvalidSignature:
        raise Refused("badPOP", "The proof of possession does not hold.") from None
    except WRONG:
        raise Refused("badDataFormat", "The request cannot be read.") from None


def _pkcs10(asked: Asked) -> Wish:
    csr = x509.load_der_x509_csr(asked.raw)
    if not csr.is_signature_valid:
        raise InvalidSignature
    return Wish(csr.subject, csr.public_key(), list(csr.extensions), -1, sha256(asked.raw).hexdigest())


def _template(asked: Asked, *, verified: bool) -> Wish:
    one = asked.body[0]
    template = one["certReq"]["certTemplate"]
    public = template["publicKey"]
    key = load_der_public_key(tlv(SEQUENCE, encode(public["algorithm"]), encode(public["subjectPublicKey"])))
    _check_proof(one, key, verified=verified)
    replaces = 0
    controls = one["certReq"]["controls"]
    for control in controls if controls.isValue else ():
        if str(control["type"]) == _OLD_CERTIFICATE:
            replaces = int.from_bytes(read_all(bytes(control["value"]))[0].parts()[1].inside, "big")
    digest = sha256(encode(one["certReq"])).hexdigest()
    return Wish(
        _name(template),
        key,
        _extensions(template),
        int(one["certReq"]["certReqId"]),
        digest,
        _until(template),
        replaces,
    )


def _check_proof(one: Any, key: Any, *, verified: bool) -> None:
    proof = one["pop"]
    if not proof.isValue or (proof.getName() == "raVerified" and not verified):
        raise InvalidSignature
    if proof.getName() == "signature":
        part = proof["signature"]
        oid = str(part["algorithmIdentifier"]["algorithm"])
        verify(key, oid, bits(part["signature"]), encode(one["certReq"]))
    elif proof.getName() != "raVerified":
        raise InvalidSignature


def _name(template: Any) -> x509.Name:
    """Return the subject: the library reads names out of certificates, so it is put into a request of its own."""
    found = template["subject"]
    relatives = found[0] if found.isValue else []
    return x509.Name(
        x509.RelativeDistinguishedName(
            x509.NameAttribute(x509.ObjectIdentifier(str(a["type"])), read_all(bytes(a["value"]))[0].inside.decode())
            for a in relative
        )
        for relative in relatives
    )


def _extensions(template: Any) -> list[x509.Extension[Any]]:
    found = template["extensions"] if template["extensions"].isValue else ()
    names = [e for e in found if str(e["extnID"]) == _SAN]
    if not names:
        return []
    value = x509.SubjectAlternativeName(_general(bytes(names[0]["extnValue"])))
    return [x509.Extension(value.oid, bool(names[0]["critical"]), value)]


def _general(der: bytes) -> list[x509.GeneralName]:
    import ipaddress

    made: list[x509.GeneralName] = []
    for part in read_all(der)[0].parts():
        kinds: dict[int, Any] = {
            0x81: lambda raw: x509.RFC822Name(raw.decode()),
            0x82: lambda raw: x509.DNSName(raw.decode()),
            0x86: lambda raw: x509.UniformResourceIdentifier(raw.decode()),
            0x87: lambda raw: x509.IPAddress(ipaddress.ip_address(raw)),
        }
        made.append(kinds[part.tag](part.inside))
    return made


def _until(template: Any) -> datetime | None:
    validity = template["validity"]
    if not validity.isValue or not validity["notAfter"].isValue:
        return None
    time = validity["notAfter"]
    text, form = str(time.getComponent()), "%y%m%d%H%M%SZ" if time.getName() == "utcTime" else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text, form).replace(tzinfo=UTC)
