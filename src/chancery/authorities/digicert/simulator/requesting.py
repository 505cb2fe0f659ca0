"""The checks on a certificate that is asked for, in an order, a reissue or a duplicate (B3)."""

from __future__ import annotations

import base64
import re
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from chancery.authorities.digicert.simulator.products import Product
from chancery.authorities.digicert.simulator.refusal import Refusal, bad_format, invalid
from chancery.authorities.digicert.simulator.state import Order
from chancery.sandbox.frame import Asked as Http

_NAME = re.compile(
    r"(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE
)
_ONE_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_PEM_LINES = re.compile(r"-----(BEGIN|END) (NEW )?CERTIFICATE REQUEST-----")
_HASHES = {"sha256", "sha384", "sha512"}
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_MOST_NAMES = 250


def object_of(http: Http) -> dict[str, Any]:
    """Return the request's body; raises the refusal of anything but a JSON object."""
    body = http.json()
    if not isinstance(body, dict):
        raise bad_format()
    return body


def certificate_of(body: dict[str, Any], product: Product) -> dict[str, Any]:
    """Return the part that asks for the certificate, checked but for its validity and its request."""
    asked = body.get("certificate")
    if not isinstance(asked, dict):
        raise bad_format()
    if not isinstance(asked.get("common_name"), str) or not asked["common_name"].strip():
        raise invalid("common_name", "The common name is required.")
    hashed = asked.get("signature_hash")
    if (not product.dv and not hashed) or (hashed and str(hashed).lower() not in _HASHES):
        raise invalid("signature_hash", "A valid signature hash is required.")
    return asked


def names_of(asked: dict[str, Any], product: Product) -> list[str]:
    """Return the names to issue: the common name first, then those of the JSON; never those inside the request."""
    more = asked.get("dns_names") or []
    if not isinstance(more, list) or not all(isinstance(n, str) for n in more):
        raise invalid("dns_names", "The DNS names are not a list of names.")
    names = list(dict.fromkeys(n.strip().lower() for n in [asked["common_name"], *more] if n.strip()))
    for name in names:
        field = "common_name" if name == names[0] else "dns_names"
        if not _is_name(name, product) or (name.startswith("*.") and not product.wildcards):
            raise invalid(field, f"The name {name[:80]} is not allowed.")
    if len(names) > _MOST_NAMES:
        raise invalid("dns_names", "There are too many names.")
    return _single(names) if product.single else names


def check_duplicate(names: list[str], order: Order) -> None:
    """Raise the refusal of a duplicate with other names than its order's (vendor's page *Duplicate certificate*).

    Another of them may be the common name, and a wildcard may be joined by names below it.
    """
    old = set(order.primary.names) if order.primary else set(order.names)
    below = {n for n in names if f"*.{n.partition('.')[2]}" in old}
    if not old <= set(names) or set(names) - old - below:
        raise invalid("dns_names", "A duplicate has the names of its order.")


def _is_name(name: str, product: Product) -> bool:
    private = product.validation == "private" and _ONE_LABEL.fullmatch(name)
    return len(name) <= 253 and bool(_NAME.fullmatch(name) or private)


def _single(names: list[str]) -> list[str]:
    """Return a single-name product's names: base and www come together, any other is refused."""
    base = names[0].removeprefix("www.")
    if not set(names) <= {base, f"www.{base}"}:
        raise invalid("dns_names", "This product takes one name only.")
    return list(dict.fromkeys([*names, base, f"www.{base}"]))


def _load(text: str) -> x509.CertificateSigningRequest:
    """Return a request in PEM, in PEM without line ends, or in bare base64: clients of the real service send all."""
    bare = "".join(_PEM_LINES.sub("", text).split())
    return x509.load_der_x509_csr(base64.b64decode(bare, validate=True))


def csr_of(asked: dict[str, Any]) -> x509.CertificateSigningRequest:
    """Return the request, whose key must be strong and whose signature valid."""
    try:
        csr = _load(str(asked.get("csr") or ""))
        key, valid = csr.public_key(), csr.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Refusal(400, "csr_invalid_cannot_parse", "The CSR could not be parsed.") from None
    if not valid:
        raise Refusal(400, "csr_invalid_signature", "The CSR signature is invalid.")
    strong_rsa = isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048
    if not strong_rsa and not (isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)):
        raise Refusal(400, "csr_invalid_key", "The key of the CSR is too weak or of a kind that is not supported.")
    return csr
