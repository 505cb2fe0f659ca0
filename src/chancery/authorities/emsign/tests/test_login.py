"""Logins, bursts and transactions: tokens that die early, signatures, and the words of a limit that is none."""

import hashlib
import json
from datetime import datetime, timedelta

import pytest

from chancery.authorities.emsign.tests.stand import START, TOKEN, Door, connector, finish, issue, request, scripted
from chancery.core.secret import MASK, Secret
from chancery.sdk.errors import (
    AlreadyDone,
    AuthFailed,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
    ValidationFailed,
)
from chancery.sdk.outcome import Issued

# V2: tokens -------------------------------------------------------------------------------------------


def logins(sim):
    return next(sim.tick.__self__._tokens._numbers) - 1


def test_a_token_that_expires_mid_run_is_replaced_and_nobody_notices(v2, sim, clock):
    sim.dials.set(token_life=300)
    for n in range(6):
        assert isinstance(issue(v2, request(reference=str(n)), clock), Issued)
        clock.advance(timedelta(minutes=4))
    assert set(sim.ledger.orders_by_reference().values()) == {1}
    assert logins(sim) >= 5


def test_a_token_that_dies_early_is_replaced_once_and_the_order_is_sent_once(v2, sim, clock):
    issue(v2, request(), clock)
    sim.dials.set(revoke_tokens=1)
    asked = request(reference="b")
    assert isinstance(finish(v2, v2.submit(asked), asked, clock), Issued)
    assert set(sim.ledger.orders_by_reference().values()) == {1}


def test_a_second_token_that_dies_is_the_credentials_fault(v2, sim, clock):
    sim.dials.set(revoke_tokens=9)
    with pytest.raises(AuthFailed) as refused:
        v2.submit(request())
    assert refused.value.code == "ACCESS_TOKEN_REVOKED"
    assert sim.dials.now.revoke_tokens == 7
    assert sim.ledger.lines() == []


def test_one_token_serves_until_it_is_old(v2, sim, clock):
    for n in range(5):
        issue(v2, request(reference=str(n)), clock)
    assert logins(sim) == 1


def test_a_secret_that_is_not_of_oauth_mode_is_named_as_such(sim, clock):
    ca = connector(sim, clock, "v2", client_secret=sim.credentials["not_oauth"])
    with pytest.raises(AuthFailed, match="not made in OAuth mode") as refused:
        ca.submit(request())
    assert "auth type OAuth" in refused.value.remedy


def login(status, body, **headers):
    """Return what a login that is answered so raises."""
    ca, door = scripted(lambda *_: {})
    kind = Door._answer

    def answering(found, effect):
        return kind(door, (status, body, headers), effect)

    door._answer = answering
    with pytest.raises(Exception) as refused:
        ca.submit(request())
    return refused.value


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": "invalid_request"}, AuthFailed),
        (401, {"error": "invalid_client", "error_description": "no"}, AuthFailed),
        (401, b"<html>", AuthFailed),
        (403, {"error": "unauthorized_client"}, AuthFailed),
        (403, b"<html>", Forbidden),
        (404, b"<html>", Unreachable),
        (404, {"surprise": 1}, Unreachable),
        (500, {"error": "oops"}, Unreachable),
        (429, {"error": "slow down"}, Throttled),
        (200, {"token_type": "Bearer"}, ProtocolViolation),
        (200, {"access_token": "x" * 9000}, ProtocolViolation),
        (200, b"[]", ProtocolViolation),
    ],
)
def test_what_a_refused_login_means(status, body, kind):
    error = login(status, body)
    assert isinstance(error, kind)
    assert not error.bytes_sent
    assert error.remedy or isinstance(error, Throttled)


def test_a_rate_limit_at_the_login_is_kept_to_the_second():
    error = login(429, {"error": "slow down"}, **{"retry-after": "90"})
    assert error.until == START + timedelta(seconds=90)
    assert login(429, {"error": "slow down"}).until is None


def test_a_token_that_an_error_page_echoes_is_masked():
    ca, _ = scripted(lambda method, path, body: (422, {"detail": f"Bearer {TOKEN} is fine, the product is not"}))
    with pytest.raises(RejectedByPolicy) as refused:
        ca.submit(request())
    assert TOKEN not in f"{refused.value.message} {refused.value.text}"
    assert MASK in refused.value.text


# V1: signatures and transactions ----------------------------------------------------------------------


def test_every_call_is_signed_and_every_value_is_a_string():
    asked = []
    ca, door = scripted(lambda method, path, body: asked.append((path, body)) or yes(), transport="v1")
    with pytest.raises(OutcomeUnknown):
        ca.submit(request("a.example.com", "b.example.com"))
    path, body = asked[0]
    meta = body["meta"]
    assert path == "emSignHub-API/GenerateOrderSSL"
    key = door.secrets[0].reveal()
    assert meta["authKey"] == hashlib.sha256(f"{key}{meta['ts']}{meta['txn']}".encode()).hexdigest()
    assert (meta["ver"], meta["accountNumber"]) == ("1.0", "1234567890")
    assert datetime.fromisoformat(meta["ts"]).utcoffset() == timedelta(0)
    assert meta["txn"].isdecimal()
    assert 10 <= len(meta["txn"]) <= 50
    assert leaves(body) == {str}
    details = body["orderDetails"]
    assert details["subscriptionDetails"]["autoRenew"] == "0"
    assert details["certificateInformation"]["autoSecureWWW"] == "0"


def leaves(value):
    if isinstance(value, dict):
        return set().union(*(leaves(v) for v in value.values())) if value else set()
    if isinstance(value, list):
        return set().union(*(leaves(v) for v in value)) if value else set()
    return {type(value)}


def yes(**more):
    return {"meta": {"status": "1"}, **more}


def no(text, code="EMS-939"):
    return {"meta": {"status": "0", "errorCode": code, "errorMessage": text}}


def test_no_transaction_number_is_used_twice():
    seen = []
    ca, _ = scripted(
        lambda method, path, body: seen.append(body["meta"]["txn"]) or no("Invalid product code."), transport="v1"
    )
    for _ in range(50):
        with pytest.raises(RejectedByPolicy):
            ca.submit(request())
    assert len(set(seen)) == 50


def test_a_duplicate_transaction_is_refused_by_the_ca_and_searched_for_here(v1, sim, monkeypatch):
    import uuid

    number = uuid.UUID(int=12345678901234567890)
    asked = request()
    v1.submit(asked)
    monkeypatch.setattr("chancery.authorities.emsign.v1.session.uuid.uuid4", lambda: number)
    with pytest.raises(RejectedByPolicy):
        v1.submit(request(product_code="1"))
    # The same number once more: whatever the first was answered, this one says nothing about the order.
    with pytest.raises(AlreadyDone, match="sends calls twice") as refused:
        v1.submit(asked)
    assert "proxy" in refused.value.remedy
    with pytest.raises(ProtocolViolation):
        v1.poll({"v": 1, "order": "1"}, asked)
    assert len(sim.ledger.lines("order")) == 1


def test_a_wrong_key_is_refused_at_the_login(sim, clock):
    ca = connector(sim, clock, "v1", access_key="SOMEOTHERKEY0123456789")
    with pytest.raises(AuthFailed) as refused:
        ca.submit(request())
    assert "access key" in refused.value.remedy
    with pytest.raises(AuthFailed):
        list(ca.check())


def test_whatever_is_wrong_with_the_ping_is_the_login():
    ca, _ = scripted(lambda *_: no("Something went wrong.", "EMS-939"), transport="v1")
    with pytest.raises(AuthFailed):
        list(ca.check())


@pytest.mark.parametrize(
    ("code", "words", "kind"),
    [
        ("EMS-917", "Domain authentication is pending for www.example.com", RejectedByPolicy),
        ("EMS-1073", "Organization authentication has expired", RejectedByPolicy),
        ("EMS-921", "The CSR could not be authenticated", RejectedByPolicy),
        ("EMS-1180", "Pre-vetting credential required", RejectedByPolicy),
        ("EMS-913", "Order authentication not found", NotFound),
        ("EMS-1160", "Domain authentication failed", ValidationFailed),
        ("EMS-939", "Authentication failed", AuthFailed),
        ("EMS-901", "Invalid authKey", AuthFailed),
        ("", "Invalid credentials", AuthFailed),
    ],
)
def test_words_like_those_of_a_login_do_not_outweigh_a_code_that_tells_more(code, words, kind):
    ca, _ = scripted(lambda *_: no(words, code), transport="v1")
    with pytest.raises(kind) as refused:
        ca.submit(request())
    assert type(refused.value) is kind
    assert words in refused.value.text


def test_a_no_without_code_and_words_leaves_open_what_became_of_an_order():
    ca, _ = scripted(lambda *_: no("", ""), transport="v1")
    with pytest.raises(OutcomeUnknown):
        ca.submit(request())


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"detail": "[EMS-917] no"}, RejectedByPolicy),
        (422, {"detail": "no such variant"}, RejectedByPolicy),
        (409, {"detail": "[EMS-1165] no"}, RejectedByPolicy),
        (400, b"", OutcomeUnknown),
        (400, {}, OutcomeUnknown),
        *((status, {"detail": "no"}, OutcomeUnknown) for status in (405, 406, 407, 408, 410, 411, 413, 415)),
        *((status, {"detail": "no"}, OutcomeUnknown) for status in (421, 423, 424, 425, 426, 428, 431, 451)),
    ],
)
def test_a_status_that_is_not_about_the_order_does_not_end_it(status, body, kind):
    ca, _ = scripted(lambda *_: (status, body))
    with pytest.raises(kind) as refused:
        ca.submit(request())
    assert type(refused.value) is kind


def test_a_signature_that_an_answer_echoes_is_masked():
    told = []

    def answer(method, path, body):
        told.append(body["meta"]["authKey"])
        return no(f"cannot read {json.dumps(body['meta'])}")

    ca, _ = scripted(answer, transport="v1")
    with pytest.raises((RejectedByPolicy, AuthFailed)) as refused:
        ca.submit(request())
    assert told[0] not in f"{refused.value.message} {refused.value.text}"


def test_a_bearer_token_of_v1_that_dies_is_replaced_once():
    secret = Secret("0123456789abcdef0123456789abcdef")
    ca, door = scripted(lambda *_: (401, {"error": "revoked"}), transport="v1", access_key=None, client_secret=secret)
    with pytest.raises(AuthFailed):
        ca.submit(request())
    assert len(door.asked) == 2


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((429, {"error": "slow"}, {"retry-after": "60"}), Throttled),
        ((401, {"error": "who"}), AuthFailed),
        ((403, {"error": "no"}), Forbidden),
        ((404, {"error": "no such method"}), Unreachable),
        ((302, {"moved": 1}), ProtocolViolation),
        ((500, {"oops": 1}), OutcomeUnknown),
        ((200, b"<html>maintenance</html>"), OutcomeUnknown),
        ((200, b""), OutcomeUnknown),
        ((200, []), OutcomeUnknown),
        ((200, {"meta": {"status": "7"}}), OutcomeUnknown),
    ],
)
def test_what_is_no_answer_of_v1_is_not_taken_for_one(answer, kind):
    ca, _ = scripted(lambda *_: answer, transport="v1")
    with pytest.raises(kind):
        ca.submit(request())


@pytest.mark.parametrize("answer", [(200, b"<html>"), (503, {"down": 1})])
def test_a_ca_that_is_away_is_away_for_looks(answer):
    ca, _ = scripted(lambda *_: answer, transport="v1")
    with pytest.raises(Unreachable):
        ca.poll({"v": 1, "order": "1"}, request())


def test_a_senseless_look_changes_nothing():
    ca, _ = scripted(lambda *_: {"meta": {}}, transport="v1")
    with pytest.raises(ProtocolViolation) as refused:
        ca.poll({"v": 1, "order": "1"}, request())
    assert not refused.value.bytes_sent


# V1: the words of a burst -----------------------------------------------------------------------------


def test_a_burst_slows_the_whole_connector_and_nothing_fails(v1, sim, clock):
    """Twice as many orders as the CA takes in ten seconds: each refusal waits, none ends an order."""
    asked = [request(reference=f"burst-{n}") for n in range(33)]
    todo, refusals = list(asked), 0
    while todo:
        one = todo.pop(0)
        try:
            v1.submit(one)
        except Throttled as error:
            refusals += 1
            todo.insert(0, one)
            assert error.text == "Inactive Account User."
            assert clock.now() < error.until <= clock.now() + timedelta(minutes=2)
            # The whole connector waits, as the engine has it.
            clock.advance(error.until - clock.now())
    assert refusals >= 2
    assert sim.ledger.orders_by_reference() == {f"chancery:{r.reference}": 1 for r in asked}


def test_waits_grow_while_it_goes_on_and_start_over_after_a_success(v1, sim, clock):
    def waits(times):
        for _ in range(times):
            with pytest.raises(Throttled) as slow:
                v1.submit(request())
            yield (slow.value.until - clock.now()).total_seconds()

    sim.dials.set(throttle=True)
    assert list(waits(6)) == [10, 20, 40, 80, 120, 120]
    sim.dials.set(throttle=False)
    v1.submit(request())
    sim.dials.set(throttle=True)
    assert list(waits(1)) == [10]


def test_a_user_who_stays_inactive_is_told_after_a_quarter_of_an_hour(v1, sim, clock):
    sim.dials.set(disabled_user=True)
    for _ in range(5):
        with pytest.raises(Throttled):
            v1.submit(request())
        clock.advance(timedelta(minutes=3))
    with pytest.raises(AuthFailed, match="quarter of an hour") as refused:
        v1.submit(request())
    assert "activate it" in refused.value.remedy


# Answers of V2 that are refusals, or none ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        ((422, {"detail": "EMS-915 — Invalid product"}), RejectedByPolicy, "EMS-915"),
        (
            (400, {"detail": "Validation failed", "errors": [{"field": "requestor.name", "message": "blank"}]}),
            RejectedByPolicy,
            "400",
        ),
        (
            (422, {"title": "Unprocessable", "type": "https://api.certinext.io/errors/EMS-1180"}),
            RejectedByPolicy,
            "EMS-1180",
        ),
        ((422, {"detail": "[EMS-DOMAIN-001] CAA"}), Exception, "EMS-DOMAIN-001"),
        ((409, {"detail": "EMS-1099 Duplicate CSR"}), AlreadyDone, "EMS-1099"),
        ((404, {"error": "Not Found", "message": "No handler", "path": "/"}), Unreachable, "404"),
        ((403, {"detail": "no"}), Forbidden, "403"),
        ((302, {"moved": 1}), ProtocolViolation, ""),
        ((501, {"detail": "not wired"}), OutcomeUnknown, "501"),
        ((204, b""), OutcomeUnknown, ""),
        ((201, b"<html>"), OutcomeUnknown, "201"),
        ((422, {}), RejectedByPolicy, "422"),
    ],
)
def test_what_the_answer_to_an_order_means(answer, kind, code):
    ca, door = scripted(lambda *_: answer)
    with pytest.raises(kind) as refused:
        ca.submit(request())
    assert refused.value.code == code
    assert len(door.asked) == 1


@pytest.mark.parametrize("body", [b"<html>", b""])
def test_what_is_no_document_is_no_answer_to_a_look(body):
    ca, _ = scripted(lambda *_: (200, body))
    with pytest.raises((Unreachable, ProtocolViolation)):
        ca.poll({"v": 1, "order": "1"}, request())
    with pytest.raises(ProtocolViolation):
        scripted(lambda *_: (200, []))[0].poll({"v": 1, "order": "1"}, request())


def test_a_question_that_the_ca_refuses_does_not_end_the_order():
    ca, _ = scripted(lambda *_: (422, {"detail": "[EMS-917] what"}))
    with pytest.raises(ProtocolViolation):
        ca.poll({"v": 1, "order": "1"}, request())
    ca, _ = scripted(lambda *_: no("Invalid request.", "EMS-956"), transport="v1")
    with pytest.raises(ProtocolViolation):
        ca.poll({"v": 1, "order": "1"}, request())


@pytest.mark.parametrize("state", [{}, {"v": 1}, {"v": 1, "order": "../x"}, {"v": 1, "order": 7.5}])
def test_a_state_that_names_no_order_is_said_as_such(state, way):
    ca, _ = scripted(lambda *_: {}, transport=way)
    with pytest.raises(ProtocolViolation, match="names no order"):
        ca.poll(state, request())


def test_an_unknown_status_is_watched_and_ends_nothing():
    ca, _ = scripted(lambda *_: {"status": "pending-moon"})
    assert "'pending-moon'" in ca.poll({"v": 1, "order": "1"}, request()).text
    ca, _ = scripted(lambda *_: {})
    assert "none" in ca.poll({"v": 1, "order": "1"}, request()).text
    ca, _ = scripted(lambda *_: yes(orderDetails={"orderStatusId": "77", "certificateStatusId": "88"}), transport="v1")
    assert "Waits for emSign." in ca.poll({"v": 1, "order": "1"}, request()).text
