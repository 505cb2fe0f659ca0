"""emSign over ACME: binding, terms, leaving an order, lost answers, and the same warnings as elsewhere."""

import json
from datetime import timedelta

import pytest

from chancery.authorities.emsign.authority import EmSign
from chancery.authorities.emsign.config import EmSignConfig
from chancery.authorities.emsign.tests.stand import LOG, OPENED, START, finish, issue, request, target
from chancery.core.certificate import spki_of
from chancery.core.effects import Doing, consequence
from chancery.core.order import RevocationReason, State
from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.protocols.acme.keys import new_account_key
from chancery.sdk.authority import Context, describe
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    NotFound,
    OutcomeUnknown,
    RejectedByPolicy,
    Throttled,
    ValidationFailed,
)
from chancery.sdk.finding import Level
from chancery.sdk.http import HttpDoor
from chancery.sdk.outcome import Absence, Issued, Revoked

KEY = new_account_key()


def connect(sim, clock, **changes):
    told = sim.credentials
    values = {
        "eab_key_id": told["eab_key_id"],
        "eab_hmac_key": Secret(told["eab_hmac_key"]),
        "account_key": Secret(KEY),
        "accept_agreement": True,
        "requestor_email": "pki@example.com",
        **changes,
    }
    door = HttpDoor(sim.url + told["directory"], clock=clock, policy=AddressPolicy(("127.0.0.0/8",)))
    OPENED.append(door)
    return EmSign(EmSignConfig(transport="acme", **values), Context(door, clock, LOG))


@pytest.fixture
def acme(sim, clock):
    return connect(sim, clock)


def test_an_order_goes_through_and_names_no_removed_root(acme, sim, clock):
    asked = request()
    issued = issue(acme, asked, clock)
    assert spki_of(issued.leaf) == asked.spki_sha256
    assert issued.warnings == ()
    assert list(sim.ledger.orders_by_csr().values()) == [1]


def test_a_compromised_intermediate_warns_here_too(acme, sim, clock):
    sim.dials.set(issuer="compromised")
    assert "emSign ECC Root CA - G3" in issue(acme, request(), clock).warnings[0]


def test_domains_that_are_not_validated_in_the_portal_are_told(acme, sim):
    sim.dials.set(preauthorized=False, reuse=False)
    asked = request()
    placed = acme.submit(asked)
    with pytest.raises(ValidationFailed) as refused:
        acme.poll(placed.state, asked)
    assert "Validate" in refused.value.remedy


def test_a_wrong_binding_is_the_connectors_fault(sim, clock):
    ca = connect(
        sim,
        clock,
        eab_hmac_key=Secret("d3JvbmctZWFiLWtleS0wMTIzNDU2Nzg5YWJjZGVm"),
        account_key=Secret(new_account_key()),
    )
    with pytest.raises(AuthFailed) as refused:
        ca.submit(request())
    assert refused.value.remedy


def test_nobody_agrees_to_the_terms_without_having_been_told_to(sim, clock):
    ca = connect(sim, clock, accept_agreement=False, requestor_email="", account_key=Secret(new_account_key()))
    assert [f for f in ca.check() if f.level is Level.FAILED]
    with pytest.raises(Exception, match="terms") as refused:
        ca.submit(request())
    assert refused.value.kind == "Forbidden"


@pytest.mark.parametrize("reason", [r for r in RevocationReason if r is not RevocationReason.UNSPECIFIED])
def test_each_of_the_five_reasons_arrives_as_it_was_asked_for(acme, sim, clock, reason):
    numbers = {
        "keyCompromise": 1,
        "affiliationChanged": 3,
        "superseded": 4,
        "cessationOfOperation": 5,
        "privilegeWithdrawn": 9,
    }
    issued = issue(acme, request(), clock)
    assert isinstance(acme.revoke(target(issued), reason, "no place for it"), Revoked)
    assert [line.detail for line in sim.ledger.lines("revoke")] == [str(numbers[reason])]
    assert isinstance(acme.poll_revocation({"v": 1}, target(issued)), Revoked)


def test_a_reason_that_is_none_of_them_is_refused_here_too(acme, sim, clock):
    issued = issue(acme, request(), clock)
    with pytest.raises(RejectedByPolicy):
        acme.revoke(target(issued), RevocationReason.UNSPECIFIED, "")
    assert sim.ledger.lines("revoke") == []


def test_an_order_is_left_before_its_certificate_is_asked_for_and_not_after(acme, sim, clock):
    asked = request()
    placed = acme.submit(asked)
    acme.cancel(placed.state, asked)
    # Nothing is polled any more, so nothing was issued.
    assert sim.ledger.lines("order") == []
    other = request(reference="b")
    placed = acme.submit(other)
    issue_of = finish(acme, placed, other, clock)
    assert isinstance(issue_of, Issued)
    with pytest.raises(AlreadyDone):
        acme.cancel(placed.state, other)


def test_there_is_nothing_to_find_and_that_is_said(acme):
    absent = acme.find(request(), START)
    assert isinstance(absent, Absence)
    assert "Nothing can have been issued" in absent.evidence


def test_an_order_that_is_gone_is_not_sent_again(acme, sim, clock):
    asked = request()
    placed = acme.submit(asked)
    sim.dials.set(forget_orders=True)
    with pytest.raises(NotFound) as gone:
        acme.poll(placed.state, asked)
    # A person is asked; a search, which could lead to a second order, is not begun: over ACME there is no such power.
    assert consequence(gone.value.kind, Doing.POLL, bytes_sent=True).target is State.OUTCOME_UNKNOWN
    assert "finds" not in describe(EmSign, {"transport": "acme"}).powers
    assert sim.ledger.lines("order") == []


def test_an_order_is_adopted_by_its_address(acme, sim, clock):
    asked = request()
    placed = acme.submit(asked)
    found = acme.adopt(placed.reference, asked)
    assert isinstance(finish(acme, found.outcome, asked, clock), Issued)
    sim.dials.set(issuer="removed")
    again = request(reference="b")
    placed = acme.submit(again)
    issue(acme, again, clock)
    finished = finish(acme, placed, again, clock)
    assert finished.warnings


def test_lists_come_from_no_directory(acme):
    assert acme.choices("product_code") == []


def test_names_that_one_credential_does_not_cover_are_refused_before_anything_is_sent(acme, sim):
    with pytest.raises(RejectedByPolicy):
        acme.submit(request("a.example.com", "b.example.com", variant="dv"))
    assert sim.ledger.lines() == []


def test_a_limit_slows_the_connector(acme, sim):
    sim.dials.set(throttle=True, retry_after="60")
    with pytest.raises(Throttled) as slow:
        acme.submit(request())
    assert slow.value.until == START + timedelta(seconds=60)


def test_a_lost_answer_to_the_finalize_is_settled_by_the_state_from_before(acme, sim, clock):
    asked = request()
    placed = acme.submit(asked)
    sim.dials.set(fail_next=1, fail_next_with="lose", fail_next_path="finalize")
    clock.advance(placed.next_check)
    with pytest.raises(OutcomeUnknown):
        acme.poll(json.loads(json.dumps(placed.state)), asked)
    assert isinstance(finish(acme, placed, asked, clock), Issued)
    assert list(sim.ledger.orders_by_csr().values()) == [1]
