"""Which verb renews (B5): duplicates, what a single-name product gives free, a dropped name that is held, ceilings by date."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chancery.authorities.digicert.ceilings import days_of, shortness
from chancery.authorities.digicert.simulator import build
from chancery.authorities.digicert.tests.conftest import CA
from chancery.authorities.digicert.tests.stand import START, approve, close, connector, request, scripted, target
from chancery.core import keys
from chancery.core.certificate import facts, spki_of
from chancery.core.clock import ManualClock
from chancery.core.order import RevocationReason
from chancery.sdk.errors import AlreadyDone, OutcomeUnknown, RejectedByPolicy
from chancery.sdk.outcome import Absence, Found, Issued, Pending, PendingKind, Revoked

NAMES = ("www.example.com", "old.example.com")
DAY = timedelta(days=1)


@pytest.fixture
def first(ca):
    return ca.submit(request(*NAMES))


def renewal(first, *names, at=START, **more):
    return request(*(names or NAMES), previous=first.reference, at=at, **{"reference": "b", **more})


def serial(issued):
    return facts(issued.leaf).serial.upper().lstrip("0")


def kinds(sim):
    return [line.kind for line in sim.ledger.lines()]


def test_what_is_left_of_the_paid_year_is_used_before_another_one_is_paid(ca, sim, clock):
    private = {"product": "private_ssl_multi_domain", "days": 199}
    first = ca.submit(request(**private))
    # A month before its end, 194 days can still be had: less than 199, and free.
    clock.advance(170 * DAY)
    asked = renewal(first, "www.example.com", at=clock.now(), **private)
    second = ca.poll(ca.submit(asked).state, asked)
    assert second.warnings[0].startswith("It is valid for 194 of the 199 days")
    # From 90 days before the end of the term on, a renewal order keeps what is left of it.
    clock.advance(105 * DAY)
    asked = renewal(second, "www.example.com", at=clock.now(), reference="c", **private)
    assert isinstance(ca.submit(asked), Issued)
    assert kinds(sim) == ["order", "reissue", "order"]


# Duplicates ----------------------------------------------------------------------------------------


def test_a_duplicate_leaves_every_other_certificate_as_it_is(ca, sim, clock, first):
    asked = renewal(first, renewal="duplicate")
    pending = ca.submit(asked)
    assert "Duplicate within order" in pending.text
    issued = ca.poll(pending.state, asked)
    assert spki_of(issued.leaf) == asked.spki_sha256
    assert issued.reference.split("/")[0] == first.reference.split("/")[0]
    assert kinds(sim) == ["order", "duplicate"]
    # Each is revoked by itself: nothing else of the order is touched.
    assert isinstance(ca.revoke(target(issued), RevocationReason.SUPERSEDED, ""), Revoked)
    clock.advance(4 * DAY)
    sim.tick()
    held = sim.state()["orders"][0]["certificates"]
    assert [(c["kind"], c["revoked"]) for c in held] == [("original", False), ("duplicate", True)]


def test_with_more_names_or_without_duplicates_it_is_a_reissue_and_with_fewer_a_renewal(ca, sim, first, monkeypatch):
    from chancery.authorities.digicert.simulator import products

    more = renewal(first, *NAMES, "new.example.com", renewal="duplicate")
    second = ca.poll(ca.submit(more).state, more)
    assert isinstance(second, Issued)
    detail = products.Product.detail
    monkeypatch.setattr(products.Product, "detail", lambda self: detail(self) | {"duplicates_allowed": False})
    same = renewal(second, *NAMES, "new.example.com", renewal="duplicate", reference="c")
    assert isinstance(ca.poll(ca.submit(same).state, same), Issued)
    assert isinstance(ca.submit(renewal(first, "www.example.com", renewal="duplicate", reference="d")), Issued)
    assert kinds(sim) == ["order", "reissue", "reissue", "order"]


def test_a_duplicate_waits_for_its_approver_by_its_own_request(sim, clock, first):
    careful = connector(sim, clock, skip_approval=False)
    asked = renewal(first, renewal="duplicate")
    pending = careful.poll(careful.submit(asked).state, asked)
    assert pending.kind is PendingKind.APPROVAL
    assert f"Request {pending.state['request']} waits for an approver" in pending.text
    # The order itself stays issued all the while, so the certificate that it shows is not taken for this one.
    assert isinstance(careful.poll(pending.state, asked), Pending)
    approve(sim, clock, "duplicate")
    assert spki_of(careful.poll(pending.state, asked).leaf) == asked.spki_sha256


@pytest.mark.parametrize("by", ["approver", "us"])
def test_a_duplicate_that_is_refused_or_taken_back_ends(sim, clock, first, by):
    careful = connector(sim, clock, skip_approval=False)
    asked = renewal(first, renewal="duplicate")
    pending = careful.submit(asked)
    if by == "us":
        careful.cancel(pending.state, asked)
        with pytest.raises(AlreadyDone):
            careful.cancel(pending.state, asked)
    else:
        approve(sim, clock, "duplicate", "rejected")
    with pytest.raises(RejectedByPolicy, match="duplicate of order .* was rejected"):
        careful.poll(pending.state, asked)
    assert sim.state()["orders"][0]["status"] == "issued"


def test_a_lost_duplicate_is_found_or_said_to_be_open(sim, clock, ca, first):
    careful = connector(sim, clock, skip_approval=False)
    asked = renewal(first, renewal="duplicate")
    sim.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="POST")
    with pytest.raises(OutcomeUnknown):
        careful.submit(asked)
    with pytest.raises(OutcomeUnknown, match="duplicate of order .* under way") as hidden:
        careful.find(asked, START - DAY)
    assert hidden.value.code == "duplicate_pending"
    approve(sim, clock, "duplicate")
    found = careful.find(asked, START - DAY)
    assert isinstance(found, Found)
    assert spki_of(found.outcome.leaf) == asked.spki_sha256
    # One that is there hides nothing, and one that was refused neither.
    other = renewal(first, renewal="duplicate", reference="c")
    assert isinstance(careful.find(other, START - DAY), Absence)
    careful.submit(other)
    approve(sim, clock, "duplicate", "rejected")
    assert isinstance(careful.find(renewal(first, renewal="duplicate", reference="d"), START - DAY), Absence)


def test_an_older_duplicate_for_the_same_key_is_not_taken(sim, clock, ca):
    key = keys.generate("EC-P256")
    first = ca.submit(request(*NAMES, key=key))
    one = renewal(first, renewal="duplicate", key=key)
    two = ca.poll(ca.submit(one).state, one)
    clock.advance(30 * DAY)
    again = renewal(two, renewal="duplicate", key=key, reference="c", at=clock.now())
    three = ca.poll(ca.submit(again).state, again)
    assert len({first.leaf, two.leaf, three.leaf}) == 3


# Dropped names -------------------------------------------------------------------------------------


def test_a_reissue_that_would_revoke_others_is_said_before_anything_is_sent(ca, sim, clock, first):
    duplicate = renewal(first, renewal="duplicate", reference="twin")
    twin = ca.poll(ca.submit(duplicate).state, duplicate)
    asked = renewal(first, "www.example.com", dropped_names="reissue")
    held = ca.submit(asked)
    assert (held.kind, held.reference) == (PendingKind.CONFIRMATION, "")
    assert "without old.example.com: within 72 hours" in held.text
    assert serial(first) in held.text
    assert serial(twin) in held.text
    assert ca.poll(held.state, asked) == held
    ca.cancel(held.state, asked)
    assert kinds(sim) == ["order", "duplicate"]
    accepted = replace(asked, confirmed=True)
    issued = ca.poll(ca.submit(accepted).state, accepted)
    assert [n.value for n in facts(issued.leaf).names] == ["www.example.com"]
    assert kinds(sim) == ["order", "duplicate", "reissue"]
    clock.advance(timedelta(hours=73))
    sim.tick()
    assert [c["revoked"] for c in sim.state()["orders"][0]["certificates"]] == [True, True, False]


def test_of_many_doomed_certificates_some_are_named_and_all_counted(first):
    alive = [{"id": n, "serial_number": f"AB{n}"} for n in range(8)]
    gone = [{"id": n, "serial_number": serial, "status": "revoked"} for n, serial in ((98, "FF"), (97, "AA"))]

    def answer(method, path, body):
        assert method == "GET"
        if path.endswith(("/reissue", "/duplicate")):
            return {"certificates": alive + gone if path.endswith("/reissue") else []}
        if path.startswith("product/"):
            return 403, {"errors": [{"code": "access_denied|missing_permission"}]}
        shown = {"common_name": "www.example.com", "dns_names": list(NAMES), "serial_number": "AA"}
        return {"id": 5, "status": "issued", "order_valid_till": "2027-11-23", "certificate": shown,
                "product": {"name_id": "ssl_basic"}}  # fmt: skip

    ca, door = scripted(answer)
    held = ca.submit(request("www.example.com", previous="5/0", dropped_names="reissue"))
    assert "(AB0, AB1, AB2, AB3, AB4 and 3 more)" in held.text
    assert {method for method, _, _ in door.asked} == {"GET"}


def test_what_a_single_name_product_gives_free_is_not_dropped(ca, sim):
    first = ca.submit(request("www.example.com", product="ssl_plus"))
    assert {n.value for n in facts(first.leaf).names} == {"www.example.com", "example.com"}
    asked = renewal(first, "www.example.com", product="ssl_plus")
    issued = ca.poll(ca.submit(asked).state, asked)
    assert {n.value for n in facts(issued.leaf).names} == {"www.example.com", "example.com"}
    assert kinds(sim) == ["order", "reissue"]
    # Where every name is asked for by itself, the one without www is dropped like any other.
    both = ca.submit(request("www.example.com", "example.com", reference="c"))
    assert isinstance(ca.submit(renewal(both, "www.example.com", reference="d")), Issued)
    assert kinds(sim)[2:] == ["order", "order"]


def test_a_year_is_paid_by_default_and_two_certificates_come_of_it(ca, sim, clock):
    first = ca.submit(request(days=199))
    clock.advance(150 * DAY)
    # The ceiling of that day; more would not be left of the paid year either.
    asked = renewal(first, "www.example.com", days=199, at=clock.now())
    issued = ca.poll(ca.submit(asked).state, asked)
    assert kinds(sim) == ["order", "reissue"]
    assert len(issued.warnings) == 1
    assert issued.warnings[0].startswith("It is valid for 99 of the 199 days")


def test_a_subscription_whose_orders_last_as_long_as_the_certificate_is_renewed_by_orders(ca, sim, clock):
    first = ca.submit(request(days=90, order_days=0))
    clock.advance(60 * DAY)
    asked = renewal(first, "www.example.com", days=90, order_days=0, at=clock.now())
    assert isinstance(ca.submit(asked), Issued)
    assert kinds(sim) == ["order", "order"]


def test_an_order_that_was_renewed_or_cancelled_is_not_renewed_again(ca, sim, clock, first):
    ca.submit(renewal(first, renewal="renewal"))
    assert isinstance(ca.submit(renewal(first, reference="c")), Issued)
    careful = connector(sim, clock, skip_approval=False)
    gone = request(reference="d")
    held = careful.submit(gone)
    careful.cancel(held.state, gone)
    assert isinstance(ca.submit(request(previous=held.reference, reference="e")), Issued)
    assert kinds(sim) == ["order", "order", "order", "order", "cancel", "order"]


def test_the_organisation_of_the_profile_must_be_that_of_the_order():
    sent = []

    def answer(method, path, body):
        if method == "POST":
            sent.append((path, body))
            return 201, {"id": 9}
        return {"id": 5, "status": "issued", "order_valid_till": "2027-11-23", "organization": {"id": 1},
                "certificate": {"common_name": "www.example.com"}, "product": {"name_id": "ssl_basic"}}  # fmt: skip

    ca, _ = scripted(answer)
    pending = ca.submit(request(previous="5/6"))
    assert sent[0][0] == "order/certificate/ssl_basic"
    assert sent[0][1]["renewal_of_order_id"] == 5
    assert pending.text.startswith("Renewal of order 5: the organisation is another one.")


def test_an_order_that_a_reissue_holds_for_longer_than_a_day_is_renewed(ca, sim, clock, first):
    careful = connector(sim, clock, skip_approval=False)
    careful.submit(renewal(first))
    clock.advance(2 * DAY)
    assert isinstance(ca.submit(renewal(first, reference="c", renewal="duplicate")), Issued)
    assert kinds(sim) == ["order", "reissue", "order"]


def test_an_absence_is_believed_after_ten_minutes_of_looking(ca, sim, clock):
    assert ca.facts.search_lag * ca.facts.search_tries >= timedelta(minutes=10)
    sim.dials.set(slow_index=590, fail_next=1, fail_next_with="lose", fail_next_path="POST")
    asked = request()
    with pytest.raises(OutcomeUnknown):
        ca.submit(asked)
    seen = []
    for _ in range(ca.facts.search_tries):
        clock.advance(ca.facts.search_lag)
        seen.append(ca.find(asked, START - DAY))
    assert [isinstance(found, Found) for found in seen] == [False] * 9 + [True]


def test_a_cancelled_order_is_cancelled_once(sim, clock):
    careful = connector(sim, clock, skip_approval=False)
    asked = request()
    held = careful.submit(asked)
    careful.cancel(held.state, asked)
    careful.cancel(held.state, asked)
    assert kinds(sim) == ["order", "cancel"]


@pytest.mark.parametrize("shown", [True, False])
def test_a_lost_reissue_whose_order_shows_its_request_is_found_before_it_is_issued(shown):
    asked = request(previous="5/6")

    def answer(method, path, body):
        if path == "order/certificate/5":
            csr = asked.csr_pem if shown else request().csr_pem
            return {"id": 5, "status": "reissue_pending", "certificate": {"csr": csr}}
        return (404, {"errors": [{"code": "not_found"}]}) if path.endswith(("/reissue", "/duplicate")) else {}

    ca, _ = scripted(answer)
    if shown:
        found = ca.find(asked, START - DAY)
        assert (found.outcome.state["again"], found.outcome.state["order"]) == ("reissue", "5")
    else:
        with pytest.raises(OutcomeUnknown, match="does not show for which key"):
            ca.find(asked, START - DAY)


def test_a_previous_order_that_is_gone_does_not_keep_the_search_from_the_list():
    asked = request(previous="5/6")
    gone = 404, {"errors": [{"code": "not_found|order"}]}
    ca, _ = scripted(lambda method, path, body: gone if path.endswith("/5") else {"orders": [], "page": {"total": 0}})
    assert isinstance(ca.find(asked, START - DAY), Absence)


# Ceilings ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "most"),
    [("2026-02-23", 397), ("2026-02-24", 199), ("2027-03-14", 199), ("2027-03-15", 99), ("2029-03-14", 99),
     ("2029-03-15", 46), ("2040-01-01", 46)],
)  # fmt: skip
def test_what_is_asked_for_ends_at_the_ceiling_of_the_day(day, most):
    asked, day = request(days=398), datetime.fromisoformat(day).date()
    assert days_of(asked, day) == most
    assert days_of(request(days=30), day) == 30
    assert days_of(request(days=398, product="private_ssl_plus"), day) == 398
    assert days_of(request(days=398, longest_days=60), day) == 60


@pytest.mark.parametrize("day", ["2026-02-23", "2026-02-24", "2027-03-15", "2029-03-15"])
def test_orders_are_issued_on_both_sides_of_each_change(day):
    now = datetime.fromisoformat(f"{day}T12:00:00").replace(tzinfo=UTC)
    clock = ManualClock(now)
    with build(clock=clock, ca=CA) as sim:
        asked = request(days=398, at=now)
        issued = connector(sim, clock).submit(asked)
        assert isinstance(issued, Issued)
        assert facts(issued.leaf).not_after - now < (days_of(asked, now.date()) + 1) * DAY
        close()


def test_what_cannot_be_read_is_not_judged_as_short():
    assert shortness(b"no certificate", request()) == ()


def test_the_division_of_the_profile_goes_before_the_connectors(sim, clock):
    ca = connector(sim, clock, container_id="14")
    orders = [ca.submit(request()), ca.submit(request(reference="b", container_id="15"))]
    places = [ca._client.get(f"order/certificate/{o.reference.split('/')[0]}")["container"]["id"] for o in orders]
    assert places == [14, 15]


def test_a_profile_option_is_passed_on():
    sent = []
    ca, _ = scripted(lambda method, path, body: (sent.append(body), (201, {"id": 1}))[1])
    ca.submit(request(profile_option="server_client_auth_eku", ca_cert_id="ABC"))
    assert sent[0]["certificate"]["profile_option"] == "server_client_auth_eku"
    assert "profile_option" not in ca.profile(product="ssl_basic").model_dump(exclude_defaults=True)


def test_states_of_earlier_versions_are_read():
    from chancery.authorities.digicert.progress import Progress

    old = Progress.read({"v": 1, "order": "5", "reissue": True, "request": "7"})
    assert (old.again, old.request) == ("reissue", "7")
    assert Progress.read({"v": 1, "order": "5", "again": "else"}).again == ""
    assert Progress.read(Progress("5", again="duplicate", checked=START).state()).checked == START
