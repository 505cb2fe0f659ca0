"""Requests, polling, confirmation: what each answer of a CA comes to."""

import json

import pytest
from cryptography import x509

from chancery.core import keys
from chancery.core.names import parse_name
from chancery.protocols.cmp import RequestKind, Unprotected, transaction_of
from chancery.protocols.cmp.tests.stand import DAY, START, request, standing
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
)
from chancery.sdk.outcome import Issued, Pending


@pytest.fixture
def stand():
    with standing() as made:
        yield made


def der(pending):
    return json.loads(json.dumps(pending.state))


@pytest.mark.parametrize("kind", RequestKind)
def test_issued_at_once_with_implicit_confirmation(stand, kind):
    issued = stand.client(request=kind).submit(request())
    assert isinstance(issued, Issued)
    assert issued.reference == transaction_of("0191-a").hex()
    assert len(issued.chain) == 2
    assert stand.kinds() == ["order", "certificate"]


def test_it_confirms_where_the_ca_does_not_grant_implicit_confirmation(stand):
    stand.turn(never_implicit=True)
    assert isinstance(stand.client().submit(request()), Issued)
    assert stand.kinds() == ["order", "certificate", "confirm"]


def test_it_confirms_where_it_is_told_to(stand):
    assert isinstance(stand.client(implicit_confirm=False).submit(request()), Issued)
    assert stand.kinds() == ["order", "certificate", "confirm"]


def test_granted_with_changes_is_granted(stand):
    stand.turn(with_mods=True)
    assert isinstance(stand.client().submit(request()), Issued)


@pytest.mark.parametrize("year", [2026, 2055])
def test_templates_say_until_when_and_requests_cannot(stand, year):
    asked = request(days=(year - 2026) * 366 + 10)
    issued = stand.client(request=RequestKind.CR).submit(asked)
    until = x509.load_der_x509_certificate(issued.leaf).not_valid_after_utc
    assert until == min(START + asked.validity, START + 30 * DAY)


@pytest.mark.parametrize("kind", RequestKind)
def test_a_waiting_request_is_polled_from_its_state(stand, kind):
    stand.turn(needs_approval=True, check_after=90.0)
    pending = stand.client(request=kind).submit(request())
    assert isinstance(pending, Pending)
    assert "An officer looks at it." in pending.text
    assert pending.reference == transaction_of("0191-a").hex()
    assert set(pending.state) == {"v", "step", "tid", "nonce", "id"}
    again = stand.client(request=kind).poll(der(pending), request())
    assert isinstance(again, Pending)
    assert again.next_check.total_seconds() == 90
    stand.simulator.doors["POST", "/approve"](None)
    assert isinstance(stand.client(request=kind).poll(der(again), request()), Issued)
    assert stand.kinds() == ["order", "certificate"]


@pytest.mark.parametrize(("seconds", "wanted"), [(0.0, 1), (10_000_000.0, 86_400)])
def test_patience_is_bounded(stand, seconds, wanted):
    stand.turn(needs_approval=True, check_after=seconds)
    client = stand.client()
    pending = client.poll(der(client.submit(request())), request())
    assert pending.next_check.total_seconds() == wanted


def test_a_refusal_after_waiting_ends_the_order(stand):
    stand.turn(needs_approval=True)
    client = stand.client()
    pending = client.submit(request())
    stand.simulator.doors["POST", "/refuse"](None)
    with pytest.raises(RejectedByPolicy) as refused:
        client.poll(der(pending), request())
    assert refused.value.code == "badCertTemplate"


def test_a_poll_whose_answer_was_lost_ends_in_a_persons_hands(stand):
    stand.turn(needs_approval=True)
    client = stand.client()
    pending = client.submit(request())
    client.poll(der(pending), request())
    # As after a crash before the new state was recorded: the CA wants a nonce that nobody has.
    with pytest.raises(NotFound) as refused:
        client.poll(der(pending), request())
    assert refused.value.code == "badRecipientNonce"
    assert refused.value.remedy


def test_a_ca_that_forgot_the_transaction_ends_in_a_persons_hands(stand):
    stand.turn(needs_approval=True)
    client = stand.client()
    pending = client.submit(request())
    stand.turn(forget=True)
    with pytest.raises(NotFound):
        client.poll(der(pending), request())


def test_a_second_try_in_an_open_transaction_is_known_at_the_ca(stand):
    stand.turn(needs_approval=True)
    stand.client().submit(request())
    with pytest.raises(AlreadyDone):
        stand.client().submit(request())
    assert stand.kinds() == ["order"]


@pytest.mark.parametrize("as_error", [False, True])
@pytest.mark.parametrize(
    ("bit", "kind"),
    [
        ("badAlg", RejectedByPolicy),
        ("badRequest", RejectedByPolicy),
        ("badDataFormat", RejectedByPolicy),
        ("incorrectData", RejectedByPolicy),
        ("badPOP", RejectedByPolicy),
        ("badCertTemplate", RejectedByPolicy),
        ("unacceptedPolicy", RejectedByPolicy),
        ("unacceptedExtension", RejectedByPolicy),
        ("addInfoNotAvailable", RejectedByPolicy),
        ("duplicateCertReq", RejectedByPolicy),
        ("", RejectedByPolicy),
        ("timeNotAvailable", Unreachable),
        ("badMessageCheck", AuthFailed),
        ("wrongIntegrity", AuthFailed),
        ("signerNotTrusted", AuthFailed),
        ("badTime", AuthFailed),
        ("missingTimeStamp", AuthFailed),
        ("notAuthorized", Forbidden),
        ("unsupportedVersion", Forbidden),
        ("wrongAuthority", Forbidden),
        ("systemUnavail", Unreachable),
        ("systemFailure", OutcomeUnknown),
        ("transactionIdInUse", AlreadyDone),
        ("badSenderNonce", ProtocolViolation),
    ],
)
def test_what_a_refusal_means(stand, bit, kind, as_error):
    stand.turn(reject=True, failure_bit=bit, as_error=as_error)
    with pytest.raises(kind) as refused:
        stand.client(ca="emCA").submit(request())
    error = refused.value
    assert type(error) is kind
    assert error.message.startswith("emCA ")
    assert "does not allow this request" in error.text
    assert error.code == (bit or "status 2")
    assert kind is not Unreachable or not error.bytes_sent
    assert stand.kinds() == []


@pytest.mark.parametrize("request_kind", [RequestKind.CR, RequestKind.IR])
def test_a_proof_that_is_our_word_alone_is_the_connectors_to_give(stand, request_kind):
    stand.turn(reject=True, failure_bit="badPOP")
    with pytest.raises(Forbidden) as refused:
        stand.client(request=request_kind).submit(request())
    assert "p10cr" in refused.value.remedy
    stand.turn(failure_bit="badCertTemplate")
    with pytest.raises(RejectedByPolicy):
        stand.client(request=request_kind).submit(request())


@pytest.mark.parametrize("believed", Unprotected)
def test_unprotected_refusals_of_an_order(stand, believed):
    stand.turn(reject=True, unprotected_errors=True)
    wanted = RejectedByPolicy if believed is Unprotected.ALL else OutcomeUnknown
    with pytest.raises(wanted) as refused:
        stand.client(unprotected=believed).submit(request())
    assert "does not allow this request" in refused.value.text


@pytest.mark.parametrize("believed", Unprotected)
def test_unprotected_refusals_of_the_credential(stand, believed):
    stand.turn(refuse_key=True)
    wanted = OutcomeUnknown if believed is Unprotected.NEVER else AuthFailed
    with pytest.raises(wanted):
        stand.client(unprotected=believed).submit(request())


@pytest.mark.parametrize("dial", ["unprotected", "spoilt"])
def test_an_unprotected_certificate_is_never_believed(stand, dial):
    stand.turn(**{dial: True})
    with pytest.raises(OutcomeUnknown) as refused:
        stand.client(unprotected=Unprotected.ALL).submit(request())
    assert refused.value.bytes_sent
    assert stand.kinds() == ["order", "certificate"]


@pytest.mark.parametrize("dial", ["odd_nonce", "odd_transaction", "odd_body"])
def test_an_answer_to_something_else_is_no_answer(stand, dial):
    stand.turn(**{dial: True})
    with pytest.raises(ProtocolViolation) as refused:
        stand.client().submit(request())
    assert refused.value.bytes_sent


def test_refusals_may_come_with_a_status_of_http(stand):
    stand.turn(reject=True, on_http=400.0)
    with pytest.raises(RejectedByPolicy):
        stand.client().submit(request())


def test_a_lost_confirmation_is_sent_again_and_nothing_is_lost(stand):
    door = stand.door()
    door.lose = {2}
    client = stand.client(door=door, implicit_confirm=False)
    pending = client.submit(request())
    assert isinstance(pending, Pending)
    assert pending.state["step"] == "confirm"
    # The CA took the first one and forgot the transaction: its refusal of the second is no loss.
    issued = client.poll(der(pending), request())
    assert isinstance(issued, Issued)
    assert len(issued.chain) == 2
    assert stand.kinds() == ["order", "certificate", "confirm"]


def test_a_confirmation_that_is_never_answered_holds_nothing_up_for_long(stand):
    door = stand.door()
    door.lose = set(range(2, 20))
    client = stand.client(door=door, implicit_confirm=False)
    outcome = client.submit(request())
    looks = 0
    while isinstance(outcome, Pending):
        looks += 1
        assert looks < 10
        outcome = client.poll(der(outcome), request())
    assert isinstance(outcome, Issued)


def test_a_refused_confirmation_ends_the_order_by_the_certificates_number(stand):
    stand.turn(refuse_confirmation=True)
    with pytest.raises(RejectedByPolicy) as refused:
        stand.client(implicit_confirm=False).submit(request())
    assert "refused its confirmation" in refused.value.message
    assert refused.value.remedy


def test_a_certificate_for_another_key_is_refused_to_the_ca_and_handed_on(stand):
    stand.turn(wrong_key=True)
    outcome = stand.client(implicit_confirm=False).submit(request())
    assert isinstance(outcome, Issued)
    assert stand.kinds() == ["order", "certificate", "refused"]


@pytest.mark.parametrize("label", ["EC-P256", "EC-P384", "EC-P521", "RSA-2048", "Ed25519", "Ed448"])
def test_signed_messages(label):
    with standing(key_label=label) as stand:
        outcome = stand.signing(sender="CN=sandbox   issuing ca").submit(request())
        assert isinstance(outcome, Issued)


def test_answers_signed_by_an_rsa_key():
    with standing(rsa_keys=True) as stand:
        assert isinstance(stand.signing().submit(request()), Issued)


@pytest.mark.parametrize("kind", ["cr", "ir"])
def test_an_officer_vouches_for_a_requests_key(stand, kind):
    assert isinstance(stand.signing(request=RequestKind(kind)).submit(request()), Issued)


def test_a_signer_that_is_no_officer_may_ask_for_nothing(stand):
    stand.own = stand.issue(stand.own_key, "somebody")
    with pytest.raises(Forbidden):
        stand.signing().submit(request())


def test_an_answer_by_another_sender_is_not_believed(stand):
    with pytest.raises(OutcomeUnknown) as refused:
        stand.client(sender="CN=Another CA").submit(request())
    assert "sender" in refused.value.message


@pytest.mark.parametrize("label", ["EC-P256", "RSA-2048", "Ed25519"])
@pytest.mark.parametrize("kind", ["ir", "cr"])
def test_a_key_of_the_connectors_own(stand, kind, label):
    key = keys.generate(label)
    issued = stand.client().enrol(kind, key, "0191-own", [parse_name("device-7")])
    assert x509.load_der_x509_certificate(issued.leaf).public_key() == key.public_key()


def test_an_own_request_goes_on_from_its_state(stand):
    stand.turn(needs_approval=True)
    key = keys.generate("EC-P256")
    client = stand.client()
    pending = client.enrol("ir", key, "0191-own", [parse_name("device-7")])
    stand.simulator.doors["POST", "/approve"](None)
    from chancery.core.keys import spki_sha256

    assert isinstance(client.go_on(der(pending), spki_sha256(key.public_key())), Issued)


def test_key_update(stand):
    key, fresh = keys.generate("EC-P256"), keys.generate("EC-P256")
    first = stand.client().enrol("ir", key, "0191-1", [parse_name("device-7")])
    old = x509.load_der_x509_certificate(first.leaf)
    stand.own_key, stand.own = key, old
    second = stand.signing().enrol("kur", fresh, "0191-2", [parse_name("device-7")], old)
    made = x509.load_der_x509_certificate(second.leaf)
    assert made.public_key() == fresh.public_key()
    assert made.subject == old.subject
    # Not for a certificate that this CA did not issue, nor for one that is not the signer's.
    with pytest.raises(RejectedByPolicy):
        stand.signing().enrol("kur", fresh, "0191-3", [parse_name("device-7")], stand.ca.root)
    with pytest.raises(Forbidden):
        stand.signing().enrol("kur", fresh, "0191-4", [parse_name("device-7")], made)


def test_a_certificate_without_its_issuer_is_completed_by_a_question(stand):
    door = stand.door()
    client = stand.client(door=door)
    stand.turn(chain="missing")
    bare = client.submit(request())
    assert bare.chain == ()
    assert door.calls == 2
    door.lose = {4}
    pending = client.submit(request(reference="0191-b"))
    assert pending.state["step"] == "chain"
    stand.turn(chain="")
    assert len(client.poll(der(pending), request()).chain) == 2


def test_an_issuer_that_nobody_tells_is_not_waited_for_for_ever(stand):
    door = stand.door()
    client = stand.client(door=door)
    stand.turn(chain="missing")
    door.lose = set(range(2, 20))
    outcome = client.submit(request())
    for _ in range(5):
        assert isinstance(outcome, Pending)
        outcome = client.poll(der(outcome), request())
    assert outcome.chain == ()


def test_the_profile_goes_along(stand):
    assert isinstance(stand.client(profile="tls-server").submit(request()), Issued)


def test_patience_that_the_ca_asks_for(stand):
    stand.turn(throttle=True, retry_after="60")
    with pytest.raises(Throttled) as refused:
        stand.client().submit(request())
    assert (refused.value.until - START).total_seconds() == 60


def test_a_page_in_place_of_a_message_says_nothing(stand):
    door = stand.door()
    door.change = lambda body: b"<html>"
    with pytest.raises(ProtocolViolation) as refused:
        stand.client(door=door).submit(request())
    assert refused.value.bytes_sent
