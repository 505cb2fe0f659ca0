"""The account: two keys, what a test of the connection says, pick lists, lists read to their end."""

from datetime import timedelta

import pytest

from chancery.authorities.digicert.offers import PAGE, pages
from chancery.authorities.digicert.tests.stand import KEY, connector, request, scripted
from chancery.core.secret import Secret
from chancery.sdk.errors import AuthFailed, Forbidden, ProtocolViolation
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Issued


def rotated(sim, clock, first, second):
    return connector(sim, clock, first, second_api_key=Secret(second))


def test_the_second_key_is_used_once_the_first_is_refused(sim, clock):
    ca = rotated(sim, clock, "withdrawn", sim.credentials["api_key"])
    assert isinstance(ca.submit(request()), Issued)
    assert len(sim.ledger.lines("order")) == 1
    found = {(f.stage, f.code): f for f in ca.check()}
    assert found["login", "second_key"].level is Level.WARNING
    assert isinstance(ca.submit(request(reference="b")), Issued)


def test_the_first_key_is_used_again_once_the_second_is_refused(sim, clock):
    ca = rotated(sim, clock, sim.credentials["api_key"], sim.credentials["other_keys"]["second"])
    service, main = sim.tick.__self__, sim.credentials["api_key"]
    ca.submit(request())
    for n, gone in enumerate([main, sim.credentials["other_keys"]["second"]]):
        kept = service._keys.pop(gone)
        assert isinstance(ca.submit(request(reference=f"r{n}")), Issued)
        service._keys[gone] = kept
    assert len(sim.ledger.lines("order")) == 3


def test_while_the_first_key_works_the_second_is_not_sent(sim, clock):
    ca = rotated(sim, clock, sim.credentials["api_key"], "not yet made")
    assert isinstance(ca.submit(request()), Issued)
    assert "second_key" not in {f.code for f in ca.check()}


def test_two_refused_keys_are_the_logins_fault_and_a_missing_right_is_the_first_keys(sim, clock):
    with pytest.raises(AuthFailed):
        rotated(sim, clock, "wrong", "wrong too").submit(request())
    view = sim.credentials["other_keys"]["view_only"]
    with pytest.raises(Forbidden):
        rotated(sim, clock, view, sim.credentials["api_key"]).submit(request())
    assert sim.ledger.lines() == []


def test_both_keys_are_taken_out_of_what_the_service_echoes():
    second = Secret("SECOND-KEY-ABCDEF")
    echo = {"errors": [{"code": "x", "message": f"{KEY} {second.reveal()}"}]}
    ca, _ = scripted(lambda method, path, body: (400, echo), second_api_key=second)
    with pytest.raises(Exception) as caught:
        ca.submit(request())
    assert KEY not in f"{caught.value} {caught.value.text}"
    assert second.reveal() not in f"{caught.value} {caught.value.text}"


@pytest.mark.parametrize(("until", "told"), [("2026-12-20", True), ("2027-06-01", False), ("", False)])
def test_a_key_near_its_day_is_told(sim, clock, until, told):
    found = {f.code for f in connector(sim, clock, api_key_until=until).check()}
    assert ("key_age" in found) is told


def test_domains_whose_validation_ends_are_told_before_orders_wait_for_them(sim, clock, ca):
    assert "domains" not in {f.code for f in ca.check()}
    clock.advance(timedelta(days=180))
    found = next(f for f in ca.check() if f.code == "domains")
    assert found.level is Level.WARNING
    assert "example.com" in found.evidence


def test_an_account_without_domains_is_no_fault():
    ca, _ = scripted(lambda method, path, body: {"domains": [], "account": {"id": 1}})
    assert not [f for f in ca.check() if "domains" in f.message]


def test_the_kind_of_account_is_shown(ca):
    ca, _ = scripted(lambda method, path, body: {"cert_central_type": "enterprise", "primary_organization_id": 5})
    assert "primary organisation 5, enterprise" in {f.evidence for f in ca.check()}


def test_an_organisation_is_offered_with_its_validation(ca):
    found = ca.choices("organization_id")
    assert [c.value for c in found] == ["112233"]
    assert found[0].label == "Example Org (ov until 2027-12-26, ev until 2027-12-26)"


def test_a_field_that_is_not_active_is_not_offered(ca):
    assert [(c.value, c.label) for c in ca.choices("reference_field_id")] == [
        ("12", "CLM reference (text)"),
        ("13", "Cost centre (text)"),
    ]


def paged(total, size=PAGE):
    rows = [{"id": n, "name": f"o{n}"} for n in range(total)]

    def answer(method, path, body):
        offset = paged.offset
        return {"organizations": rows[offset : offset + size], "page": {"total": total, "offset": offset}}

    return answer


def test_long_lists_are_read_page_by_page():
    ca, door = scripted(None)
    asked = []

    def request_of(method, path, *, params=None, **more):
        asked.append(int(params["offset"]))
        paged.offset = int(params["offset"])
        door.answer = paged(2300)
        return type(door).request(door, method, path, params=params, **more)

    door.request = request_of
    assert len(list(pages(ca._client, "organization", "organizations"))) == 2300
    assert asked == [0, 1000, 2000]


def test_a_list_that_never_ends_is_no_list():
    ca, door = scripted(None)
    start = iter(range(0, 10**6, PAGE))

    def answer(method, path, body):
        first = next(start)
        return {"organizations": [{"id": first + n} for n in range(PAGE)]}

    door.answer = answer
    with pytest.raises(ProtocolViolation, match="does not end"):
        list(pages(ca._client, "organization", "organizations"))


def test_a_page_that_comes_again_ends_the_list():
    ca, door = scripted(lambda method, path, body: {"organizations": [{"id": n} for n in range(PAGE)]})
    assert len(list(pages(ca._client, "organization", "organizations"))) == PAGE
    assert len(door.asked) == 2


def test_a_field_of_another_kind_is_told():
    def answer(method, path, body):
        return {"metadata": [{"id": 12, "data_type": "date", "is_active": True}]} if path.endswith("metadata") else {}

    ca, _ = scripted(answer)
    found = next(f for f in ca.check() if f.code == "reference_field")
    assert (found.level, found.evidence) == (Level.FAILED, "date")


def test_a_dv_profile_names_no_organisation(ca, sim):
    ca.submit(request(product="ssl_dv_geotrust_flex", organization_id=""))
    assert "organization" not in next(iter(sim.tick.__self__._book.orders.values())).body
