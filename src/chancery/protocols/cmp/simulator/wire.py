"""Messages as this server reads and writes them: the whole PKIMessage by the library, and its parts as they came."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import univ
from pyasn1_modules import rfc2459, rfc4210

from chancery.sandbox.der import CONTEXT_0, NULL, SEQUENCE, read_all, tlv

IMPLICIT = "1.3.6.1.5.5.7.4.13"
_CONTEXT_1 = CONTEXT_0 + 1
_BIT_STRING = 0x03
BROKEN = (PyAsn1Error, ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError)


@dataclass(frozen=True)
class Asked:
    """A request: `body` is the library's structure, `raw` its bytes without the outer tag."""

    kind: str
    header: Any
    body: Any
    raw: bytes
    protected: bytes
    protection: bytes
    certificates: tuple[x509.Certificate, ...]

    def octets(self, name: str) -> bytes:
        """Return an optional field of the header; b'' where it is absent."""
        return bytes(self.header[name]) if self.header[name].isValue else b""

    @property
    def transaction(self) -> bytes:
        """Return the transactionID."""
        return self.octets("transactionID")

    @property
    def algorithm(self) -> tuple[str, bytes]:
        """Return the protection's identifier and parameters; ('', b'') without protection."""
        found = self.header["protectionAlg"]
        if not found.isValue:
            return "", b""
        return str(found["algorithm"]), bytes(found["parameters"]) if found["parameters"].isValue else b""

    @property
    def wants_implicit(self) -> bool:
        """Say whether the client asks for implicit confirmation."""
        found = self.header["generalInfo"]
        return found.isValue and any(str(one["infoType"]) == IMPLICIT for one in found)


def read(der: bytes) -> Asked:
    """Return a request; raises one of `BROKEN`."""
    message, rest = decoder.decode(der, asn1Spec=rfc4210.PKIMessage())
    if rest:
        raise ValueError("trailing octets")
    head, body, *_ = read_all(der)[0].parts()
    return Asked(
        kind=message["body"].getName(),
        header=message["header"],
        body=message["body"].getComponent(),
        raw=body.inside,
        protected=tlv(SEQUENCE, head.raw, body.raw),
        protection=message["protection"].asOctets() if message["protection"].isValue else b"",
        certificates=tuple(x509.load_der_x509_certificate(encoder.encode(c)) for c in message["extraCerts"])
        if message["extraCerts"].isValue
        else (),
    )


def structure(der: bytes, kind: Any) -> Any:
    """Return a structure of the library from DER."""
    return decoder.decode(der, asn1Spec=kind)[0]


def encode(value: Any) -> bytes:
    """Return the DER of a structure of the library."""
    return bytes(encoder.encode(value))


def name_der(name: x509.Name) -> bytes:
    """Return a GeneralName that holds a distinguished name."""
    return tlv(CONTEXT_0 + 4, name.public_bytes())


def header(asked: Asked, sender: x509.Name, now: datetime, nonce: bytes, algorithm: bytes, *, implicit: bool) -> Any:
    """Return the header of an answer; `algorithm` is b'' where nothing will protect it."""
    made = rfc4210.PKIHeader()
    made["pvno"] = 2
    made["sender"] = structure(name_der(sender), rfc2459.GeneralName())
    made["recipient"] = asked.header["sender"]
    made["messageTime"] = f"{now:%Y%m%d%H%M%S}Z"
    if algorithm:
        found = structure(algorithm, rfc2459.AlgorithmIdentifier())
        for field in [f for f in ("algorithm", "parameters") if found[f].isValue]:
            made["protectionAlg"][field] = found[field]
    made["transactionID"], made["senderNonce"] = asked.octets("transactionID"), nonce
    made["recipNonce"] = asked.octets("senderNonce")
    if asked.octets("senderKID"):
        made["senderKID"] = asked.octets("senderKID")
    if implicit:
        made["generalInfo"][0]["infoType"] = IMPLICIT
        made["generalInfo"][0]["infoValue"] = NULL
    return made


def body(number: int, content: bytes) -> bytes:
    """Return a body under its tag (PKIBody, RFC 9810 section 5.1.2)."""
    return tlv(CONTEXT_0 + number, content)


def message(head: bytes, content: bytes, protection: bytes, certificates: list[x509.Certificate]) -> bytes:
    """Return a whole PKIMessage."""
    parts = [head, content]
    if protection:
        parts.append(tlv(CONTEXT_0, tlv(_BIT_STRING, b"\x00", protection)))
    if certificates:
        ders = [c.public_bytes(Encoding.DER) for c in certificates]
        parts.append(tlv(_CONTEXT_1, tlv(SEQUENCE, *ders)))
    return tlv(SEQUENCE, *parts)


def status(number: int, text: str = "", failure: str = "") -> Any:
    """Return a PKIStatusInfo."""
    made = rfc4210.PKIStatusInfo()
    made["status"] = number
    if text:
        made["statusString"][0] = text
    if failure:
        made["failInfo"] = failure
    return made


def bits(value: univ.BitString) -> bytes:
    """Return the octets of a BIT STRING."""
    return bytes(value.asOctets())
