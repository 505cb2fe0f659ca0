from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID, ObjectIdentifier
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chancery.core import pem
from chancery.core.certificate import Expected, Mismatch, check_issued, facts, spki_of
from chancery.core.errors import Invalid
from chancery.core.keys import available_key_labels, spki_sha256
from chancery.core.names import Name
from chancery.core.tests.making import NOW, Extensions, Holder, certify, dns, key_of, san
from tests.trying import examples

KEY = key_of("EC-P256")
ROOT = certify("Root", key=key_of("EC-P256", 1), ca=True)
INTER = certify("Inter", key=key_of("EC-P256", 2), ca=True, issuer=ROOT)
ISSUING = certify("Issuing", key=key_of("EC-P256", 3), ca=True, issuer=INTER)
LEAF = certify("www.example.com", key=KEY, issuer=ISSUING, ca=False, extensions=dns("www.example.com"))
CHAIN = (ISSUING.der, INTER.der, ROOT.der)
EXPECTED = Expected(spki_sha256(KEY.public_key()), (Name("dns", "www.example.com"),), NOW)
# The library warns of what it will refuse one day; here that is what is fed to it.
LENIENT = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
VECTORS = files("cryptography_vectors") / "x509"


def leaf(**changes: Any) -> Holder:
    wanted: dict[str, Any] = {"key": KEY, "issuer": ISSUING, "extensions": dns("www.example.com")}
    return certify("www.example.com", **(wanted | changes))


def codes(leaf_der: bytes, chain: tuple[bytes, ...] = CHAIN, expected: Expected = EXPECTED) -> list[str]:
    """Return the codes of the mismatch; empty if there is none."""
    try:
        check_issued(leaf_der, chain, expected)
    except Mismatch as error:
        assert all(p.remedy for p in error.problems if p.code != "garbled")
        return [p.code for p in error.problems]
    return []


def everything() -> Extensions:
    location = x509.UniformResourceIdentifier("http://crl.example/a.crl")
    relative = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    access = [
        x509.AccessDescription(
            AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example")
        ),
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example/a.cer")
        ),
    ]
    return [
        *san(x509.DNSName("B.example"), x509.DNSName("a.example"), x509.IPAddress(ip_address("10.0.0.1"))),
        (
            x509.CRLDistributionPoints(
                [
                    x509.DistributionPoint([location], None, None, None),
                    x509.DistributionPoint(None, relative, None, None),
                ]
            ),
            False,
        ),
        (x509.AuthorityInformationAccess(access), False),
        (x509.SubjectKeyIdentifier(b"\x01\x02"), False),
        (x509.AuthorityKeyIdentifier(b"\x03\x04", None, None), False),
    ]


def test_a_certificate_is_decoded_whole() -> None:
    holder = leaf(ca=False, extensions=everything())
    found = facts(holder.der)
    assert found.der == holder.der
    assert int(found.serial, 16) == holder.cert.serial_number
    assert found.serial == found.serial.lower()
    assert (found.issuer, found.subject, found.common_name) == ("CN=Issuing", "CN=www.example.com", "www.example.com")
    assert found.names == (Name("dns", "a.example"), Name("dns", "b.example"), Name("ip", "10.0.0.1"))
    assert (found.not_before, found.not_after) == (NOW - timedelta(hours=1), NOW + timedelta(days=90))
    assert (found.key.label, found.key.spki_sha256) == ("EC-P256", EXPECTED.spki_sha256)
    assert (found.signature_algorithm, found.is_ca) == ("ecdsa-with-sha256", False)
    assert (found.subject_key_id, found.authority_key_id) == ("0102", "0304")
    assert found.crl_urls == ("http://crl.example/a.crl",)
    assert found.ocsp_urls == ("http://ocsp.example",)
    assert len(found.sha256) == 64


def test_a_bare_certificate_has_empty_facts() -> None:
    found = facts(certify("", key=KEY, issuer_name="Root").der)
    assert (found.common_name, found.names, found.is_ca) == ("", (), False)
    assert (found.subject_key_id, found.authority_key_id) == ("", "")
    assert (found.crl_urls, found.ocsp_urls) == ((), ())


def test_an_authority_key_identifier_may_hold_no_key() -> None:
    serial = x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(ROOT.cert.subject)], 5)
    assert facts(leaf(extensions=[(serial, False)]).der).authority_key_id == ""


def test_names_that_we_would_not_ask_for_keep_their_text() -> None:
    odd = san(
        x509.DNSName("under_score.example"),
        x509.DirectoryName(ROOT.cert.subject),
        x509.OtherName(ObjectIdentifier("1.2.3"), b"\x0c\x01a"),
    )
    names = facts(leaf(extensions=odd).der).names
    assert Name("dns", "'under_score.example'") in names
    assert [n.kind for n in names] == ["dns", "other", "other"]


@pytest.mark.parametrize("data", [b"", b"\x30\x00", b"<html>", LEAF.der[:-1], LEAF.der + b"\x00"], ids=range(5))
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        facts(data)
    assert caught.value.problems[0].field == "certificate"
    assert spki_of(data) == ""
    assert codes(data) == ["garbled"]
    assert codes(LEAF.der, (data,)) == ["garbled"]


def test_the_key_of_a_certificate() -> None:
    assert spki_of(LEAF.der) == EXPECTED.spki_sha256


@pytest.mark.parametrize(
    "chain",
    [
        CHAIN,
        CHAIN[::-1],
        (INTER.der, ISSUING.der, ROOT.der),
        (ROOT.der, LEAF.der, INTER.der, ISSUING.der, ISSUING.der),
    ],
)
def test_a_chain_in_any_order_is_put_in_order(chain: tuple[bytes, ...]) -> None:
    found, ordered = check_issued(LEAF.der, chain, EXPECTED)
    assert found == facts(LEAF.der)
    assert ordered == CHAIN


def test_a_chain_may_come_without_its_root() -> None:
    assert check_issued(LEAF.der, CHAIN[:2], EXPECTED)[1] == CHAIN[:2]
    assert check_issued(LEAF.der, (LEAF.der, INTER.der, ISSUING.der), EXPECTED)[1] == CHAIN[:2]


@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ((), "no_issuer"),
        ((LEAF.der,), "no_issuer"),
        ((ROOT.der, INTER.der), "no_issuer"),
        ((ISSUING.der, ROOT.der), "gap"),
    ],
)
def test_a_missing_certificate_is_noticed(chain: tuple[bytes, ...], code: str) -> None:
    assert codes(LEAF.der, chain) == [code]


@pytest.mark.parametrize("label", available_key_labels())
def test_issuers_of_every_kind_of_key_are_verified(label: str) -> None:
    root = certify("Root", key=key_of(label, 1), ca=True)
    inter = certify("Inter", key=key_of(label, 2), ca=True, issuer=root)
    good = leaf(issuer=inter)
    assert check_issued(good.der, [root.der, inter.der], EXPECTED)[1] == (inter.der, root.der)
    changed = bytearray(good.der)
    changed[-20] ^= 1
    assert codes(bytes(changed), (root.der, inter.der)) in (["no_issuer"], ["garbled"])


def test_an_issuer_with_the_right_name_and_another_key_signed_nothing() -> None:
    impostor = certify("Issuing", key=key_of("EC-P256", 9), ca=True, issuer=INTER)
    assert codes(LEAF.der, (impostor.der, INTER.der, ROOT.der)) == ["no_issuer"]
    assert codes(leaf(issuer=impostor).der) == ["no_issuer"]


def test_a_false_certificate_higher_up_is_noticed() -> None:
    impostor = certify("Inter", key=key_of("EC-P256", 9), ca=True, issuer=ROOT)
    assert codes(LEAF.der, (ISSUING.der, impostor.der, ROOT.der)) == ["gap"]


@pytest.mark.parametrize("ca", [False, None])
def test_an_issuer_that_is_no_ca_is_refused(*, ca: bool | None) -> None:
    mate = certify("Mate", key=key_of("EC-P256", 4), ca=ca, issuer=INTER)
    assert codes(leaf(issuer=mate).der, (mate.der, INTER.der, ROOT.der)) == ["issuer_not_ca"]


def test_a_root_is_preferred_to_its_cross_certificate() -> None:
    old = certify("Old root", key=key_of("EC-P256", 5), ca=True)
    cross = certify("Root", key=ROOT.key, ca=True, issuer=old)
    for chain in ((*CHAIN, cross.der, old.der), (old.der, cross.der, *CHAIN)):
        assert check_issued(LEAF.der, chain, EXPECTED)[1] == CHAIN
    ordered = check_issued(LEAF.der, (old.der, cross.der, *CHAIN[:2]), EXPECTED)[1]
    assert ordered == (*CHAIN[:2], cross.der, old.der)


def test_a_loop_of_cross_certificates_ends() -> None:
    one = certify("One", key=key_of("EC-P256", 6), ca=True, issuer=certify("Two", key=key_of("EC-P256", 7), ca=True))
    two = certify("Two", key=key_of("EC-P256", 7), ca=True, issuer=one)
    ordered = check_issued(leaf(issuer=one).der, (two.der, one.der), EXPECTED)[1]
    assert ordered == (one.der, two.der)


def test_a_chain_verified_once_stays_verified_for_other_leaves_only_if_they_are_signed() -> None:
    for _ in range(2):
        assert codes(leaf().der) == []
        forged = certify("www.example.com", key=KEY, extensions=dns("www.example.com"), issuer_name="Issuing")
        assert codes(forged.der) == ["no_issuer"]


def test_another_key_is_noticed() -> None:
    assert codes(leaf(key=key_of("EC-P256", 8)).der) == ["wrong_key"]


def test_other_names_are_noticed() -> None:
    two = leaf(extensions=dns("www.example.com", "extra.example.com")).der
    assert codes(two) == ["extra_names"]
    assert codes(two, expected=replace(EXPECTED, allow_extra_names=True)) == []
    assert codes(leaf(extensions=dns("other.example.com")).der) == ["missing_names", "extra_names"]
    assert codes(leaf(extensions=[]).der) == ["missing_names"]
    lenient = replace(EXPECTED, allow_extra_names=True)
    assert codes(leaf(extensions=dns("other.example.com")).der, expected=lenient) == ["missing_names"]


def test_names_in_other_case_are_the_same() -> None:
    assert codes(leaf(extensions=dns("WWW.Example.com")).der) == []


def test_a_ca_certificate_is_noticed() -> None:
    assert codes(leaf(ca=True).der) == ["is_ca"]


def test_dates_are_checked() -> None:
    good = leaf(not_before=NOW, not_after=NOW + timedelta(days=90)).der
    assert codes(good, expected=replace(EXPECTED, now=NOW + timedelta(days=89))) == []
    assert codes(good, expected=replace(EXPECTED, now=NOW + timedelta(days=90))) == ["expired"]
    assert codes(good, expected=replace(EXPECTED, now=NOW - timedelta(minutes=59))) == []
    assert codes(good, expected=replace(EXPECTED, now=NOW - timedelta(minutes=61))) == ["not_yet_valid"]


@pytest.mark.parametrize(("days", "found"), [(91, []), (90, []), (89, []), (88, ["too_long"])])
def test_a_day_more_than_asked_for_is_let_pass(days: int, found: list[str]) -> None:
    most = NOW + timedelta(days=days)
    assert codes(LEAF.der, expected=replace(EXPECTED, not_after_max=most)) == found


def test_everything_wrong_is_told_at_once() -> None:
    bad = leaf(key=key_of("EC-P256", 8), extensions=dns("other.example.com"), ca=True)
    late = replace(EXPECTED, now=NOW + timedelta(days=91), not_after_max=NOW)
    with pytest.raises(Mismatch) as caught:
        check_issued(bad.der, (), late)
    assert [p.code for p in caught.value.problems] == [
        "wrong_key",
        "is_ca",
        "missing_names",
        "extra_names",
        "expired",
        "too_long",
        "no_issuer",
    ]
    assert caught.value.code == "mismatch"
    assert caught.value.remedy
    assert "other.example.com" in str(caught.value)


def published() -> list[str]:
    """Return the published certificates: odd, broken and plain ones."""
    folders = (VECTORS, VECTORS / "custom")
    return [e.name for f in folders for e in f.iterdir() if e.name.endswith((".pem", ".der", ".crt"))]


@LENIENT
@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")
@pytest.mark.parametrize("name", sorted(published()))
def test_published_certificates_are_decoded_or_refused(name: str) -> None:
    path = VECTORS / name if (VECTORS / name).is_file() else VECTORS / "custom" / name
    data = path.read_bytes()
    try:
        blocks = pem.split(data) if b"-----BEGIN" in data else [("CERTIFICATE", data)]
        decoded = [facts(der) for _, der in blocks]
    except Invalid as error:
        assert error.__cause__ is None
    else:
        assert all(len(found.sha256) == 64 and found.serial.isalnum() for found in decoded)


@LENIENT
@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")  # the changed byte may name another attribute
@settings(max_examples=examples(300))
@example(57, 5)
@given(st.integers(0, len(LEAF.der) - 1), st.integers(1, 255))
def test_a_certificate_with_one_byte_changed_never_passes(where: int, change: int) -> None:
    data = bytearray(LEAF.der)
    data[where] ^= change
    assert codes(bytes(data)) != []


def test_unused_bits_of_the_signature_are_refused() -> None:
    data = bytearray(LEAF.der)
    data[-1] &= 0xFE  # an unused bit has to be zero, else the parser itself refuses
    facts(bytes(data))
    data[-len(x509.load_der_x509_certificate(LEAF.der).signature) - 1] = 1
    x509.load_der_x509_certificate(bytes(data))
    with pytest.raises(Invalid):
        facts(bytes(data))


@pytest.mark.parametrize(
    ("asked", "issued", "found"),
    [
        ("www.example.com", ("www.example.com", "example.com"), []),
        ("example.com", ("example.com", "www.example.com"), []),
        ("www.example.com", ("www.example.com", "mail.example.com"), ["extra_names"]),
        ("www.example.com", ("example.com",), ["missing_names"]),
    ],
)
def test_the_name_that_a_ca_adds_for_free_is_no_surprise_where_it_is_declared(asked, issued, found):  # type: ignore[no-untyped-def]
    made = leaf(extensions=dns(*issued))
    expected = replace(EXPECTED, names=(Name("dns", asked),), companions=True)
    assert codes(made.der, CHAIN, expected) == found
    if not found:
        assert codes(made.der, CHAIN, replace(expected, companions=False)) == ["extra_names"]
