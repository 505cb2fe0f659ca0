"""The issuers of the incident of October 2026 (CVE-2026-111943), known by their roots' names.

Keys of eight intermediates under emSign ECC Root CA - G3 could be recovered; Mozilla then removed that root, emSign
Root CA - C1 and emSign ECC Root CA - C3. The names of the eight are not in the advisories that were read, so whatever
chains to that root counts.
"""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

COMPROMISED = "emSign ECC Root CA - G3"
REMOVED = (COMPROMISED, "emSign Root CA - C1", "emSign ECC Root CA - C3")
_ADVICE = "Order from another hierarchy; browsers and systems with roots of 19 October 2026 or later refuse it."


def warnings_of(leaf: bytes, chain: Iterable[bytes]) -> tuple[str, ...]:
    """Return a sentence for each issuer in a chain that is not to be trusted any more; () for a good chain."""
    names = {name for der in (leaf, *chain) for name in _names(der)}
    return tuple(_sentence(root) for root in REMOVED if root in names)


def _sentence(root: str) -> str:
    if root == COMPROMISED:
        text = f"It chains to {root}: private keys of intermediates below it were recoverable (CVE-2026-111943)"
    else:
        text = f"It chains to {root}"
    return f"{text}, and Mozilla removed this root in October 2026. {_ADVICE}"


def _names(der: bytes) -> list[str]:
    """Return the common names of a certificate's subject and issuer; [] where it cannot be read."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        found = [a for name in (certificate.subject, certificate.issuer) for a in _common(name)]
    except ValueError:
        return []
    return [str(a.value) for a in found]


def _common(name: x509.Name) -> list[x509.NameAttribute[str | bytes]]:
    return name.get_attributes_for_oid(NameOID.COMMON_NAME)
