"""Encrypts to a certificate and decrypts with its key: EnvelopedData with RSA key transport (RFC 5652 section 6)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from pyasn1.codec.der.encoder import encode
from pyasn1.type import univ
from pyasn1_modules import rfc5280, rfc5652

from chancery.protocols.cms import Unreadable, content, parse

_RSA = univ.ObjectIdentifier("1.2.840.113549.1.1.1")
_SINGLE_DES = "1.3.14.3.2.7"


@dataclass(frozen=True, slots=True)
class Algorithm:
    """A cipher in CBC mode: its OID, key and block size in bytes, and the library's class."""

    name: str
    oid: str
    key: int
    block: int
    kind: Any


AES_128 = Algorithm("AES-128-CBC", "2.16.840.1.101.3.4.1.2", 16, 16, algorithms.AES)
_AES_192 = Algorithm("AES-192-CBC", "2.16.840.1.101.3.4.1.22", 24, 16, algorithms.AES)
_AES_256 = Algorithm("AES-256-CBC", "2.16.840.1.101.3.4.1.42", 32, 16, algorithms.AES)
TRIPLE_DES = Algorithm("triple DES", "1.2.840.113549.3.7", 24, 8, TripleDES)
_AES = {one.oid: one for one in (AES_128, _AES_192, _AES_256)}


def seal(text: bytes, recipient: x509.Certificate, algorithm: Algorithm) -> bytes:
    """Return a ContentInfo (DER) that only the key of `recipient` opens; raises `Unreadable` where that is no RSA key."""
    key, iv = secrets.token_bytes(algorithm.key), secrets.token_bytes(algorithm.block)
    padder = PKCS7(algorithm.block * 8).padder()
    cipher = Cipher(algorithm.kind(key), modes.CBC(iv)).encryptor()
    hidden = cipher.update(padder.update(text) + padder.finalize()) + cipher.finalize()
    envelope = rfc5652.EnvelopedData()
    envelope["version"] = 0
    envelope["recipientInfos"][0]["ktri"] = _for(recipient, key)
    inner = envelope["encryptedContentInfo"]
    inner["contentType"] = rfc5652.id_data
    inner["contentEncryptionAlgorithm"]["algorithm"] = univ.ObjectIdentifier(algorithm.oid)
    inner["contentEncryptionAlgorithm"]["parameters"] = encode(univ.OctetString(iv))
    inner["encryptedContent"] = hidden
    return content_info(rfc5652.id_envelopedData, encode(envelope))


def content_info(kind: Any, inside: bytes) -> bytes:
    """Return a ContentInfo (DER) of a content type."""
    info = rfc5652.ContentInfo()
    info["contentType"] = kind
    info["content"] = inside
    return bytes(encode(info))


def issuer_and_serial(certificate: x509.Certificate, into: Any) -> None:
    """Write which certificate is meant, as CMS names it."""
    into["issuer"] = parse(certificate.issuer.public_bytes(), rfc5280.Name())
    into["serialNumber"] = certificate.serial_number


def _for(recipient: x509.Certificate, key: bytes) -> Any:
    public = recipient.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise Unreadable("the CA's key is not RSA")
    try:
        encrypted = public.encrypt(key, padding.PKCS1v15())
    except ValueError:
        raise Unreadable("the CA's key is none that can be encrypted to") from None
    info = rfc5652.KeyTransRecipientInfo()
    info["version"] = 0
    issuer_and_serial(recipient, info["rid"]["issuerAndSerialNumber"])
    info["keyEncryptionAlgorithm"]["algorithm"] = _RSA
    info["keyEncryptionAlgorithm"]["parameters"] = encode(univ.Null(""))
    info["encryptedKey"] = encrypted
    return info


def unseal(der: bytes, key: rsa.RSAPrivateKey, *, allow_3des: bool) -> bytes:
    """Return what was encrypted to our key; raises `Unreadable`, also where the cipher is not accepted."""
    envelope = parse(content(der, rfc5652.id_envelopedData), rfc5652.EnvelopedData())
    inner = envelope["encryptedContentInfo"]
    algorithm = _accepted(str(inner["contentEncryptionAlgorithm"]["algorithm"]), allow_3des=allow_3des)
    iv = bytes(parse(bytes(inner["contentEncryptionAlgorithm"]["parameters"]), univ.OctetString()))
    encrypted = _encrypted_key(envelope)
    try:
        secret = key.decrypt(encrypted, padding.PKCS1v15())
        cipher = Cipher(algorithm.kind(secret), modes.CBC(iv)).decryptor()
        padded = cipher.update(bytes(inner["encryptedContent"])) + cipher.finalize()
        unpadder = PKCS7(algorithm.block * 8).unpadder()
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError:
        raise Unreadable("it cannot be decrypted with our transport key") from None


def _encrypted_key(envelope: Any) -> bytes:
    for info in envelope["recipientInfos"]:
        if info.getName() == "ktri":
            return bytes(info["ktri"]["encryptedKey"])
    raise Unreadable("it is encrypted to nobody by an RSA key")


def _accepted(oid: str, *, allow_3des: bool) -> Algorithm:
    known = _AES | ({TRIPLE_DES.oid: TRIPLE_DES} if allow_3des else {})
    if oid in known:
        return known[oid]
    name = {_SINGLE_DES: "single DES", TRIPLE_DES.oid: TRIPLE_DES.name}.get(oid, f"the cipher {oid}")
    raise Unreadable(f"the CA encrypted it with {name}, which is not accepted")
