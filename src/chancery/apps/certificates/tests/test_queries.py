"""Reading certificates: their status, listings, downloads."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs7
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chancery.apps.certificates import keys, queries
from chancery.apps.certificates.tests.conftest import NOW
from chancery.apps.shared.tests.looking import refused
from chancery.core.errors import Absent

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("days", "revocation", "status"),
    [
        (31, "", "valid"),
        (30, "", "expiring"),
        (0, "", "expired"),
        (-1, "requested", "expired"),
        (31, "requested", "revoking"),
        (31, "waiting_at_ca", "revoking"),
        (31, "refused", "valid"),
        (31, "unknown", "valid"),
        (31, "confirmed", "revoked"),
        (-1, "confirmed", "revoked"),
    ],
)
def test_a_status_comes_from_dates_and_revocation(cast, issued, days, revocation, status):
    made = issued(not_after=NOW + timedelta(days=days), revocation=revocation)
    assert queries.status(made) == queries.status(made, NOW) == status


def test_whether_a_key_is_compromised_is_one_question_to_a_short_table(cast, issued):
    made, other = issued(), issued("b.example.com")
    keys.record(made.spki_sha256, made, "ada", NOW)
    with CaptureQueriesContext(connection) as asked:
        asks = [(key, made.team_id) for key in (made.spki_sha256, other.spki_sha256, "0" * 64)]
        assert keys.barred(asks) == {(made.spki_sha256, made.team_id)}
        assert keys.barred(()) == set()
    # What is prepared on PostgreSQL goes past what is counted here.
    assert len(asked) == (1 if connection.vendor == "sqlite" else 0)
    if connection.vendor == "sqlite":  # PostgreSQL scans so small a table
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {asked[0]['sql']}")
            assert "SEARCH" in (plan := str(cursor.fetchall()))
            assert "spki_sha256=?" in plan


def names(page):
    return [c.common_name for c in page.items]


def test_a_listing_filters_by_status_in_the_order_of_its_date(cast, issued):
    issued("later.example.com")
    issued("soon.example.com", not_after=NOW + timedelta(days=3))
    issued("old.example.com", not_after=NOW)
    issued("older.example.com", not_after=NOW - timedelta(days=9))
    issued("gone.example.com", revocation="confirmed", revoked_at=NOW)
    issued("going.example.com", revocation="requested", due_at=NOW)
    look = queries.listing
    assert names(look(cast.rob, status="expiring")) == ["soon.example.com"]
    assert names(look(cast.rob, status="expired")) == ["old.example.com", "older.example.com"]
    assert names(look(cast.rob, status="revoked")) == ["gone.example.com"]
    assert names(look(cast.rob, status="revoking")) == ["going.example.com"]
    assert names(look(cast.rob, status="valid"))[0] == "soon.example.com"
    assert names(look(cast.rob, sort="common_name"))[0] == "going.example.com"
    assert names(look(cast.cleo)) == []


def test_a_search_is_a_beginning_of_the_name_or_a_whole_serial_number(cast, local, issued):
    made = issued("find.example.com")
    issued("other.example.com")
    colons = ":".join(made.serial.zfill(32).upper()[i : i + 2] for i in range(0, 32, 2))
    for text in ("find", "FIND.", made.serial, colons, f"0x{made.serial}"):
        assert names(queries.listing(cast.rob, search=text)) == ["find.example.com"], text
    assert names(queries.listing(cast.rob, search="deadbeefdeadbeef")) == []
    assert names(queries.listing(cast.rob, connector=str(local.pk), search="other")) == ["other.example.com"]


@pytest.mark.parametrize("field", ["status", "sort", "connector"])
def test_what_is_not_offered_is_refused(cast, field):
    with refused(field):
        queries.listing(cast.ada, **{field: "nonsense"})


def test_downloads_hold_the_leaf_first_then_its_chain(cast, issued):
    made = queries.get(cast.rob, issued().pk)
    leaf = x509.load_pem_x509_certificate(queries.pem(made).encode())
    assert [c.subject.rfc4514_string() for c in x509.load_pem_x509_certificates(queries.chain_pem(made).encode())] == [
        leaf.subject.rfc4514_string(),
        "CN=Root",
    ]
    assert len(pkcs7.load_der_pkcs7_certificates(queries.pkcs7(made))) == 2


def test_a_certificate_without_a_chain_is_itself(cast, issued):
    made = issued(chain=None)
    assert queries.chain_ders(made) == []
    assert queries.chain_pem(made).strip() == queries.pem(made).strip()
    assert str(made) == f"a.example.com {made.serial}"


def test_another_team_does_not_see_it(cast, issued):
    with pytest.raises(Absent):
        queries.get(cast.cleo, issued().pk)
