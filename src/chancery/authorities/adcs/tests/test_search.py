"""The search for a lost order by ids, without the rights of a CA manager."""

from datetime import timedelta

import pytest

from chancery.authorities.adcs import search
from chancery.authorities.adcs.authority import Adcs
from chancery.authorities.adcs.simulator.issuing import Issuer
from chancery.authorities.adcs.tests.stand import DAY, request, standing
from chancery.core import keys
from chancery.sdk.authority import describe
from chancery.sdk.errors import OutcomeUnknown, RejectedByPolicy
from chancery.sdk.outcome import Absence, Found, Issued

KEYS = [keys.generate("EC-P256") for _ in range(8)]


@pytest.fixture
def stand():
    with standing() as made:
        yield made


def lose(stand, connector, **more):
    """Have the CA take an order, and its answer lost."""
    asked = request(at=stand.clock.now(), **more)
    stand.turn(fail_next=1, fail_next_with="lose", fail_next_path="certfnsh")
    with pytest.raises(OutcomeUnknown):
        connector.submit(asked)
    return asked


def find(stand, connector, asked):
    stand.clock.advance(timedelta(minutes=2))
    return connector.find(asked, asked.intended_at - DAY)


def others(stand, connector, count, **more):
    return [connector.submit(request(at=stand.clock.now(), key=KEYS[n % 7], **more)) for n in range(count)]


def test_a_lost_order_is_found_among_others_by_its_key(stand):
    connector = stand.connector(search_from=2)
    others(stand, connector, 9)
    asked = lose(stand, connector, key=KEYS[7])
    others(stand, connector, 9)
    found = find(stand, connector, asked)
    assert isinstance(found, Found)
    assert isinstance(found.outcome, Issued)
    assert found.outcome.reference == "14"
    assert "Request 14" in found.evidence


def test_what_the_ca_never_had_is_absent_back_to_before_the_order(stand):
    connector = stand.connector(search_from=2)
    others(stand, connector, 5)
    found = find(stand, connector, request(key=KEYS[7], at=stand.clock.now()))
    assert isinstance(found, Absence)
    # Row 4 is a day old: what lies below it was there before the order.
    assert "Requests 4 to 9" in found.evidence


@pytest.mark.parametrize("how", ["needs_approval", "reject"])
def test_a_request_that_shows_no_key_leaves_it_open_and_is_named(stand, how):
    connector = stand.connector(search_from=2)
    stand.turn(**{how: True})
    try:
        others(stand, connector, 1)
    except RejectedByPolicy:
        pass
    stand.turn(**{how: False})
    others(stand, connector, 1)
    with pytest.raises(OutcomeUnknown) as caught:
        find(stand, connector, request(key=KEYS[7], at=stand.clock.now()))
    assert caught.value.text == "requests: 5"
    assert "enter its id" in caught.value.remedy


def test_two_requests_for_one_key_are_for_a_person_to_tell_apart(stand):
    connector = stand.connector(search_from=2)
    first = lose(stand, connector, key=KEYS[7])
    lose(stand, connector, key=KEYS[7], reference="0191-b")
    with pytest.raises(OutcomeUnknown) as caught:
        find(stand, connector, first)
    assert caught.value.text == "requests: 6, 5"


def test_an_older_certificate_for_the_same_key_is_not_the_order(stand):
    connector = stand.connector(search_from=2)
    others(stand, connector, 1, reference="0191-before")
    stand.clock.advance(DAY)
    found = find(stand, connector, request(key=KEYS[0], at=stand.clock.now()))
    assert isinstance(found, Absence)


def test_rows_that_were_deleted_do_not_hide_what_is_behind_them(stand):
    connector = stand.connector(search_from=2)
    others(stand, connector, 3)
    asked = lose(stand, connector, key=KEYS[7])
    rows = stand.simulator.database._rows
    for number in (5, 6, 7):
        del rows[number]
    assert find(stand, connector, asked).outcome.reference == "8"
    others(stand, connector, 1)
    del rows[8]
    # The row may have been the order's own: a hole is no absence.
    with pytest.raises(OutcomeUnknown):
        find(stand, connector, asked)


def test_a_search_that_reaches_its_limit_concludes_nothing(stand, monkeypatch):
    monkeypatch.setattr(search, "MOST", 12)
    connector = stand.connector(search_from=2)
    asked = lose(stand, connector, key=KEYS[7])
    others(stand, connector, 9)
    with pytest.raises(OutcomeUnknown) as caught:
        find(stand, connector, asked)
    assert "one search reads" in caught.value.message


def test_a_start_that_the_ca_does_not_have_is_said(stand):
    with pytest.raises(OutcomeUnknown) as caught:
        find(stand, stand.connector(search_from=4711), request())
    assert "4711" in caught.value.message
    assert "from not long ago" in caught.value.remedy


def test_without_a_start_nothing_is_searched_and_the_power_is_not_offered(stand):
    connector = stand.connector()
    with pytest.raises(RejectedByPolicy) as caught:
        connector.find(request(), request().intended_at)
    assert "Enter the request's id" in caught.value.remedy
    assert describe(Adcs, {"search_from": 0}).powers == {"adopts", "chooses"}
    assert describe(Adcs, {"search_from": 7}).powers == {"adopts", "chooses", "finds"}
    assert describe(Adcs, {"transport": "unknown"}).powers == frozenset()
    assert describe(Adcs, {"search_from": 0}).facts.search_lag == timedelta(0)


def test_the_newest_id_of_all_is_looked_for_without_running_past_the_largest(stand, monkeypatch):
    monkeypatch.setattr(search, "_LARGEST", 5)
    connector = stand.connector(search_from=2)
    others(stand, connector, 2)
    assert isinstance(find(stand, connector, request(key=KEYS[7], at=stand.clock.now())), Absence)


def test_back_to_the_first_request_of_all_it_concludes_only_from_what_it_read(stand):
    with pytest.raises(OutcomeUnknown) as caught:
        find(stand, stand.connector(search_from=2), request(key=KEYS[7], at=stand.clock.now() - 400 * DAY))
    assert caught.value.text == "requests: 1"


def test_a_certificate_without_a_readable_date_is_not_older():
    assert search._is_older(b"no certificate", request().intended_at) is False


def test_a_ca_that_dates_its_certificates_back_by_hours_does_not_hide_the_order(stand, monkeypatch):
    issue = Issuer.issue
    monkeypatch.setattr(
        Issuer,
        "issue",
        lambda self, csr, template, now, **how: issue(self, csr, template, now - timedelta(hours=20), **how),
    )
    connector = stand.connector(search_from=2)
    asked = lose(stand, connector, key=KEYS[7])
    others(stand, connector, 3)
    assert find(stand, connector, asked).outcome.reference == "5"


def test_a_database_full_of_holes_is_given_up(stand, monkeypatch):
    monkeypatch.setattr(search, "MOST", 5)
    connector = stand.connector(search_from=2)
    others(stand, connector, 20)
    rows = stand.simulator.database._rows
    for number in [n for n in rows if n > 4 and n % 12]:
        del rows[number]
    with pytest.raises(OutcomeUnknown) as caught:
        find(stand, connector, request(key=KEYS[7], at=stand.clock.now()))
    assert "lies somewhere beyond" in caught.value.message
