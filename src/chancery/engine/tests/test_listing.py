"""What a seat makes of what an authority lists: a plug-in may bring anything."""

from datetime import timedelta

import pytest

from chancery.core.certificate import facts
from chancery.core.secret import Secret
from chancery.engine.jobs import Bad, Entry, Failed, Fetched, Kind, Taken
from chancery.engine.said import fit
from chancery.engine.tests.kit import CA, Toy, at, job, leaf, utc
from chancery.engine.work import do
from chancery.sdk.errors import Forbidden
from chancery.sdk.inventory import InventoryPage, Listed, ListedState
from chancery.sdk.outcome import Issued

SERIAL = "1f" * 8


def listed(**changes):
    return Listed(**{"reference": "7/8", "state": ListedState.VALID, "serial": SERIAL, **changes})


def asked(authority, cursor=None):
    return do(job(Kind.LIST, asked=None, extra={"cursor": cursor or {}}), authority, at)


def page(*entries, cursor=None, **more):
    return Toy(inventory=InventoryPage(tuple(entries), cursor, **more))


def test_a_page_is_taken_with_its_cursor():
    toy = page(
        listed(serial="00:1F", spki_sha256="a" * 64, not_after=utc(2027, 1, 1)),
        cursor={"v": 1, "at": 2},
        total=7,
        next_page=timedelta(seconds=3),
    )
    taken = asked(toy, {"v": 1, "at": 1})
    assert isinstance(taken, Taken)
    assert (taken.cursor, taken.total, taken.wait) == ({"v": 1, "at": 2}, 7, timedelta(seconds=3))
    (entry,) = taken.entries
    assert (entry.marks.serial, entry.marks.spki_sha256, entry.state, entry.der) == ("1f", "a" * 64, "valid", b"")
    assert toy.asked == [("inventory", ({"v": 1, "at": 1},))]


def test_the_first_part_has_no_cursor_and_the_last_leaves_none():
    toy = page()
    taken = asked(toy)
    assert (taken.entries, taken.cursor, taken.total, taken.wait) == ((), None, None, timedelta(0))
    assert toy.asked == [("inventory", (None,))]


def test_a_certificate_that_comes_along_is_believed_more_than_what_is_told_of_it():
    made = leaf()
    taken = asked(page(listed(certificate=made.der, chain=(CA.der,), serial="ff", names=("other",), issuer="x")))
    (entry,) = taken.entries
    known = facts(made.der)
    assert (entry.marks.serial, entry.marks.sha256, entry.names) == (known.serial, known.sha256, ("www.example.com",))
    assert (entry.marks.issuer, entry.not_after, entry.chain) == (known.issuer, known.not_after, (CA.der,))


def test_one_that_cannot_be_decoded_is_known_by_what_is_told():
    (entry,) = asked(page(listed(certificate=b"garbage", chain=(b"x",), names=("a.example.com",)))).entries
    assert (entry.marks.serial, entry.der, entry.chain, entry.common_name) == (SERIAL, b"", (), "a.example.com")


def test_what_is_told_is_bounded():
    (entry,) = asked(
        page(listed(issuer="i" * 900, text="t" * 900, names=("n" * 900,) * 900, reference="r" * 900))
    ).entries
    assert (len(entry.marks.issuer), len(entry.text), len(entry.names), len(entry.reference)) == (500, 500, 100, 200)
    taken = asked(page(total=2**40, next_page=timedelta(days=9)))
    assert (taken.total, taken.wait) == (2**31 - 1, timedelta(hours=1))
    assert asked(page(total=-1, next_page=timedelta(-1))).wait == timedelta(0)
    (entry,) = asked(page(listed(spki_sha256="not a hash"))).entries
    assert entry.marks.spki_sha256 == ""


@pytest.mark.parametrize(
    "authority",
    [
        Toy(inventory=[]),
        Toy(inventory=InventoryPage((), {})),
        Toy(inventory=InventoryPage((), "next")),
        page(*[listed()] * 1001),
        page(listed(serial="no number")),
        page(listed(state="sleeping")),
        page(listed(not_after=utc(2027, 1, 1).replace(tzinfo=None))),
        page(listed(revoked_at=utc(2027, 1, 1).replace(tzinfo=None))),
        page("not an entry"),
        Toy(),
    ],
)
def test_what_is_no_page_is_a_bug_in_the_authority(authority):
    failed = asked(authority)
    assert isinstance(failed, Failed)
    assert failed.kind == "Bug"


def test_an_error_is_a_value():
    assert asked(Toy(inventory=Forbidden("No.", code="f"))).kind == "Forbidden"


def fetched(issued, **wanted):
    made = {"reference": "7/8", "serial": "", "spki_sha256": "", **wanted}
    return do(job(Kind.FETCH, asked=None, extra=made), Toy(fetch=issued), at)


def test_a_fetched_certificate_is_the_listed_one():
    made = leaf()
    known = facts(made.der)
    found = fetched(Issued(made.der, (CA.der,)), serial=known.serial)
    assert isinstance(found, Fetched)
    assert (found.facts.sha256, found.chain, found.reference) == (known.sha256, (CA.der,), "7/8")
    found = fetched(Issued(made.der, (), "9"), serial=known.serial, spki_sha256=known.key.spki_sha256)
    assert found.reference == "9"


@pytest.mark.parametrize("wanted", [{"serial": "1"}, {"spki_sha256": "b" * 64}])
def test_another_certificate_is_kept_from_us(wanted):
    made = leaf()
    found = fetched(Issued(made.der), **{"serial": facts(made.der).serial, **wanted})
    assert isinstance(found, Bad)
    assert "another certificate" in found.problems[0]


def test_what_is_no_certificate_is_said():
    assert isinstance(fetched(Issued(b"garbage")), Bad)
    assert fetched("nothing").kind == "Bug"


def test_texts_are_made_fit_to_be_stored():
    secret = Secret("an-api-key-of-the-test")
    taken = asked(
        page(
            listed(
                issuer=f"CA {secret.reveal()}",
                common_name="a\x00b",
                names=("c\x00d",),
                text=f"said {secret.reveal()}",
                reference="1\x002",
            ),
            cursor={"v": 1, "at": "x\x00"},
        )
    )
    mended = fit(taken, [secret])
    (entry,) = mended.entries
    assert isinstance(entry, Entry)
    told = f"{entry} {mended.cursor}"
    assert secret.reveal() not in told
    assert "\\x00" not in told
    made = leaf()
    found = fetched(Issued(made.der, (), "r\x00"), serial=facts(made.der).serial)
    assert fit(found).reference == "r\N{REPLACEMENT CHARACTER}"
