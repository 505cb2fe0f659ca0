"""To which root a certificate chains, by what it says itself: chains often end before the root."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509

from chancery.core.decoding import UNREADABLE

_KEY_ID = 16


def anchor(certificate: bytes, chain: Sequence[bytes]) -> str:
    """Return name and key id of the root above a certificate (DER) and its chain in order; '' where that cannot be read.

    The last certificate that was sent names its issuer (RFC 5280 sections 4.1.2.4 and 4.2.1.1); a root names itself. Two
    roots of one name with different keys are two roots.
    """
    try:
        top = x509.load_der_x509_certificate(chain[-1] if chain else certificate)
        name, key = top.issuer.rfc4514_string(), _key_id(top)
    except UNREADABLE:
        return ""
    return f"{name} ({key[:_KEY_ID]})" if key else name


def _key_id(top: x509.Certificate) -> str:
    if top.issuer == top.subject:
        try:
            return top.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()
        except x509.ExtensionNotFound:
            return ""
    try:
        found = top.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return ""
    return found.hex() if found else ""
