"""Reads the certificates out of CMS (RFC 5652), also where it is BER rather than DER, as many CAs send it."""

from __future__ import annotations

from typing import Any

from pyasn1.codec.ber.decoder import decode
from pyasn1.error import PyAsn1Error
from pyasn1.type import namedtype, tag, univ
from pyasn1_modules import rfc5652

LARGEST = 512 * 1024
"""Bytes of a message. A certificates-only answer takes a few thousand; what is far above is nobody's answer."""
_UNREADABLE = (PyAsn1Error, ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError)


class Unreadable(ValueError):
    """It is no CMS, or not the kind that was looked for."""


def parse(der: bytes, spec: Any) -> Any:
    """Return a structure decoded by its pyasn1 `spec`; raises `Unreadable`, also for what follows it."""
    if len(der) > LARGEST:
        raise Unreadable(f"it has more than {LARGEST} bytes")
    try:
        found, rest = decode(der, asn1Spec=spec)
    except _UNREADABLE:  # the decoder meets hostile bytes with whatever Python raises
        raise Unreadable("it does not decode") from None
    if bytes(rest).strip(b"\r\n "):
        raise Unreadable("something follows it")
    return found


def content(der: bytes, kind: Any) -> bytes:
    """Return the inside of a ContentInfo; raises `Unreadable` where it is not of this content type (an OID)."""
    info = parse(der, rfc5652.ContentInfo())
    if info["contentType"] != kind:
        raise Unreadable(f"its content type is {info['contentType']}")
    return bytes(info["content"])


class _Kept(univ.SetOf):  # type: ignore[misc]  # pyasn1 carries no types
    """Elements as they came: a certificate that is encoded anew might no longer fit its signature."""

    componentType = univ.Any()  # noqa: N815  pyasn1's name


class SignedData(univ.Sequence):  # type: ignore[misc]  # pyasn1 carries no types
    """SignedData (RFC 5652 section 5.1) with its certificates kept byte for byte."""

    componentType = namedtype.NamedTypes(  # noqa: N815  pyasn1's name
        namedtype.NamedType("version", rfc5652.CMSVersion()),
        namedtype.NamedType("digestAlgorithms", rfc5652.DigestAlgorithmIdentifiers()),
        namedtype.NamedType("encapContentInfo", rfc5652.EncapsulatedContentInfo()),
        namedtype.OptionalNamedType(
            "certificates", _Kept().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 0))
        ),
        namedtype.OptionalNamedType(
            "crls", _Kept().subtype(implicitTag=tag.Tag(tag.tagClassContext, tag.tagFormatConstructed, 1))
        ),
        namedtype.NamedType("signerInfos", rfc5652.SignerInfos()),
    )


def signed_data(der: bytes) -> SignedData:
    """Return the SignedData of a ContentInfo; raises `Unreadable`."""
    found: SignedData = parse(content(der, rfc5652.id_signedData), SignedData())
    return found


def certificates_of(data: SignedData) -> list[bytes]:
    """Return the DER of the certificates that came with it, in their order, which means nothing."""
    return [bytes(one) for one in data["certificates"]] if data["certificates"].isValue else []


def certificates(der: bytes) -> list[bytes]:
    """Return the certificates of a certificates-only message (RFC 5652 section 5); raises `Unreadable`."""
    return certificates_of(signed_data(der))
