"""A small ACME client (RFC 8555) that costs little itself; `send` is how a request gets there.

Tests use it too: `post` signs whatever it is given, right or wrong.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

_HASH = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


Send = Callable[[str, str, bytes | None, dict[str, str]], Answer]
"""Method, URL, body, headers → answer."""


def b64(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    """Return the public half of a P-256 key."""
    numbers = key.public_key().public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": b64(numbers.x.to_bytes(32, "big")),
        "y": b64(numbers.y.to_bytes(32, "big")),
    }


def thumbprint(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the key's thumbprint (RFC 7638)."""
    return b64(sha256(json.dumps(jwk(key), sort_keys=True, separators=(",", ":")).encode()).digest())


def sign(key: ec.EllipticCurvePrivateKey, header: dict[str, Any], payload: Any) -> dict[str, str]:
    """Return a flattened JWS, ES256; the payload None is an empty one, and bytes are taken as they are."""
    raw = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
    parts = b64(json.dumps(header).encode()), b64(raw)
    one, other = decode_dss_signature(key.sign(".".join(parts).encode(), _HASH))
    signature = b64(one.to_bytes(32, "big") + other.to_bytes(32, "big"))
    return {"protected": parts[0], "payload": parts[1], "signature": signature}


def binding(key: ec.EllipticCurvePrivateKey, url: str, kid: str, secret: bytes) -> dict[str, str]:
    """Return an external account binding (RFC 8555 section 7.3.4), HS256."""
    header = b64(json.dumps({"alg": "HS256", "kid": kid, "url": url}).encode())
    payload = b64(json.dumps(jwk(key)).encode())
    made = hmac.HMAC(secret, hashes.SHA256())
    made.update(f"{header}.{payload}".encode())
    return {"protected": header, "payload": payload, "signature": b64(made.finalize())}


class Client:
    """One account. `directory` is the server's; `kid` is the account's address once it is registered."""

    def __init__(self, directory: str, send: Send, key: ec.EllipticCurvePrivateKey | None = None) -> None:
        self.send, self.key, self.kid = send, key or ec.generate_private_key(ec.SECP256R1()), ""
        self.urls: dict[str, Any] = send("GET", directory, None, {}).json()
        self._nonce = ""

    def nonce(self) -> str:
        """Return the nonce of the last answer, or a new one."""
        found, self._nonce = self._nonce, ""
        return found or self.send("HEAD", self.urls["newNonce"], None, {}).headers["replay-nonce"]

    def post(self, where: str, payload: Any = None, **header: Any) -> Answer:
        """Send a signed message; `header` replaces members of the protected header, and None leaves one out."""
        who = {"kid": self.kid} if self.kid else {"jwk": jwk(self.key)}
        protected = {"alg": "ES256", "nonce": header.pop("nonce", "") or self.nonce(), "url": where, **who, **header}
        return self.raw(where, sign(self.key, {k: v for k, v in protected.items() if v is not None}, payload))

    def raw(self, url: str, body: Any) -> Answer:
        """Send a body as it is."""
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = self.send("POST", url, sent, {"Content-Type": "application/jose+json"})
        self._nonce = answer.headers.get("replay-nonce", "")
        return answer

    def register(self, kid: str, secret: bytes, **more: Any) -> Answer:
        """Make an account with a credential."""
        url = self.urls["newAccount"]
        bound = binding(self.key, url, kid, secret)
        answer = self.post(url, {"termsOfServiceAgreed": True, "externalAccountBinding": bound, **more})
        self.kid = answer.headers.get("location", "") if answer.status < 300 else ""
        return answer

    def order(self, *names: str, **more: Any) -> Answer:
        """Ask for a certificate for DNS names."""
        return self.post(self.urls["newOrder"], {"identifiers": [{"type": "dns", "value": n} for n in names], **more})

    def finalize(self, order: dict[str, Any], csr: bytes) -> Answer:
        """Send the request (DER) for an order."""
        return self.post(order["finalize"], {"csr": b64(csr)})
