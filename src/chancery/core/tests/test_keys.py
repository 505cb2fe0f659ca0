from __future__ import annotations

import hashlib
import importlib
from itertools import count
from math import gcd, prod
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_csr
from cryptography.x509.oid import ObjectIdentifier, SignatureAlgorithmOID

from chancery.core.errors import Invalid
from chancery.core.keys import (
    available_key_labels,
    check_key,
    describe_key,
    generate,
    signature_label,
    spki_sha256,
)
from chancery.core.tests.making import certify, dns, key_of, request

SMALL = prod(n for n in range(2, 752) if all(n % m for m in range(2, n)))
ROCA_MODULUS = 0x924CBA6AE99DFA084537FACC54948DF0C23DA044D8CABE0EDD75BC6


def rsa_key(n: int, e: int = 65537) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(e, n).public_key()


def next_clean(n: int, step: int = 2) -> int:
    """Return `n` or the first number after it, by steps, without small factor."""
    return next(m for m in count(n, step) if gcd(m, SMALL) == 1)


def codes(key: Any) -> list[str]:
    return [p.code for p in check_key(key)]


@pytest.mark.parametrize("label", available_key_labels())
def test_a_key_that_we_make_is_known_by_its_label_and_is_sound(label: str) -> None:
    public = key_of(label).public_key()
    found = describe_key(public)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert (found.label, found.spki_sha256) == (label, hashlib.sha256(der).hexdigest())
    assert check_key(public) == []


def test_the_labels_are_those_that_profiles_use() -> None:
    wanted = {"EC-P256", "EC-P384", "EC-P521", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519", "Ed448"}
    assert set(available_key_labels()) == wanted | {"ML-DSA-44", "ML-DSA-65", "ML-DSA-87"}


def test_what_a_key_is() -> None:
    curve = describe_key(key_of("EC-P384").public_key())
    assert (curve.algorithm, curve.size, curve.curve) == ("EC", 384, "secp384r1")
    big = describe_key(key_of("RSA-3072").public_key())
    assert (big.algorithm, big.size, big.curve) == ("RSA", 3072, None)
    edwards = describe_key(key_of("Ed25519").public_key())
    assert (edwards.algorithm, edwards.size, edwards.curve) == ("Ed25519", None, None)


def test_an_unknown_label_is_refused_with_those_there_are() -> None:
    with pytest.raises(Invalid) as caught:
        generate("RSA-1024")
    assert "EC-P256" in caught.value.problems[0].remedy


def test_the_hash_of_a_key_is_the_same_from_key_request_and_certificate() -> None:
    key = key_of("EC-P256")
    hashes = {
        spki_sha256(key.public_key()),
        spki_sha256(load_der_x509_csr(request(key, "a.example", dns("a.example")))),
        spki_sha256(certify("a.example", key=key).cert),
    }
    assert len(hashes) == 1


@pytest.mark.parametrize(("bits", "sound"), [(1024, False), (2047, False), (2050, False), (2048, True), (16384, False)])
def test_the_size_of_an_rsa_key(bits: int, *, sound: bool) -> None:
    # A product of two numbers of unlike size: nothing but its length is wrong with it.
    n = next_clean((1 << (bits - 1)) + hash_bits(bits - 2))
    assert n.bit_length() == bits
    assert codes(rsa_key(n)) == ([] if sound else ["rsa_size"])


def hash_bits(bits: int) -> int:
    """Return a fixed odd number of that many bits that looks random."""
    blocks = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(bits // 256 + 1))
    return int.from_bytes(blocks, "big") >> (len(blocks) * 8 - bits) | 1


def test_the_exponent_of_an_rsa_key() -> None:
    n = key_of("RSA-2048").public_key().public_numbers().n
    assert codes(rsa_key(n)) == []
    assert codes(rsa_key(n, 3)) == ["rsa_exponent"]
    assert codes(rsa_key(n, 65539)) == ["rsa_exponent"]


@pytest.mark.parametrize("factor", [3, 17, 751])
def test_a_small_factor(factor: int) -> None:
    other = next_clean(((1 << 2047) // factor + hash_bits(2000)) | 1)
    assert codes(rsa_key(factor * other)) == ["rsa_small_factor"]


@pytest.mark.parametrize("gap", [0, 2, 1 << 200])
def test_close_primes(gap: int) -> None:
    start = (1 << 1023) + (1 << 1022) + hash_bits(1000)
    p = next(m for m in count(start, 2) if gcd(m * (m + gap), SMALL) == 1)
    assert codes(rsa_key(p * (p + gap))) == ["rsa_close_primes"]


def test_primes_far_enough_apart_are_not_found_close() -> None:
    p = next_clean((1 << 1023) + (1 << 1022) + hash_bits(1000))
    q = next_clean(p + (1 << 900) + hash_bits(800) + 1)
    assert codes(rsa_key(p * q)) == []


def test_the_roca_weakness() -> None:
    residue = pow(65537, 123457, ROCA_MODULUS)
    first = residue + ROCA_MODULUS * (((1 << 2047) + hash_bits(2000)) // ROCA_MODULUS)
    n = next_clean(first, ROCA_MODULUS)
    assert codes(rsa_key(n)) == ["roca"]


def test_a_long_run_of_one_byte() -> None:
    run = int.from_bytes(b"\xab" * 20, "big") << 800
    n = next_clean((1 << 2047) + (hash_bits(2040) >> 1000 << 1000) + run + hash_bits(700))
    assert b"\xab" * 16 in n.to_bytes(256, "big")
    assert codes(rsa_key(n)) == ["rsa_pattern"]


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP256R1()])
def test_other_curves_are_not_certified(curve: ec.EllipticCurve) -> None:
    public = ec.generate_private_key(curve).public_key()
    (problem,) = check_key(public, "key")
    assert (problem.code, problem.field) == ("unsupported_key", "key")
    assert curve.name in problem.message


def test_other_kinds_of_key_are_not_certified() -> None:
    public = dsa.generate_private_key(2048).public_key()
    assert describe_key(public).label == "unknown"
    assert codes(public) == ["unsupported_key"]


def test_signatures_have_short_labels() -> None:
    assert signature_label(SignatureAlgorithmOID.ECDSA_WITH_SHA256) == "ecdsa-with-sha256"
    assert signature_label(SignatureAlgorithmOID.ED25519) == "ed25519"
    assert signature_label(ObjectIdentifier("1.2.3.4")) == "1.2.3.4"


def test_a_prime_that_other_keys_have_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from badkeys.rsakeys import sharedprimes

    key = key_of("RSA-2048")
    shared = key.private_numbers().p
    # The primes that are known are kept as their product, which nobody can take apart again.
    monkeypatch.setitem(importlib.import_module(sharedprimes.__module__)._moduli, 2048, shared * 7)
    assert codes(key.public_key()) == ["rsa_shared_prime"]


def test_a_message_to_the_backdoor_in_xz() -> None:
    # Three numbers stand at its beginning, a, b and c; a by b + c is the number of what is asked for.
    head, b = b"\xc1\x23\x45", 0x6789ABCD
    c = -int.from_bytes(b"\0" + head, "little") * b % (1 << 64)
    start = int.from_bytes(head + b.to_bytes(4, "little") + c.to_bytes(8, "little"), "big")
    n = next_clean((start << (2048 - 120)) + hash_bits(1900))
    assert codes(rsa_key(n)) == ["rsa_xz"]
