"""Certificates out of any body, and the warnings about them."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.authorities.adcs.issued import certificates, warnings_about
from chancery.net.tests.serving import make

ONE, TWO = make("one.example", ca=True), make("two.example")
DERS = [made.certificate.public_bytes(Encoding.DER) for made in (ONE, TWO)]
BUNDLE = pkcs7.serialize_certificates([ONE.certificate, TWO.certificate], Encoding.DER)


def armoured(der, label="CERTIFICATE", end="\r\n"):
    return f"-----BEGIN {label}-----{end}{base64.encodebytes(der).decode()}-----END {label}-----{end}".encode()


@pytest.mark.parametrize(
    "body",
    [
        BUNDLE,
        armoured(BUNDLE),
        armoured(BUNDLE, "PKCS7"),
        armoured(DERS[0]) + b"text" + armoured(DERS[1], end="\n"),
        b"<html><pre>" + armoured(BUNDLE) + b"</pre></html>",
    ],
)
def test_labels_and_armour_mean_nothing(body):
    assert set(certificates(body)) == set(DERS)


def test_one_certificate_in_der():
    assert certificates(DERS[0]) == [DERS[0]]


@pytest.mark.parametrize(
    "body", [b"", b"\x30\x03no!", armoured(b"no"), b"-----BEGIN X-----\n!!\n-----END X-----", b"<html>"]
)
def test_what_holds_none_gives_none(body):
    assert certificates(body) == []


def test_a_certificate_that_cannot_be_read_is_not_warned_of_here():
    assert warnings_about(b"no certificate") == ()
    assert isinstance(x509.load_der_x509_certificate(DERS[1]), x509.Certificate)
    assert "any purpose" in warnings_about(DERS[1])[0]
