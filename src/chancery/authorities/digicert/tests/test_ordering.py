"""The connector at the simulator: order, validate, renew, cancel, revoke, adopt."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chancery.authorities.digicert.tests.stand import START, approve, connector, control, count_calls, request, target
from chancery.core import keys
from chancery.core.certificate import facts, spki_of
from chancery.core.order import RevocationReason
from chancery.sdk.authority import Target
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    RejectedByPolicy,
    Throttled,
)
from chancery.sdk.finding import Level
from chancery.sdk.outcome import Absence, Found, Issued, Pending, PendingKind, RevocationPending, Revoked

# Order ---------------------------------------------------------------------------------------------


def test_an_order_is_issued_with_its_names_and_both_numbers(ca, sim):
    asked = request("www.example.com", "example.com")
    issued = ca.submit(asked)
    assert isinstance(issued, Issued)
    assert spki_of(issued.leaf) == asked.spki_sha256
    assert len(issued.chain) == 2
    assert issued.reference.count("/") == 1
    assert sim.ledger.orders_by_reference() == {"chancery:0191-a": 1}


@pytest.mark.parametrize("chain", ["short", "long", "missing", "shuffled"])
def test_the_leaf_is_known_by_its_key_whatever_the_chain(ca, sim, chain):
    sim.dials.set(chain=chain)
    asked = request()
    assert spki_of(ca.submit(asked).leaf) == asked.spki_sha256


@pytest.mark.parametrize(
    "dials", [{"numbers_as_strings": True}, {"duplicate_keys": True}, {"order_status_200": True}, {"blank_names": True}]
)
def test_oddities_change_nothing(ca, sim, dials):
    sim.dials.set(issue_delay=5, **dials)
    asked = request()
    pending = ca.submit(asked)
    control(sim, "POST", "/tick", {"seconds": 6})
    issued = ca.poll(pending.state, asked)
    assert isinstance(issued, Issued)
    assert issued.reference == f"{pending.reference}/{issued.reference.rpartition('/')[2]}"


def test_a_download_of_another_certificate_is_fetched_again(ca, sim):
    ca.submit(request("other.example.com"))
    sim.dials.set(issue_delay=5)
    asked = request(reference="b")
    pending = ca.submit(asked)
    control(sim, "POST", "/tick", {"seconds": 6})
    sim.dials.set(wrong_downloads=1)
    again = ca.poll(pending.state, asked)
    assert isinstance(again, Pending)
    assert "fetched again" in again.text
    assert isinstance(ca.poll(again.state, asked), Issued)


def test_a_reissue_made_by_hand_meanwhile_does_not_hide_our_certificate(ca, sim, clock):
    sim.dials.set(issue_delay=5)
    asked = request()
    pending = ca.submit(asked)
    control(sim, "POST", "/tick", {"seconds": 6})
    sim.dials.set(issue_delay=0)
    other = {"certificate": {"common_name": "www.example.com", "csr": request().csr_pem, "signature_hash": "sha256"}}
    ca._client.act("POST", f"order/certificate/{pending.reference}/reissue", {**other, "skip_approval": True})
    issued = ca.poll(pending.state, asked)
    assert spki_of(issued.leaf) == asked.spki_sha256


def test_looks_grow_rarer(ca, sim):
    sim.dials.set(issue_delay=10_000)
    asked = request()
    outcome, gaps = ca.submit(asked), []
    for _ in range(8):
        gaps.append(outcome.next_check.total_seconds())
        outcome = ca.poll(outcome.state, asked)
    assert gaps == [2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("days", "settings", "code", "remedy"),
    [
        (200, {"longest_days": 400}, "invalid_value:days", "199"),
        (90, {"organization_id": "1"}, "invalid_value:organization", "organisation"),
        (90, {"product": "ssl_unknown"}, "not_found|product", "product"),
    ],
)
def test_refusals_keep_the_cas_code_and_name_a_remedy(ca, sim, days, settings, code, remedy):
    with pytest.raises((RejectedByPolicy, NotFound)) as caught:
        ca.submit(request(days=days, **settings))
    assert caught.value.code == code
    assert remedy in caught.value.remedy
    assert sim.ledger.lines() == []


# Pending -------------------------------------------------------------------------------------------


def test_an_approver_is_named_by_request(sim, clock):
    ca = connector(sim, clock, skip_approval=False)
    asked = request()
    pending = ca.poll(ca.submit(asked).state, asked)
    assert pending.kind is PendingKind.APPROVAL
    assert f"Request {control(sim, 'GET', '/state')['requests'][0]['id']} waits for an approver" in pending.text
    approve(sim, clock, "new_request")
    assert isinstance(ca.poll(pending.state, asked), Issued)


def test_a_rejection_ends_the_order_with_the_approvers_words(sim, clock):
    ca = connector(sim, clock, skip_approval=False)
    asked = request()
    pending = ca.submit(asked)
    approve(sim, clock, "new_request", "rejected")
    with pytest.raises(RejectedByPolicy, match="as agreed"):
        ca.poll(pending.state, asked)


@pytest.mark.parametrize(
    ("product", "method", "record"),
    [
        ("ssl_basic", "dns-txt-token", "TXT record at {name} with the value {token}"),
        ("ssl_dv_geotrust_flex", "dns-txt-token", "TXT record at {name} with the value {token}"),
        ("ssl_dv_geotrust_flex", "http-token", "a file with the text {token}"),
        ("ssl_dv_geotrust_flex", "email", "e-mail about {name}"),
    ],
)
def test_the_administrator_reads_which_record_to_make(ca, sim, product, method, record):
    asked = request("www.fresh.org", product=product, dcv_method=method)
    first = ca.submit(asked)
    assert first.kind is PendingKind.VALIDATION
    # What a search or a person found starts without anything known, and must tell the same.
    for state in (first.state, {"v": 1, "order": first.reference}):
        pending = ca.poll(state, asked)
        tokens = [d["token"] for d in control(sim, "GET", "/state")["domains"] if d["name"] == "fresh.org"]
        random_value = ca._client.repeat(f"order/certificate/{first.reference}/dcv-random-value")
        # Either place does: a domain's validation holds for the names below it.
        places = [(n, t) for n in ("fresh.org", "www.fresh.org") for t in [*tokens, random_value["dcv_random_value"]]]
        known = [record.format(name=n, token=t) for n, t in places]
        assert pending.kind is PendingKind.VALIDATION
        assert any(k in pending.text for k in known), pending.text


def test_a_cname_is_told_with_its_target_once_the_domain_has_one(ca, sim):
    made = ca._client.act("POST", "domain", {"name": "fresh.org", "dcv_method": "dns-cname-token"})[1]
    token = made["dcv_token"]["token"]
    pending = ca.submit(request("www.fresh.org", dcv_method="dns-cname-token"))
    assert f"{token}.www.fresh.org that points to dcv.digicert.com" in pending.text


def test_published_records_let_it_be_issued(ca, sim):
    asked = request("www.fresh.org")
    pending = ca.submit(asked)
    token = control(sim, "GET", "/state")["domains"][-1]["token"]
    control(sim, "POST", "/publish", {"name": "fresh.org", "value": token})
    assert isinstance(ca.poll(pending.state, asked), Issued)


def test_an_expired_organisation_is_named(ca, sim):
    sim.dials.set(organization_expired=True)
    asked = request()
    pending = ca.poll(ca.submit(asked).state, asked)
    assert pending.kind is PendingKind.VALIDATION
    assert "organisation's ov is expired" in pending.text


def test_an_unknown_status_waits_and_is_shown(ca, sim):
    sim.dials.set(issue_delay=5, unknown_status="being_thought_about")
    asked = request()
    pending = ca.poll(ca.submit(asked).state, asked)
    assert isinstance(pending, Pending)
    assert "being_thought_about" in pending.text


# Renewal -------------------------------------------------------------------------------------------


def renewed(ca, first, *names, **more):
    settings = {"order_days": 365, "reference": "b", **more}
    return request(*(names or ("www.example.com", "example.com")), previous=first.reference, **settings)


@pytest.fixture
def first(ca):
    return ca.submit(request("www.example.com", "example.com", order_days=365))


def test_inside_the_paid_term_it_is_reissued_for_nothing(ca, sim, first, clock):
    clock.advance(timedelta(days=60))
    asked = renewed(ca, first, "www.example.com", "example.com", "more.example.com")
    pending = ca.submit(asked)
    assert isinstance(pending, Pending)
    issued = ca.poll(pending.state, asked)
    assert spki_of(issued.leaf) == asked.spki_sha256
    assert issued.reference.split("/")[0] == first.reference.split("/")[0]
    assert issued.reference != first.reference
    assert [line.kind for line in sim.ledger.lines()] == ["order", "reissue"]
    clock.advance(timedelta(days=4))
    ca._client.get("user/me")
    assert sim.ledger.lines("revoke") == []


@pytest.mark.parametrize(
    ("names", "more", "days"),
    [
        (("www.example.com", "other.example.com"), {}, 0),
        ((), {"product": "ssl_securesite_flex"}, 0),
        ((), {"renewal": "renewal"}, 0),
        ((), {}, 280),
    ],
)
def test_otherwise_a_renewal_order_is_placed(ca, sim, first, clock, names, more, days):
    clock.advance(timedelta(days=days))
    assert isinstance(ca.submit(renewed(ca, first, *names, **more)), Issued)
    assert [line.kind for line in sim.ledger.lines()] == ["order", "order"]
    assert ca._client.get(f"order/certificate/{first.reference.split('/')[0]}")["is_renewed"] is True


@pytest.mark.parametrize("previous", ["", "999", "no number", "12/", "1/2/3", "../../user/me"])
def test_an_order_that_is_not_known_is_placed_anew(ca, sim, previous):
    assert isinstance(ca.submit(request(previous=previous)), Issued)


def test_an_order_for_other_names_is_not_renewed(ca, sim, first):
    """A number of another CA, or of another account, may by chance be that of an order here."""
    assert isinstance(ca.submit(renewed(ca, first, "other.example.com")), Issued)
    assert ca._client.get(f"order/certificate/{first.reference.split('/')[0]}")["is_renewed"] is False


def test_a_reissue_with_the_same_key_never_brings_the_old_certificate(sim, clock, ca):
    key = keys.generate("EC-P256")
    old = ca.submit(request(order_days=365, key=key))
    clock.advance(timedelta(days=1))
    sim.dials.set(issue_delay=60)
    asked = request(order_days=365, key=key, previous=old.reference, reference="b")
    pending = ca.submit(asked)
    number = old.reference.split("/")[0]
    stale = ca._client.get(f"order/certificate/{number}") | {"status": "issued"}
    look = ca._client.get
    ca._client.get = lambda path, params=None: stale if path == f"order/certificate/{number}" else look(path, params)
    assert isinstance(ca.poll(pending.state, asked), Pending)
    ca._client.get = look
    clock.advance(timedelta(seconds=61))
    issued = ca.poll(pending.state, asked)
    assert issued.leaf != old.leaf
    assert spki_of(issued.leaf) == asked.spki_sha256


def test_of_three_certificates_for_one_key_the_newest_is_taken_and_never_the_first(sim, clock, ca):
    key = keys.generate("EC-P256")
    one = ca.submit(request(order_days=365, key=key))
    clock.advance(timedelta(days=30))
    second = request(order_days=365, key=key, previous=one.reference, reference="b", at=clock.now())
    two = ca.poll(ca.submit(second).state, second)
    clock.advance(timedelta(days=30))
    third = request(order_days=365, key=key, previous=two.reference, reference="c", at=clock.now())
    careful = connector(sim, clock, skip_approval=False)
    pending = careful.submit(third)
    ca.cancel(pending.state, third)
    with pytest.raises(RejectedByPolicy, match="reissue of order"):
        ca.poll(pending.state, third)
    assert isinstance(ca.find(third, clock.now() - timedelta(days=1)), Absence)
    three = ca.poll(ca.submit(third).state, third)
    assert len({one.leaf, two.leaf, three.leaf}) == 3


def test_a_profile_may_ask_for_new_orders_always(ca, sim, first):
    assert isinstance(ca.submit(renewed(ca, first, renewal="new")), Issued)
    assert ca._client.get(f"order/certificate/{first.reference.split('/')[0]}")["is_renewed"] is False


def test_a_renewal_that_is_refused_becomes_a_new_order(ca, sim, first):
    sim.dials.set(refuse_renewals=True)
    assert isinstance(ca.submit(renewed(ca, first, renewal="renewal")), Issued)
    assert sim.ledger.orders_by_reference() == {"chancery:0191-a": 1, "chancery:b": 1}
    # The code is not documented: that the refusal speaks of renewing decides.
    sim.dials.set(renewal_refusal="something_else")
    assert isinstance(ca.submit(renewed(ca, first, renewal="renewal", reference="c")), Issued)
    assert sim.ledger.orders_by_reference()["chancery:c"] == 1


def test_while_another_reissue_is_under_way_nothing_is_sent(sim, clock, ca, first):
    careful = connector(sim, clock, skip_approval=False)
    asked = renewed(ca, first)
    pending = careful.poll(careful.submit(asked).state, asked)
    assert pending.kind is PendingKind.APPROVAL
    with pytest.raises(OutcomeUnknown) as caught:
        ca.submit(renewed(ca, first, reference="c"))
    assert caught.value.bytes_sent is False
    clock.advance(timedelta(days=2))
    assert isinstance(ca.submit(renewed(ca, first, reference="c")), Issued)


def test_a_rejected_reissue_ends(sim, clock, ca, first):
    careful = connector(sim, clock, skip_approval=False)
    asked = renewed(ca, first)
    pending = careful.submit(asked)
    approve(sim, clock, "reissue", "rejected")
    with pytest.raises(RejectedByPolicy, match="as agreed"):
        careful.poll(pending.state, asked)


def test_cancelling_a_reissue_leaves_the_order(sim, clock, ca, first):
    careful = connector(sim, clock, skip_approval=False)
    asked = renewed(ca, first)
    pending = careful.submit(asked)
    careful.cancel(pending.state, asked)
    assert ca._client.get(f"order/certificate/{pending.reference}")["status"] == "issued"
    with pytest.raises(AlreadyDone):
        careful.cancel(pending.state, asked)


# Lost answers --------------------------------------------------------------------------------------


def lose(ca, sim, asked):
    sim.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="POST")
    with pytest.raises(OutcomeUnknown) as caught:
        ca.submit(asked)
    assert caught.value.bytes_sent is True


def test_a_lost_order_is_found_among_thousands_with_the_same_name(ca, sim, clock):
    lost = request()
    lose(ca, sim, lost)
    crowd(sim, ca, 2_300)
    found = ca.find(lost, START - timedelta(days=1))
    assert isinstance(found, Found)
    assert spki_of(found.outcome.leaf) == lost.spki_sha256


def test_absence_is_said_only_after_the_last_page(ca, sim, clock):
    ca.submit(request())
    crowd(sim, ca, 1_450)
    found = ca.find(request(reference="never-sent"), START - timedelta(days=1))
    assert isinstance(found, Absence)
    assert "1451 orders" in found.evidence


def crowd(sim, ca, many):
    """Put copies of the first order into the simulator's book, each with a reference of its own."""
    from copy import copy

    book = sim.tick.__self__._book
    first = next(iter(book.orders.values()))
    for number in range(many):
        twin = copy(first)
        twin.id = 5_000_000 + number
        field = {"metadata_id": 12, "value": f"chancery:crowd-{number}"}
        twin.body = {**first.body, "custom_fields": [field]}
        book.orders[twin.id] = twin


def test_without_a_custom_field_comments_and_key_decide(sim, clock):
    ca = connector(sim, clock, reference_field_id="")
    lost = request()
    ca.submit(request(reference="other"))
    lose(ca, sim, lost)
    found = ca.find(lost, START - timedelta(days=1))
    assert spki_of(found.outcome.leaf) == lost.spki_sha256
    assert isinstance(ca.find(request(reference="x"), START - timedelta(days=1)), Absence)


def test_days_of_another_time_zone_hide_nothing(ca, sim, clock):
    """Where > leaves its day out and days begin hours later, an order of the first hours must still be found."""
    sim.dials.set(strict_after=True)
    lost = request()
    lose(ca, sim, lost)
    assert isinstance(ca.find(lost, START - timedelta(days=1)), Found)


def test_a_lost_reissue_is_found_in_its_order(ca, sim, first, clock):
    clock.advance(timedelta(days=60))
    asked = renewed(ca, first)
    lose(ca, sim, asked)
    found = ca.find(asked, clock.now() - timedelta(days=1))
    assert spki_of(found.outcome.leaf) == asked.spki_sha256
    assert len(sim.ledger.lines("reissue")) == 1


def test_the_certificate_that_is_renewed_with_the_same_key_is_not_taken_for_the_new_one(sim, clock, ca):
    key = keys.generate("EC-P256")
    old = ca.submit(request(order_days=365, key=key))
    asked = request(order_days=365, key=key, previous=old.reference, reference="b")
    assert isinstance(ca.find(asked, START - timedelta(days=1)), Absence)


def test_a_reissue_that_does_not_show_its_key_is_neither_found_nor_absent(sim, clock, ca, first):
    careful = connector(sim, clock, skip_approval=False)
    asked = renewed(ca, first)
    lose(careful, sim, asked)
    with pytest.raises(OutcomeUnknown, match="under way"):
        careful.find(asked, START - timedelta(days=1))
    approve(sim, clock, "reissue")
    assert isinstance(careful.find(asked, START - timedelta(days=1)).outcome, Issued)


def test_a_person_names_an_order_with_or_without_its_certificate(ca, sim, clock):
    asked = request()
    issued = ca.submit(asked)
    for reference in (issued.reference, issued.reference.split("/")[0], f" {issued.reference} "):
        assert spki_of(ca.adopt(reference, asked).outcome.leaf) == asked.spki_sha256
    with pytest.raises(RejectedByPolicy, match="another key"):
        ca.adopt(issued.reference, request())
    with pytest.raises(NotFound):
        ca.adopt("1", asked)
    for typed in ("order 1000004", "../../user/me", "#1", "１"):
        with pytest.raises(NotFound, match="no order number"):
            ca.adopt(typed, asked)


# Cancel, revoke ------------------------------------------------------------------------------------


@pytest.mark.parametrize("strict", [False, True])
def test_what_waits_for_an_approver_is_cancelled_or_rejected(sim, clock, strict):
    sim.dials.set(strict_cancel=strict)
    ca = connector(sim, clock, skip_approval=False)
    asked = request()
    pending = ca.submit(asked)
    ca.cancel(pending.state, asked)
    assert control(sim, "GET", "/state")["orders"][0]["status"] == ("rejected" if strict else "canceled")
    if not strict:
        assert asked.reference in control(sim, "GET", "/state")["orders"][0]["note"]
        ca.cancel(pending.state, asked)


def test_what_is_issued_cannot_be_cancelled(ca, sim):
    asked = request()
    issued = ca.submit(asked)
    with pytest.raises(AlreadyDone):
        ca.cancel({"v": 1, "order": issued.reference.split("/")[0]}, asked)


def test_revocation_with_its_comment_then_again(sim, clock, ca):
    issued = ca.submit(request())
    careful = connector(sim, clock, skip_approval=False)
    waiting = careful.revoke(target(issued), RevocationReason.SUPERSEDED, "replaced by b")
    assert isinstance(waiting, RevocationPending)
    assert control(sim, "GET", "/state")["requests"][-1]["comments"] == (
        f"replaced by b (certificate {issued.reference.split('/')[1]})"
    )
    assert isinstance(careful.poll_revocation(waiting.state, target(issued)), RevocationPending)
    approve(sim, clock, "revoke")
    assert isinstance(careful.poll_revocation(waiting.state, target(issued)), Revoked)
    with pytest.raises(AlreadyDone):
        ca.revoke(target(issued), RevocationReason.SUPERSEDED, "")


def test_a_lost_revocation_is_not_asked_for_twice(sim, clock, ca):
    issued, other = ca.submit(request(order_days=365)), request(order_days=365, reference="b")
    duplicate = replace(other, previous=issued.reference, settings=request(renewal="duplicate").settings)
    second = ca.poll(ca.submit(duplicate).state, duplicate)
    careful = connector(sim, clock, skip_approval=False)
    sim.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="/revoke")
    with pytest.raises(OutcomeUnknown):
        careful.revoke(target(issued), RevocationReason.SUPERSEDED, "")
    # The other certificate of the same order has a request of its own; the first one keeps the one it has.
    assert isinstance(careful.revoke(target(second), RevocationReason.SUPERSEDED, ""), RevocationPending)
    waiting = careful.revoke(target(issued), RevocationReason.SUPERSEDED, "")
    requests = [r for r in control(sim, "GET", "/state")["requests"] if r["type"] == "revoke"]
    assert next(r["id"] for r in requests) == int(waiting.state["request"])
    assert len(requests) == 2


def test_a_rejected_revocation_says_why(sim, clock, ca):
    issued = ca.submit(request())
    waiting = connector(sim, clock, skip_approval=False).revoke(target(issued), RevocationReason.UNSPECIFIED, "")
    approve(sim, clock, "revoke", "rejected")
    with pytest.raises(RejectedByPolicy, match="as agreed"):
        ca.poll_revocation(waiting.state, target(issued))


@pytest.mark.parametrize("code", ["already_revoked", "order_is_revoked", "4711"])
def test_revoked_before_is_known_by_reading_whatever_the_code(ca, sim, code):
    sim.dials.set(revoked_code=code)
    issued = ca.submit(request())
    by_serial = Target(issued.leaf, facts(issued.leaf).serial, issued.reference.split("/")[0])
    assert isinstance(ca.revoke(by_serial, RevocationReason.KEY_COMPROMISE, ""), Revoked)
    for one in (target(issued), by_serial):
        with pytest.raises(AlreadyDone):
            ca.revoke(one, RevocationReason.KEY_COMPROMISE, "")


def test_a_pending_reissue_refuses_the_revocation_for_now(sim, clock, ca, first):
    connector(sim, clock, skip_approval=False).submit(renewed(ca, first))
    with pytest.raises(RejectedByPolicy, match="pending reissue"):
        ca.revoke(target(first), RevocationReason.SUPERSEDED, "")


# Diagnosis, choices, rate --------------------------------------------------------------------------


def levels(ca):
    return {(f.stage, f.code): f.level for f in ca.check()}


def test_a_good_connection(sim, clock):
    found = levels(connector(sim, clock, container_id="14"))
    assert set(found.values()) == {Level.OK, Level.SKIPPED}


@pytest.mark.parametrize(
    ("config", "key", "dials", "finding", "level"),
    [
        ({}, "standard", {}, ("rights", "skip_approval"), Level.FAILED),
        ({}, None, {}, ("rights", "no_division"), Level.WARNING),
        ({"container_id": "99"}, None, {}, ("rights", "division"), Level.FAILED),
        ({"reference_field_id": ""}, None, {}, ("product", "no_reference_field"), Level.WARNING),
        ({"reference_field_id": "11"}, None, {}, ("product", "reference_field"), Level.FAILED),
        ({"reference_field_id": "77"}, None, {}, ("product", "reference_field"), Level.FAILED),
        ({}, None, {"required_field": True}, ("product", "required_fields"), Level.FAILED),
        ({}, None, {"organization_expired": True}, ("product", "validation"), Level.WARNING),
        ({}, "users_only", {}, ("product", "not_readable"), Level.WARNING),
    ],
)
def test_what_is_wrong_with_a_connection_is_said(sim, clock, config, key, dials, finding, level):
    sim.dials.set(**dials)
    secret = sim.credentials["other_keys"][key] if key else None
    assert levels(connector(sim, clock, secret, **config))[finding] is level


@pytest.mark.parametrize("field", ["product", "organization_id", "container_id", "reference_field_id"])
def test_choices(ca, field):
    found = ca.choices(field)
    assert found
    assert all(c.value and c.label for c in found)
    assert ca.choices("colour") == []


def test_a_key_without_the_right_and_a_wrong_key(sim, clock):
    with pytest.raises(Forbidden):
        connector(sim, clock, sim.credentials["other_keys"]["view_only"]).submit(request())
    with pytest.raises(AuthFailed):
        connector(sim, clock, "wrong").submit(request())
    assert sim.ledger.lines() == []


def test_two_connectors_with_one_key_share_its_budget(sim, clock):
    one, two = (connector(sim, clock, rate_percent=40) for _ in range(2))
    with pytest.raises(Throttled) as caught:
        for number in range(200):
            (one, two)[number % 2]._client.get("user/me")
    assert number == 35
    assert (caught.value.code, caught.value.bytes_sent) == ("own_budget", False)
    assert clock.now() < caught.value.until <= clock.now() + timedelta(seconds=5)
    connector(sim, clock, sim.credentials["other_keys"]["second"], rate_percent=40)._client.get("user/me")
    clock.advance(timedelta(seconds=5))
    one._client.get("user/me")


def test_one_list_of_changes_stands_for_many_looks(sim, clock, ca):
    sim.dials.set(dcv="none")
    waiting = {}
    for number in range(25):
        asked = request(f"h{number}.example.com", reference=str(number))
        waiting[asked] = ca.poll(ca.submit(asked).state, asked)
        clock.advance(timedelta(seconds=2))
    for _ in range(2):
        clock.advance(timedelta(minutes=2))
        calls = count_calls(ca)
        again = {asked: ca.poll(pending.state, asked) for asked, pending in waiting.items()}
    assert calls == ["order/certificate/status-changes"]
    assert {p.text for p in again.values()} == {p.text for p in waiting.values()}
    sim.dials.set(dcv="all")
    clock.advance(timedelta(minutes=2))
    assert all(isinstance(ca.poll(p.state, asked), Issued) for asked, p in again.items())
