"""OpenSSL reads what both sides of our SCEP write: signatures, envelopes, certificates."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from chancery.core import keys
from chancery.protocols.scep.identity import Identity, fresh_key
from chancery.protocols.scep.message import Asked, Kind
from chancery.protocols.scep.sealing import AES_128, TRIPLE_DES, seal
from chancery.protocols.scep.settings import ScepCredentials
from chancery.protocols.scep.signing import SHA_256, SHA_512, sign
from chancery.protocols.scep.simulator.writing import Rep, envelope, signed
from chancery.sandbox.der import certs_only
from chancery.sandbox.enrolment import EnrolmentCa
from tests.interop.requests import signed_request

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
NOW = datetime(2026, 6, 1, tzinfo=UTC)
TEXT = b"what is inside\r\n\0\xff"


@pytest.fixture(scope="module")
def ca():
    return EnrolmentCa(NOW, rsa_keys=True)


@pytest.fixture
def ours():
    identity = Identity.read(ScepCredentials(fresh_key()))
    subject = x509.load_der_x509_csr(signed_request(keys.generate("EC-P256"), "www.example.com")).subject
    return identity, identity.chain(subject, "a-transaction", NOW)[0]


def openssl(folder, *words, **files):
    for name, content in files.items():
        (folder / name).write_bytes(content)
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def key_pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def pem(certificate):
    return certificate.public_bytes(Encoding.PEM)


@pytest.mark.parametrize("algorithm", [AES_128, TRIPLE_DES], ids=lambda a: a.name)
def test_what_our_client_encrypts_openssl_opens(ca, tmp_path, algorithm):
    opened = openssl(
        tmp_path, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", "m", "-recip", "c", "-inkey", "k",
        m=seal(TEXT, ca.issuing, algorithm), c=pem(ca.issuing), k=key_pem(ca.key),
    )  # fmt: skip
    assert opened == TEXT


@pytest.mark.parametrize("digest", [SHA_256, SHA_512])
def test_what_our_client_signs_openssl_verifies(ours, tmp_path, digest):
    identity, certificate = ours
    asked = Asked.fresh(Kind.PKCS_REQ, "a-transaction")
    message = sign(TEXT, asked.attributes(), identity.key, (certificate,), digest)
    words = ["cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", "m", "-certfile", "c"]
    assert openssl(tmp_path, *words, m=message, c=pem(certificate)) == TEXT


@pytest.mark.parametrize("cipher", ["", "aes256", "3des"])
def test_what_our_simulator_encrypts_openssl_opens(ours, tmp_path, cipher):
    identity, certificate = ours
    opened = openssl(
        tmp_path, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", "m", "-recip", "c", "-inkey", "k",
        m=envelope(TEXT, certificate, cipher, stretched=False), c=pem(certificate), k=key_pem(identity.key),
    )  # fmt: skip
    assert opened == TEXT


def test_what_our_simulator_signs_openssl_verifies(ca, tmp_path):
    message = signed(TEXT, Rep("a-transaction", b"n" * 16, "0"), (ca.issuing, ca.key), "")
    words = ["cms", "-verify", "-noverify", "-binary", "-inform", "DER", "-in", "m", "-certfile", "c"]
    assert openssl(tmp_path, *words, m=message, c=pem(ca.issuing)) == TEXT


def test_certificates_in_any_order_are_a_pkcs7_bundle_to_openssl(ca, tmp_path):
    leaf = ca.issue(
        x509.load_der_x509_csr(signed_request(keys.generate("EC-P256"), "www.example.com")),
        NOW,
        NOW + timedelta(days=9),
    )
    shown = openssl(
        tmp_path,
        "pkcs7",
        "-inform",
        "DER",
        "-in",
        "m",
        "-print_certs",
        "-noout",
        m=certs_only([ca.root, ca.issuing, leaf]),
    )
    assert shown.count(b"subject=") == 3
