"""What is never sent to an AD CS, whatever the certificate request says (reference, section A6)."""

from __future__ import annotations

from cryptography import x509

from chancery.core.decoding import UNREADABLE
from chancery.sdk.authority import Request
from chancery.sdk.errors import RejectedByPolicy

_ATTRIBUTES = {
    "1.3.6.1.4.1.311.13.2.1": "name and value pairs, which the CA takes for request attributes (a SAN among them)",
}
"""Attributes of a PKCS#10 by which names reach an AD CS beside the subject alternative name (MS-WCCE section 2.2.2.7)."""
_EXTENSIONS = {
    "1.3.6.1.4.1.311.25.2": "a Windows security identifier",
    "1.3.6.1.4.1.311.20.2": "a certificate template name",
    "1.3.6.1.4.1.311.21.7": "a certificate template",
    "1.3.6.1.4.1.311.21.10": "Windows application policies",
}


def check_request(request: Request, *, needs_template: bool) -> None:
    """Raise `RejectedByPolicy`, with nothing sent, for a request that must not reach this CA."""
    template = str(getattr(request.settings, "template", ""))
    if needs_template and not template:
        raise _refusal(
            "The profile names no template, and an Enterprise CA issues by templates alone.",
            "no_template",
            "Choose a template in the profile.",
        )
    if template and not needs_template:
        text = "The profile names a template, and a Standalone CA has none."
        raise _refusal(text, "template", "Empty the profile's template, or correct the connector's CA setup type.")
    for found in _smuggled(request.csr):
        remedy = "Make the certificate request anew without it: names belong into the subject alternative name."
        raise _refusal(f"The certificate request holds {found}.", "smuggled", remedy)


def _smuggled(der: bytes) -> list[str]:
    try:
        csr = x509.load_der_x509_csr(der)
        attributes = [a.oid.dotted_string for a in csr.attributes]
        extensions = list(csr.extensions)
    except UNREADABLE:
        return ["what cannot be decoded"]
    found = [_ATTRIBUTES[oid] for oid in attributes if oid in _ATTRIBUTES]
    found += [_EXTENSIONS[e.oid.dotted_string] for e in extensions if e.oid.dotted_string in _EXTENSIONS]
    names = [n for e in extensions if isinstance(e.value, x509.SubjectAlternativeName) for n in e.value]
    return found + ["a name of another kind (otherName), such as a UPN" for n in names if isinstance(n, x509.OtherName)]


def _refusal(message: str, code: str, remedy: str) -> RejectedByPolicy:
    return RejectedByPolicy(message, code=code, stage="request", bytes_sent=False, remedy=remedy)
