"""Enrolling at the simulated CA: what is issued, what waits, what is believed, and that nothing is doubled."""

import json
from datetime import timedelta

import pytest
from cryptography import x509

from chancery.core import keys
from chancery.core.clock import ManualClock
from chancery.core.effects import Doing, consequence
from chancery.core.order import State
from chancery.core.secret import Secret
from chancery.protocols.scep.settings import Authorization, ScepCredentials
from chancery.protocols.scep.simulator import CHALLENGE, build
from chancery.protocols.scep.tests.stand import NOW, TRANSPORT, Stand, checked, request
from chancery.sdk import (
    Absence,
    AuthFailed,
    Forbidden,
    Found,
    Level,
    NotFound,
    OutcomeUnknown,
    Pending,
    PendingKind,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
)


@pytest.fixture
def stand():
    clock = ManualClock(NOW)
    with build(clock=clock) as simulator:
        made = Stand(simulator, clock)
        yield made
        made.close()


# Issuing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("caps", ["", "get_only", "standard"])
@pytest.mark.parametrize("ra", ["", "one", "two"])
def test_a_certificate_is_enrolled_by_post_or_get_whoever_reads_and_signs(stand, caps, ra):
    stand.dial(caps=caps, ra=ra)
    asked = request()
    issued = stand.client().submit(asked)
    facts, chain = checked(issued, asked)
    assert facts.issuer == "CN=Sandbox Issuing CA"
    assert len(chain) == 1
    assert issued.reference == facts.serial
    assert stand.simulator.ledger.lines("order")[0].reference == asked.reference


@pytest.mark.parametrize(
    "dials", [{"cipher": "aes256"}, {"stretched": True}, {"chain": "shuffled"}, {"ca_chain": True}]
)
def test_answers_are_read_in_every_form_that_is_allowed(stand, dials):
    stand.dial(**dials)
    asked = request()
    checked(stand.client().submit(asked), asked)


def test_a_request_without_subject_is_sent_under_the_transactions_name(stand):
    asked = request(subject=False)
    checked(stand.client().submit(asked), asked)


def test_what_the_ca_says_of_itself_is_asked_once_an_hour(stand):
    client = stand.client()
    client.submit(request())
    stand.dial(caps="absent")
    client.submit(request())
    stand.advance(3600)
    with pytest.raises(Unreachable, match="404"):
        client.submit(request())


def test_capabilities_can_be_given_where_the_ca_does_not_announce_them(stand):
    stand.dial(caps="absent")
    client = stand.client(capabilities=("AES", "SHA-512", "POSTPKIOperation"))
    asked = request()
    checked(client.submit(asked), asked)


def test_the_ca_can_be_named(stand):
    assert stand.client(ca_name="second").check()[-1].level is Level.OK


@pytest.mark.parametrize("which", ["issuing", "root"])
def test_a_pinned_ca_is_the_pinned_one_or_stands_below_it(stand, which):
    stand.dial(ca_chain=True)
    roster = stand.client()._service.roster()
    pinned = {"issuing": roster.ders[0], "root": roster.above[0]}[which]
    digest = x509.load_der_x509_certificate(pinned).fingerprint(x509.base.hashes.SHA256()).hex()
    asked = request()
    checked(stand.client(fingerprint=digest.upper()).submit(asked), asked)
    with pytest.raises(ProtocolViolation, match="not the one that was pinned"):
        stand.client(fingerprint="00" * 32).submit(request())
    assert stand.kinds() == ["order", "certificate"]


# The password, and who signs ---------------------------------------------------------------------------


def test_a_password_in_the_request_is_passed_on(stand):
    asked = request(challenge=CHALLENGE)
    client = stand.client("challenge", authorization=Authorization.CHALLENGE, challenge=Secret(CHALLENGE))
    checked(client.submit(asked), asked)


@pytest.mark.parametrize(
    ("challenge", "expected", "code"), [(None, None, "no_challenge"), ("guessed", CHALLENGE, "wrong_challenge")]
)
def test_a_request_that_the_ca_would_refuse_is_not_even_sent(stand, challenge, expected, code):
    secret = Secret(expected) if expected else None
    client = stand.client("challenge", authorization=Authorization.CHALLENGE, challenge=secret)
    stand.simulator.down()
    with pytest.raises(RejectedByPolicy) as refused:
        client.submit(request(challenge=challenge))
    assert (refused.value.code, refused.value.bytes_sent) == (code, False)
    assert "challengePassword" in refused.value.remedy
    assert CHALLENGE not in str(vars(refused.value))


def test_a_wrong_password_is_refused_by_the_ca_and_shown_nowhere(stand):
    client = stand.client("challenge", authorization=Authorization.CHALLENGE)
    with pytest.raises(RejectedByPolicy, match="The challenge password is wrong") as refused:
        client.submit(request(challenge="guessed-by-somebody"))
    assert refused.value.code == "failInfo 2"
    assert "guessed-by-somebody" not in str(vars(refused.value))
    assert Secret("guessed-by-somebody") not in stand.doors[0].secrets


def test_a_ca_that_repeats_the_password_in_its_refusal_gives_nothing_away(stand, monkeypatch):
    from chancery.protocols.scep.simulator import transactions

    def echo(self, message, csr, profile):
        raise transactions.Failure("2", f"Not the right one: {transactions._password(csr).decode()}")

    monkeypatch.setattr(transactions.Transactions, "_admit", echo)
    with pytest.raises(RejectedByPolicy, match="Not the right one") as refused:
        stand.client("challenge", authorization=Authorization.CHALLENGE).submit(
            request(challenge="guessed-by-somebody")
        )
    assert "guessed-by-somebody" not in str(vars(refused.value))


def test_a_ca_that_compares_keys_refuses_those_who_do_not_hold_them(stand):
    stand.dial(same_key=True)
    with pytest.raises(RejectedByPolicy, match="not signed by the key of the request"):
        stand.client().submit(request())
    asked = request()
    checked(stand.registered().submit(asked), asked)


def test_a_registration_authority_needs_no_password(stand):
    with pytest.raises(RejectedByPolicy, match="Only registration authorities"):
        stand.client("registration").submit(request())
    asked = request()
    checked(stand.registered().submit(asked), asked)


def test_without_the_certificate_that_the_ca_is_to_know_nothing_is_sent(stand):
    client = stand.client("registration", authorization=Authorization.CERTIFICATE)
    with pytest.raises(Forbidden) as refused:
        client.submit(request())
    assert not refused.value.bytes_sent
    assert refused.value.remedy
    assert client.check()[0].code == "no_certificate"


def test_a_renewal_is_called_one_only_by_a_registration_authority_at_a_ca_that_can(stand):
    client = stand.registered(renewal_requests=True)
    client.submit(request(previous="4711"))
    client.submit(request())
    stand.registered().submit(request(previous="4711"))
    stand.client(renewal_requests=True).submit(request(previous="4711"))
    stand.dial(caps="standard")
    stand.registered(renewal_requests=True).submit(request(previous="4711"))
    assert stand.details() == [f"messageType {n}" for n in (17, 19, 19, 19, 19)]


@pytest.mark.parametrize(
    ("key", "certificate", "message"),
    [
        (Secret("no key"), "", "cannot be read"),
        (Secret(""), "", "cannot be read"),
        (TRANSPORT, "no certificate", "certificate cannot be read"),
        (TRANSPORT, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----", "certificate cannot be read"),
        (TRANSPORT, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate cannot be read"),
        (TRANSPORT, "known", "not for the transport key"),
        ("ec", "", "not RSA"),
    ],
)
def test_a_transport_key_that_cannot_be_used_is_the_connectors_fault(stand, key, certificate, message):
    if key == "ec":
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

        made = keys.generate("EC-P256").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key = Secret(made.decode())
    text = stand.simulator.credentials["certificate"] if certificate == "known" else certificate
    client = stand.client(credentials=ScepCredentials(key, text))
    with pytest.raises(AuthFailed, match=message) as refused:
        client.submit(request())
    assert not refused.value.bytes_sent
    assert (client.check()[0].stage, client.check()[0].level) == ("login", Level.FAILED)
    assert stand.kinds() == []


# Algorithms -------------------------------------------------------------------------------------------


def test_triple_des_is_used_only_where_it_is_allowed_and_aes_is_not_announced(stand):
    stand.dial(caps="no_aes", cipher="3des")
    with pytest.raises(Forbidden, match="AES") as refused:
        stand.client().submit(request())
    assert not refused.value.bytes_sent
    asked = request()
    checked(stand.client(allow_3des=True).submit(asked), asked)


def test_a_ca_without_sha2_is_refused(stand):
    stand.dial(caps="sha1")
    with pytest.raises(Forbidden, match="SHA-256") as refused:
        stand.client(accept_sha1=True).submit(request())
    assert not refused.value.bytes_sent


@pytest.mark.parametrize("caps", ["empty", "no_aes"])
def test_a_ca_without_aes_fails_the_diagnosis(stand, caps):
    stand.dial(caps=caps)
    found = stand.client().check()[1]
    assert (found.stage, found.level, found.code) == ("rights", Level.FAILED, "no_aes")


@pytest.mark.parametrize(
    ("dials", "settings", "said"),
    [
        ({"cipher": "des"}, {"allow_3des": True}, "single DES"),
        ({"cipher": "3des"}, {}, "triple DES"),
        ({"digest": "sha1"}, {}, "SHA-1"),
        ({"answer": "nonce"}, {}, "another nonce"),
        ({"answer": "transaction"}, {}, "another transaction"),
        ({"answer": "type"}, {}, "no CertRep"),
        ({"answer": "signer"}, {}, "signature does not fit"),
        ({"answer": "digest"}, {}, "not what was signed"),
        ({"answer": "unsigned"}, {}, "not signed once"),
        ({"answer": "foreign"}, {}, "cannot be decrypted"),
        ({"answer": "leafless"}, {}, "no certificate for the request"),
        ({"status": "9"}, {}, "pkiStatus is unknown"),
        ({"status": "2", "answer": "nonce"}, {}, "another nonce"),
    ],
)
def test_what_is_not_believed_ends_nothing_and_is_not_asked_again(stand, dials, settings, said):
    stand.dial(**dials)
    with pytest.raises(OutcomeUnknown, match=said) as unknown:
        stand.client(**settings).submit(request())
    assert unknown.value.bytes_sent
    assert stand.kinds() == ["order", "certificate"]


def test_sha1_under_answers_can_be_allowed_for_old_cas(stand):
    stand.dial(digest="sha1")
    asked = request()
    checked(stand.client(accept_sha1=True).submit(asked), asked)


def test_the_cas_certificates_are_asked_for_anew_after_an_answer_that_is_not_theirs(stand):
    client = stand.client()
    client.submit(request())
    stand.dial(ra="two")
    with pytest.raises(OutcomeUnknown, match="not signed by the CA"):
        client.submit(request())
    stand.dial(forgets=True)
    asked = request()
    checked(client.submit(asked), asked)


# Waiting ----------------------------------------------------------------------------------------------


def test_what_waits_is_polled_by_its_transaction_in_another_process(stand):
    stand.dial(needs_approval=True)
    asked = request()
    pending = stand.client().submit(asked)
    assert (pending.kind, pending.next_check) == (PendingKind.APPROVAL, timedelta(seconds=20))
    assert pending.reference == asked.reference
    state = json.loads(json.dumps(pending.state))
    again = stand.client().poll(state, asked)
    assert again.state == {"v": 1, "transaction": asked.reference, "looks": 1}
    assert again.next_check == timedelta(minutes=5)
    stand.control("/approve")
    checked(stand.client().poll(again.state, asked), asked)
    assert stand.kinds() == ["order", "certificate"]


def test_what_an_officer_refuses_ends_in_the_officers_words(stand):
    stand.dial(needs_approval=True)
    client, asked = stand.client(), request()
    state = client.submit(asked).state
    stand.control("/refuse")
    with pytest.raises(RejectedByPolicy, match="An officer refused the request"):
        client.poll(state, asked)


def test_a_lost_answer_to_a_poll_is_asked_again(stand):
    stand.dial(issue_delay=10.0)
    client, asked = stand.client(), request()
    state = client.submit(asked).state
    stand.advance(10)
    # Twice: a question on a connection that turns out to be closed is asked a second time by the door.
    stand.dial(fail_next=2, fail_next_with="lose")
    with pytest.raises(Unreachable):
        client.poll(state, asked)
    checked(client.poll(state, asked), asked)
    assert stand.kinds() == ["order", "certificate"]


def test_a_transaction_that_the_ca_no_longer_knows_is_a_persons_to_settle(stand):
    stand.dial(needs_approval=True)
    client, asked = stand.client(), request()
    state = client.submit(asked).state
    stand.dial(forgets=True)
    with pytest.raises(NotFound, match="does not know this transaction"):
        client.poll(state, asked)


@pytest.mark.parametrize("state", [{}, {"transaction": 5}, {"transaction": ""}, {"transaction": "x", "looks": "many"}])
def test_a_state_that_is_none_of_ours_sends_nothing(stand, state):
    with pytest.raises(ProtocolViolation) as refused:
        stand.client().poll(state, request())
    assert not refused.value.bytes_sent


# Lost answers -----------------------------------------------------------------------------------------


def test_a_ca_that_keeps_transactions_gives_the_original_back(stand):
    """The fact behind `Dedup.RETURN_ORIGINAL`: the transactionID is the order's reference over every attempt."""
    asked = request()
    stand.dial(fail_after=1.0)
    with pytest.raises(OutcomeUnknown):
        stand.client().submit(asked)
    stand.dial(fail_after=0.0)
    first = stand.client().submit(asked)
    assert stand.client().submit(asked) == first
    checked(first, asked)
    assert stand.kinds() == ["order", "certificate"]


def test_it_answers_pending_where_it_waits(stand):
    stand.dial(needs_approval=True)
    asked = request()
    stand.client().submit(asked)
    assert isinstance(stand.client().submit(asked), Pending)
    assert stand.kinds() == ["order"]


def test_a_ca_that_keeps_none_certifies_again(stand):
    """The fact behind `Dedup.NONE`."""
    stand.dial(forgets=True)
    client, asked = stand.client(), request()
    assert client.submit(asked).leaf != client.submit(asked).leaf
    assert stand.kinds().count("certificate") == 2


def test_a_lost_answer_is_settled_by_asking_which_doubles_nothing(stand):
    asked = request()
    client = stand.client(remembers=True)
    assert isinstance(client.find(asked), Absence)
    stand.dial(fail_after=1.0)
    with pytest.raises(OutcomeUnknown):
        client.submit(asked)
    stand.dial(fail_after=0.0)
    found = client.find(asked)
    assert isinstance(found, Found)
    assert asked.reference in found.evidence
    checked(found.outcome, asked)
    assert stand.kinds() == ["order", "certificate"]


def test_a_ca_that_may_have_forgotten_says_nothing_by_not_knowing(stand):
    with pytest.raises(OutcomeUnknown, match="may have issued"):
        stand.client().find(request())
    stand.dial(fail_info="2")
    with pytest.raises(OutcomeUnknown, match="may have issued"):
        stand.client().find(request())
    with pytest.raises(RejectedByPolicy):
        stand.client(remembers=True).find(request())


def test_a_transaction_of_another_request_is_not_given_out(stand):
    from dataclasses import replace

    asked, other = request(), request("other.example.com")
    stand.client().submit(asked)
    with pytest.raises(RejectedByPolicy, match="belongs to another request"):
        stand.client().submit(replace(other, reference=asked.reference))


# Refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("info", "kind", "word"),
    [
        ("0", RejectedByPolicy, "badAlg"),
        ("1", Forbidden, "badMessageCheck"),
        ("2", RejectedByPolicy, "badRequest"),
        ("3", Forbidden, "badTime"),
        ("4", RejectedByPolicy, "badCertId"),
        ("7", RejectedByPolicy, "failInfo 7"),
    ],
)
def test_every_refusal_is_a_sentence_with_a_remedy(stand, info, kind, word):
    stand.dial(fail_info=info)
    with pytest.raises(kind, match=word) as refused:
        stand.client().submit(request())
    assert type(refused.value) is kind
    assert refused.value.code == f"failInfo {info}"
    assert refused.value.text == "As the dial says."
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("info", "kind", "word"),
    [
        ("0", Forbidden, "badAlg"),
        ("1", Forbidden, "badMessageCheck"),
        ("2", RejectedByPolicy, "badRequest"),
        ("3", Forbidden, "badTime"),
        ("4", NotFound, "does not know this transaction"),
        ("7", ProtocolViolation, "failInfo 7"),
    ],
)
def test_a_refused_question_ends_an_order_only_where_it_may_be_the_verdict(stand, info, kind, word):
    stand.dial(needs_approval=True)
    client, asked = stand.client(), request()
    state = client.submit(asked).state
    stand.dial(fail_info=info)
    with pytest.raises(kind, match=word) as refused:
        client.poll(state, asked)
    assert type(refused.value) is kind
    assert refused.value.remedy
    after = consequence(refused.value.kind, Doing.POLL, bytes_sent=refused.value.bytes_sent).target
    assert (after is State.REJECTED) is (info == "2")


def test_algorithms_that_the_ca_did_not_announce_are_the_connectors_fault(stand):
    stand.dial(fail_info="0")
    with pytest.raises(Forbidden, match="our message") as refused:
        stand.client(capabilities=("AES", "SHA-512", "POSTPKIOperation")).submit(request())
    assert refused.value.remedy


def test_a_ca_that_takes_no_algorithm_any_more_is_asked_anew_what_it_takes(stand):
    client = stand.client(allow_3des=True)
    client.submit(request())
    stand.dial(fail_info="0")
    with pytest.raises(RejectedByPolicy):
        client.submit(request())
    stand.dial(fail_info="", caps="absent")
    with pytest.raises(Unreachable, match="404"):
        client.submit(request())


def test_patience_is_kept(stand):
    stand.dial(throttle=True, retry_after="90")
    with pytest.raises(Throttled) as refused:
        stand.client().submit(request())
    assert (refused.value.until - NOW).total_seconds() == 90


def test_a_service_that_is_not_there_is_told(stand):
    with pytest.raises(Unreachable, match="404") as refused:
        stand.client("nobody").submit(request())
    assert "path" in refused.value.remedy


# Diagnosis --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dials", "settings", "found"),
    [
        ({}, {}, [("login", "skipped"), ("rights", "ok"), ("chain", "ok")]),
        ({"caps": "get_only", "ra": "two"}, {}, [("login", "skipped"), ("rights", "ok"), ("chain", "ok")]),
        ({}, {"allow_3des": True}, [("login", "skipped"), ("rights", "ok"), ("rights", "warning"), ("chain", "ok")]),
        ({"refuse_key": True}, {}, [("login", "skipped"), ("login", "failed"), ("chain", "failed")]),
        ({"chain": "missing", "ra": "one"}, {}, [("login", "skipped"), ("rights", "ok"), ("chain", "ok")]),
    ],
)
def test_the_diagnosis_sends_no_message(stand, dials, settings, found):
    stand.dial(**dials)
    assert [(f.stage, str(f.level)) for f in stand.client(**settings).check()] == found
    assert stand.kinds() == []


@pytest.mark.parametrize(("days", "level"), [(0, Level.OK), (340, Level.WARNING), (366, Level.FAILED)])
def test_certificates_that_expire_are_told_in_time(stand, days, level):
    stand.dial(ra="one")
    client = stand.registered()
    stand.advance(days * 86_400)
    login, _, chain = client.check()
    assert login.level is level
    assert chain.level is (Level.FAILED if days > 365 else Level.OK)
    if level is not Level.OK:
        assert login.remedy
