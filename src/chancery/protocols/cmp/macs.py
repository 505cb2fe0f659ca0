"""Message authentication by a shared secret: PBM (RFC 9481 section 6.1.1) and PBMAC1 (section 6.1.2, RFC 8018)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Any

from pyasn1.type import univ
from pyasn1_modules import rfc2459, rfc4210, rfc8018

from chancery.protocols.cmp import oids
from chancery.protocols.cmp.message import UNREADABLE, Unreadable, decode, encode

_SALT = 16
_KEY = 32
_MOST = {oids.PBM: 100_000, oids.PBMAC1: 1_000_000}
"""Iterations; more would only keep us busy."""
_NULL = b"\x05\x00"


def is_mac(oid: str) -> bool:
    """Say whether a protection is a MAC by a shared secret."""
    return oid in _MOST


def fresh(kind: str, digest: str, iterations: int) -> bytes:
    """Return an AlgorithmIdentifier (DER) with a salt of its own; `kind` is pbm or pbmac1."""
    salt = secrets.token_bytes(_SALT)
    made = rfc2459.AlgorithmIdentifier()
    made["algorithm"] = oids.PBM if kind == "pbm" else oids.PBMAC1
    made["parameters"] = _pbm(salt, digest, iterations) if kind == "pbm" else _pbmac1(salt, digest, iterations)
    return encode(made)


def _pbm(salt: bytes, digest: str, iterations: int) -> bytes:
    made = rfc4210.PBMParameter()
    made["salt"], made["iterationCount"] = salt, iterations
    made["owf"]["algorithm"] = oids.oid_of(oids.DIGESTS, digest)
    made["mac"]["algorithm"] = oids.oid_of(oids.HMACS, digest)
    return encode(made)


def _pbmac1(salt: bytes, digest: str, iterations: int) -> bytes:
    derive, made = rfc8018.PBKDF2_params(), rfc8018.PBMAC1_params()
    derive["salt"]["specified"], derive["iterationCount"], derive["keyLength"] = salt, iterations, _KEY
    derive["prf"]["algorithm"] = oids.oid_of(oids.HMACS, digest)
    derive["prf"]["parameters"] = _NULL
    made["keyDerivationFunc"]["algorithm"] = oids.PBKDF2
    made["keyDerivationFunc"]["parameters"] = encode(derive)
    made["messageAuthScheme"]["algorithm"] = oids.oid_of(oids.HMACS, digest)
    made["messageAuthScheme"]["parameters"] = _NULL
    return encode(made)


def mac(secret: bytes, oid: str, parameters: bytes, protected: bytes) -> bytes:
    """Return the MAC of a message; raises `Unreadable` for parameters that are not known or out of bounds."""
    try:
        key, digest = (_key_pbm if oid == oids.PBM else _key_pbmac1)(secret, parameters)
    except (Unreadable, *UNREADABLE) as error:
        raise Unreadable(f"the parameters of its MAC cannot be used ({str(error)[:100]})") from None
    return hmac.new(key, protected, digest).digest()


def _key_pbm(secret: bytes, parameters: bytes) -> tuple[bytes, str]:
    found = decode(parameters, rfc4210.PBMParameter())
    rounds, owf = _rounds(found["iterationCount"], oids.PBM), oids.DIGESTS[str(found["owf"]["algorithm"])]
    key, digest = secret + bytes(found["salt"]), getattr(hashlib, owf)
    for _ in range(rounds):
        key = digest(key).digest()
    return key, oids.HMACS[str(found["mac"]["algorithm"])]


def _key_pbmac1(secret: bytes, parameters: bytes) -> tuple[bytes, str]:
    found = decode(parameters, rfc8018.PBMAC1_params())
    if str(found["keyDerivationFunc"]["algorithm"]) != oids.PBKDF2:
        raise Unreadable("its key is not derived by PBKDF2")
    derive = decode(bytes(found["keyDerivationFunc"]["parameters"]), rfc8018.PBKDF2_params())
    prf = oids.HMACS[str(derive["prf"]["algorithm"])]
    digest = oids.HMACS[str(found["messageAuthScheme"]["algorithm"])]
    length = int(derive["keyLength"]) if derive["keyLength"].isValue else hashlib.new(digest).digest_size
    if not 1 <= length <= 4 * _KEY:
        raise Unreadable(f"its key has {length} octets")
    salt, rounds = _salt(derive["salt"]), _rounds(derive["iterationCount"], oids.PBMAC1)
    return hashlib.pbkdf2_hmac(prf, secret, salt, rounds, length), digest


def _salt(choice: Any) -> bytes:
    if choice.getName() != "specified":
        raise Unreadable("its salt is not in the message")
    return bytes(choice["specified"])


def _rounds(count: univ.Integer, oid: str) -> int:
    if not 1 <= int(count) <= _MOST[oid]:
        raise Unreadable(f"its key takes {str(int(count))[:20]} iterations")
    return int(count)
