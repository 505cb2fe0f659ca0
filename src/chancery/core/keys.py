"""Public keys: what they are, and whether they are too weak to certify (BR 6.1.1.3, 6.1.6)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from math import gcd, isqrt, prod
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import SignatureAlgorithmOID

from chancery.core.errors import Invalid, Problem
from chancery.core.lean import Lean

PrivateKey = Any
"""A private key of the cryptography library; its kinds have no common base."""

_EXPONENT = 65537
_SIGNATURES = {
    oid: name.lower().replace("_", "-") for name, oid in vars(SignatureAlgorithmOID).items() if name.isupper()
}
_CURVES = {"secp256r1": "P256", "secp384r1": "P384", "secp521r1": "P521"}
_FIXED: dict[type[Any], str] = {
    ed25519.Ed25519PublicKey: "Ed25519",
    ed448.Ed448PublicKey: "Ed448",
    mldsa.MLDSA44PublicKey: "ML-DSA-44",
    mldsa.MLDSA65PublicKey: "ML-DSA-65",
    mldsa.MLDSA87PublicKey: "ML-DSA-87",
}
_MAKERS: dict[str, Callable[[], PrivateKey]] = {
    "EC-P256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EC-P384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EC-P521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA-2048": lambda: rsa.generate_private_key(_EXPONENT, 2048),
    "RSA-3072": lambda: rsa.generate_private_key(_EXPONENT, 3072),
    "RSA-4096": lambda: rsa.generate_private_key(_EXPONENT, 4096),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}
_MIN_RSA, _MAX_RSA, _FERMAT_ROUNDS = 2048, 8192, 100
_SMALL = prod(p for p in range(2, 752) if all(p % q for q in range(2, isqrt(p) + 1)))


@dataclass(frozen=True, slots=True)
class KeyFacts(Lean):
    """A public key: `label` is the name used in profiles, such as RSA-2048 or EC-P256."""

    algorithm: str
    size: int | None
    curve: str | None
    label: str
    spki_sha256: str


def spki_sha256(key: Any) -> str:
    """Return the SHA-256 (hex) of a key's SubjectPublicKeyInfo; takes a key or a certificate or CSR."""
    public = key.public_key() if isinstance(key, (x509.Certificate, x509.CertificateSigningRequest)) else key
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def describe_key(key: Any) -> KeyFacts:
    """Return what a public key is; a kind that is not known has the label *unknown*."""
    algorithm, size, curve, label = _kind(key)
    return KeyFacts(algorithm, size, curve, label, spki_sha256(key))


def _kind(key: Any) -> tuple[str, int | None, str | None, str]:
    if isinstance(key, ec.EllipticCurvePublicKey):
        curve = _CURVES.get(key.curve.name)
        return "EC", key.key_size, key.curve.name, f"EC-{curve}" if curve else f"EC-{key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size, None, f"RSA-{key.key_size}"
    label = next((name for public, name in _FIXED.items() if isinstance(key, public)), "unknown")
    return label, None, None, label


def check_key(key: Any, field: str = "csr") -> list[Problem]:
    """Return why a public key must not be certified; an empty list means nothing was found."""
    if isinstance(key, rsa.RSAPublicKey):
        return _check_rsa(key, field)
    facts = _kind(key)
    if facts[0] == "unknown" or (facts[0] == "EC" and facts[2] not in _CURVES):
        return [_weak(field, f"keys of the kind {facts[3]} are not supported", "unsupported_key")]
    return []


def _check_rsa(key: rsa.RSAPublicKey, field: str) -> list[Problem]:
    numbers = key.public_numbers()
    size = key.key_size
    if size < _MIN_RSA or size > _MAX_RSA or size % 8:
        text = f"RSA keys have {_MIN_RSA} to {_MAX_RSA} bits, a multiple of 8; this one has {size}"
        return [_weak(field, text, "rsa_size")]
    if numbers.e != _EXPONENT:
        return [_weak(field, f"the RSA exponent is not {_EXPONENT}", "rsa_exponent")]
    if gcd(numbers.n, _SMALL) != 1:
        return [_weak(field, "the RSA modulus has a small factor", "rsa_small_factor")]
    if _fermat(numbers.n):
        return [_weak(field, "the two primes of the RSA key are close together", "rsa_close_primes")]
    return _known_bad(numbers.n, field)


def _fermat(n: int) -> bool:
    a = isqrt(n)
    if a * a < n:
        a += 1
    for _ in range(_FERMAT_ROUNDS):
        b2 = a * a - n
        if isqrt(b2) ** 2 == b2:
            return True
        a += 1
    return False


def _known_bad(n: int, field: str) -> list[Problem]:
    from badkeys.rsakeys import pattern, roca, sharedprimes, xzbackdoor

    for check, why, code in (
        (roca, "the RSA key has the ROCA weakness (CVE-2017-15361)", "roca"),
        (pattern, "the RSA modulus holds a long run of one byte, so it is not random", "rsa_pattern"),
        (sharedprimes, "a prime of the RSA key is that of other keys, so both can be computed", "rsa_shared_prime"),
        (xzbackdoor, "the RSA modulus is a message to the backdoor in xz (CVE-2024-3094)", "rsa_xz"),
    ):
        if check(n):
            return [_weak(field, why, code)]
    return []


def _weak(field: str, why: str, code: str) -> Problem:
    return Problem(field, f"This key cannot be certified: {why}.", "Make a new key and a new request.", code)


def available_key_labels() -> tuple[str, ...]:
    """Return the labels of the keys that `generate` can make."""
    return tuple(_MAKERS)


def generate(label: str) -> Any:
    """Return a fresh private key of the kind that a label names; raises `Invalid` for an unknown one."""
    if label not in _MAKERS:
        raise Invalid.one(
            "key_type", f"There is no key of the kind {label[:40]!r}.", f"Choose one of {', '.join(_MAKERS)}."
        )
    return _MAKERS[label]()


def signature_label(oid: x509.ObjectIdentifier) -> str:
    """Return a short name of a signature algorithm, such as ecdsa-with-sha256; else its dotted number."""
    return _SIGNATURES.get(oid, oid.dotted_string)
