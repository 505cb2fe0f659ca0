"""What is read before any table is asked: messages, and certificates that renewal information is about."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from chancery.apps.acme import ari, jose
from chancery.apps.acme.errors import AcmeError


def test_a_message_is_not_even_parsed_beyond_its_bound():
    with pytest.raises(AcmeError) as caught:
        jose.read(b"[" * (jose.MOST_BYTES + 1))
    assert (caught.value.kind, caught.value.status) == ("malformed", 413)
    with pytest.raises(AcmeError) as caught:
        jose.read(b"[" * jose.MOST_BYTES)
    assert caught.value.status == 400


def test_how_deep_an_object_may_be_nested():
    def nested(depth):
        return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"

    assert jose.parse_object(nested(16), "body")["a"]
    for depth in (17, 500, 900, 50_000):
        with pytest.raises(AcmeError) as caught:
            jose.parse_object(nested(depth), "body")
        assert (depth, caught.value.kind) == (depth, "malformed")


def test_only_with_an_authority_key_a_certificate_has_an_identifier():
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime(2026, 1, 1, tzinfo=UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    plain = x509.CertificateBuilder(name, name, key.public_key(), 0x87654321, now, now + timedelta(days=1))
    authority = x509.AuthorityKeyIdentifier(bytes.fromhex("69885b6b8746404111d7"), None, None)
    named = plain.add_extension(authority, critical=False)
    idents = [ari.ident_of(b.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)) for b in (plain, named)]
    assert idents == ["", "aYhba4dGQEER1w.AIdlQyE"]
