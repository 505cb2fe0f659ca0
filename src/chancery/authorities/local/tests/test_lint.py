"""What this CA issues, as a linter sees it that others wrote (pkilint, RFC 5280)."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

from chancery.authorities.local.authority import _load, _sign, make_hierarchy
from chancery.core import csr, pem
from chancery.core.names import canonical, parse_name
from chancery.core.tests.making import key_of

NOW = datetime(2026, 11, 26, tzinfo=UTC)
LONG = "a." * 60 + "example.com"
ASKED = {
    "plain": (["www.example.com"], "", False),
    "every kind of name": (
        ["www.example.com", "10.0.0.1", "2001:db8::1", "a@example.com", "https://x.example.com/"],
        "http://crl.example.com/a.crl",
        True,
    ),
    "too long for a common name": ([LONG], "", False),
}
WILDCARD = ("pkix.invalid_domain_name_syntax", 'Invalid domain name syntax: "*.example.com"')
"""RFC 5280 section 4.2.1.6 leaves wildcards to those who use certificates; RFC 9525 section 6.3 and every browser take them."""


@pytest.fixture(scope="module")
def linter():
    decoding = certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS)
    parts = [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ]
    return certificate.create_pkix_certificate_validator_container(decoding, parts)


def findings(linter, text):
    results = linter.validate(loader.load_pem_certificate(text, "certificate").root)
    told = [d for result in results for d in result.finding_descriptions]
    return {(d.finding.code, d.message) for d in told if d.finding.severity < ValidationFindingSeverity.INFO}


def issued(issuer, label, names, crl, client):
    parsed = [parse_name(one) for one in names]
    asked = SimpleNamespace(
        csr=csr.build(key_of(label), parsed),
        common_name=names[0],
        reference="x",
        names=canonical(parsed),
        settings=SimpleNamespace(server=True, client=client),
    )
    return pem.encode("CERTIFICATE", _sign(asked, issuer, NOW, NOW + timedelta(days=30), crl))


@pytest.mark.parametrize("kind", ["EC-P256", "RSA-2048", "ML-DSA-44"])
def test_nothing_is_found(linter, kind):
    chain, key = make_hierarchy("Chancery Local CA", kind, 10, NOW)
    issuer = _load(chain, key)
    for der in issuer.chain:
        assert findings(linter, pem.encode("CERTIFICATE", der)) == set()
    for label in ("EC-P256", "RSA-2048", "Ed25519", "ML-DSA-65"):
        for what, (names, crl, client) in ASKED.items():
            assert findings(linter, issued(issuer, label, names, crl, client)) == set(), what
    assert findings(linter, issued(issuer, "EC-P256", ["*.example.com"], "", client=False)) == {WILDCARD}
