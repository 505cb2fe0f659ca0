"""What the server wants in requests, as CsrAttrs in DER (RFC 7030 section 4.5.2, RFC 9908 section 3)."""

from __future__ import annotations

from chancery.sandbox.der import OCTETS, SEQUENCE, SET, oid, tlv

_CHALLENGE, _EXTENSION_REQUEST = oid("1.2.840.113549.1.9.7"), oid("1.2.840.113549.1.9.14")
_EC_KEY, _P256, _SHA256_ECDSA = oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7"), oid("1.2.840.10045.4.3.2")
_TEMPLATE, _SAN, _KEY_USAGE = oid("1.2.840.113549.1.9.16.2.61"), oid("2.5.29.17"), oid("2.5.29.15")
# keyUsage digitalSignature: BIT STRING of one bit, seven unused.
_SIGNING = tlv(SEQUENCE, _KEY_USAGE, b"\x01\x01\xff", tlv(OCTETS, b"\x03\x02\x07\x80"))
_EC_ON_P256 = tlv(SEQUENCE, _EC_KEY, tlv(SET, _P256))
_EXTENSIONS = tlv(
    SEQUENCE,
    _EXTENSION_REQUEST,
    tlv(SET, tlv(SEQUENCE, _SIGNING, tlv(SEQUENCE, _SAN, tlv(OCTETS, tlv(SEQUENCE))))),
)
# CertificationRequestInfoTemplate: version 0, no subject, no key, no attributes: nothing is prescribed.
_EMPTY_TEMPLATE = tlv(SEQUENCE, _TEMPLATE, tlv(SET, tlv(SEQUENCE, b"\x02\x01\x00", tlv(0xA0))))

WISHES = {
    "": tlv(SEQUENCE, _EC_ON_P256, _SHA256_ECDSA),
    "extensions": tlv(SEQUENCE, _EXTENSIONS),
    "template": tlv(SEQUENCE, _EMPTY_TEMPLATE),
    "binding": tlv(SEQUENCE, _CHALLENGE, _EC_ON_P256),
}
"""Dial → CsrAttrs."""
