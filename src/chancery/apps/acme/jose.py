"""Signed messages of ACME clients (RFC 8555 section 6.2): read strictly, before anything is asked of a table.

One form alone is taken, the flattened one of RFC 7515 section 7.2.2 without an unprotected header. What JSON leaves open
is not: a member that stands twice is refused, as is any member that a signature would not cover. Keys and signatures are
josepy's matter.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from josepy import jwa, jwk
from josepy.errors import Error

from chancery.apps.acme.errors import AcmeError, malformed
from chancery.core.keys import check_key, spki_sha256

ALGORITHMS: dict[str, Any] = {"RS256": jwa.RS256, "ES256": jwa.ES256, "ES384": jwa.ES384, "ES512": jwa.ES512}
"""What clients may sign with (RFC 8555 section 6.2: RS256 and ES256 at least). No MAC and no *none* is among them."""
_FITS = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}
_MACS: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "HS256": hashes.SHA256,
    "HS384": hashes.SHA384,
    "HS512": hashes.SHA512,
}
_MEMBERS = {"protected", "payload", "signature"}
_PUBLIC = {"EC": ("crv", "x", "y"), "RSA": ("e", "n")}
_BASE64 = re.compile(r"[A-Za-z0-9_-]*\Z")
_DEEPEST = 16
MOST_BYTES = 200_000
"""Of a message: a request with a hundred names and a certificate to be revoked have a tenth of this."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: as josepy has it, as canonical members, its thumbprint (RFC 7638), and the SHA-256 of its SPKI."""

    public: Any
    members: dict[str, str]
    thumbprint: str
    spki_sha256: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was sent; nothing in it counts before `verify` has held it against a key.

    `jwk` is the key that it brings, `kid` the account that it names; one of them is there, and the other is empty.
    """

    header: dict[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes
    jwk: Key | None
    kid: str

    @property
    def algorithm(self) -> str:
        """Return the name of the algorithm that it is signed with."""
        return str(self.header["alg"])


def read(raw: bytes) -> Message:
    """Return a message whose outer form is right; raises `AcmeError` naming what is not."""
    if len(raw) > MOST_BYTES:
        raise malformed("body", f"It has more than {MOST_BYTES} bytes.", "Send less at once.", 413)
    return message(parse_object(raw, "body"), "")


def message(outer: dict[str, Any], where: str) -> Message:
    """Return the message in a flattened JWS; `where` stands before the names of fields in refusals."""
    if set(outer) != _MEMBERS or not all(isinstance(v, str) for v in outer.values()):
        raise malformed(
            f"{where}body",
            "It is no flattened JWS of the members protected, payload and signature.",
            "Sign as RFC 8555 section 6.2 says, without an unprotected header.",
        )
    header = parse_object(decode(outer["protected"], f"{where}protected"), f"{where}protected")
    signed = f"{outer['protected']}.{outer['payload']}".encode()
    payload = decode(outer["payload"], f"{where}payload")
    signature = decode(outer["signature"], f"{where}signature")
    _check_algorithm(header, where)
    if "crit" in header or "b64" in header:
        raise malformed(f"{where}protected", "It asks for extensions of JWS (crit, b64).", "Leave them out.")
    jwk, kid = header.get("jwk"), header.get("kid", "")
    if (jwk is None) == (kid == "") or not isinstance(kid, str):
        raise malformed(f"{where}protected", "It must hold either jwk or kid.", "Name the account, or bring its key.")
    return Message(header, payload, signed, signature, None if jwk is None else key(jwk), kid)


def _check_algorithm(header: dict[str, Any], where: str) -> None:
    name = header.get("alg")
    inner = where == "externalAccountBinding."
    known: Sequence[str] = tuple(_MACS) if inner else tuple(ALGORITHMS)
    if not isinstance(name, str) or name not in known:
        raise AcmeError(
            "malformed" if inner else "badSignatureAlgorithm",
            f"{where}alg: {str(name)[:40]!r} is not taken here.",
            f"Sign with one of {', '.join(known)}.",
            algorithms=list(known),
        )


def verify(found: Message, by: Key) -> None:
    """Raise unless a key signed this message with the algorithm that fits the key."""
    if not _fits(found, by):
        raise AcmeError(
            "badSignatureAlgorithm",
            f"alg: {found.algorithm} does not fit the key.",
            "Use RS256 with RSA, and the ES algorithm of the key's own curve.",
            algorithms=list(ALGORITHMS),
        )
    if not is_signed(found, by):
        raise malformed("signature", "It does not match the key.", "Sign with the account's present key.", 403)


def is_signed(found: Message, by: Key) -> bool:
    """Say whether a key signed this message with the algorithm that fits the key."""
    return _fits(found, by) and bool(ALGORITHMS[found.algorithm].verify(by.public, found.signed, found.signature))


def _fits(found: Message, by: Key) -> bool:
    return _FITS.get(found.algorithm, "") == getattr(getattr(by.public, "curve", None), "name", "")


def is_mac(found: Message, secret: bytes) -> bool:
    """Say whether a message of an external account binding is authentic under a MAC key (RFC 8555 section 7.3.4)."""
    made = hmac.HMAC(secret, _MACS[found.algorithm]())
    made.update(found.signed)
    try:
        made.verify(found.signature)
    except InvalidSignature:
        return False
    return True


def key(members: Any) -> Key:
    """Return a public key that may sign; raises *badPublicKey* for a weak one, a private one, or none that is known."""
    kind = members.get("kty") if isinstance(members, dict) else None
    if not isinstance(kind, str) or kind not in _PUBLIC:
        raise _bad_key("It is neither an EC nor an RSA key.")
    if "d" in members or "k" in members:
        raise _bad_key("It holds the private key, which is disclosed by that.")
    wanted = {"kty": kind, **{name: members.get(name) for name in _PUBLIC[kind]}}
    if not all(isinstance(v, str) for v in wanted.values()):
        raise _bad_key("A member is missing.")
    return _loaded(json.dumps(wanted, sort_keys=True, separators=(",", ":")))


@lru_cache(maxsize=4096)
def _loaded(canonical: str) -> Key:
    members = json.loads(canonical)
    try:
        public = getattr(getattr(jwk.JWK.from_json(members), "key", None), "_wrapped", None)
    except (Error, ValueError, KeyError, TypeError):
        public = None
    if not isinstance(public, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
        raise _bad_key("It cannot be decoded.")
    if _written(public) != {name: text for name, text in members.items() if name not in {"kty", "crv"}}:
        # Written otherwise, one key would have several thumbprints, and with each an account.
        raise _bad_key("Its numbers are not written as RFC 7518 section 6 says: without padding or leading zeros.")
    problems = check_key(public, "jwk")
    if problems:
        raise AcmeError("badPublicKey", f"jwk: {problems[0].message}", "Make a new account key.")
    thumbprint = encode(sha256(canonical.encode()).digest())
    return Key(public, members, thumbprint, spki_sha256(public))


def _written(public: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> dict[str, str]:
    """Return a key's numbers as they are to be written (RFC 7518 sections 6.2.1 and 6.3.1)."""
    if isinstance(public, rsa.RSAPublicKey):
        whole = public.public_numbers()
        found = {name: (value, (value.bit_length() + 7) // 8) for name, value in (("n", whole.n), ("e", whole.e))}
    else:
        point, size = public.public_numbers(), (public.key_size + 7) // 8
        found = {"x": (point.x, size), "y": (point.y, size)}
    return {name: encode(value.to_bytes(size, "big")) for name, (value, size) in found.items()}


def _bad_key(wrong: str) -> AcmeError:
    return AcmeError("badPublicKey", f"jwk: {wrong}", "Use an EC key (P-256, P-384, P-521) or an RSA key.")


def parse_object(raw: bytes, field: str) -> dict[str, Any]:
    """Return the JSON object in some bytes; raises `AcmeError` for anything else, and for a member that stands twice."""
    try:
        found = json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        wrong = str(error) if isinstance(error, _Twice) else "It is no JSON."
        raise malformed(field, wrong, "Send a JSON object in UTF-8.") from None
    if not isinstance(found, dict) or _is_deep(found):
        raise malformed(field, "It is no JSON object, or nested too deeply.", "Send a JSON object.")
    return found


class _Twice(ValueError):
    """A member that stands twice, of which two readers might take different ones."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Twice("A member stands twice.")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(text)


def _is_deep(value: Any) -> bool:
    """Say whether something is nested more than `_DEEPEST` levels; level by level, since a stack has an end too."""
    level = [value]
    for _ in range(_DEEPEST):
        level = [part for one in level for part in _parts(one) if isinstance(part, (dict, list))]
    return bool(level)


def _parts(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def decode(text: Any, field: str) -> bytes:
    """Return what base64url without padding (RFC 7515 section 2) stands for."""
    if not isinstance(text, str) or not _BASE64.match(text):
        raise malformed(field, "It is no base64url without padding.", "Encode it as RFC 7515 section 2 says.")
    try:
        found = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        found = None
    # Bits left over at the end would give one value several spellings.
    if found is None or encode(found) != text:
        raise malformed(field, "It is no base64url without padding.", "Encode it as RFC 7515 section 2 says.")
    return found


def encode(raw: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
