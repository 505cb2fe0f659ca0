"""Signs messages and verifies answers: SignedData with signed attributes (RFC 5652 section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from pyasn1.codec.der.encoder import encode
from pyasn1.type import univ
from pyasn1_modules import rfc5652

from chancery.protocols.cms import Unreadable, parse, signed_data
from chancery.protocols.scep.sealing import content_info, issuer_and_serial

SHA_256 = "2.16.840.1.101.3.4.2.1"
SHA_512 = "2.16.840.1.101.3.4.2.3"
SHA_1 = "1.3.14.3.2.26"
_DIGESTS: dict[str, Any] = {
    SHA_256: hashes.SHA256,
    "2.16.840.1.101.3.4.2.2": hashes.SHA384,
    SHA_512: hashes.SHA512,
}
_NAMES = {SHA_1: "SHA-1", "1.2.840.113549.2.5": "MD5"}
_RSA = univ.ObjectIdentifier("1.2.840.113549.1.1.1")
_CONTENT_TYPE, _MESSAGE_DIGEST = str(rfc5652.id_contentType), str(rfc5652.id_messageDigest)


@dataclass(frozen=True, slots=True)
class Signed:
    """A message whose signature was verified: its content, and its signed attributes (OID → DER of the one value)."""

    content: bytes
    attributes: Mapping[str, bytes]


def sign(
    text: bytes, attributes: Mapping[str, bytes], key: rsa.RSAPrivateKey, chain: Iterable[x509.Certificate], digest: str
) -> bytes:
    """Return a ContentInfo (DER) with signed attributes (OID → DER of the value), signed by the first of `chain`."""
    certificates, algorithm = list(chain), _DIGESTS[digest]()
    data = rfc5652.SignedData()
    data["version"] = 1
    data["digestAlgorithms"][0]["algorithm"] = univ.ObjectIdentifier(digest)
    data["encapContentInfo"]["eContentType"] = rfc5652.id_data
    data["encapContentInfo"]["eContent"] = text
    for number, certificate in enumerate(certificates):
        spec = rfc5652.CertificateChoices()
        data["certificates"][number] = parse(certificate.public_bytes(Encoding.DER), spec)
    info = data["signerInfos"][0]
    info["version"] = 1
    issuer_and_serial(certificates[0], info["sid"]["issuerAndSerialNumber"])
    info["digestAlgorithm"]["algorithm"] = univ.ObjectIdentifier(digest)
    own = {_CONTENT_TYPE: encode(rfc5652.id_data), _MESSAGE_DIGEST: encode(univ.OctetString(_hash(text, algorithm)))}
    for number, (oid, value) in enumerate({**own, **attributes}.items()):
        info["signedAttrs"][number]["attrType"] = univ.ObjectIdentifier(oid)
        info["signedAttrs"][number]["attrValues"][0] = value
    info["signatureAlgorithm"]["algorithm"] = _RSA
    info["signatureAlgorithm"]["parameters"] = encode(univ.Null(""))
    info["signature"] = key.sign(_as_set(info["signedAttrs"]), padding.PKCS1v15(), algorithm)
    return content_info(rfc5652.id_signedData, encode(data))


def verify(der: bytes, trusted: Iterable[x509.Certificate], *, accept_sha1: bool) -> Signed:
    """Return a message that one of the `trusted` signed; raises `Unreadable` where none did, saying why.

    Certificates that come along are not trusted: whoever has a certificate of this CA could send them.
    """
    data = signed_data(der)
    if len(data["signerInfos"]) != 1:
        raise Unreadable("it is not signed once")
    info = data["signerInfos"][0]
    signer = next((one for one in trusted if _is_meant(info["sid"], one)), None)
    if signer is None:
        raise Unreadable("it is not signed by the CA or a registration authority of its own")
    digest = _digest(str(info["digestAlgorithm"]["algorithm"]), accept_sha1=accept_sha1)
    inside = data["encapContentInfo"]["eContent"]
    text = bytes(inside) if inside.isValue else b""
    attributes = _attributes(info)
    if attributes.get(_MESSAGE_DIGEST) != encode(univ.OctetString(_hash(text, digest))):
        raise Unreadable("its content is not what was signed")
    _check(signer.public_key(), bytes(info["signature"]), _as_set(info["signedAttrs"]), digest)
    return Signed(text, attributes)


def _attributes(info: Any) -> dict[str, bytes]:
    if not info["signedAttrs"].isValue:
        raise Unreadable("it has no signed attributes")
    found = {str(one["attrType"]): list(one["attrValues"]) for one in info["signedAttrs"]}
    if len(found) != len(info["signedAttrs"]) or any(len(values) != 1 for values in found.values()):
        raise Unreadable("its signed attributes are ambiguous")
    return {oid: bytes(values[0]) for oid, values in found.items()}


def _as_set(attributes: Any) -> bytes:
    """Return signed attributes as they are signed: a SET OF in DER (RFC 5652 section 5.4)."""
    plain = univ.SetOf(componentType=rfc5652.Attribute())
    plain.extend(attributes)
    return bytes(encode(plain))


def _is_meant(sid: Any, certificate: x509.Certificate) -> bool:
    if sid.getName() == "subjectKeyIdentifier":
        found = [e.value.digest for e in certificate.extensions if isinstance(e.value, x509.SubjectKeyIdentifier)]
        return bytes(sid["subjectKeyIdentifier"]) in found
    meant = sid["issuerAndSerialNumber"]
    same = int(meant["serialNumber"]) == certificate.serial_number
    return same and bytes(encode(meant["issuer"])) == certificate.issuer.public_bytes()


def _digest(oid: str, *, accept_sha1: bool) -> Any:
    known = _DIGESTS | ({SHA_1: hashes.SHA1} if accept_sha1 else {})
    if oid not in known:
        raise Unreadable(f"it is signed with {_NAMES.get(oid, f'the digest {oid}')}, which is not accepted")
    return known[oid]()


def _hash(text: bytes, algorithm: Any) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(text)
    return digest.finalize()


def _check(key: Any, signature: bytes, text: bytes, digest: Any) -> None:
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, text, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, text, ec.ECDSA(digest))
        else:
            raise Unreadable("the CA signs with a key that SCEP does not know")
    except InvalidSignature:
        raise Unreadable("its signature does not fit") from None
