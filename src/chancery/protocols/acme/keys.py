"""The account key, and the signatures made with it (RFC 8555 section 6.2)."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy import b64, json_util, jwa, jwk, jws

from chancery.core.secret import Secret
from chancery.sdk.errors import AuthFailed

_CURVES: dict[str, jwa.JWASignature] = {"secp256r1": jwa.ES256, "secp384r1": jwa.ES384, "secp521r1": jwa.ES512}
_SHORTEST_RSA = 2048


class Header(jws.Header):
    """A JOSE header with the fields of RFC 8555 section 6.2.

    Unlike that of the library underneath it keeps the nonce as the text that the CA sent: decoded and encoded again,
    a nonce of a careless CA would be another one.
    """

    nonce: str | None = json_util.field("nonce", omitempty=True)
    kid: str | None = json_util.field("kid", omitempty=True)
    url: str | None = json_util.field("url", omitempty=True)


class Signature(jws.Signature):
    """A JOSE signature with such a header."""

    __slots__ = jws.Signature._orig_slots
    header_cls = Header
    header: Header = json_util.field("header", omitempty=True, default=header_cls(), decoder=header_cls.from_json)


class Jws(jws.JWS):
    """A JWS in the flattened form that ACME uses."""

    __slots__ = jws.JWS._orig_slots
    signature_cls = Signature


class AccountKey:
    """The key pair that is the account; P-256, P-384, P-521 or RSA from 2048 bits on, as PEM."""

    def __init__(self, pem: Secret) -> None:
        key = _load(pem)
        if isinstance(key, rsa.RSAPrivateKey):
            self._alg = jwa.RS256
        else:
            self._alg = _CURVES[key.curve.name]
        self._jwk: jwk.JWK = jwk.JWK.load(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

    @property
    def public(self) -> jwk.JWK:
        """Return the public key as the library has it."""
        return self._jwk.public_key()

    @property
    def public_json(self) -> dict[str, Any]:
        """Return the public key as a JWK (RFC 7517)."""
        found: dict[str, Any] = json.loads(self.public.json_dumps())
        return found

    @property
    def thumbprint(self) -> str:
        """Return the key's thumbprint, Base64url (RFC 7638)."""
        return str(b64.b64encode(self.public.thumbprint()).decode())

    def sign(self, payload: dict[str, Any] | None, url: str, *, nonce: str | None, kid: str | None) -> bytes:
        """Return a request's body. No payload makes it a read (POST-as-GET); no `kid`, one by the key itself."""
        content = b"" if payload is None else json.dumps(payload, separators=(",", ":")).encode()
        protect = frozenset({"alg", "nonce", "url", "kid", "jwk"})
        made = Jws.sign(
            content,
            key=self._jwk,
            alg=self._alg,
            protect=protect,
            nonce=nonce,
            url=url,
            kid=kid,
            include_jwk=kid is None,
        )
        return made.json_dumps().encode()


def new_account_key() -> str:
    """Return a fresh account key as PEM: P-256, which every CA takes."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(pem: Secret) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    try:
        key: Any = load_pem_private_key(pem.reveal().encode(), None)
    except (ValueError, TypeError):
        key = None  # told below, without a word of what it holds
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _SHORTEST_RSA:
        return key
    raise AuthFailed(
        "The account key cannot be read.",
        code="account_key",
        bytes_sent=False,
        remedy="Enter it as PEM without password: P-256, P-384, P-521, or RSA from 2048 bits on.",
    )
