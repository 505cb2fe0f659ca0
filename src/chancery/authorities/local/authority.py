"""A private CA inside Chancery: a root and an issuing CA whose keys are sealed with the connector.

What goes into a certificate is a function of the reference, the request and the moment of the first
intent, and the signature is deterministic (RFC 6979, or EdDSA): the same order gives the same bytes
again, so a crash between signing and recording can never leave two certificates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chancery.core.clock import SYSTEM_CLOCK
from chancery.core.csr import general_name
from chancery.core.keys import available_key_labels, generate
from chancery.core.order import RevocationReason
from chancery.core.policy import AuthorityFacts
from chancery.core.secret import Secret
from chancery.sdk.authority import Context, Dedup, Facts, Request, Target
from chancery.sdk.config import Config, ProfileSettings, setting
from chancery.sdk.errors import AuthFailed, NotFound, RejectedByPolicy
from chancery.sdk.finding import Finding, Level
from chancery.sdk.outcome import Issued, Outcome, PollState, Revoked

_BACKDATE = timedelta(minutes=5)
_KEYS = {label: label for label in available_key_labels()}
_YEAR = timedelta(days=365)


class LocalConfig(Config):
    """Settings of a private CA; what is left empty is made at creation."""

    subject: str = setting(
        title="CA name",
        help="Organisation name in the CA certificates.",
        group="CA",
        default="Chancery Local CA",
        min_length=1,
        max_length=60,
    )
    key_type: str = setting(
        title="CA key",
        help="Kind of the root's and the issuing CA's key.",
        group="CA",
        default="EC-P256",
        choices=_KEYS,
    )
    years: int = setting(
        title="CA lifetime",
        help="Years that the root lives; the issuing CA lives half of them.",
        group="CA",
        default=10,
        ge=2,
        le=30,
    )
    crl_url: str = setting(
        title="CRL address",
        help="Written into certificates when given.",
        group="CA",
        default="",
        advanced=True,
        max_length=500,
    )
    chain_pem: str = setting(
        title="CA certificates",
        help="Issuing CA and root as PEM; made at creation when empty.",
        group="CA",
        default="",
        advanced=True,
        multiline=True,
    )
    issuing_key: Secret = setting(
        title="Issuing CA key",
        help="PEM (PKCS#8); made at creation when empty.",
        group="CA",
        advanced=True,
        multiline=True,
        irreplaceable=True,
    )


class LocalProfile(ProfileSettings):
    """What a certificate of this CA is for."""

    server: bool = setting(title="TLS server", group="Use", default=True)
    client: bool = setting(title="TLS client", group="Use", default=False)


class Local:
    """The embedded authority."""

    slug: ClassVar[str] = "local"
    title: ClassVar[str] = "Local CA"
    maker: ClassVar[str] = "Chancery"
    proof: ClassVar[str] = "bronze"
    config: ClassVar[type[Config]] = LocalConfig
    profile: ClassVar[type[ProfileSettings]] = LocalProfile
    outside: ClassVar[bool] = False
    api: ClassVar[tuple[int, int]] = (1, 1)
    facts: ClassVar[Facts] = Facts(
        certificates=AuthorityFacts(
            key_types=(*available_key_labels(), "Ed448"), name_kinds=("dns", "ip", "email", "uri"), max_names=1000
        ),
        calls_per_second=100_000,
        burst=100_000,
        concurrency=800,
        dedup=Dedup.RETURN_ORIGINAL,
        cpu_bound=True,
        publishes_revocations=False,
        lease=timedelta(seconds=60),
    )

    def __init__(self, config: LocalConfig, context: Context) -> None:
        self._config, self._context = config, context

    @classmethod
    def prepare(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Make root and issuing CA for a new connector, unless they are given."""
        if values.get("issuing_key") or values.get("chain_pem"):
            return values
        label = str(values.get("key_type") or "EC-P256")
        if label not in _KEYS:
            return values
        subject, years = str(values.get("subject") or "Chancery Local CA")[:60], values.get("years") or 10
        chain, key = make_hierarchy(subject, label, int(years) if str(years).isdigit() else 10, SYSTEM_CLOCK.now())
        return {**values, "chain_pem": chain, "issuing_key": key}

    def check(self) -> Iterable[Finding]:
        """Say whether the issuing key fits its certificate, and how long the CA lives."""
        issuer = self._issuer()
        yield Finding("login", Level.OK, "ok", "The issuing key opens and fits its certificate.")
        left = issuer.certificate.not_valid_after_utc - self._context.clock.now()
        evidence = (
            f"{issuer.certificate.subject.rfc4514_string()}, until {issuer.certificate.not_valid_after_utc:%Y-%m-%d}"
        )
        if left < _YEAR:
            yield Finding(
                "chain",
                Level.WARNING,
                "ca_expiring",
                "The issuing CA ends within a year.",
                evidence,
                "Make a new local CA connector and move the profiles to it.",
            )
        else:
            yield Finding("chain", Level.OK, "ok", "The issuing CA is valid.", evidence)

    def submit(self, request: Request) -> Outcome:
        """Sign; the same reference gives the same certificate."""
        issuer = self._issuer()
        not_before = request.intended_at - _BACKDATE
        not_after = not_before + request.validity
        if not_after > issuer.certificate.not_valid_after_utc:
            raise RejectedByPolicy(
                "The certificate would outlive the issuing CA.", code="beyond_ca", remedy="Ask for fewer days."
            )
        leaf = _sign(request, issuer, not_before, not_after, self._config.crl_url)
        return Issued(leaf, issuer.chain, reference=request.reference)

    def poll(self, state: PollState, request: Request) -> Outcome:
        """Nothing is ever pending here."""
        del state, request
        raise NotFound("The local CA never leaves an order pending.")

    def revoke(self, target: Target, reason: RevocationReason, comment: str) -> Revoked:
        """Confirm at once: the record in Chancery's database is this CA's register."""
        del target, comment
        return Revoked(f"Recorded here ({reason}), not published: the local CA has neither CRL nor OCSP.")

    def poll_revocation(self, state: PollState, target: Target) -> Revoked:
        """Confirm: nothing is ever pending here."""
        del state, target
        return Revoked()

    def _issuer(self) -> _Issuer:
        issuer = _load(self._config.chain_pem, self._config.issuing_key.reveal())
        if issuer is None:
            raise AuthFailed(
                "The issuing key or the CA certificates are missing, damaged, or do not fit each other.",
                bytes_sent=False,
                remedy="Restore them from a backup, or make a new local CA.",
            )
        return issuer


class _Issuer:
    """A loaded issuing CA: key, certificate, chain and the parts that every certificate repeats."""

    def __init__(self, key: Any, certificates: list[x509.Certificate]) -> None:
        self.key, self.certificate = key, certificates[0]
        self.chain = tuple(c.public_bytes(Encoding.DER) for c in certificates)
        self.name = self.certificate.subject
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        self.authority = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
        self.salt = identifier.digest


@lru_cache(maxsize=32)
def _load(chain_pem: str, key_pem: str) -> _Issuer | None:
    try:
        key: Any = load_pem_private_key(key_pem.encode(), None)
        certificates = x509.load_pem_x509_certificates(chain_pem.encode())
    except (ValueError, TypeError):
        return None
    return _Issuer(key, certificates) if certificates[0].public_key() == key.public_key() else None


def _sign(request: Request, issuer: _Issuer, not_before: datetime, not_after: datetime, crl_url: str) -> bytes:
    key = x509.load_der_x509_csr(request.csr).public_key()
    name = [x509.NameAttribute(NameOID.COMMON_NAME, request.common_name)] if len(request.common_name) <= 64 else []
    builder = x509.CertificateBuilder(
        issuer_name=issuer.name,
        subject_name=x509.Name(name),
        public_key=key,
        serial_number=_serial(request.reference, issuer.salt),
        not_valid_before=not_before.astimezone(UTC).replace(tzinfo=None, microsecond=0),
        not_valid_after=not_after.astimezone(UTC).replace(tzinfo=None, microsecond=0),
        extensions=_extensions(request, key, issuer, crl_url, critical_names=not name),
    )
    return _sign_with(builder, issuer.key).public_bytes(Encoding.DER)


def _extensions(request: Request, key: Any, issuer: _Issuer, crl_url: str, *, critical_names: bool) -> list[Any]:
    settings: Any = request.settings
    uses = [ExtendedKeyUsageOID.SERVER_AUTH] * settings.server + [ExtendedKeyUsageOID.CLIENT_AUTH] * settings.client
    extensions: list[tuple[Any, bool]] = [
        (_LEAF, True),
        (_usage(key), True),
        (x509.SubjectAlternativeName([general_name(n) for n in request.names]), critical_names),
        (issuer.authority, False),
        (x509.SubjectKeyIdentifier.from_public_key(key), False),
    ]
    if uses:
        extensions.append((x509.ExtendedKeyUsage(uses), False))
    if crl_url:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)
        extensions.append((x509.CRLDistributionPoints([point]), False))
    return [x509.Extension(value.oid, critical, value) for value, critical in extensions]


_LEAF = x509.BasicConstraints(ca=False, path_length=None)


@lru_cache(maxsize=4)
def _key_usage(*, enciphers: bool, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_encipherment=enciphers,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _usage(key: Any) -> x509.KeyUsage:
    return _key_usage(enciphers=isinstance(key, rsa.RSAPublicKey), signs=False)


def _serial(reference: str, salt: bytes) -> int:
    """Return a serial of 19 octets: unpredictable to outsiders, the same for the same order (BR 7.1)."""
    return int.from_bytes(hashlib.sha256(salt + reference.encode()).digest()[:19], "big") | 1 << 150


def _sign_with(builder: x509.CertificateBuilder, key: Any) -> x509.Certificate:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return builder.sign(key, _hash_for(key), ecdsa_deterministic=True)
    return builder.sign(key, hashes.SHA256() if isinstance(key, rsa.RSAPrivateKey) else None)


def _hash_for(key: ec.EllipticCurvePrivateKey) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    if key.key_size <= 256:
        return hashes.SHA256()
    return hashes.SHA384() if key.key_size <= 384 else hashes.SHA512()


def make_hierarchy(subject: str, label: str, years: int, now: datetime) -> tuple[str, str]:
    """Return (issuing CA and root as PEM, the issuing CA's key as PEM). The root's key is thrown away."""
    root_key, issuing_key = generate(label), generate(label)
    root_name, issuing_name = _ca_name(f"{subject} Root"), _ca_name(f"{subject} Issuing 1")
    root = _ca(root_name, root_key, root_name, root_key, now, years * 365, 1)
    issuing = _ca(issuing_name, issuing_key, root_name, root_key, now, years * 365 // 2, 0)
    chain = b"".join(c.public_bytes(Encoding.PEM) for c in (issuing, root)).decode()
    return chain, issuing_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _ca_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _ca(
    subject: x509.Name, key: Any, issuer: x509.Name, issuer_key: Any, now: datetime, days: int, below: int
) -> x509.Certificate:
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
        .add_extension(_key_usage(enciphers=False, signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    return _sign_with(builder, issuer_key)
