"""Who may ask: shared secrets by reference, and certificates of this CA's own registration authorities and subjects."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from pyasn1_modules import rfc2459, rfc4210, rfc8018

from chancery.protocols.cmp.simulator.wire import BROKEN, Asked, encode, structure
from chancery.sandbox.der import NULL

_PBM, _PBMAC1, _PBKDF2 = "1.2.840.113533.7.66.13", "1.2.840.113549.1.5.14", "1.2.840.113549.1.5.12"
_OWF = {"2.16.840.1.101.3.4.2.1": "sha256", "2.16.840.1.101.3.4.2.2": "sha384", "1.3.14.3.2.26": "sha1"}
_OWF["2.16.840.1.101.3.4.2.3"] = "sha512"
_HMAC = {"1.2.840.113549.2.9": "sha256", "1.2.840.113549.2.10": "sha384", "1.2.840.113549.2.11": "sha512"}
_HMAC["1.3.6.1.5.5.8.1.2"] = "sha1"
_SIGNED = {
    "1.2.840.113549.1.1.11": hashes.SHA256(), "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(), "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(), "1.2.840.10045.4.3.4": hashes.SHA512(),
}  # fmt: skip
_ECDSA_SHA256, _RSA_SHA256 = "1.2.840.10045.4.3.2", "1.2.840.113549.1.1.11"
_ROUNDS, _SALT = 1000, 16
WRONG: tuple[type[Exception], ...] = (InvalidSignature, UnsupportedAlgorithm, AttributeError, *BROKEN)


class Refused(Exception):
    """The request is not believed; `failure` is the bit of PKIFailureInfo."""

    def __init__(self, failure: str, text: str) -> None:
        super().__init__(text)
        self.failure, self.text = failure, text


@dataclass
class Guard:
    """`accounts` maps a secret's reference to the secret; `officers` are certificates that may ask for others."""

    issuer: x509.Certificate
    key: Any
    accounts: dict[str, str]
    officers: list[x509.Certificate] = field(default_factory=list)

    def admit(self, asked: Asked) -> x509.Certificate | None:
        """Verify a request's protection; return the certificate that signed it, None for a MAC. Raises `Refused`."""
        oid, parameters = asked.algorithm
        if not oid or not asked.protection:
            raise Refused("badMessageCheck", "The message is not protected.")
        try:
            if oid in {_PBM, _PBMAC1}:
                self._check_mac(asked, oid, parameters)
                return None
            return self._signer(asked, oid)
        except WRONG:
            raise Refused("badMessageCheck", "The protection of the message is wrong.") from None

    def _check_mac(self, asked: Asked, oid: str, parameters: bytes) -> None:
        secret = self.accounts.get(asked.octets("senderKID").decode("utf-8", "replace"))
        if secret is None:
            raise Refused("badMessageCheck", "The reference of the secret is not known.")
        if not hmac.compare_digest(_mac(secret.encode(), oid, parameters, asked.protected), asked.protection):
            raise Refused("badMessageCheck", "The protection of the message is wrong.")

    def _signer(self, asked: Asked, oid: str) -> x509.Certificate:
        found = next((c for c in asked.certificates if _names(asked, c)), None)
        if found is None:
            raise Refused("signerNotTrusted", "The certificate of the signer is not in the message.")
        try:
            found.verify_directly_issued_by(self.issuer)
        except WRONG:
            raise Refused("signerNotTrusted", "The certificate of the signer is not of this CA.") from None
        verify(found.public_key(), oid, asked.protection, asked.protected)
        return found

    @staticmethod
    def is_mac(asked: Asked) -> bool:
        """Say whether a request is protected by a shared secret."""
        return asked.algorithm[0] in {_PBM, _PBMAC1}

    def algorithm(self, asked: Asked, *, weak: bool) -> bytes:
        """Return the AlgorithmIdentifier of an answer: of the same kind as the request's."""
        oid, _ = asked.algorithm
        made = rfc2459.AlgorithmIdentifier()
        if oid not in {_PBM, _PBMAC1}:
            made["algorithm"] = _RSA_SHA256 if isinstance(self.key, rsa.RSAPrivateKey) else _ECDSA_SHA256
            if isinstance(self.key, rsa.RSAPrivateKey):
                made["parameters"] = NULL
            return encode(made)
        made["algorithm"] = oid
        made["parameters"] = _pbm(weak=weak) if oid == _PBM else _pbmac1()
        return encode(made)

    def protect(self, asked: Asked, algorithm: bytes, part: bytes) -> bytes:
        """Return the protection of an answer."""
        found = structure(algorithm, rfc2459.AlgorithmIdentifier())
        if str(found["algorithm"]) not in {_PBM, _PBMAC1}:
            return _sign(self.key, part)
        secret = self.accounts[asked.octets("senderKID").decode()]
        return _mac(secret.encode(), str(found["algorithm"]), bytes(found["parameters"]), part)


def _names(asked: Asked, certificate: x509.Certificate) -> bool:
    sender = asked.header["sender"]
    return sender.getName() == "directoryName" and encode(sender["directoryName"])[2:].endswith(
        certificate.subject.public_bytes()
    )


def _pbm(*, weak: bool) -> bytes:
    made = rfc4210.PBMParameter()
    made["salt"], made["iterationCount"] = secrets.token_bytes(_SALT), _ROUNDS
    made["owf"]["algorithm"] = "2.16.840.1.101.3.4.2.1"
    made["mac"]["algorithm"] = "1.3.6.1.5.5.8.1.2" if weak else "1.2.840.113549.2.9"
    return encode(made)


def _pbmac1() -> bytes:
    derive, made = rfc8018.PBKDF2_params(), rfc8018.PBMAC1_params()
    derive["salt"]["specified"], derive["iterationCount"] = secrets.token_bytes(_SALT), _ROUNDS
    derive["prf"]["algorithm"] = "1.2.840.113549.2.9"
    derive["prf"]["parameters"] = NULL
    made["keyDerivationFunc"]["algorithm"] = _PBKDF2
    made["keyDerivationFunc"]["parameters"] = encode(derive)
    made["messageAuthScheme"]["algorithm"] = "1.2.840.113549.2.9"
    return encode(made)


def _mac(secret: bytes, oid: str, parameters: bytes, part: bytes) -> bytes:
    if oid == _PBM:
        pbm = structure(parameters, rfc4210.PBMParameter())
        key, once = secret + bytes(pbm["salt"]), getattr(hashlib, _OWF[str(pbm["owf"]["algorithm"])])
        for _ in range(min(int(pbm["iterationCount"]), 100_000)):
            key = once(key).digest()
        return hmac.new(key, part, _HMAC[str(pbm["mac"]["algorithm"])]).digest()
    found = structure(parameters, rfc8018.PBMAC1_params())
    derive = structure(bytes(found["keyDerivationFunc"]["parameters"]), rfc8018.PBKDF2_params())
    digest = _HMAC[str(found["messageAuthScheme"]["algorithm"])]
    length = int(derive["keyLength"]) if derive["keyLength"].isValue else hashlib.new(digest).digest_size
    rounds = min(int(derive["iterationCount"]), 1_000_000)
    prf, salt = _HMAC[str(derive["prf"]["algorithm"])], bytes(derive["salt"]["specified"])
    return hmac.new(hashlib.pbkdf2_hmac(prf, secret, salt, rounds, length), part, digest).digest()


def verify(key: Any, oid: str, signature: bytes, part: bytes) -> None:
    """Verify a signature by its algorithm's identifier; raises one of `WRONG`."""
    if isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, part, padding.PKCS1v15(), _SIGNED[oid])
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, part, ec.ECDSA(_SIGNED[oid]))
    else:
        key.verify(signature, part)


def _sign(key: Any, part: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(part, padding.PKCS1v15(), hashes.SHA256())
    return bytes(key.sign(part, ec.ECDSA(hashes.SHA256())))
