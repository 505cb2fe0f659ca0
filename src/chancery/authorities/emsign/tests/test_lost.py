"""What a lost answer may have ordered is found, or said to be open; nothing is ordered twice."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chancery.authorities.emsign.tests.stand import START, finish, issue, request, scripted
from chancery.core import keys
from chancery.sdk.errors import AlreadyDone, OutcomeUnknown, ProtocolViolation, Unreachable
from chancery.sdk.outcome import Absence, Found, Issued

DAY = timedelta(days=1)


def lose(ca, sim, asked, way, what="lose"):
    """Let the CA act and its answer be lost."""
    path = {"v2": "POST /api/certinext/v2/", "v1": "POST /emSignHub-API/GenerateOrder"}[way]
    sim.dials.set(fail_next=1, fail_next_with=what, fail_next_path=path)
    with pytest.raises((OutcomeUnknown, ProtocolViolation)) as unknown:
        ca.submit(asked)
    assert unknown.value.bytes_sent


@pytest.mark.parametrize("what", ["lose", "error", "half", "garbled"])
def test_a_lost_order_is_found_by_its_tag(ca, sim, clock, way, what):
    asked = request()
    lose(ca, sim, asked, way, what)
    found = ca.find(asked, START - DAY)
    assert isinstance(found, Found)
    assert isinstance(finish(ca, found.outcome, asked, clock), Issued)
    assert set(sim.ledger.orders_by_reference().values()) == {1}


def test_nothing_that_was_dropped_on_the_way_is_found(ca, sim, way):
    asked = request()
    path = {"v2": "POST /api/certinext/v2/", "v1": "POST /emSignHub-API/GenerateOrder"}[way]
    sim.dials.set(fail_next=1, fail_next_with="drop", fail_next_path=path)
    with pytest.raises(OutcomeUnknown):
        ca.submit(asked)
    absent = ca.find(asked, START - DAY)
    assert isinstance(absent, Absence)
    assert "none of them ours" in absent.evidence


def test_without_tags_the_key_of_the_certificate_tells(ca, sim, clock, way):
    other, asked = request(), request(reference="b")
    issue(ca, other, clock)
    lose(ca, sim, asked, way)
    sim.dials.set(hides_tags=True)
    clock.advance(timedelta(seconds=30))
    found = ca.find(asked, START - DAY)
    assert isinstance(found, Found)
    assert isinstance(finish(ca, found.outcome, asked, clock), Issued)
    assert isinstance(ca.find(request(reference="c"), START - DAY), Absence)


def test_without_tag_and_certificate_nothing_is_concluded(v2, sim, clock):
    sim.dials.set(needs_approval=True)
    asked = request()
    lose(v2, sim, asked, "v2")
    sim.dials.set(hides_tags=True)
    with pytest.raises(OutcomeUnknown) as open_question:
        v2.find(asked, START - DAY)
    assert "may be this one" in open_question.value.message
    assert "enter its number" in open_question.value.remedy


def test_v1_shows_the_request_of_what_waits_so_its_key_tells(v1, sim, clock):
    sim.dials.set(needs_approval=True)
    asked = request()
    lose(v1, sim, asked, "v1")
    sim.dials.set(hides_tags=True)
    assert isinstance(v1.find(asked, START - DAY), Found)
    assert isinstance(v1.find(request(reference="b"), START - DAY), Absence)


def test_untagged_orders_that_ended_or_are_older_or_for_others_are_none_of_ours(v2, sim, clock, book):
    for n in range(3):
        issue(v2, request(reference=str(n)), clock)
    issue(v2, request("other.example.com", reference="o"), clock)
    sim.tick.__self__.lifecycle.revoke(book.orders[1], "superseded", "x")
    sim.dials.set(needs_approval=True)
    v2.submit(request(reference="e"))
    sim.tick.__self__.lifecycle.end(book.orders[-1], "cancelled", "x")
    sim.dials.set(hides_tags=True)
    assert isinstance(v2.find(request(reference="new"), START - DAY), Absence)
    later = request(reference="later", at=clock.now() + timedelta(hours=1))
    assert isinstance(v2.find(later, START - DAY), Absence)


def test_a_tag_that_the_ca_did_not_keep_is_no_proof_of_absence(ca, sim, clock, book):
    asked = request()
    issue(ca, asked, clock)
    book.orders[0].tags.clear()
    assert isinstance(ca.find(asked, START - DAY), Found)
    assert isinstance(ca.find(request(reference="b"), START - DAY), Absence)


def test_a_search_hands_nothing_in_and_signs_nothing(ca, sim, clock, way):
    sim.dials.set(ignores_csr=True, ignores_agreement=True)
    asked = request()
    lose(ca, sim, asked, way)
    found = ca.find(asked, START - DAY)
    assert found.outcome.next_check == timedelta(seconds=2)
    assert [line.kind for line in sim.ledger.lines()] == ["order"]
    assert isinstance(finish(ca, found.outcome, asked, clock), Issued)


def test_an_order_without_its_zone_may_be_a_day_off():
    from chancery.authorities.emsign.read import was_before

    assert was_before("2026-11-23T11:00:00Z", START)
    assert was_before("2026-11-23T11:00:00-00:30", START)
    assert not was_before("2026-11-23T11:55:00+00:00", START)
    assert not was_before("2026-11-23T03:00:00", START)
    assert was_before("2026-11-21T03:00:00", START)
    assert not was_before("soon", START)


def test_untagged_drafts_of_v1_may_be_ours(v1, sim):
    v1.submit(request(draft=True))
    sim.dials.set(hides_tags=True)
    with pytest.raises(OutcomeUnknown, match="may be this order"):
        v1.find(request(reference="b"), START - DAY)


def test_v1_leaves_older_untagged_orders_alone(v1, sim, clock):
    issue(v1, request(), clock)
    sim.dials.set(hides_tags=True)
    later = request(reference="later", at=clock.now() + timedelta(hours=1))
    assert isinstance(v1.find(later, START - DAY), Absence)


def test_the_report_is_read_to_its_last_page_which_comes_again_and_again(v2, sim, book, monkeypatch):
    from chancery.authorities.emsign.v2 import report

    monkeypatch.setattr(report, "SIZE", 3)
    key = keys.generate("EC-P256")
    for n in range(8):
        v2.submit(request(reference=str(n), key=key))
    found = v2.find(request(reference="0", key=key), START - DAY)
    assert isinstance(found, Found)
    absent = v2.find(request(reference="x"), START - DAY)
    assert "8 orders" in absent.evidence


def test_the_report_of_v1_is_read_to_its_last_page_too(v1, sim, clock, monkeypatch):
    from chancery.authorities.emsign.v1 import report

    monkeypatch.setattr(report, "SIZE", 3)
    key = keys.generate("EC-P256")
    for n in range(8):
        v1.submit(request(reference=str(n), key=key))
    assert isinstance(v1.find(request(reference="0", key=key), START - DAY), Found)
    assert "8 orders" in v1.find(request(reference="x"), START - DAY).evidence


def test_a_report_that_is_behind_shows_it_later(ca, sim, clock, way):
    sim.dials.set(slow_index=90)
    asked = request()
    lose(ca, sim, asked, way)
    sim.dials.set(slow_index=90)
    assert isinstance(ca.find(asked, START - DAY), Absence)
    clock.advance(timedelta(seconds=91))
    assert isinstance(ca.find(asked, START - DAY), Found)


def test_a_report_that_is_not_served_is_no_absence(v2, sim):
    sim.dials.set(no_reports=True)
    with pytest.raises(ProtocolViolation) as refused:
        v2.find(request(), START - DAY)
    assert (refused.value.code, refused.value.bytes_sent) == ("501", False)


def test_a_lost_reissue_is_found_once_it_has_its_certificate(v2, sim, clock, book):
    key = keys.generate("EC-P256")
    first = issue(v2, request(key=key), clock)
    clock.advance(timedelta(days=100))
    sim.dials.set(needs_approval=True)
    asked = request(previous=first.reference, reference="renewal", key=key, at=clock.now())
    lose(v2, sim, asked, "v2")
    # The old certificate has the same key, and is not it.
    with pytest.raises(OutcomeUnknown):
        v2.find(asked, clock.now() - DAY)
    sim.tick.__self__.lifecycle.approve(book.orders[-1])
    clock.advance(timedelta(seconds=10))
    found = v2.find(asked, clock.now() - DAY)
    assert isinstance(finish(v2, found.outcome, asked, clock), Issued)
    assert found.outcome.reference.startswith(f"{book.orders[0].number}R001/")
    assert len(sim.ledger.lines("reissue")) == 1


def test_a_renewal_of_which_nothing_arrived_is_absent(v2, clock):
    key = keys.generate("EC-P256")
    first = issue(v2, request(key=key), clock)
    clock.advance(timedelta(days=100))
    asked = request(previous=first.reference, reference="renewal", key=key, at=clock.now())
    assert isinstance(v2.find(asked, clock.now() - timedelta(days=200)), Absence)


def test_a_request_that_the_ca_has_had_is_searched_for(v1, v2, sim, way, clock):
    asked = request()
    v1.submit(asked)
    with pytest.raises(AlreadyDone):
        v1.submit(asked)
    assert isinstance(v1.find(asked, START - DAY), Found)
    sim.dials.set(refuse_same_csr=True)
    with pytest.raises(AlreadyDone):
        v2.submit(asked)
    assert len(sim.ledger.lines("order")) == 1


# Reports that make no sense -----------------------------------------------------------------------------


def report(**page):
    row = {"orderNumber": "1", "requestNumber": "2", "orderDate": "2026-11-23T12:00:00Z", "tags": []}
    return {"content": [row], "page": 1, "size": 100, "totalElements": 1, "totalPages": 1, **page}


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ({"content": None}, "without a list"),
        ({"totalPages": 3}, "same page again"),
        ({"totalElements": 9}, "9 orders and shows 1"),
    ],
)
def test_a_report_that_cannot_be_read_to_its_end_is_no_absence(page, why):
    ca, _ = scripted(lambda method, path, body: report(**page))
    with pytest.raises(OutcomeUnknown, match=why):
        ca.find(request(), START)
    told = {"content": "ordersArray", "totalPages": "noOfPages", "totalElements": "totalNoOfResults"}
    of_v1 = {"ordersArray": report()["content"], "noOfPages": "1", "totalNoOfResults": "1"}
    of_v1 |= {told[name]: value if value is None else str(value) for name, value in page.items()}
    ca, _ = scripted(lambda method, path, body: {"meta": {"status": "1"}, "orderDetails": of_v1}, transport="v1")
    with pytest.raises(OutcomeUnknown, match=why):
        ca.find(request(), START)


@pytest.mark.parametrize("way", ["v2", "v1"])
def test_a_report_without_an_end_is_given_up(way):
    count = iter(range(10_000))

    def answer(method, path, body):
        row = {"orderNumber": str(next(count)), "requestNumber": "2", "tags": []}
        if way == "v1":
            return {"meta": {"status": "1"}, "orderDetails": {"ordersArray": [row], "noOfPages": "9999"}}
        return report(content=[row], totalPages=9999)

    ca, _ = scripted(answer, transport=way)
    with pytest.raises(OutcomeUnknown, match="too many pages"):
        ca.find(request(), START)


@pytest.mark.parametrize("way", ["v2", "v1"])
def test_too_many_orders_without_a_tag_are_not_looked_at_one_by_one(way):
    rows = [{"orderNumber": str(n), "requestNumber": str(n), "domainName": "www.example.com"} for n in range(41)]

    def answer(method, path, body):
        if way == "v1":
            return {"meta": {"status": "1"}, "orderDetails": {"ordersArray": rows, "noOfPages": "1"}}
        return report(content=rows, totalElements=41)

    ca, _ = scripted(answer, transport=way)
    with pytest.raises(OutcomeUnknown, match="41 orders carry no tag"):
        ca.find(request(), START)


def test_an_order_whose_certificate_cannot_be_had_may_be_ours():
    def answer(method, path, body):
        if path.endswith("reports/orders"):
            return report(content=[{"requestNumber": "2", "domainName": "www.example.com"}])
        raise AssertionError(path)

    ca, _ = scripted(answer)
    with pytest.raises(OutcomeUnknown, match="Order 2 "):
        ca.find(request(), START)


def test_the_ca_away_while_it_is_searched_is_for_the_engine_to_know():
    def answer(method, path, body):
        if path.endswith("reports/orders"):
            return report(content=[{"orderNumber": "1", "domainName": "www.example.com"}])
        raise Unreachable("down", bytes_sent=False)

    ca, _ = scripted(answer)
    with pytest.raises(Unreachable):
        ca.find(request(), START)


def test_a_private_order_is_found_although_reports_tell_no_name(v2, sim, clock):
    asked = request("a.example.local", variant="intranet-ssl", product_code="104", days=365)
    lose(v2, sim, asked, "v2")
    found = v2.find(asked, START - DAY)
    assert isinstance(finish(v2, found.outcome, asked, clock), Issued)
    sim.dials.set(hides_tags=True)
    assert isinstance(v2.find(asked, START - DAY), Found)
    assert isinstance(
        v2.find(replace(request("a.example.local", variant="intranet-ssl", product_code="104", days=365)), START - DAY),
        Absence,
    )


def test_v1_reads_a_request_however_it_is_written():
    from chancery.authorities.emsign.v1.report import same_key
    from chancery.authorities.emsign.wire import csr_text

    asked = request()
    assert same_key(asked.csr_pem, asked)
    assert same_key(csr_text(asked), asked)
    assert not same_key(csr_text(request()), asked)
    assert not any(same_key(text, asked) for text in (None, "", "no base64 !", "AAAA", 7))
