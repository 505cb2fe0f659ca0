"""The templates that the pages' CA has, and its policy module: what it says to a request (reference, section A9.3)."""

from __future__ import annotations

from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from chancery.authorities.adcs.simulator import numbers
from chancery.sandbox.certsrv import Template, template_in

_SERVER, _CLIENT = ExtendedKeyUsageOID.SERVER_AUTH.dotted_string, ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string
_ROOT = "1.3.6.1.4.1.311.21.8.1234567.7654321.1.1.1"
_OTHERS = frozenset({"EXAMPLE\\ca-admin"})


def _of(name: str, number: int, **more: Any) -> Template:
    return Template(name, f"{_ROOT}.{number}", 180, **{"usages": (_SERVER,), **more})


TEMPLATES = (
    _of("WebServer2", 1),
    _of("WebServerApproved", 2, pends=True),
    _of("WebServerStrong", 3, minimal_key=4096),
    _of("WebAndClient", 4, usages=(_SERVER, _CLIENT)),
    _of("AnyUse", 5, usages=()),
    _of("Closed", 6, accounts=_OTHERS),
    _of("Machine", 7, supplies=False),
    _of("ByAgent", 8, signatures=1),
    _of("KeyArchival", 9, archives=True),
    _of("Unpublished", 10, published=False),
)
LABELS = {
    "WebServer2": "Web Server, half a year",
    "WebServerApproved": "Web Server, approved",
    "WebServerStrong": "Web Server, strong keys",
    "WebAndClient": "Web Server and Client",
    "AnyUse": "Subordinate, no use",
    "Closed": "For others",
    "Machine": "Computer",
    "ByAgent": "By agents",
    "KeyArchival": "With key archival",
    "Unpublished": "Not published",
}
"""Display names, where they differ from the name."""


def judge(template: Template | None, csr: x509.CertificateSigningRequest, account: str) -> int:
    """Return the number with which the policy module refuses, in its order of questions, or 0."""
    if template is None or not template.published:
        return numbers.UNSUPPORTED_TYPE
    key = csr.public_key()
    reasons = (
        (not template.lets(account), numbers.TEMPLATE_DENIED),
        (_names_another(csr, template), numbers.CONFLICT),
        (template.archives, numbers.ARCHIVAL),
        (template.signatures > 0, numbers.SIGNATURES),
        (not template.supplies, numbers.DNS_REQUIRED),
        (isinstance(key, rsa.RSAPublicKey) and key.key_size < template.minimal_key, numbers.KEY_LENGTH),
    )
    return next((code for applies, code in reasons if applies), 0)


def _names_another(csr: x509.CertificateSigningRequest, template: Template) -> bool:
    named = template_in(csr).casefold()
    return bool(named) and named not in {template.name.casefold(), template.oid}
