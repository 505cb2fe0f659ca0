from __future__ import annotations

import base64
import random
from importlib.resources import files
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID, ObjectIdentifier
from hypothesis import given, settings
from hypothesis import strategies as st

from chancery.core import pem
from chancery.core.csr import Limits, build, der_length, general_name, parse
from chancery.core.errors import Invalid, Problem
from chancery.core.keys import available_key_labels
from chancery.core.names import Name, parse_name
from chancery.core.tests.making import Extensions, certify, distinguished, dns, key_of, request, san
from tests.trying import examples

KEY = key_of("EC-P256")
GOOD = build(KEY, [Name("dns", "www.example.com")], "www.example.com")
GOOD_PEM = pem.encode("CERTIFICATE REQUEST", GOOD)
VECTORS = files("cryptography_vectors") / "x509" / "requests"


def refusal(data: bytes | str, limits: Limits | None = None) -> Problem:
    """Return the first problem of a request that must be refused; check what all refusals have."""
    with pytest.raises(Invalid) as caught:
        parse(data, limits)
    problem = caught.value.problems[0]
    assert problem.field == "csr"
    assert problem.remedy
    assert problem.message.isprintable()
    assert caught.value.__cause__ is None
    return problem


@pytest.mark.parametrize("label", available_key_labels())
def test_what_is_built_is_parsed_for_every_kind_of_key(label: str) -> None:
    names = tuple(
        parse_name(t) for t in ("a.example", "*.example.com", "10.0.0.1", "x@example.com", "https://b.example/")
    )
    found = parse(build(key_of(label), names, "a.example"))
    assert (found.common_name, found.key.label) == ("a.example", label)
    assert found.names == tuple(sorted(names))
    assert len(found.sha256) == 64
    assert found.signature_algorithm


def test_pem_der_and_text_give_the_same() -> None:
    forms: list[bytes | str] = [
        GOOD,
        GOOD_PEM,
        GOOD_PEM.encode(),
        GOOD_PEM.replace("\n", "\r\n"),
        f"\n  {GOOD_PEM}\n\n",
        pem.encode("NEW CERTIFICATE REQUEST", GOOD),
    ]
    assert {parse(form) for form in forms} == {parse(GOOD)}
    assert parse(GOOD).signature_algorithm == "ecdsa-with-sha256"
    assert parse(GOOD).der == GOOD


def test_the_common_name_joins_the_names_and_is_made_up_where_there_is_none() -> None:
    assert parse(request(KEY, "CN.example", dns("b.example"))).names == (
        Name("dns", "b.example"),
        Name("dns", "cn.example"),
    )
    assert parse(request(KEY, "CN.example")).common_name == "cn.example"
    assert parse(request(KEY, "10.0.0.1")).names == (Name("ip", "10.0.0.1"),)
    assert parse(request(KEY, "2001:db8::1")).names == (Name("ip", "2001:db8::1"),)
    assert parse(request(KEY, "", dns("b.example", "a.example"))).common_name == "a.example"
    assert parse(request(KEY, "", san(x509.IPAddress(ip_address("10.0.0.1"))))).common_name == "10.0.0.1"


def test_names_are_canonical() -> None:
    found = parse(request(KEY, "", dns("B.example", "b.EXAMPLE", "a.example")))
    assert [n.value for n in found.names] == ["a.example", "b.example"]


def test_harmless_wishes_are_ignored() -> None:
    wishes: Extensions = [
        *dns("a.example"),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ]
    assert parse(request(KEY, "", wishes)).names == (Name("dns", "a.example"),)


def test_too_much_is_refused_before_anything_is_parsed() -> None:
    assert refusal(b"\x00" * 65_537).code == "csr_size"
    assert refusal(GOOD, Limits(max_bytes=len(GOOD) - 1)).code == "csr_size"
    assert parse(GOOD, Limits(max_bytes=len(GOOD))).names


def test_too_many_names_are_refused() -> None:
    many = build(KEY, [Name("dns", f"n{i}.example") for i in range(4)])
    assert refusal(many, Limits(max_names=3)).code == "too_many_names"
    assert len(parse(many, Limits(max_names=4)).names) == 4


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("", "csr_garbled"),
        (b"\x30", "csr_garbled"),
        ("hello", "csr_garbled"),
        (b"\x30\x80\x00\x00", "csr_garbled"),
        (GOOD[:-1], "csr_garbled"),
        (base64.b64encode(GOOD), "csr_garbled"),
        (GOOD + b"\x00", "csr_trailing"),
        (GOOD + GOOD, "csr_trailing"),
        (pem.encode("CERTIFICATE REQUEST", GOOD + b"\x00"), "csr_trailing"),
        (GOOD_PEM + GOOD_PEM, "csr_count"),
        (GOOD_PEM[:-20], "csr_count"),
        (pem.encode("X509 CRL", GOOD), "csr_count"),
        (f"Subject: x\n{GOOD_PEM}", "csr_trailing"),
        (f"{GOOD_PEM}x", "csr_trailing"),
        (GOOD_PEM.replace("MII", "!!!", 1).replace("MIH", "!!!", 1).replace("MIG", "!!!", 1), "invalid"),
        (certify("a.example", key=KEY).der, "not_a_csr"),
        (pem.encode("CERTIFICATE", certify("a.example", key=KEY).der), "not_a_csr"),
        (pem.encode("CERTIFICATE REQUEST", certify("a.example", key=KEY).der), "not_a_csr"),
    ],
    ids=[f"case{n}" for n in range(18)],  # the data differ from process to process
)
def test_what_is_not_exactly_one_request_is_refused(data: bytes | str, code: str) -> None:
    assert refusal(data).code == code


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("order", ["alone", "before", "after"])
def test_a_private_key_is_refused_and_never_quoted(form: PrivateFormat, order: str) -> None:
    key = KEY.private_bytes(Encoding.PEM, form, NoEncryption()).decode()
    text = {"alone": key, "before": key + GOOD_PEM, "after": GOOD_PEM + key}[order]
    with pytest.raises(Invalid) as caught:
        parse(text)
    assert caught.value.problems[0].code == "private_key"
    shown = repr(caught.value) + str(caught.value) + repr(caught.value.problems)
    assert not any(line in shown for line in key.splitlines()[1:-1])
    assert caught.value.__context__ is None


def test_a_private_key_in_der_is_refused_and_never_quoted() -> None:
    der = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert refusal(der).code == "csr_garbled"


def test_a_signature_by_another_key_is_refused() -> None:
    for label in ("EC-P256", "Ed25519", "RSA-2048"):
        der = bytearray(build(key_of(label), [Name("dns", "www.example.com")]))
        der[-1] ^= 1
        assert refusal(bytes(der)).code in {"bad_signature", "csr_garbled"}
    changed = GOOD.replace(b"www.example.com", b"www.example.org")
    assert refusal(changed).code == "bad_signature"


def test_the_mark_that_editors_of_windows_put_before_a_text_is_no_text_around_it() -> None:
    assert parse(f"\ufeff{GOOD_PEM}").der == GOOD
    assert parse(b"\xef\xbb\xbf" + GOOD_PEM.encode()).der == GOOD


def test_a_weak_key_is_refused() -> None:
    small = rsa.generate_private_key(65537, 1024)
    assert refusal(request(small, "a.example")).code == "rsa_size"


WINDOWS = "1.3.6.1.4.1.311"


@pytest.mark.parametrize(
    "wishes",
    [
        [(x509.BasicConstraints(ca=True, path_length=None), True)],
        [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)],
        [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.SMARTCARD_LOGON]), False)],
        [(x509.UnrecognizedExtension(ObjectIdentifier(f"{WINDOWS}.25.2"), b"\x30\x00"), False)],
        [(x509.UnrecognizedExtension(ObjectIdentifier(f"{WINDOWS}.20.2"), b"\x1e\x00"), False)],
        [(x509.MSCertificateTemplate(ObjectIdentifier("1.2.3"), 1, 0), False)],
        [(x509.UnrecognizedExtension(ObjectIdentifier(f"{WINDOWS}.21.10"), b"\x30\x00"), False)],
    ],
)
def test_what_would_give_power_is_refused(wishes: Extensions) -> None:
    assert refusal(request(KEY, "a.example", wishes)).code == "refused_extension"


@pytest.mark.parametrize(
    "name",
    [
        x509.OtherName(ObjectIdentifier(f"{WINDOWS}.20.2.3"), b"\x0c\x05admin"),
        x509.DirectoryName(distinguished("a.example")),
        x509.RegisteredID(ObjectIdentifier("1.2.3")),
    ],
)
def test_names_of_other_kinds_are_refused(name: x509.GeneralName) -> None:
    problem = refusal(request(KEY, "a.example", san(x509.DNSName("a.example"), name)))
    assert problem.code == "refused_extension"


@pytest.mark.parametrize(
    "text",
    [
        "../../etc",
        "$(id).example.com",
        "-oProxyCommand=x",
        "a.example\nb.example",
        "a\x00b.example",
        "10.0.0.1",
        "a..b",
        "",
    ],
)
def test_a_hostile_dns_name_is_refused(text: str) -> None:
    assert refusal(request(KEY, "a.example", dns(text))).code == "bad_name"


@pytest.mark.parametrize("text", ["a\nb", "a\x00b", "a\u202eb", "a\u2066b", "a\u200fb"])
@pytest.mark.parametrize("oid", [NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME])
def test_control_and_direction_characters_in_the_subject_are_refused(oid: ObjectIdentifier, text: str) -> None:
    subject = x509.Name([x509.NameAttribute(oid, text)])
    assert refusal(request(KEY, subject, dns("a.example"))).code == "bad_subject"


@pytest.mark.parametrize("text", ["My web server", "<script>", "anna@example.com", "a.example.", "1.2.3", "::zz"])
def test_a_common_name_that_is_no_name_is_refused_with_its_own_remedy(text: str) -> None:
    problem = refusal(request(KEY, text, dns("a.example")))
    assert problem.code == "bad_name"
    assert "common name" in problem.remedy


def test_two_common_names_are_refused() -> None:
    both = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, t) for t in ("a.example", "b.example")])
    assert refusal(request(KEY, both)).code == "bad_subject"


def test_a_subject_in_bytes_is_read_too() -> None:
    odd = x509.NameAttribute(NameOID.X500_UNIQUE_IDENTIFIER, b"ab", x509.name._ASN1Type.BitString)
    assert parse(request(KEY, x509.Name([odd]), dns("a.example"))).names == (Name("dns", "a.example"),)


def test_a_request_for_no_name_is_refused() -> None:
    assert refusal(request(KEY)).code == "no_names"
    organisation = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example")])
    assert refusal(request(KEY, organisation)).code == "no_names"


def test_a_challenge_password_is_decoded_and_left_alone() -> None:
    der = request(KEY, "a.example", attributes=[(AttributeOID.CHALLENGE_PASSWORD, b"hush")])
    assert "hush" not in repr(parse(der).names)


PUBLISHED = {
    "bad-version.pem": "csr_garbled",
    "basic_constraints.pem": "csr_trailing",
    "challenge-invalid.der": "bad_signature",
    "challenge-multi-valued.der": "bad_signature",
    "challenge-unstructured.pem": "",
    "challenge.pem": "no_names",
    "dsa_sha1.der": "unsupported_key",
    "dsa_sha1.pem": "unsupported_key",
    "ec_sha256.der": "",
    "ec_sha256.pem": "",
    "ec_sha256_old_header.pem": "",
    "freeipa-bad-critical.pem": "csr_garbled",
    "invalid_signature.pem": "rsa_size",
    "long-form-attribute.pem": "bad_signature",
    "rsa_md4.der": "csr_garbled",
    "rsa_md4.pem": "csr_garbled",
    "rsa_sha1.der": "weak_hash",
    "rsa_sha1.pem": "weak_hash",
    "rsa_sha256.der": "",
    "rsa_sha256.pem": "",
    "san_rsa_sha1.der": "weak_hash",
    "san_rsa_sha1.pem": "weak_hash",
    "two_basic_constraints.pem": "csr_trailing",
    "unsupported_extension.pem": "csr_trailing",
    "unsupported_extension_critical.pem": "csr_trailing",
    "zero-element-attribute.pem": "csr_garbled",
}


def test_no_published_request_is_forgotten() -> None:
    assert {entry.name for entry in VECTORS.iterdir()} == set(PUBLISHED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_requests(name: str) -> None:
    data = (VECTORS / name).read_bytes()
    if PUBLISHED[name]:
        assert refusal(data).code == PUBLISHED[name]
    else:
        assert parse(data).names


@pytest.mark.parametrize("name", ["basic_constraints.pem", "two_basic_constraints.pem"])
def test_published_requests_without_the_text_around_them(name: str) -> None:
    data = (VECTORS / name).read_bytes()
    assert refusal(data[data.index(b"-----BEGIN") :]).code in {"weak_hash", "refused_extension", "csr_garbled"}


@pytest.mark.parametrize("unused", range(1, 8))
def test_a_signature_is_whole_octets(unused: int) -> None:
    raw = next(der for der in (build(KEY, [Name("dns", "a.example")]) for _ in range(10_000)) if not der[-1] & 0x7F)
    length = len(x509.load_der_x509_csr(raw).signature)
    data = bytearray(raw)
    data[-length - 1] = unused
    assert refusal(bytes(data)).code == "csr_garbled"


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    refusal(data)
    refusal(pem.encode("CERTIFICATE REQUEST", b"\x30" + data))


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=examples(300))
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_request_with_one_byte_changed_is_refused(where: int, change: int) -> None:
    data = bytearray(GOOD)
    data[where] ^= change
    refusal(bytes(data))


@pytest.mark.parametrize(
    ("raw", "length"),
    [
        (b"", None),
        (b"\x30", None),
        (b"\x31\x00", None),
        (b"\x30\x80", None),
        (b"\x30\x00", 2),
        (b"\x30\x05", 7),
        (b"\x30\x81\xc8", 203),
        (b"\x30\x82\x01\x00rest", 260),
    ],
)
def test_the_length_that_der_tells(raw: bytes, length: int | None) -> None:
    assert der_length(raw) == length


def test_a_request_may_have_no_common_name() -> None:
    csr = x509.load_der_x509_csr(build(KEY, [Name("dns", "a.example")]))
    assert list(csr.subject) == []
    extension = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.critical


def test_names_are_written_as_the_library_has_them() -> None:
    made: dict[str, Any] = {
        kind: type(general_name(parse_name(text, kind)))
        for kind, text in {"dns": "a.example", "ip": "10.0.0.1", "email": "a@b.example", "uri": "x://y"}.items()
    }
    assert made == {
        "dns": x509.DNSName,
        "ip": x509.IPAddress,
        "email": x509.RFC822Name,
        "uri": x509.UniformResourceIdentifier,
    }


def test_the_order_of_names_in_a_request_does_not_matter() -> None:
    names = [Name("dns", f"n{i}.example") for i in range(20)]
    shuffled = random.Random(3).sample(names, 20)
    assert parse(build(KEY, shuffled)).names == parse(build(KEY, names)).names
