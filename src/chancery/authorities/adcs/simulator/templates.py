"""The templates of this CA, and its policy module: what it says to a request (reference, section A9.3)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from chancery.authorities.adcs.simulator import numbers

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
_NAME_EXTENSION, _OID_EXTENSION = "1.3.6.1.4.1.311.20.2", "1.3.6.1.4.1.311.21.7"


@dataclass(frozen=True)
class Template:
    """`pends` waits for a manager, `supplied` takes the subject from the request; `agents` is the number of signatures."""

    name: str
    oid: str
    label: str
    published: bool = True
    open: bool = True
    supplied: bool = True
    pends: bool = False
    least_bits: int = 2048
    agents: int = 0
    archives: bool = False
    uses: tuple[x509.ObjectIdentifier, ...] = (SERVER,)
    days: int = 180


_ROOT = "1.3.6.1.4.1.311.21.8.1234567.7654321.1.1.1"
TEMPLATES = (
    Template("WebServer2", f"{_ROOT}.1", "Web Server, half a year"),
    Template("WebServerApproved", f"{_ROOT}.2", "Web Server, approved", pends=True),
    Template("WebServerStrong", f"{_ROOT}.3", "Web Server, strong keys", least_bits=4096),
    Template("WebAndClient", f"{_ROOT}.4", "Web Server and Client", uses=(SERVER, CLIENT)),
    Template("AnyUse", f"{_ROOT}.5", "Subordinate, no use", uses=()),
    Template("Closed", f"{_ROOT}.6", "For others", open=False),
    Template("Machine", f"{_ROOT}.7", "Computer", supplied=False),
    Template("ByAgent", f"{_ROOT}.8", "By agents", agents=1),
    Template("Archived", f"{_ROOT}.9", "With key archival", archives=True),
    Template("Unpublished", f"{_ROOT}.10", "Not published", published=False),
)


def find(name: str) -> Template | None:
    """Return the template of this name (cn) or OID; a display name is none."""
    return next((t for t in TEMPLATES if name in {t.name, t.oid}), None)


def judge(template: Template | None, csr: x509.CertificateSigningRequest) -> int:
    """Return the number with which the policy module refuses, in its order of questions, or 0."""
    if template is None or not template.published:
        return numbers.UNSUPPORTED_TYPE
    if not template.open:
        return numbers.TEMPLATE_DENIED
    if _names_another(csr):
        return numbers.CONFLICT
    if template.archives:
        return numbers.ARCHIVAL
    if template.agents:
        return numbers.SIGNATURES
    if not template.supplied:
        return numbers.DNS_REQUIRED
    key = csr.public_key()
    too_short = isinstance(key, rsa.RSAPublicKey) and key.key_size < template.least_bits
    return numbers.KEY_LENGTH if too_short else 0


def _names_another(csr: x509.CertificateSigningRequest) -> bool:
    """Say whether the request carries template information of its own; none of this CA's does."""
    return any(e.oid.dotted_string in {_NAME_EXTENSION, _OID_EXTENSION} for e in csr.extensions)
