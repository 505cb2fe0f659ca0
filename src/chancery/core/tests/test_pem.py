from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import pkcs7
from hypothesis import given
from hypothesis import strategies as st

from chancery.core import pem
from chancery.core.errors import Invalid
from chancery.core.tests.making import certify, key_of


@given(st.lists(st.tuples(st.sampled_from(["CERTIFICATE", "X509 CRL"]), st.binary(min_size=1, max_size=300))))
def test_what_is_encoded_is_split_again(blocks: list[tuple[str, bytes]]) -> None:
    text = "".join(pem.encode(label, der) for label, der in blocks)
    assert pem.split(text.encode()) == blocks
    assert pem.split(text.replace("\n", "\r\n").encode()) == blocks
    assert all(len(line) <= 64 for line in text.splitlines())


def test_text_outside_the_blocks_is_told() -> None:
    text = f"subject: x\n{pem.encode('CERTIFICATE', b'abc')}\n rest\n".encode()
    assert pem.outside(text) == b"subject: x\n\n\n rest"
    assert pem.outside(pem.encode("CERTIFICATE", b"abc").encode()) == b""


@pytest.mark.parametrize("body", ["!!!!", "YWJ", "YWJj$"])
def test_broken_base64_is_refused_and_not_quoted(body: str) -> None:
    text = f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()
    with pytest.raises(Invalid) as caught:
        pem.split(text, "trust_pem")
    assert caught.value.problems[0].field == "trust_pem"
    assert body not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_labels_that_do_not_match_make_no_block() -> None:
    assert pem.split(b"-----BEGIN CERTIFICATE-----\nYWJj\n-----END X509 CRL-----\n") == []


def test_a_chain_keeps_its_order() -> None:
    assert pem.split(pem.chain_text([b"one", b"two"]).encode()) == [("CERTIFICATE", b"one"), ("CERTIFICATE", b"two")]


def test_a_bundle_holds_every_certificate() -> None:
    one = certify("one", key=key_of("EC-P256"))
    two = certify("two", key=key_of("EC-P256"))
    loaded = pkcs7.load_der_pkcs7_certificates(pem.pkcs7_bundle([one.der, two.der]))
    assert set(loaded) == {one.cert, two.cert}
