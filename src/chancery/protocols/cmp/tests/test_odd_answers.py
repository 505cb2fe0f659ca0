"""Answers that no CA should give, and some do."""

import json
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyasn1.type import univ
from pyasn1_modules import rfc2459, rfc4210, rfc8018

from chancery.core import keys
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.protocols.cmp import SharedSecret, SigningKey, names
from chancery.protocols.cmp.grant import hash_of
from chancery.protocols.cmp.message import Unreadable, directory_name, read
from chancery.protocols.cmp.simulator import REFERENCE, SECRET, replies, wire
from chancery.protocols.cmp.tests.scripted import CA, said, scripted
from chancery.protocols.cmp.tests.stand import DAY, KEY, START, key_pem, pem, request, standing, target
from chancery.sandbox.der import NULL, SEQUENCE, integer, oid, read_all, tlv
from chancery.sdk.answer import Answer
from chancery.sdk.errors import (
    AuthFailed,
    AuthorityError,
    OutcomeUnknown,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
)
from chancery.sdk.outcome import Issued, Pending, RevocationPending
from tests.trying import examples

NOTHING = tlv(SEQUENCE)
WAITING = said(replies.error("", "Later.", replies.WAITING))
POLL = {"v": 1, "step": "poll", "tid": "11" * 16, "nonce": "22" * 16, "id": -1}
REASON = RevocationReason.SUPERSEDED


def leaf(key=None):
    asked = x509.load_der_x509_csr(request(key=key or KEY).csr)
    return CA.issue(asked, START, START + 30 * DAY)


def granted(certificate=None):
    return 3, replies.reply(-1, wire.status(0), certificate or leaf())


def confirming(answer):
    """Grant, and answer the confirmation by `answer`."""
    return lambda asked: answer if asked.kind == "certConf" else granted()


@pytest.mark.parametrize(
    "content", [NOTHING, tlv(SEQUENCE, NOTHING), b"\x05\x00", b"", tlv(SEQUENCE, tlv(SEQUENCE, NOTHING)), b"\x30\x80"]
)
def test_a_reply_that_cannot_be_read_leaves_the_outcome_open(content):
    client, _ = scripted(lambda asked: (3, content))
    with pytest.raises(ProtocolViolation) as refused:
        client.submit(request())
    assert refused.value.bytes_sent


def test_an_encrypted_certificate_was_not_asked_for():
    made = rfc4210.CertRepMessage()
    one = made["response"][0]
    one["certReqId"], one["status"] = -1, wire.status(0)
    one["certifiedKeyPair"]["certOrEncCert"]["encryptedCert"]["encValue"] = univ.BitString("101")
    client, _ = scripted(lambda asked: (3, wire.encode(made)))
    with pytest.raises(ProtocolViolation):
        client.submit(request())


@pytest.mark.parametrize("status", [0, 1, 4, 6])
def test_a_grant_without_a_certificate_leaves_the_outcome_open(status):
    client, _ = scripted(lambda asked: (3, replies.reply(-1, wire.status(status))))
    with pytest.raises(OutcomeUnknown):
        client.submit(request())


@pytest.mark.parametrize("status", [0, 1, 4, 6])
def test_an_error_that_is_no_rejection_ends_nothing(status):
    client, _ = scripted(lambda asked: said(replies.error("badRequest", "No?", status)))
    for act in (lambda: client.submit(request()), lambda: client.poll(POLL, request())):
        with pytest.raises(ProtocolViolation):
            act()


@pytest.mark.parametrize(
    ("status", "kind"),
    [(302, Unreachable), (404, Unreachable), (405, Unreachable), (410, Unreachable), (502, OutcomeUnknown)],
)
def test_a_web_server_without_the_service_is_the_connectors_trouble(status, kind):
    client, door = scripted(lambda asked: granted())
    door.post = lambda path, **more: Answer(status, {"content-type": "text/html"}, b"<html>", START, (), True)
    with pytest.raises(kind) as refused:
        client.submit(request())
    assert type(refused.value) is kind


def test_a_certificate_with_another_status_is_no_grant():
    client, _ = scripted(lambda asked: (3, replies.reply(-1, wire.status(6), leaf())))
    with pytest.raises(OutcomeUnknown):
        client.submit(request())


def test_an_error_message_may_say_that_the_answer_comes_later():
    client, door = scripted(lambda asked: WAITING)
    pending = client.submit(request())
    assert isinstance(pending, Pending)
    assert pending.state["id"] == -1
    assert "Later." in pending.text
    again = client.poll(json.loads(json.dumps(pending.state)), request())
    assert isinstance(again, Pending)
    assert [asked.kind for asked in door.asked] == ["p10cr", "pollReq"]
    revoking = client.revoke(target(Issued(wire_der(leaf()))), REASON)
    assert isinstance(revoking, RevocationPending)
    assert isinstance(client.poll_revocation(revoking.state), RevocationPending)
    told = client.support()
    assert not told.answered
    assert told.text == "Later."


def wire_der(certificate):
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.DER)


def test_a_pending_request_without_words():
    client, _ = scripted(lambda asked: (3, replies.reply(-1, wire.status(3))))
    assert "does not say" in client.submit(request()).text


@pytest.mark.parametrize("content", [NOTHING, b"\x05\x00", tlv(SEQUENCE, NOTHING)])
@pytest.mark.parametrize(("number", "verb"), [(26, "poll"), (12, "revoke"), (12, "poll_revocation"), (22, "support")])
def test_bodies_that_cannot_be_read(number, verb, content):
    if (number, content) == (22, NOTHING):
        pytest.skip("a genp may hold nothing")
    client, _ = scripted(lambda asked: (number, content))
    calls = {
        "poll": lambda: client.poll(POLL, request()),
        "revoke": lambda: client.revoke(target(Issued(wire_der(leaf()))), REASON),
        "poll_revocation": lambda: client.poll_revocation(POLL),
        "support": client.support,
    }
    with pytest.raises(ProtocolViolation):
        calls[verb]()


def test_a_genp_may_hold_nothing():
    client, _ = scripted(lambda asked: (22, NOTHING))
    assert client.support().certificates == ()


def test_a_revocation_may_wait_by_its_own_status():
    made = rfc4210.RevRepContent()
    made["status"][0] = wire.status(3, "An officer looks at it.")
    client, _ = scripted(lambda asked: (12, wire.encode(made)))
    waiting = client.revoke(target(Issued(wire_der(leaf()))), REASON)
    assert "officer" in waiting.text


@pytest.mark.parametrize("number", [19, 12, 17])
def test_bodies_that_do_not_belong_there(number):
    client, _ = scripted(lambda asked: (number, NULL))
    for act in (lambda: client.poll(POLL, request()), lambda: client.submit(request()), client.support):
        with pytest.raises(ProtocolViolation):
            act()


def test_a_confirmation_may_be_answered_later():
    client, _ = scripted(confirming(WAITING), implicit_confirm=False)
    pending = client.submit(request())
    assert pending.state["step"] == "confirm"
    assert pending.state["tries"] == 1


def test_what_is_confirmed_already_is_no_refusal():
    client, _ = scripted(confirming(said(replies.error("certConfirmed", "It is."))), implicit_confirm=False)
    assert isinstance(client.submit(request()), Issued)


@pytest.mark.parametrize("failure", ["badMessageCheck", "badRequest"])
@pytest.mark.parametrize("bare", [True, False])
def test_nobody_without_the_secret_can_end_an_order_by_refusing_its_confirmation(failure, bare):
    client, door = scripted(confirming(said(replies.error(failure, "No."))), implicit_confirm=False)
    plain = door.post

    def post(path, **more):
        answer = plain(path, **more)
        if door.asked[-1].kind != "certConf":
            return answer
        parts = read_all(answer.body)[0].parts()
        kept = parts[:2] if bare else [*parts[:2], read_all(tlv(0xA0, tlv(0x03, b"\x00" + b"x" * 32)))[0]]
        return type(answer)(200, answer.headers, tlv(SEQUENCE, *(p.raw for p in kept)), answer.now, (), True)

    door.post = post
    pending = client.submit(request())
    assert isinstance(pending, Pending)
    assert pending.state["step"] == "confirm"


def test_a_revocation_is_no_success_because_of_a_transactions_number():
    client, _ = scripted(lambda asked: said(replies.error("transactionIdInUse", "Known.")))
    with pytest.raises(ProtocolViolation):
        client.revoke(target(Issued(wire_der(leaf()))), REASON)


@pytest.mark.parametrize("answer", [(22, NOTHING), said(replies.error("systemFailure", "Oh."))])
def test_a_confirmation_that_is_not_answered_is_repeated_a_few_times(answer):
    client, _ = scripted(confirming(answer), implicit_confirm=False)
    outcome = client.submit(request())
    for _ in range(5):
        assert isinstance(outcome, Pending)
        outcome = client.poll(outcome.state, request())
    assert isinstance(outcome, Issued)


def test_certificates_by_eddsa_are_confirmed_by_their_own_digests():
    now = START.replace(tzinfo=None)
    name = x509.Name([])
    for key, size in ((ed25519.Ed25519PrivateKey.generate(), 64), (ed448.Ed448PrivateKey.generate(), 64)):
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        assert len(hash_of(wire_der(builder.sign(key, None)))) == size


@pytest.mark.skipif("ML-DSA-44" not in keys.available_key_labels(), reason="this library has no ML-DSA")
def test_what_implies_no_digest_is_used_without_confirmation():
    key = keys.generate("ML-DSA-44")
    now = START.replace(tzinfo=None)
    name = x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1)).sign(key, None)
    assert hash_of(wire_der(made)) == b""
    client, door = scripted(lambda asked: granted(made), implicit_confirm=False)
    assert isinstance(client.submit(request()), Issued)
    assert [asked.kind for asked in door.asked] == ["p10cr"]


# Protection ------------------------------------------------------------------------------------------


def pbm(owf="2.16.840.1.101.3.4.2.1", mac="1.2.840.113549.2.9", rounds=1000):
    made = rfc4210.PBMParameter()
    made["salt"], made["iterationCount"] = b"salt", rounds
    made["owf"]["algorithm"], made["mac"]["algorithm"] = owf, mac
    return algorithm("1.2.840.113533.7.66.13", wire.encode(made))


def pbmac1(kdf="1.2.840.113549.1.5.12", length=None, salt=True, rounds=1000):
    derive, made = rfc8018.PBKDF2_params(), rfc8018.PBMAC1_params()
    if salt:
        derive["salt"]["specified"] = b"salt"
    else:
        derive["salt"]["otherSource"]["algorithm"] = "1.2.3"
    derive["iterationCount"] = rounds
    if length is not None:
        derive["keyLength"] = length
    derive["prf"]["algorithm"] = "1.2.840.113549.2.9"
    made["keyDerivationFunc"]["algorithm"] = kdf
    made["keyDerivationFunc"]["parameters"] = wire.encode(derive)
    made["messageAuthScheme"]["algorithm"] = "1.2.840.113549.2.9"
    return algorithm("1.2.840.113549.1.5.14", wire.encode(made))


def algorithm(number, parameters=b""):
    made = rfc2459.AlgorithmIdentifier()
    made["algorithm"] = number
    if parameters:
        made["parameters"] = parameters
    return wire.encode(made)


@pytest.mark.parametrize("good", [pbm(), pbm(owf="1.3.14.3.2.26"), pbmac1(), pbmac1(length=20)])
def test_macs_that_are_believed(good):
    client, _ = scripted(lambda asked: granted(), good, implicit=True)
    assert isinstance(client.submit(request()), Issued)


@pytest.mark.parametrize(
    "odd",
    [
        pbm(rounds=100_001),
        pbm(rounds=0),
        pbm(owf="1.2.3"),
        pbm(mac="1.2.3"),
        pbmac1(kdf="1.2.3"),
        pbmac1(length=4711),
        pbmac1(salt=False),
        pbmac1(rounds=10_000_000),
        algorithm("1.2.840.113533.7.66.13"),
        algorithm("1.2.3.4"),
        algorithm("1.2.840.10045.4.3.2"),
    ],
)
def test_protections_that_are_not_believed(odd):
    client, _ = scripted(lambda asked: granted(), odd)
    with pytest.raises(OutcomeUnknown) as refused:
        client.submit(request())
    assert "not to be believed" in refused.value.message


def test_a_mac_says_nothing_to_a_connector_without_a_secret():
    with standing() as stand:
        key = SigningKey(pem(stand.own), Secret(key_pem(stand.own_key)))
    client, _ = scripted(lambda asked: granted(), pbm(), credential=key)
    with pytest.raises(OutcomeUnknown) as refused:
        client.submit(request())
    assert "has none" in refused.value.message


def test_a_wrong_secret_is_the_connectors_fault():
    wrong = SharedSecret(REFERENCE, Secret("wrong"))
    client, _ = scripted(lambda asked: said(replies.error("badRequest", "No.")), credential=wrong)
    with pytest.raises(AuthFailed):
        client.submit(request())
    # A reply that another secret protects is no refusal of ours: the CA may have issued.
    client, _ = scripted(lambda asked: granted(), credential=wrong)
    with pytest.raises(OutcomeUnknown):
        client.submit(request())


def test_no_refusal_shows_the_secret():
    client, _ = scripted(lambda asked: said(replies.error("badRequest", f"password={SECRET}")))
    with pytest.raises(RejectedByPolicy) as refused:
        client.submit(request())
    assert SECRET not in f"{refused.value} {vars(refused.value)}"


# Any bytes at all ------------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw):
    with pytest.raises(Unreadable):
        read(raw)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 1200), octet=st.integers(0, 255), cut=st.booleans())
def test_a_spoilt_answer_never_ends_an_order_and_never_counts(place, octet, cut):
    client, door = scripted(lambda asked: granted(), implicit=True)
    plain = door.post

    def post(path, **more):
        answer = plain(path, **more)
        body = bytearray(answer.body)
        if cut:
            body = body[: place % len(body)]
        else:
            body[place % len(body)] = octet
        return type(answer)(answer.status, answer.headers, bytes(body), answer.now, (), answer.effect)

    door.post = post
    try:
        outcome = client.submit(request())
    except AuthorityError as error:
        assert isinstance(error, ProtocolViolation | OutcomeUnknown)
    else:
        # Only what nothing protects may differ: the certificates that go along. Then the issuer is asked for.
        assert isinstance(outcome, Issued | Pending)


@pytest.mark.parametrize("odd", [NOTHING, tlv(SEQUENCE, NOTHING), tlv(SEQUENCE, NOTHING, NOTHING)])
def test_what_looks_like_a_message_is_refused(odd):
    for raw in (odd, odd + b"x"):
        with pytest.raises(Unreadable):
            read(raw)


def test_other_versions_are_not_spoken():
    head, body = read_all(tlv(SEQUENCE, tlv(SEQUENCE, integer(1)), b"\xb3\x02\x05\x00"))[0].parts()
    with pytest.raises(Unreadable):
        read(tlv(SEQUENCE, head.raw, body.raw))
    client, door = scripted(lambda asked: granted())
    door.post = lambda path, **more: door_answer(more)
    with pytest.raises(ProtocolViolation):
        client.submit(request())


def door_answer(more):
    from chancery.sdk.answer import Answer

    sent = more["content"].replace(b"\x02\x01\x02", b"\x02\x01\x01", 1)
    return Answer(200, {"content-type": "application/pkixcmp"}, sent, START, (), True)


def test_names_are_compared_by_their_words():
    plain = x509.Name.from_rfc4514_string("CN=Issuing  CA,O=Example").public_bytes()
    other = x509.Name.from_rfc4514_string("CN=issuing ca,O=EXAMPLE").public_bytes()
    assert names.same(directory_name(plain), other)
    assert not names.same(directory_name(plain), x509.Name.from_rfc4514_string("CN=Issuing CA").public_bytes())
    assert not names.same(tlv(0x82, b"host.example.com"), plain)
    assert names.common(directory_name(plain)) == "Issuing  CA"
    assert names.common(directory_name(x509.Name([]).public_bytes())) == ""
    assert names.common(tlv(0x82, b"host.example.com")) == ""
    strange = tlv(SEQUENCE, tlv(0x31, tlv(SEQUENCE, oid("2.5.4.3"), tlv(0x16, b"\xff"))))
    assert names.same(directory_name(strange), strange)


def test_hashes_are_those_of_the_signature():
    made = leaf()
    assert hash_of(wire_der(made)) == made.fingerprint(hashes.SHA256())
