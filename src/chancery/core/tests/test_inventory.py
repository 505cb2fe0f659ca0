"""When two certificates are one, and in what the two sides differ."""

import pytest

from chancery.core.inventory import Difference, Marks, Match, canonical_serial, difference, forms, match

KEY, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("text", "serial"),
    [
        ("7A:1F:0c", "7a1f0c"),
        ("00 7a1f0c", "7a1f0c"),
        ("0x7A1F0C", "7a1f0c"),
        ("", ""),
        ("0000", ""),
        ("no serial", ""),
        ("f" * 65, ""),
    ],
)
def test_a_serial_number_has_one_form(text, serial):
    assert canonical_serial(text) == serial


@pytest.mark.parametrize(
    ("serial", "expected"),
    [("7a1f0c", ("7a1f0c", "c1f7a")), ("a1f0c", ("a1f0c", "c1f0a")), ("1", ("1",)), ("100", ("100", "1"))],
)
def test_a_number_written_backwards_is_known_too(serial, expected):
    assert forms(serial) == expected


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (Marks("1f", sha256=KEY), Marks("1f", sha256=KEY), Match.CERTAIN),
        (Marks("1f", sha256=KEY), Marks("1f", sha256=OTHER), Match.NONE),
        (Marks("1f", spki_sha256=KEY), Marks("1f", spki_sha256=KEY, sha256=OTHER), Match.CERTAIN),
        (Marks("1f", spki_sha256=KEY), Marks("1f", spki_sha256=OTHER), Match.NONE),
        (Marks("2f", spki_sha256=KEY), Marks("1f", spki_sha256=KEY), Match.NONE),
        (Marks("1f", "CN=CA,O=Us"), Marks("1f", "CN=CA,O=Us"), Match.CERTAIN),
        (Marks("1f", "CA 1"), Marks("1f", "O=Us,CN=CA 1,C=DE"), Match.CERTAIN),
        (Marks("1f", "Us, Inc. CA"), Marks("1f", "CN=Us\\, Inc. CA,C=US"), Match.CERTAIN),
        (Marks("1f", "CN=CA,O=Us"), Marks("1f", "CN=CA,O=Them"), Match.NONE),
        (Marks("1f", "our label"), Marks("1f", "CN=CA,O=Us"), Match.BY_NUMBER),
        (Marks("1f", "a label"), Marks("1f", "O=Us"), Match.BY_NUMBER),
        (Marks("1f"), Marks("1f"), Match.BY_NUMBER),
        (Marks("0c1f7a".lstrip("0"), spki_sha256=KEY), Marks("7a1f0c", spki_sha256=KEY), Match.CERTAIN),
        (Marks("c1f7a"), Marks("7a1f0c"), Match.NONE),
    ],
)
def test_bytes_decide_then_the_key_then_a_name_that_both_write_out(theirs, ours, expected):
    assert match(theirs, ours) is expected


@pytest.mark.parametrize(
    ("listed", "revocation", "expected"),
    [
        ("revoked", "", Difference.REVOKED_THERE),
        ("revoked", "refused", Difference.REVOKED_THERE),
        ("revoked", "requested", Difference.NONE),
        ("revoked", "waiting_at_ca", Difference.NONE),
        ("revoked", "confirmed", Difference.NONE),
        ("valid", "confirmed", Difference.REVOKED_HERE),
        ("valid", "", Difference.NONE),
        ("unknown", "confirmed", Difference.NONE),
        ("unknown", "", Difference.NONE),
    ],
)
def test_who_says_that_it_is_revoked(listed, revocation, expected):
    assert difference(listed, revocation) is expected
