"""The inventory by reports: over V2 and V1, to the last page, and what a row may look like."""

from datetime import timedelta

import pytest

from chancery.authorities.emsign.acme.transport import OverAcme
from chancery.authorities.emsign.authority import EmSign
from chancery.authorities.emsign.config import ACME
from chancery.authorities.emsign.listing import serial_of
from chancery.authorities.emsign.simulator import build
from chancery.authorities.emsign.tests.conftest import CA
from chancery.authorities.emsign.tests.stand import close, connector, issue, request, scripted, target
from chancery.authorities.emsign.v1 import transport as v1
from chancery.authorities.emsign.v2 import transport as v2
from chancery.core.certificate import facts
from chancery.core.order import RevocationReason
from chancery.sdk.authority import describe
from chancery.sdk.errors import NotFound, ProtocolViolation, RejectedByPolicy
from chancery.sdk.inventory import ListedState
from chancery.sdk.outcome import Revoked

WAYS = ("v2", "v1")


@pytest.fixture
def roomy(clock):
    """An account without the burst limit."""
    with build(clock=clock, ca=CA, burst=(10.0, 10**6)) as made:
        yield made
        close()


def whole(ca):
    found, cursor, parts = [], None, 0
    while parts == 0 or cursor is not None:
        page = ca.inventory(cursor)
        found += page.entries
        cursor, parts = page.cursor, parts + 1
    return found, parts


@pytest.mark.parametrize("way", WAYS)
def test_every_page_of_the_report_is_read_and_revoked_ones_are_told(roomy, clock, way, monkeypatch):
    monkeypatch.setattr(v2, "SIZE", 2)
    monkeypatch.setattr(v1, "SIZE", 2)
    ca = connector(roomy, clock, way)
    made = [issue(ca, request(f"h{n}.example.com", reference=f"0191-{n}", at=clock.now()), clock) for n in range(5)]
    waiting = ca.submit(request("www.fresh.org", reference="0191-w", at=clock.now()))
    assert waiting
    answer = ca.revoke(target(made[1]), RevocationReason.SUPERSEDED, "x")
    while not isinstance(answer, Revoked):
        clock.advance(answer.next_check)
        answer = ca.poll_revocation(answer.state, target(made[1]))
    found, parts = whole(ca)
    assert parts == 3
    known = {facts(one.leaf).serial: one for one in made}
    assert {e.serial for e in found} == set(known)
    assert {e.serial for e in found if e.state is ListedState.REVOKED} == {facts(made[1].leaf).serial}
    assert all(e.reference == known[e.serial].reference for e in found)
    assert ca.fetch(made[0].reference).leaf == made[0].leaf
    with pytest.raises((NotFound, RejectedByPolicy)):
        ca.fetch(made[1].reference)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_ordered_meanwhile_moves_others_back_and_hides_none(roomy, clock, way, monkeypatch):
    monkeypatch.setattr(v2, "SIZE", 2)
    monkeypatch.setattr(v1, "SIZE", 2)
    ca = connector(roomy, clock, way)
    made = [issue(ca, request(f"h{n}.example.com", reference=f"0191-{n}", at=clock.now()), clock) for n in range(4)]
    first = ca.inventory(None)
    issue(ca, request("new.example.com", reference="0191-n", at=clock.now()), clock)
    clock.advance(timedelta(days=3))
    found, cursor = [*first.entries], first.cursor
    while cursor is not None:
        page = ca.inventory(cursor)
        found += page.entries
        cursor = page.cursor
    assert {facts(one.leaf).serial for one in made} <= {e.serial for e in found}


@pytest.mark.parametrize("way", WAYS)
def test_a_reference_that_names_no_order_fetches_nothing(roomy, clock, way):
    ca = connector(roomy, clock, way)
    for reference in ("", "?", "999"):
        with pytest.raises(NotFound):
            ca.fetch(reference)


@pytest.mark.parametrize(
    ("text", "serial"),
    [("255", "ff"), (255, "ff"), ("00FF", "ff"), ("ab:cd", "abcd"), ("", ""), (None, ""), ("no number", "")],
)
def test_digits_are_decimal_whatever_the_documents_say(text, serial):
    assert serial_of(text) == serial


def page(rows, total=None, pages=1):
    return {"content": rows, "totalElements": len(rows) if total is None else total, "totalPages": pages}


ROW = {
    "orderNumber": "77",
    "requestNumber": "8",
    "certificateSerialNumber": "255",
    "certificateStatus": "Certificate Generated",
}


def test_words_that_are_not_known_are_never_held_against_ours():
    for words, state in (("Certificate Expired", ListedState.VALID), ("Certificate on Hold", ListedState.UNKNOWN)):
        ca, _door = scripted(lambda *_, words=words: page([{**ROW, "certificateStatus": words}]))
        (entry,) = ca.inventory(None).entries
        assert (entry.state, entry.text, entry.reference, entry.not_after) == (state, words, "77/8", None)


def test_numbers_that_are_not_known_neither():
    def answer(_method, _path, body):
        row = {**ROW, "certificateStatusId": "99"}
        order = {"ordersArray": [row], "noOfPages": "1", "totalNoOfResults": "1"}
        return {"meta": {"status": "1"}, "orderDetails": order}

    ca, _door = scripted(answer, transport="v1")
    assert [e.state for e in ca.inventory(None).entries] == [ListedState.UNKNOWN]


def test_rows_without_number_or_order_are_no_certificates():
    rows = [{**ROW, "certificateSerialNumber": ""}, {**ROW, "orderNumber": ""}, "row"]
    ca, _door = scripted(lambda *_: page(rows, total=2))
    assert ca.inventory(None).entries == ()


@pytest.mark.parametrize("found", [{"content": None}, {}, page([ROW], total=9)])
def test_a_report_that_cannot_be_read_to_its_end_says_so(found):
    ca, _door = scripted(lambda *_: found)
    with pytest.raises(ProtocolViolation, match="cannot be read to its end"):
        ca.inventory(None)


def test_a_download_without_a_certificate_is_none():
    ca, _door = scripted(
        lambda _method, path, _body: {"status": "issued"} if path.endswith("/77") else {"certificatePem": "x"}
    )
    with pytest.raises(ProtocolViolation, match="holds no certificate"):
        ca.fetch("77/8")


def test_over_acme_there_is_no_list():
    for ask in (OverAcme.inventory, OverAcme.fetch):
        with pytest.raises(NotFound):
            ask(None, "")
    assert "lists" in describe(EmSign, {"transport": "v2"}).powers
    assert "lists" not in describe(EmSign, {"transport": ACME}).powers
