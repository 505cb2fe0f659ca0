"""To which root a certificate chains, by what it says itself."""

from cryptography import x509

from chancery.core.anchor import anchor
from chancery.core.tests.making import certify, dns, key_of

ROOT = certify("Root", key=key_of("EC-P256", 1), ca=True)
TWIN = certify("Root", key=key_of("EC-P256", 2), ca=True)


def identified(root, number):
    """Return a leaf of `root` that names its issuer's key, as RFC 5280 wants it."""
    key = x509.AuthorityKeyIdentifier(bytes([number]) * 20, None, None)
    return certify("www", key=key_of("EC-P256"), issuer=root, ca=False, extensions=[*dns("www"), (key, False)])


def test_a_chain_names_its_root_whether_it_ends_there_or_before():
    leaf = certify("www", key=key_of("EC-P256"), issuer=ROOT, ca=False, extensions=dns("www"))
    assert anchor(leaf.der, ()).startswith("CN=Root")
    assert anchor(leaf.der, (ROOT.der,)).startswith("CN=Root")


def test_two_roots_of_one_name_with_different_keys_are_two():
    assert anchor(identified(ROOT, 1).der, ()) != anchor(identified(TWIN, 2).der, ())


def test_what_cannot_be_read_has_no_root():
    assert anchor(b"nonsense", ()) == ""
    assert anchor(ROOT.der, (b"",)) == ""
