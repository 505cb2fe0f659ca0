"""tls-server-end-point (RFC 5929 section 4.1): which hash, of what."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.protocols.negotiate import binding
from chancery.protocols.negotiate.binding import end_point

RSA, EC, ED = (
    rsa.generate_private_key(65537, 2048),
    ec.generate_private_key(ec.SECP256R1()),
    ed25519.Ed25519PrivateKey.generate(),
)
START = b"tls-server-end-point:"


def signed(key, algorithm, **more):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pki.example.com")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, now, now + timedelta(days=9))
    return builder.sign(key, algorithm, **more).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("key", "algorithm", "expected"),
    [
        (EC, hashes.SHA256(), "sha256"),
        (EC, hashes.SHA384(), "sha384"),
        (RSA, hashes.SHA512(), "sha512"),
        (ED, None, "sha256"),
    ],
)
def test_the_hash_is_that_of_the_certificates_own_signature(key, algorithm, expected):
    der = signed(key, algorithm)
    assert end_point(der) == START + hashlib.new(expected, der).digest()


def test_sha_256_stands_in_for_rsassa_pss_whatever_its_hash():
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), padding.PSS.DIGEST_LENGTH)
    der = signed(RSA, hashes.SHA384(), rsa_padding=pss)
    assert end_point(der) == START + hashlib.sha256(der).digest()


SHA1_OID, SHA256_OID = bytes.fromhex("2a864886f70d010105"), bytes.fromhex("2a864886f70d01010b")


@pytest.mark.parametrize("oid", [SHA1_OID, bytes.fromhex("2a864886f70d010104"), bytes.fromhex("2a864886f70d010163")])
def test_sha_256_stands_in_for_weak_and_unknown_hashes(oid):
    # Nobody checks the signature here: the server's certificate was verified by TLS, or it was not.
    der = signed(RSA, hashes.SHA256()).replace(SHA256_OID, oid)
    assert end_point(der) == START + hashlib.sha256(der).digest()


def test_the_rule_is_told_from_the_certificate_alone():
    assert binding.end_point(signed(EC, hashes.SHA256())) != binding.end_point(signed(EC, hashes.SHA256()))
