"""PKIMessages as bytes (RFC 9810 section 5.1): built from their parts, and read without believing anything yet.

Protection covers header and body as they were encoded, so both are kept as they came and never encoded again. The
structures themselves are those of pyasn1-modules.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyasn1.codec.der import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import tag, univ
from pyasn1_modules import rfc2459, rfc4210

from chancery.protocols.cmp import oids

CMP2000 = 2
_VERSIONS = {CMP2000, 3}
_NULL = b"\x05\x00"
_CONTEXT = 0xA0
BODIES = {
    "ir": 0, "ip": 1, "cr": 2, "cp": 3, "p10cr": 4, "kur": 7, "kup": 8, "rr": 11, "rp": 12, "pkiconf": 19, "genm": 21,
    "genp": 22, "error": 23, "certConf": 24, "pollReq": 25, "pollRep": 26,
}  # fmt: skip
"""Body → its number in the choice PKIBody."""
_NAMES = {number: name for name, number in BODIES.items()}
UNREADABLE = (PyAsn1Error, ValueError, TypeError, IndexError, KeyError, OverflowError, RecursionError)
"""What the decoder raises on what is not the structure asked for."""


class Unreadable(Exception):
    """What came is no PKIMessage, or a part of it is not what it should be."""


@dataclass(frozen=True)
class Header:
    """What goes into a header: names as DER of GeneralName, the algorithm of the protection as DER."""

    sender: bytes
    recipient: bytes
    transaction: bytes
    nonce: bytes
    time: datetime
    algorithm: bytes
    answers: bytes = b""
    key_id: bytes = b""
    implicit_confirm: bool = False
    profile: str = ""


@dataclass(frozen=True)
class Message:
    """A message that came. `protected` is what its protection covers; `content` the body without its tag."""

    kind: str
    content: bytes
    protected: bytes
    protection: bytes
    certificates: tuple[bytes, ...]
    sender: bytes
    transaction: bytes
    nonce: bytes
    answers: bytes
    key_id: bytes
    algorithm: str
    parameters: bytes
    implicit_confirm: bool


class _Parts(univ.SequenceOf):  # type: ignore[misc]  # the library carries no types
    componentType = univ.Any()  # noqa: N815  the library's name


def sequence(*ders: bytes) -> bytes:
    """Return a SEQUENCE of encoded parts."""
    made = _Parts()
    made.extend(ders)
    return bytes(encoder.encode(made))


def explicit(number: int, der: bytes) -> bytes:
    """Return an encoded part under an explicit context tag."""
    return bytes(encoder.encode(univ.Any(der).subtype(explicitTag=_tag(number))))


def inner(der: bytes, number: int) -> bytes:
    """Return what stands under an explicit context tag."""
    return bytes(decode(der, univ.Any().subtype(explicitTag=_tag(number))))


def parts_of(der: bytes) -> list[bytes]:
    """Return the encoded parts of a SEQUENCE; raises `Unreadable`."""
    return [bytes(part) for part in decode(der, _Parts())]


def _tag(number: int) -> Any:
    return tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, number)


def encode(value: Any) -> bytes:
    """Return the DER of a structure."""
    return bytes(encoder.encode(value))


def decode(der: bytes, structure: Any) -> Any:
    """Return a structure from its DER, to the last byte; raises `Unreadable`."""
    try:
        found, rest = decoder.decode(der, asn1Spec=structure)
    except UNREADABLE as error:
        raise Unreadable(str(error)[:200]) from None
    if rest:
        raise Unreadable("there is something after its end")
    return found


def directory_name(name: bytes) -> bytes:
    """Return a GeneralName that holds a distinguished name, given as DER."""
    made = rfc2459.GeneralName()
    made["directoryName"][0] = decode(name, rfc2459.Name())[0]
    return encode(made)


def build(header: Header, kind: str, content: bytes) -> tuple[bytes, bytes]:
    """Return header and body as DER; what has to be protected is the sequence of the two."""
    return _header(header), explicit(BODIES[kind], content)


def _header(header: Header) -> bytes:
    made = rfc4210.PKIHeader()
    made["pvno"] = CMP2000
    made["sender"] = decode(header.sender, rfc2459.GeneralName())
    made["recipient"] = decode(header.recipient, rfc2459.GeneralName())
    made["messageTime"] = header.time.strftime("%Y%m%d%H%M%SZ")
    algorithm = decode(header.algorithm, rfc2459.AlgorithmIdentifier())
    made["protectionAlg"]["algorithm"] = algorithm["algorithm"]
    if algorithm["parameters"].isValue:
        made["protectionAlg"]["parameters"] = algorithm["parameters"]
    made["transactionID"], made["senderNonce"] = header.transaction, header.nonce
    for name, value in (("senderKID", header.key_id), ("recipNonce", header.answers)):
        if value:
            made[name] = value
    for place, (info, value) in enumerate(_informing(header)):
        made["generalInfo"][place]["infoType"] = info
        made["generalInfo"][place]["infoValue"] = value
    return encode(made)


def _informing(header: Header) -> list[tuple[str, bytes]]:
    found = [(oids.IMPLICIT_CONFIRM, _NULL)] if header.implicit_confirm else []
    if header.profile:
        found.append((oids.CERT_PROFILE, sequence(encode(rfc4210.PKIFreeText().componentType.clone(header.profile)))))
    return found


def whole(header: bytes, body: bytes, protection: bytes, certificates: tuple[bytes, ...]) -> bytes:
    """Return the whole message, with its protection and the certificates that go with it."""
    parts = [header, body, explicit(0, encode(univ.BitString.fromOctetString(protection)))]
    if certificates:
        parts.append(explicit(1, sequence(*certificates)))
    return sequence(*parts)


def read(der: bytes) -> Message:
    """Return a message from its DER; raises `Unreadable`."""
    try:
        return _read(der)
    except UNREADABLE as error:
        raise Unreadable(str(error)[:200]) from None


def _read(der: bytes) -> Message:
    parts = parts_of(der)
    header = decode(parts[0], rfc4210.PKIHeader())
    if int(header["pvno"]) not in _VERSIONS:
        raise Unreadable(f"it is of the version {int(header['pvno'])} of CMP")
    number = parts[1][0] - _CONTEXT
    algorithm = header["protectionAlg"]
    return Message(
        kind=_NAMES.get(number, f"body {number}"),
        content=inner(parts[1], number),
        protected=sequence(*parts[:2]),
        protection=_protection(parts[2:]),
        certificates=_certificates(parts[2:]),
        sender=encode(header["sender"]),
        transaction=_octets(header, "transactionID"),
        nonce=_octets(header, "senderNonce"),
        answers=_octets(header, "recipNonce"),
        key_id=_octets(header, "senderKID"),
        algorithm=str(algorithm["algorithm"]) if algorithm.isValue else "",
        parameters=_parameters(algorithm),
        implicit_confirm=_says(header, oids.IMPLICIT_CONFIRM),
    )


def _octets(header: Any, name: str) -> bytes:
    return bytes(header[name]) if header[name].isValue else b""


def _parameters(algorithm: Any) -> bytes:
    return bytes(algorithm["parameters"]) if algorithm.isValue and algorithm["parameters"].isValue else b""


def _says(header: Any, info: str) -> bool:
    return header["generalInfo"].isValue and any(str(one["infoType"]) == info for one in header["generalInfo"])


def _under(parts: list[bytes], number: int) -> bytes:
    found = next((part for part in parts if part[0] == _CONTEXT + number), b"")
    return inner(found, number) if found else b""


def _protection(parts: list[bytes]) -> bytes:
    found = _under(parts, 0)
    return bytes(decode(found, univ.BitString()).asOctets()) if found else b""


def _certificates(parts: list[bytes]) -> tuple[bytes, ...]:
    found = _under(parts, 1)
    return tuple(parts_of(found)) if found else ()
