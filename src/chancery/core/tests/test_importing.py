"""Certificates out of files, and the chains above them."""

import base64

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from chancery.core import importing, pem
from chancery.core.errors import Invalid
from chancery.core.importing import Chains, read
from chancery.core.tests.making import certify, dns, key_of

ROOT = certify("Root", key=key_of("EC-P256", 1), ca=True)
MIDDLE = certify("Middle", key=key_of("EC-P256", 2), issuer=ROOT, ca=True)
LEAF = certify("www.example.com", key=key_of("EC-P256"), issuer=MIDDLE, ca=False, extensions=dns("www.example.com"))
OTHER = certify("db.example.com", key=key_of("EC-P256", 3), issuer=MIDDLE, extensions=dns("db.example.com"))
EVERY = [LEAF, OTHER, MIDDLE, ROOT]
P7B = pkcs7.serialize_certificates([c.cert for c in EVERY], Encoding.DER)


def text(*ders):
    return pem.chain_text(ders).encode()


FILES = {
    "PEM": text(*(c.der for c in EVERY)),
    "PEM with texts between": b"subject=www\n" + text(LEAF.der) + b"\n# next\n" + text(OTHER.der, MIDDLE.der, ROOT.der),
    "PEM with one twice": text(LEAF.der, *(c.der for c in EVERY)),
    "PKCS#7 in PEM": pkcs7.serialize_certificates([c.cert for c in EVERY], Encoding.PEM),
    "PKCS#7": P7B,
    "PKCS#7 as base64": base64.encodebytes(P7B),
    "PKCS#7 that is called a certificate": pem.encode("CERTIFICATE", P7B).encode(),
    "PEM beside a request": text(*(c.der for c in EVERY)) + pem.encode("CERTIFICATE REQUEST", b"0\x00").encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file(name):
    found = read(FILES[name], 10)
    assert {f.common_name for f in found.leaves} == {"www.example.com", "db.example.com"}
    assert {f.common_name for f in found.authorities} == {"Root", "Middle"}
    assert found.unreadable == 0


def test_a_single_certificate_in_der():
    assert [f.der for f in read(LEAF.der, 10).leaves] == [LEAF.der]


def test_what_cannot_be_read_is_counted_and_keeps_back_no_other():
    garbled = pem.encode("CERTIFICATE", b"0\x03\x02\x01\x01").encode()
    # A signature whose last octet has a bit left over, which DER wants to be zero: it loads, and is refused closely looked at.
    at = len(LEAF.der) - len(LEAF.cert.signature) - 1
    bent = LEAF.der[:at] + b"\x01" + LEAF.der[at + 1 : -1] + bytes([LEAF.der[-1] & 0xFE])
    found = read(text(LEAF.der, bent) + garbled, 10)
    assert ([f.der for f in found.leaves], found.unreadable) == ([LEAF.der], 2)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "no_certificate"),
        (b"hello", "no_certificate"),
        (b"\xff\xfe", "no_certificate"),
        (b"aGVsbG8=", "no_certificate"),
        (pem.encode("CERTIFICATE REQUEST", b"0\x00").encode(), "no_certificate"),
        (text(LEAF.der) + b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "private_key"),
        (text(*(c.der for c in EVERY)), "too_many"),
        (b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "invalid"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_a_remedy(data, code):
    with pytest.raises(Invalid) as caught:
        read(data, 3)
    (problem,) = caught.value.problems
    assert (problem.field, problem.code) == ("certificates", code)
    assert problem.remedy
    assert "AAAA" not in str(caught.value)


def test_chains_are_found_whatever_stands_beside():
    stranger = certify("Middle", key=key_of("EC-P256", 4), issuer=ROOT, ca=True)
    chains = Chains([ROOT.der, stranger.der, MIDDLE.der])
    assert chains.above(LEAF.der) == (MIDDLE.der, ROOT.der)
    assert chains.above(ROOT.der) == ()
    assert Chains([MIDDLE.der]).above(LEAF.der) == (MIDDLE.der,)
    assert Chains([]).above(LEAF.der) == ()


def test_two_that_vouch_for_each_other_make_no_endless_chain():
    first = certify("One", key=key_of("EC-P256", 5), issuer=certify("Two", key=key_of("EC-P256", 6)), ca=True)
    second = certify("Two", key=key_of("EC-P256", 6), issuer=first, ca=True)
    third = certify("One", key=key_of("EC-P256", 5), issuer=second, ca=True)
    leaf = certify("www.example.com", key=key_of("EC-P256"), issuer=first)
    assert len(Chains([third.der, second.der]).above(leaf.der)) == 2


def test_a_chain_has_an_end(monkeypatch):
    monkeypatch.setattr(importing, "_LONGEST", 1)
    assert Chains([MIDDLE.der, ROOT.der]).above(LEAF.der) == (MIDDLE.der,)
