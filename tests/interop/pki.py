"""A root for one test, a certificate for localhost under it, and an issuing CA for servers that want one."""

from dataclasses import dataclass
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chancery.core.clock import SYSTEM_CLOCK


@dataclass(frozen=True)
class Files:
    """Paths of PEM files, and the root as text."""

    root: str
    root_key: str
    certificate: str
    key: str
    intermediate: str
    intermediate_key: str
    root_pem: str


def write(folder, host="localhost"):
    """Make everything in a folder, for a server of this name; return where it is."""
    root_key, root = _made("Interop Root", None, None, ca=1)
    issuing_key, issuing = _made("Interop Issuing", root, root_key, ca=0)
    key, leaf = _made(host, root, root_key, ca=None)
    rows = {"root": (root_key, root), "issuing": (issuing_key, issuing), "tls": (key, leaf)}
    for name, (own, certificate) in rows.items():
        text = own.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        (folder / f"{name}.key").write_bytes(text)
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    paths = [str(folder / f"{name}.{end}") for name in ("root", "tls", "issuing") for end in ("pem", "key")]
    return Files(*paths, root.public_bytes(Encoding.PEM).decode())


def _made(name, issuer, issuer_key, *, ca):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = SYSTEM_CLOCK.now()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca is not None, ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    signer = issuer_key or key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if ca is None:
        hosts = [x509.DNSName(name)]
        builder = builder.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
    else:
        builder = builder.add_extension(_signs(), critical=True)
    return key, builder.sign(signer, hashes.SHA256())


def _signs():
    flags = dict.fromkeys(
        (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
            "encipher_only", "decipher_only",
        ),
        False,
    )  # fmt: skip
    return x509.KeyUsage(key_cert_sign=True, crl_sign=True, **flags)
