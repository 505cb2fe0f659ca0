"""Revocation, and questions that change nothing."""

import json

import pytest

from chancery.core.order import RevocationReason
from chancery.protocols.cmp.tests.stand import request, standing, target
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    Unreachable,
)
from chancery.sdk.outcome import RevocationPending, Revoked

REASON = RevocationReason.SUPERSEDED


@pytest.fixture
def stand():
    with standing() as made:
        yield made


def test_revoked_and_again(stand):
    client = stand.client()
    wanted = target(client.submit(request()))
    assert isinstance(client.revoke(wanted, REASON), Revoked)
    with pytest.raises(AlreadyDone):
        client.revoke(wanted, REASON)
    assert stand.kinds()[-1] == "revoke"


def test_an_unknown_certificate(stand):
    client = stand.client()
    with pytest.raises(NotFound):
        client.revoke(target(client.submit(request()), "0d15ea5e"), REASON)


def test_a_revocation_may_wait_for_an_officer(stand):
    client = stand.client()
    wanted = target(client.submit(request()))
    stand.turn(revocation_waits=True)
    waiting = client.revoke(wanted, REASON)
    assert isinstance(waiting, RevocationPending)
    state = json.loads(json.dumps(waiting.state))
    waiting = stand.client().poll_revocation(state)
    assert isinstance(waiting, RevocationPending)
    assert waiting.next_check.total_seconds() == 30
    stand.simulator.doors["POST", "/approve"](None)
    assert isinstance(stand.client().poll_revocation(waiting.state), Revoked)


def test_an_officer_may_refuse_it(stand):
    client = stand.client()
    wanted = target(client.submit(request()))
    stand.turn(revocation_waits=True)
    waiting = client.revoke(wanted, REASON)
    stand.simulator.doors["POST", "/refuse"](None)
    with pytest.raises(Forbidden):
        client.poll_revocation(waiting.state)


def test_a_ca_that_forgot_a_waiting_revocation_is_asked_again(stand):
    client = stand.client()
    wanted = target(client.submit(request()))
    stand.turn(revocation_waits=True)
    waiting = client.revoke(wanted, REASON)
    stand.turn(forget=True)
    with pytest.raises(OutcomeUnknown):
        client.poll_revocation(waiting.state)


def test_an_answer_of_another_kind_confirms_nothing(stand):
    client = stand.client()
    wanted = target(client.submit(request()))
    stand.turn(odd_body=True)
    with pytest.raises(ProtocolViolation):
        client.revoke(wanted, REASON)
    with pytest.raises(ProtocolViolation):
        client.support()


def test_the_ca_tells_its_certificates(stand):
    told = stand.client().support()
    assert told.answered
    assert len(told.certificates) == 2
    assert told.sender == "Sandbox Issuing CA"
    assert not told.weak
    assert stand.kinds() == []


def test_a_ca_that_answers_no_questions_knows_the_credential_all_the_same(stand):
    stand.turn(no_support=True)
    told = stand.client().support()
    assert not told.answered
    assert "switched off" in told.text


def test_a_refusal_that_nothing_protects_proves_nothing(stand):
    stand.turn(no_support=True, unprotected_errors=True)
    told = stand.client().support()
    assert not told.answered
    assert not told.proven
    assert "switched off" in told.text


def test_an_old_mac_is_told(stand):
    stand.turn(weak_mac=True)
    assert stand.client().support().weak


def test_a_refused_credential_is_told(stand):
    stand.turn(refuse_key=True)
    with pytest.raises(AuthFailed) as refused:
        stand.client().support()
    assert refused.value.remedy


def test_a_question_that_nobody_answers_changed_nothing(stand):
    stand.simulator.down()
    with pytest.raises(Unreachable) as refused:
        stand.client().support()
    assert not refused.value.bytes_sent
    stand.simulator.up()


def test_an_unprotected_answer_to_a_question_is_no_answer(stand):
    stand.turn(unprotected=True)
    with pytest.raises(ProtocolViolation) as refused:
        stand.client().support()
    assert not refused.value.bytes_sent
