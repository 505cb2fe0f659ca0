"""Signed notes, by the example of the Go library that the format comes from."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chancery.core.note import Checkpoint, Note, Signer, VerifierKey, parse, sign, split

PUBLISHED = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PRIVATE = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"


def signer(name="log.example", seed=1):
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def test_the_published_example_is_signed_and_verified():
    made = Signer("PeterNeumann", Ed25519PrivateKey.from_private_bytes(PRIVATE))
    assert made.key.text == PUBLISHED
    assert sign(TEXT, [made]) == TEXT + "\n" + LINE
    assert VerifierKey.parse(PUBLISHED).signed(parse(TEXT + "\n" + LINE))


def test_the_key_of_the_go_checksum_database_is_read():
    key = VerifierKey.parse("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert key.hint.hex() == "033de0ae"


def test_a_signature_is_of_one_key_one_name_and_one_text():
    note = parse(sign("a\n", [signer(), signer("other.example", 2)]))
    assert signer().key.signed(note)
    assert signer("other.example", 2).key.signed(note)
    assert not signer(seed=2).key.signed(note)
    assert not signer().key.signed(Note("b\n", note.signatures))


@pytest.mark.parametrize("text", ["", "name", "a+b+c", PUBLISHED.replace("c74f", "c74e"), PUBLISHED[:-8]])
def test_what_is_no_key(text):
    with pytest.raises(ValueError, match=".+"):
        VerifierKey.parse(text)


@pytest.mark.parametrize("raw", ["", "a\n", "a\n\n", "a\n\nb\n", "a\n\n— n !\n", "a\n\n— n AAAA\n", "a\n\n— n AAAAA\n"])
def test_what_is_no_note(raw):
    with pytest.raises(ValueError, match=".+"):
        parse(raw)


def test_notes_in_a_row_are_told_apart():
    notes = [sign("a\n\nb\n", [signer(), signer("other.example")]), sign("c\n", [signer()])]
    assert list(split("".join(notes))) == notes
    assert [parse(n) for n in split("\n".join(notes))] == [parse(n) for n in notes], "blank lines between them"
    assert list(split("")) == []


def test_a_checkpoint_is_three_lines_and_perhaps_the_next_key():
    plain = Checkpoint("log.example", 7, bytes(32))
    assert plain.text == f"log.example\n7\n{base64.b64encode(bytes(32)).decode()}\n"
    assert Checkpoint.parse(plain.text) == plain
    turning = Checkpoint("log.example", 7, bytes(32), signer().key.text)
    assert Checkpoint.parse(turning.text) == turning
    assert Checkpoint.parse(plain.text + "something else\n") == plain


@pytest.mark.parametrize(
    "text", ["", "a\n1\n", "a\n01\nAA==\n", "a\n-1\nAA==\n", "\n1\nAA==\n", "a\n1\nA\n", "a\n1\nAA=="]
)
def test_what_is_no_checkpoint(text):
    with pytest.raises(ValueError, match="no "):
        Checkpoint.parse(text)
