"""The account's list read to its end, in parts that leave the rate to orders; what was listed can be revoked and fetched."""

from datetime import timedelta

import pytest

from chancery.authorities.digicert.listing import ORDERS
from chancery.authorities.digicert.tests.stand import approve, connector, request, scripted
from chancery.core.order import RevocationReason
from chancery.sdk.authority import Target
from chancery.sdk.errors import NotFound, ProtocolViolation, Throttled
from chancery.sdk.inventory import ListedState
from chancery.sdk.outcome import Revoked

CERTIFICATE = {"id": 6, "serial_number": "AB", "status": "approved", "common_name": "a.org", "valid_till": "2027-01-01"}
ROW = {"id": 5, "certificate": {"id": 6}, "has_duplicates": False}


def everything(ca, clock, cursor=None):
    found = []
    for _ in range(200):
        page = ca.inventory(cursor)
        found += page.entries
        cursor = page.cursor
        if cursor is None:
            return found
        clock.advance(page.next_page)
    raise AssertionError(cursor)


def test_one_order_holds_many_certificates_and_each_is_listed(ca, sim, clock):
    first = ca.submit(request("www.example.com"))
    for n, renewal in enumerate(["duplicate", "auto"]):
        asked = request("www.example.com", previous=first.reference, reference=str(n), renewal=renewal)
        ca.poll(ca.submit(asked).state, asked)
    ca.submit(request("other.example.com", reference="o"))
    careful = connector(sim, clock, skip_approval=False)
    careful.submit(request("waits.example.com", reference="w"))
    found = everything(ca, clock)
    assert sorted(e.common_name for e in found) == ["other.example.com", *["www.example.com"] * 3]
    assert {e.state for e in found} == {ListedState.VALID}
    assert len({e.reference for e in found}) == 4


def test_what_was_listed_is_revoked_and_fetched_by_its_reference(ca, sim, clock):
    ca.submit(request())
    listed = everything(ca, clock)[0]
    issued = ca.fetch(listed.reference)
    assert isinstance(
        ca.revoke(Target(issued.leaf, listed.serial, listed.reference), RevocationReason.SUPERSEDED, ""), Revoked
    )
    assert everything(ca, clock)[0].state is ListedState.REVOKED


def test_a_list_waits_where_its_share_is_spent_and_an_order_does_not(sim, clock):
    ca = connector(sim, clock, rate_percent=10)
    for n in range(6):
        ca.submit(request(f"h{n}.example.com", reference=str(n)))
        clock.advance(timedelta(seconds=30))
    page, cursor, paused = ca.inventory(None), None, False
    for _ in range(10):
        if page.next_page:
            paused = True
            ca.submit(request("urgent.example.com", reference="u"))
            break
        page = ca.inventory(page.cursor)
    assert paused
    assert {e.common_name for e in everything(ca, clock, cursor)} >= {f"h{n}.example.com" for n in range(6)}


def test_a_refusal_for_the_rate_goes_to_the_engine():
    ca, _ = scripted(lambda method, path, body: (429, {}))
    with pytest.raises(Throttled):
        ca.inventory(None)


def test_the_list_goes_on_where_a_page_is_full():
    rows = [{"id": n + 1, "certificate": {"id": 100 + n}, "has_duplicates": "0"} for n in range(ORDERS)]

    def answer(method, path, body):
        if path == "order/certificate":
            return {"orders": rows, "page": {"total": 1}}
        return {"certificates": [{**CERTIFICATE, "id": 100 + int(path.split("/")[2]) - 1}]}

    ca, _ = scripted(answer)
    page = ca.inventory(None)
    assert (len(page.entries), page.cursor) == (ORDERS, {"v": 1, "offset": ORDERS, "first": "1"})
    with pytest.raises(ProtocolViolation, match="same page again"):
        ca.inventory(page.cursor)


@pytest.mark.parametrize(
    ("status", "state", "text"),
    [("revoked", ListedState.REVOKED, "revoked"), ("issued", ListedState.UNKNOWN, "not told")],
)
def test_a_certificate_that_no_list_shows_is_read_from_its_order(status, state, text):
    def answer(method, path, body):
        if path == "order/certificate":
            return {"orders": [ROW, {"id": 7}], "page": {"total": 2}}
        if path == "order/certificate/5":
            return {"id": 5, "status": status, "certificate": CERTIFICATE}
        return 404, {"errors": [{"code": "not_found"}]}

    ca, _ = scripted(answer)
    found = ca.inventory(None)
    assert [(e.state, e.text, e.serial, e.reference) for e in found.entries] == [(state, text, "ab", "5/6")]
    assert found.cursor is None


@pytest.mark.parametrize("shown", [(404, {"errors": [{"code": "not_found|order"}]}), {"certificate": {}}])
def test_what_is_not_shown_or_has_no_serial_is_not_listed(shown):
    def answer(method, path, body):
        if path == "order/certificate":
            return {"orders": [ROW], "page": {"total": 1}}
        if path.endswith("/reissue"):
            return {"certificates": [{"id": 8, "status": "pending"}]}
        return shown

    ca, _ = scripted(answer)
    assert ca.inventory(None).entries == ()


def test_an_answer_without_a_list_is_no_end():
    ca, _ = scripted(lambda method, path, body: {"page": {"total": 3}})
    with pytest.raises(ProtocolViolation, match="without a list"):
        ca.inventory(None)


def test_what_cannot_be_fetched_says_why():
    ca, _ = scripted(lambda method, path, body: (200, b"nothing"))
    with pytest.raises(NotFound, match="number at DigiCert is not known"):
        ca.fetch("5")
    with pytest.raises(ProtocolViolation, match="no certificate"):
        ca.fetch("5/6")


def test_revoking_the_only_certificate_leaves_an_order_that_gives_another(ca, sim, clock):
    first = ca.submit(request())
    listed = everything(ca, clock)[0]
    ca.revoke(Target(first.leaf, listed.serial, first.reference), RevocationReason.KEY_COMPROMISE, "lost")
    asked = request(previous=first.reference, reference="b")
    assert ca.poll(ca.submit(asked).state, asked).reference.split("/")[0] == first.reference.split("/")[0]
    approve(sim, clock, "none")
    assert [line.kind for line in sim.ledger.lines()] == ["order", "revoke", "reissue"]
