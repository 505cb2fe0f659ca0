"""JWS and JWK as a server reads them (RFC 7515, 7517, 7518, 7638): written out, so that it shares nothing with a client."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from chancery.protocols.acme.simulator.refusal import Refusal, malformed

_CURVES: dict[str, tuple[ec.EllipticCurve, str, hashes.HashAlgorithm, int]] = {
    "P-256": (ec.SECP256R1(), "ES256", hashes.SHA256(), 32),
    "P-384": (ec.SECP384R1(), "ES384", hashes.SHA384(), 48),
    "P-521": (ec.SECP521R1(), "ES512", hashes.SHA512(), 66),
}
_MAC = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
_ORDERED = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n")}


@dataclass(frozen=True)
class Signed:
    """A JWS, taken apart; the signature is not yet judged."""

    protected: dict[str, Any]
    payload: bytes
    signature: bytes
    signed: bytes

    def json(self) -> dict[str, Any]:
        """Return the payload as a JSON object."""
        return as_object(self.payload, "payload")


def read(document: Any) -> Signed:
    """Take a JWS in flattened JSON apart (RFC 8555 section 6.2)."""
    if not isinstance(document, dict) or not all(
        isinstance(document.get(n), str) for n in ("protected", "payload", "signature")
    ):
        raise malformed("The body is no JWS in flattened JSON serialization.")
    if {"header", "signatures"} & set(document):
        raise malformed("A JWS has one signature and no unprotected header.")
    protected = as_object(decode(document["protected"]), "protected header")
    signed = f"{document['protected']}.{document['payload']}".encode()
    return Signed(protected, decode(document["payload"]), decode(document["signature"]), signed)


def as_object(raw: bytes, what: str) -> dict[str, Any]:
    """Read JSON that must be an object."""
    try:
        found = json.loads(raw)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise malformed(f"The {what} is no JSON object.")
    return found


def decode(text: str) -> bytes:
    """Read Base64url without padding (RFC 7515 section 2)."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise malformed("Something is not Base64url.") from None


def encode(raw: bytes) -> str:
    """Write Base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def thumbprint(jwk: dict[str, Any]) -> str:
    """Return a key's thumbprint (RFC 7638)."""
    names = _ORDERED.get(str(jwk.get("kty")))
    if names is None or not all(isinstance(jwk.get(n), str) for n in names):
        raise Refusal("badPublicKey", "Keys are EC or RSA.")
    text = json.dumps({n: jwk[n] for n in names}, separators=(",", ":"), sort_keys=True)
    return encode(hashlib.sha256(text.encode()).digest())


def check(jws: Signed, jwk: dict[str, Any]) -> None:
    """Judge a signature; raises `Refusal` where it does not hold."""
    alg = jws.protected.get("alg")
    if jwk.get("kty") == "EC":
        _check_ec(jws, jwk, alg)
    elif jwk.get("kty") == "RSA":
        _check_rsa(jws, jwk, alg)
    else:
        raise Refusal("badPublicKey", "Keys are EC or RSA.")


def _check_ec(jws: Signed, jwk: dict[str, Any], alg: Any) -> None:
    curve, wanted, digest, size = _CURVES.get(str(jwk.get("crv")), (None, "", None, 0))
    if curve is None or digest is None:
        raise Refusal("badPublicKey", "The curve is not one of P-256, P-384, P-521.")
    _check_alg(alg, wanted)
    x, y = (int.from_bytes(decode(str(jwk.get(n))), "big") for n in ("x", "y"))
    if len(jws.signature) != 2 * size:
        raise malformed("The signature has the wrong length.")
    half = [int.from_bytes(part, "big") for part in (jws.signature[:size], jws.signature[size:])]
    try:
        key = ec.EllipticCurvePublicNumbers(x, y, curve).public_key()
        key.verify(encode_dss_signature(*half), jws.signed, ec.ECDSA(digest))
    except (ValueError, InvalidSignature):
        raise malformed("The signature does not hold.") from None


def _check_rsa(jws: Signed, jwk: dict[str, Any], alg: Any) -> None:
    _check_alg(alg, "RS256")
    exponent, modulus = (int.from_bytes(decode(str(jwk.get(n))), "big") for n in ("e", "n"))
    try:
        key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        key.verify(jws.signature, jws.signed, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        raise malformed("The signature does not hold.") from None


def _check_alg(alg: Any, wanted: str) -> None:
    if alg != wanted:
        raise Refusal(
            "badSignatureAlgorithm", f"The key wants {wanted}.", algorithms=["ES256", "ES384", "ES512", "RS256"]
        )


def check_mac(jws: Signed, key: bytes) -> bool:
    """Say whether an HMAC holds (RFC 8555 section 7.3.4)."""
    digest = _MAC.get(str(jws.protected.get("alg")))
    return digest is not None and hmac.compare_digest(hmac.new(key, jws.signed, digest).digest(), jws.signature)
