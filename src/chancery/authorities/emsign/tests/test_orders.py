"""Orders over both REST interfaces, at the simulator: what they say, what they wait for, and how they end."""

from datetime import timedelta

import pytest

from chancery.authorities.emsign.tests.stand import close, connector, control, finish, issue, request, tick
from chancery.core import keys
from chancery.core.certificate import facts, spki_of
from chancery.core.names import parse_name
from chancery.sdk.errors import AlreadyDone, NotFound, RejectedByPolicy
from chancery.sdk.outcome import Found, Issued, Pending, PendingKind


def names(issued):
    return {n.value for n in facts(issued.leaf).names}


# What an order says -----------------------------------------------------------------------------------


def test_an_order_keeps_both_numbers_and_says_no_to_what_the_ca_does_by_default(ca, sim, clock, book):
    asked = request()
    placed = ca.submit(asked)
    order = book.orders[0]
    assert placed.reference == f"{order.number}/{order.request}"
    assert (placed.state["order"], placed.state["request"]) == (order.number, order.request)
    issued = finish(ca, placed, asked, clock)
    assert issued.reference == placed.reference
    assert spki_of(issued.leaf) == asked.spki_sha256
    # Left unsaid, the CA would renew by itself and add the name with www.
    assert (order.auto_renew, order.names) == (False, ["www.example.com"])
    assert order.tags == [f"chancery:{asked.reference}"]
    assert issued.warnings == ()
    assert sim.ledger.orders_by_reference() == {f"chancery:{asked.reference}": 1}


def test_the_pair_with_and_without_www_fits_a_product_for_one_name(ca, clock, book):
    asked = request("example.com", "www.example.com", variant="dv", product_code="842")
    assert names(issue(ca, asked, clock)) == {"example.com", "www.example.com"}
    assert book.orders[0].names == ["example.com", "www.example.com"]


def test_several_names_go_into_the_order_of_a_product_for_them(ca, clock):
    asked = request("example.com", "a.example.org", "b.example.org")
    assert names(issue(ca, asked, clock)) == {"example.com", "a.example.org", "b.example.org"}


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        (request("a.example.com", "b.example.com", variant="dv", product_code="842"), "UCC"),
        (request("a.example.com", "b.a.example.com", "www.a.example.com", variant="dv"), "UCC"),
        (request("*.example.com"), "wildcard"),
        (request("www.example.com", variant="dv-wildcard", product_code="843"), "another variant"),
        (request("*.example.com", "www.*.example.com".replace("*", "x"), variant="dv-wildcard"), "UCC"),
        (request(days=90), "profile"),
    ],
)
def test_what_the_product_would_not_give_is_refused_before_anything_is_sent(ca, sim, asked, remedy):
    with pytest.raises(RejectedByPolicy) as refused:
        ca.submit(asked)
    assert not refused.value.bytes_sent
    assert remedy in refused.value.remedy
    assert sim.ledger.lines() == []


def test_a_term_that_is_not_checked_goes_to_the_ca(ca, clock):
    assert isinstance(issue(ca, request(days=30, term_days=0), clock), Issued)


def test_a_wildcard_is_ordered_as_such(ca, clock):
    asked = request("*.example.com", variant="dv-wildcard", product_code="843")
    assert names(issue(ca, asked, clock)) == {"*.example.com"}
    both = request("example.com", "*.example.com", reference="b", variant="dv-wildcard-ucc", product_code="845")
    assert names(issue(ca, both, clock)) == {"example.com", "*.example.com"}


def test_an_organisation_goes_along_with_its_token(sim, clock, way, book):
    ca = connector(sim, clock, way, consent_token="0947CBA3C2DF42B0", requestor_designation="CISO", mail="all")
    number = sim.credentials["organization_number"]
    asked = request(variant="ov", product_code="846", organization_number=number)
    assert isinstance(issue(ca, asked, clock), Issued)
    assert book.orders[0].organization == number


def test_ov_without_its_organisation_is_refused_with_the_remedy(ca):
    with pytest.raises(RejectedByPolicy) as refused:
        ca.submit(request(variant="ov", product_code="846"))
    assert "organisation" in refused.value.remedy
    assert refused.value.code in {"EMS-1180", "EMS-1073"}


def test_private_pki_needs_no_validation_and_no_agreement(sim, clock, way, book):
    ca = connector(sim, clock, way, accept_agreement=False, group_number="", accounting_model="2")
    sim.dials.set(dcv="none")
    asked = request("intranet.example.local", "b.example.local", variant="intranet-ssl", product_code="104", days=365)
    assert names(issue(ca, asked, clock)) == {"intranet.example.local", "b.example.local"}
    one = request(
        "c.example.local",
        reference="c",
        variant="igtf-host",
        product_code="108",
        organization_number="2368754851",
        days=365,
    )
    assert isinstance(issue(ca, one, clock), Issued)
    assert [o.checks for o in book.orders] == [{}, {}]


def test_a_refusal_of_the_order_ends_it_in_the_cas_own_words(ca, sim):
    sim.dials.set(reject=True)
    with pytest.raises(RejectedByPolicy) as refused:
        ca.submit(request())
    assert refused.value.code == "EMS-917"
    assert "may not be ordered" in refused.value.text
    assert sim.ledger.lines() == []


# What it waits for ------------------------------------------------------------------------------------


def test_a_request_that_did_not_arrive_is_handed_in_once(ca, sim, clock):
    sim.dials.set(ignores_csr=True)
    asked = request()
    placed = ca.submit(asked)
    clock.advance(placed.next_check)
    waiting = ca.poll(placed.state, asked)
    assert "handed in" in waiting.text
    assert waiting.state["done"] == ["csr"]
    assert len(sim.ledger.lines("csr")) == 1
    assert isinstance(finish(ca, waiting, asked, clock), Issued)
    assert len(sim.ledger.lines("csr")) == 1


def test_an_order_whose_request_is_refused_is_cancelled_and_ends(ca, sim, clock, book):
    sim.dials.set(ignores_csr=True)
    good = request()
    placed = ca.submit(good)
    bad = request(key=keys.generate("Ed25519"))
    clock.advance(placed.next_check)
    with pytest.raises(RejectedByPolicy) as refused:
        ca.poll(placed.state, bad)
    assert refused.value.code == "EMS-921"
    assert book.orders[0].ended == "cancelled"
    assert "still open" not in refused.value.remedy


def test_an_orphan_that_cannot_be_cancelled_is_named(ca, sim, clock, way):
    sim.dials.set(ignores_csr=True)
    placed = ca.submit(request())
    path = {"v2": "/cancel", "v1": "RejectOrder"}[way]
    sim.dials.set(fail_next=9, fail_next_path=path)
    with pytest.raises(RejectedByPolicy) as refused:
        ca.poll(placed.state, request(key=keys.generate("Ed25519")))
    assert "still open at emSign" in refused.value.remedy


def test_an_agreement_that_did_not_arrive_is_signed(ca, sim, clock, book):
    sim.dials.set(ignores_agreement=True)
    asked = request()
    issued = issue(ca, asked, clock)
    assert isinstance(issued, Issued)
    assert book.orders[0].signed_by == "Pat Requestor"


def test_nobody_signs_without_having_been_told_to(sim, clock, way):
    ca = connector(sim, clock, way, accept_agreement=False)
    asked = request()
    placed = ca.submit(asked)
    for _ in range(3):
        clock.advance(placed.next_check)
        placed = ca.poll(placed.state, asked)
    assert isinstance(placed, Pending)
    assert sim.tick.__self__.book.orders[0].signed_by == ""
    if way == "v2":
        assert placed.kind is PendingKind.ACTION
        assert "agreement is not signed" in placed.text


def test_an_agreement_that_is_refused_is_a_persons_to_settle(sim, clock):
    ca = connector(sim, clock, "v1", signer_ip="127.0.0.1")
    with pytest.raises(RejectedByPolicy) as refused:
        ca.submit(request())
    assert "public IP" in refused.value.remedy
    sim.dials.set(ignores_agreement=True)
    asked = request()
    waiting = ca.poll(ca.submit(asked).state, asked)
    assert waiting.kind is PendingKind.ACTION
    assert "was not taken" in waiting.text
    assert "public IP" in waiting.text


def test_an_order_that_waits_for_an_approver_says_so_and_goes_on(ca, sim, clock):
    sim.dials.set(needs_approval=True)
    asked = request()
    waiting = ca.submit(asked)
    for _ in range(12):
        clock.advance(waiting.next_check)
        waiting = ca.poll(waiting.state, asked)
    assert waiting.kind is PendingKind.APPROVAL
    assert "approver" in waiting.text
    # People take their time: from the tenth look on it is looked at every five minutes.
    assert waiting.next_check == timedelta(minutes=5)
    control(sim, "POST", "/approve")
    assert isinstance(finish(ca, waiting, asked, clock), Issued)


@pytest.mark.parametrize("ended", ["rejected", "cancelled"])
def test_an_order_that_people_ended_ends_here_too(ca, sim, clock, ended, book):
    sim.dials.set(needs_approval=True)
    asked = request()
    waiting = ca.submit(asked)
    sim.tick.__self__.lifecycle.end(book.orders[0], ended, "not ours")
    with pytest.raises(RejectedByPolicy) as refused:
        ca.poll(waiting.state, asked)
    assert refused.value.code
    assert "portal" in refused.value.remedy


def test_an_organisation_under_verification_is_named(ca, sim, clock, way):
    sim.dials.set(organization_pending=True)
    asked = request(variant="ov", product_code="846", organization_number=sim.credentials["organization_number"])
    waiting = ca.poll(ca.submit(asked).state, asked)
    if way == "v2":
        assert waiting.kind is PendingKind.VALIDATION
        assert "Example Corporation" in waiting.text
        assert "legal@example.com" in waiting.text
    control(sim, "POST", "/approve")
    assert isinstance(finish(ca, waiting, asked, clock), Issued)


def test_missing_documents_are_a_persons_to_bring(v2, sim, clock):
    sim.dials.set(needs_documents=True)
    asked = request(variant="ov", product_code="846", organization_number=sim.credentials["organization_number"])
    waiting = v2.poll(v2.submit(asked).state, asked)
    assert waiting.kind is PendingKind.ACTION
    assert "upload" in waiting.text
    control(sim, "POST", "/approve")
    assert isinstance(finish(v2, waiting, asked, clock), Issued)


# Issued, and what comes after -------------------------------------------------------------------------


@pytest.mark.parametrize("status", [422, 409])
def test_issued_but_not_yet_downloadable_waits(ca, sim, clock, status):
    sim.dials.set(download_lag=45, not_ready=status)
    asked = request()
    placed = ca.submit(asked)
    clock.advance(placed.next_check)
    waiting = ca.poll(placed.state, asked)
    assert "not yet downloadable" in waiting.text
    assert waiting.kind is PendingKind.PROCESSING
    assert isinstance(finish(ca, waiting, asked, clock), Issued)


def test_issued_before_it_is_signed_is_told_by_the_certificates_own_state(ca, sim, clock):
    sim.dials.set(sign_delay=60)
    asked = request()
    waiting = ca.poll(ca.submit(asked).state, asked)
    assert "Approved by System" in waiting.text
    assert isinstance(finish(ca, waiting, asked, clock), Issued)


@pytest.mark.parametrize("chain", ["shuffled", "missing", ""])
def test_the_leaf_is_known_by_its_key_whatever_the_chain(ca, sim, clock, chain):
    sim.dials.set(chain=chain)
    asked = request()
    issued = issue(ca, asked, clock)
    assert spki_of(issued.leaf) == asked.spki_sha256
    assert len(issued.chain) == (0 if chain == "missing" else 2)


def test_the_serial_number_beside_the_pem_is_decimal_and_not_relied_on(ca, clock, book):
    issued = issue(ca, request(), clock)
    order = book.orders[0]
    assert order.serial.isdecimal()
    assert facts(issued.leaf).serial == f"{int(order.serial):x}"


def test_a_certificate_for_another_key_is_handed_over_for_quarantine_after_some_tries(ca, sim, clock):
    sim.dials.set(wrong_key=True)
    asked = request()
    issued = issue(ca, asked, clock)
    assert spki_of(issued.leaf) != asked.spki_sha256


def test_a_draft_waits_for_a_person_and_is_followed_once_it_is_an_order(ca, sim, clock, book):
    asked = request(draft=True)
    waiting = ca.submit(asked)
    draft = book.orders[0]
    assert (waiting.kind, waiting.reference) == (PendingKind.ACTION, f"/{draft.request}")
    assert draft.number == ""
    clock.advance(waiting.next_check)
    waiting = ca.poll(waiting.state, asked)
    assert "has to release it" in waiting.text
    service = sim.tick.__self__
    service.lifecycle.promote(draft, book.next_numbers()[0])
    issued = finish(ca, waiting, asked, clock)
    assert issued.reference == f"{draft.number}/{draft.request}"


def test_a_draft_is_cancelled_by_its_request_number(ca, book):
    asked = request(draft=True)
    waiting = ca.submit(asked)
    ca.cancel(waiting.state, asked)
    assert book.orders[0].ended == "cancelled"


def test_a_lost_draft_is_found(ca, clock):
    asked = request(draft=True)
    ca.submit(asked)
    found = ca.find(asked, clock.now())
    assert isinstance(found, Found)
    assert found.outcome.kind is PendingKind.ACTION


def test_an_order_is_cancelled_before_it_is_issued_and_not_after(ca, sim, clock, book):
    sim.dials.set(needs_approval=True)
    asked = request()
    waiting = ca.submit(asked)
    ca.cancel(waiting.state, asked)
    assert book.orders[0].ended == "cancelled"
    ca.cancel(waiting.state, asked)
    sim.dials.set(needs_approval=False)
    other = request(reference="b")
    placed = ca.submit(other)
    tick(sim, 5)
    with pytest.raises(AlreadyDone):
        ca.cancel(placed.state, other)


def test_an_order_that_is_not_known_cannot_be_cancelled(ca):
    with pytest.raises(NotFound):
        ca.cancel({"v": 1, "order": "4711"}, request())


def test_an_order_is_adopted_by_its_number_if_it_is_for_this_request(ca, sim, clock, book, way):
    sim.dials.set(needs_approval=True)
    asked = request()
    ca.submit(asked)
    number = book.orders[0].number
    assert isinstance(ca.adopt(f" {number} ", asked), Found)
    with pytest.raises(RejectedByPolicy):
        ca.adopt(number, request("other.example.com"))
    control(sim, "POST", "/approve")
    assert isinstance(ca.adopt(number, asked).outcome, Pending)
    clock.advance(timedelta(seconds=5))
    assert isinstance(ca.adopt(f"{number}/{book.orders[0].request}", asked).outcome, Issued)
    with pytest.raises(RejectedByPolicy) as refused:
        ca.adopt(number, request())
    assert refused.value.code == "wrong_key"
    for wrong in ("", "../../etc", "4711"):
        with pytest.raises(NotFound):
            ca.adopt(wrong, asked)


def test_an_order_of_v1_can_be_followed_through_v2(v1, v2, clock, book):
    asked = request()
    placed = v1.submit(asked)
    issued = finish(v2, placed, asked, clock)
    assert spki_of(issued.leaf) == asked.spki_sha256
    assert book.orders[0].originator == "emSign-Hub API"


def test_v1_by_bearer_token_needs_no_access_key(sim, clock):
    ca = connector(sim, clock, "v1", access_key=None, client_secret=sim.credentials["client_secret"])
    sim.dials.set(token_life=120)
    first = issue(ca, request(), clock)
    clock.advance(timedelta(hours=1))
    assert issue(ca, request(reference="b"), clock).leaf != first.leaf


def test_v1_orders_by_product_code(v1, sim):
    with pytest.raises(RejectedByPolicy) as refused:
        v1.submit(request(product_code=""))
    assert (refused.value.code, refused.value.bytes_sent) == ("product_code", False)
    assert sim.ledger.lines() == []


def test_names_that_are_not_the_common_name_come_first_where_it_is_none_of_them(ca, clock):
    from dataclasses import replace

    asked = request("a.example.com", "b.example.com")
    asked = replace(asked, common_name="elsewhere.example.com")
    assert names(issue(ca, asked, clock)) == {"a.example.com", "b.example.com"}
    assert parse_name("a.example.com") in asked.names
    close()
