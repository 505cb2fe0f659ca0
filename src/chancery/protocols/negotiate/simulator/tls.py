"""The web server's side of TLS: a root, a certificate for this machine, and a client's certificate that is mapped to an account."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery.core.clock import SYSTEM_CLOCK

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Front:
    """`certificate` and `client_der` are DER; the rest is PEM."""

    context: ssl.SSLContext
    certificate: bytes
    root_pem: str
    client_pem: str
    client_key: str
    client_der: bytes


def make() -> Front:
    """Return all of it, made anew. Whoever shows a certificate of the root is let into TLS, and nobody has to."""
    root_key, root = _made("Sandbox web root", None, None)
    key, own = _made("localhost", root, root_key)
    client_key, client = _made("svc-chancery", root, root_key)
    root_pem = _pem(root)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=root_pem)
    with TemporaryDirectory(prefix="chancery-") as folder:
        file = Path(folder) / "server.pem"
        file.write_text(_key(key) + _pem(own), encoding="ascii")
        context.load_cert_chain(file)
    return Front(context, _der(own), root_pem, _pem(client), _key(client_key), _der(client))


def _made(name: str, issuer: x509.Certificate | None, issuer_key: Any) -> tuple[Any, x509.Certificate]:
    key, now = ec.generate_private_key(ec.SECP256R1()), SYSTEM_CLOCK.now()
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    signer = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 30 * _DAY)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if issuer is not None:
        names: list[x509.GeneralName] = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return key, builder.sign(signer, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def _key(key: Any) -> str:
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return text.decode()
