"""The inventory of an account: every certificate of every order, at a pace that leaves room for orders."""

from datetime import timedelta

import pytest

from chancery.authorities.digicert.simulator import build
from chancery.authorities.digicert.tests.stand import START, close, connector, request, scripted
from chancery.core.certificate import facts
from chancery.core.clock import ManualClock
from chancery.core.csr import parse
from chancery.core.order import RevocationReason
from chancery.sdk.authority import Target
from chancery.sdk.errors import NotFound, ProtocolViolation, Throttled
from chancery.sdk.inventory import ListedState
from chancery.sdk.outcome import Issued


@pytest.fixture
def clock():
    return ManualClock(START)


@pytest.fixture
def sim(clock):
    with build(clock=clock, limits=((5.0, 1_000_000),)) as made:
        yield made
    close()


def whole(authority, clock):
    """Return all entries and the number of parts that they came in."""
    found, cursor, parts = [], None, 0
    while True:
        page = authority.inventory(cursor)
        found += page.entries
        parts += 1
        if page.cursor is None:
            return found, parts
        cursor = page.cursor
        clock.advance(page.next_page)


def issued(authority, clock, asked):
    outcome = authority.submit(asked)
    while not isinstance(outcome, Issued):
        clock.advance(outcome.next_check)
        outcome = authority.poll(outcome.state, asked)
    return outcome


def test_originals_reissues_and_duplicates_are_listed_each_with_its_own_state(sim, clock):
    ca = connector(sim, clock)
    first = issued(ca, clock, request("www.example.com", order_days=365))
    clock.advance(timedelta(days=2))
    again = request("www.example.com", reference="0191-b", previous=first.reference, order_days=365, at=clock.now())
    second = issued(ca, clock, again)
    # Others make duplicates: we do not.
    order = first.reference.partition("/")[0]
    twin = request("www.example.com")
    body = {
        "certificate": {"common_name": "www.example.com", "csr": twin.csr_pem, "signature_hash": "sha256"},
        "skip_approval": True,
    }
    ca._client.act("POST", f"order/certificate/{order}/duplicate", body)
    ca.revoke(Target(first.leaf, facts(first.leaf).serial, first.reference), RevocationReason.SUPERSEDED, "")
    found, _parts = whole(ca, clock)
    by_key = {entry.spki_sha256: entry for entry in found}
    assert len(found) == 3
    assert by_key[facts(first.leaf).key.spki_sha256].state is ListedState.REVOKED
    assert by_key[facts(second.leaf).key.spki_sha256].state is ListedState.VALID
    other = by_key[parse(twin.csr).key.spki_sha256]
    assert (other.state, other.reference.partition("/")[0], other.names) == (
        ListedState.VALID,
        order,
        ("www.example.com",),
    )
    assert ca.fetch(other.reference).leaf != second.leaf
    assert ca.fetch(second.reference).leaf == second.leaf


def test_a_long_list_leaves_room_for_orders_and_goes_on_where_it_stopped(sim, clock):
    sim_stock(sim, 130)
    ca = connector(sim, clock)
    found, parts = whole(ca, clock)
    assert len({e.serial for e in found}) == len(found) == 130
    assert parts > 6
    # In the moment when the inventory has spent its part, an order still goes out.
    cursor = None
    while True:
        page = ca.inventory(cursor)
        if page.next_page:
            break
        cursor = page.cursor
    assert ca.submit(request("www.example.com"))


def sim_stock(sim, number):
    import http.client
    import json
    from urllib.parse import urlsplit

    parts = urlsplit(sim.control)
    link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    link.request("POST", "/stock", json.dumps({"number": number}))
    answer = link.getresponse()
    body = json.loads(answer.read())
    link.close()
    assert answer.status == 200, body
    return body["stocked"]


def test_a_number_at_the_ca_is_needed_to_fetch(sim, clock):
    ca = connector(sim, clock)
    for reference in ("", "77", "77/999"):
        with pytest.raises(NotFound):
            ca.fetch(reference)


# Odd answers


def row(number, **more):
    return {"id": number, "certificate": {"id": number + 1}, "has_duplicates": False, **more}


CERTIFICATE = {
    "id": 2,
    "serial_number": "00:AB",
    "status": "issued",
    "valid_till": "2027-01-31",
    "dns_names": [" ", "a.example"],
}


def answers(orders, total=None, **by_end):
    """Return a door's answers: the list, and by the end of the path what else is asked for."""

    def answer(method, path, body):
        for end, found in by_end.items():
            if path.endswith(end):
                return found
        return (
            {"orders": orders, "page": {"total": total or len(orders)}}
            if path == "order/certificate"
            else (404, {"errors": []})
        )

    return scripted(answer)


def test_what_an_order_shows_of_its_primary_certificate_does_not_say_how_that_stands():
    for status, state in (("issued", ListedState.UNKNOWN), ("revoked", ListedState.REVOKED)):
        ca, _door = answers([row(1)], **{"/1": {"status": status, "certificate": CERTIFICATE}})
        (entry,) = ca.inventory(None).entries
        assert (entry.reference, entry.serial, entry.state, entry.names) == ("1/2", "ab", state, ("a.example",))
        assert f"{entry.not_after:%Y-%m-%d %H}" == "2027-01-31 23"


@pytest.mark.parametrize(
    "certificate",
    [{"id": 2}, {**CERTIFICATE, "serial_number": None}, {"serial_number": "AB"}, "nothing"],
)
def test_what_is_not_issued_is_no_entry(certificate):
    ca, _door = answers([row(1)], reissue={"certificates": [certificate]})
    assert ca.inventory(None).entries == ()


def test_an_order_that_waits_costs_no_question():
    ca, door = answers([{"id": 1, "certificate": {}}, {"certificate": {"id": 2}}])
    assert ca.inventory(None).entries == ()
    assert [path for _method, path, _body in door.asked] == ["order/certificate"]


def test_a_status_that_is_not_known_is_never_held_against_ours():
    found = {**CERTIFICATE, "status": "revocation pending", "valid_till": "soon"}
    ca, _door = answers([row(1, has_duplicates=None)], reissue={"certificates": [found]})
    (entry,) = ca.inventory(None).entries
    assert (entry.state, entry.text, entry.not_after) == (ListedState.UNKNOWN, "revocation pending", None)


def test_an_empty_account_has_an_end():
    for found in ({"page": {"total": 0}}, {"orders": [], "page": {"total": "0"}}, {"orders": []}):
        ca, _door = scripted(lambda *_, found=found: found)
        page = ca.inventory(None)
        assert (page.entries, page.cursor) == ((), None)


@pytest.mark.parametrize("found", [{}, {"page": {"total": 7}}, {"orders": "none"}])
def test_an_answer_without_a_list_is_no_end(found):
    ca, _door = scripted(lambda *_: found)
    with pytest.raises(ProtocolViolation):
        ca.inventory(None)


def test_the_same_page_again_and_again_is_no_list():
    ca, _door = answers([row(n) for n in range(1, 11)], total=99, reissue={"certificates": []})
    page = ca.inventory(None)
    assert page.cursor == {"v": 1, "offset": 10, "first": "1"}
    with pytest.raises(ProtocolViolation, match="again"):
        ca.inventory(page.cursor)


def test_the_cas_own_limit_slows_the_whole_connector_and_ours_only_the_inventory():
    ca, _door = scripted(lambda *_: (429, {"errors": [{"code": "too_many"}]}))
    with pytest.raises(Throttled):
        ca.inventory(None)
    ca, _door = answers([row(1)], reissue=(429, {"errors": [{"code": "too_many"}]}))
    with pytest.raises(Throttled):
        ca.inventory(None)
    ca, _door = answers([row(n) for n in range(1, 26)], reissue={"certificates": []})
    cursor, waited = None, None
    for _ in range(9):
        page = ca.inventory(cursor)
        cursor = {**page.cursor, "first": ""}
        waited = waited or page.next_page
    assert waited
    # Nothing at all could be asked: the place in the list is kept.
    assert ca.inventory(cursor).cursor == cursor


def test_a_download_without_a_certificate_is_no_certificate():
    ca, _door = scripted(lambda *_: (200, b"nothing here"))
    with pytest.raises(ProtocolViolation):
        ca.fetch("1/2")


def test_an_order_that_vanished_meanwhile_is_passed_over():
    ca, _door = answers([row(1)])
    assert ca.inventory(None).entries == ()
