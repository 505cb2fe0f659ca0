"""The server by itself: what it refuses. Clients of other people are in the tree's interop tests."""

import json
import urllib.request
from urllib.error import HTTPError

import pytest
from cryptography import x509
from pyasn1.codec.der import decoder
from pyasn1_modules import rfc2511, rfc4210

from chancery.core import keys
from chancery.core.names import parse_name
from chancery.core.secret import Secret
from chancery.protocols.cmp import CmpSettings, RequestKind, SharedSecret, SigningKey, bodies
from chancery.protocols.cmp.message import Header, build, directory_name, encode, explicit, sequence, whole
from chancery.protocols.cmp.protection import NO_NAME, Protection
from chancery.protocols.cmp.simulator import REFERENCE, SECRET, wire
from chancery.protocols.cmp.status import Step
from chancery.protocols.cmp.tests.stand import START, key_pem, pem, request, standing
from chancery.protocols.cmp.tests.test_credentials import ROOT, TREE
from chancery.sandbox.der import read_all
from chancery.sdk.errors import AuthFailed, Forbidden, NotFound, RejectedByPolicy

NULL = b"\x05\x00"
TID = b"t" * 16


@pytest.fixture
def stand():
    with standing() as made:
        yield made


def shared():
    return Protection(CmpSettings(), SharedSecret(REFERENCE, Secret(SECRET)))


def refused_by_http(stand, body=b"", method="POST", kind="application/pkixcmp"):
    asked = urllib.request.Request(stand.simulator.url, body, {"Content-Type": kind}, method=method)
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=10)
    refused.value.close()
    return refused.value.code


def answer_to(stand, sent):
    asked = urllib.request.Request(stand.simulator.url, sent, {"Content-Type": "application/pkixcmp"})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return read_all(answer.read())[0].parts()


def written(kind, content, protection=None, change=bytes):
    protection = protection or shared()
    name = directory_name(NO_NAME)
    header = Header(name, name, TID, b"n" * 16, START, protection.algorithm(), key_id=protection.key_id)
    head, body = build(header, kind, content)
    head = change(head)
    return whole(head, body, protection.protect(sequence(head, body), header.algorithm), protection.extra)


def talk(stand, tid=TID, nonce=b""):
    return stand.client()._talk(tid, nonce)


def test_what_is_no_message_is_refused_by_http(stand):
    assert refused_by_http(stand, None, "GET") == 405
    assert refused_by_http(stand, b"x", kind="text/plain") == 415
    assert refused_by_http(stand, b"no message") == 400
    assert refused_by_http(stand, written("genm", bodies.question("1.2.3")) + b"\x00") == 400


def test_messages_that_are_not_served(stand):
    with pytest.raises(RejectedByPolicy) as refused:
        talk(stand).ask("pkiconf", NULL, Step.ASK)
    assert refused.value.code == "badRequest"


def test_versions_that_it_does_not_speak(stand):
    old = written(
        "genm", bodies.question("1.2.3"), change=lambda head: head.replace(b"\x02\x01\x02", b"\x02\x01\x01", 1)
    )
    body = answer_to(stand, old)[1]
    assert body.tag == 0xA0 + 23
    assert b"Versions 2 and 3" in body.raw


def test_unknown_references_and_secrets(stand):
    for wrong in (SharedSecret("nobody", Secret(SECRET)), SharedSecret(REFERENCE, Secret("wrong"))):
        with pytest.raises(AuthFailed) as refused:
            stand.client(wrong).submit(request())
        assert refused.value.code == "badMessageCheck"


def test_a_message_without_protection_is_refused(stand):
    header, body, *_ = read_all(written("genm", bodies.question("1.2.3")))[0].parts()
    assert b"not protected" in answer_to(stand, sequence(header.raw, body.raw))[1].raw
    asked = wire.read(written("genm", bodies.question("1.2.3")))
    bare = wire.encode(wire.header(asked, stand.ca.name, START, b"n" * 16, b"", implicit=False))
    assert b"not protected" in answer_to(stand, sequence(bare, body.raw))[1].raw


def test_a_signer_of_another_ca_is_refused(stand):
    given = SigningKey(pem(ROOT), Secret(key_pem(TREE.keys["root"])))
    with pytest.raises(AuthFailed) as refused:
        stand.client(given).submit(request())
    assert refused.value.code == "signerNotTrusted"


def test_a_signer_that_does_not_come_along_or_signs_wrongly(stand):
    signing = Protection(CmpSettings(), SigningKey(pem(stand.own), Secret(key_pem(stand.own_key))))
    nameless = written("genm", bodies.question("1.2.3"), signing)
    assert b"not in the message" in answer_to(stand, nameless)[1].raw
    signing.protect = lambda part, algorithm: b"\x30\x00"
    conversation = stand.signing()._talk(TID)
    conversation._protection = signing
    with pytest.raises(AuthFailed) as refused:
        conversation.ask("genm", bodies.question("1.2.3"), Step.ASK)
    assert "protection of the message is wrong" in refused.value.text


@pytest.mark.parametrize("spoil", ["other content", "nothing", "another kind"])
def test_proofs_that_do_not_hold(stand, spoil):
    made = bodies.own(keys.generate("EC-P256"), [parse_name("device-7")], "device-7", None)
    content, _ = decoder.decode(made, asn1Spec=rfc2511.CertReqMessages())
    if spoil == "other content":
        content[0]["certReq"]["certReqId"] = 7
    elif spoil == "nothing":
        bare = rfc2511.CertReqMessages()
        bare[0]["certReq"] = content[0]["certReq"]
        content = bare
    else:
        content[0]["pop"]["keyEncipherment"]["subsequentMessage"] = 0
    with pytest.raises(RejectedByPolicy) as refused:
        talk(stand).ask("ir", encode(content), Step.ENROL)
    assert refused.value.code == "badPOP"


def test_only_officers_vouch_for_keys(stand):
    stand.own = stand.issue(stand.own_key, "somebody")
    with pytest.raises(Forbidden) as refused:
        stand.signing(request=RequestKind.CR).submit(request())
    assert refused.value.code == "badPOP"


def test_requests_that_are_damaged(stand):
    csr = bytearray(request().csr)
    csr[-1] ^= 1
    with pytest.raises(RejectedByPolicy) as refused:
        talk(stand).ask("p10cr", bytes(csr), Step.ENROL)
    assert refused.value.code == "badPOP"
    made = bodies.own(keys.generate("EC-P256"), [parse_name("device-7")], "device-7", None)
    content, _ = decoder.decode(made, asn1Spec=rfc2511.CertReqMessages())
    content[0]["certReq"]["certTemplate"]["publicKey"]["algorithm"]["algorithm"] = "1.2.3"
    with pytest.raises(RejectedByPolicy) as refused:
        talk(stand).ask("ir", encode(content), Step.ENROL)
    assert refused.value.code == "badDataFormat"


def test_templates_with_other_controls_and_without_names(stand):
    made = bodies.own(keys.generate("EC-P256"), [parse_name("device-7")], "device-7", None)
    content, _ = decoder.decode(made, asn1Spec=rfc2511.CertReqMessages())
    request_ = rfc2511.CertReqMessages()
    plain = request_[0]["certReq"]
    plain["certReqId"] = 0
    for part in ("algorithm", "subjectPublicKey"):
        plain["certTemplate"]["publicKey"][part] = content[0]["certReq"]["certTemplate"]["publicKey"][part]
    plain["controls"][0]["type"] = "1.3.6.1.5.5.7.5.1.1"
    plain["controls"][0]["value"] = b"\x0c\x01x"
    request_[0]["pop"]["raVerified"] = ""
    heard = talk(stand).ask("cr", encode(request_), Step.ENROL)
    assert heard.kind == "cp"


def waiting(stand, reference):
    pending = stand.client().submit(request(reference=reference))
    return talk(stand, bytes.fromhex(pending.state["tid"]), bytes.fromhex(pending.state["nonce"]))


def test_messages_out_of_turn(stand):
    stand.turn(needs_approval=True)
    with pytest.raises(NotFound):
        waiting(stand, "0191-a").ask("pollReq", bodies.polling(4711), Step.POLL)
    with pytest.raises(RejectedByPolicy) as refused:
        waiting(stand, "0191-b").ask("certConf", bodies.confirmation(b"x" * 32, -1), Step.CONFIRM)
    assert "nothing to confirm" in refused.value.text


def test_a_confirmation_of_another_certificate(stand):
    stand.turn(never_implicit=True)
    conversation = talk(stand)
    assert conversation.ask("p10cr", request().csr, Step.ENROL).kind == "cp"
    with pytest.raises(RejectedByPolicy) as refused:
        conversation.ask("certConf", bodies.confirmation(b"x" * 32, -1), Step.CONFIRM)
    assert refused.value.code == "badCertId"


def test_a_revocation_names_its_issuer(stand):
    issued = stand.client().submit(request())
    made = rfc4210.RevReqContent()
    made[0]["certDetails"]["serialNumber"] = x509.load_der_x509_certificate(issued.leaf).serial_number
    heard = talk(stand).ask("rr", encode(made), Step.REVOKE)
    assert heard.kind == "rp"
    assert b"No certificate" in heard.content


@pytest.mark.parametrize(("kind", "content"), [("rr", rfc4210.RevReqContent()), ("pollReq", rfc4210.PollReqContent())])
def test_bodies_that_lack_something(stand, kind, content):
    stand.turn(needs_approval=True)
    conversation = waiting(stand, "0191-a") if kind == "pollReq" else talk(stand)
    if kind == "rr":
        content[0]["certDetails"]["version"] = 0
    else:
        content.clear()
    with pytest.raises(RejectedByPolicy) as refused:
        conversation.ask(kind, encode(content), Step.ASK)
    assert refused.value.code == "badDataFormat"


def test_its_state_is_shown(stand):
    stand.turn(needs_approval=True)
    stand.client().submit(request())
    shown = json.loads(json.dumps(stand.simulator.state()))
    assert shown["transactions"][0]["kind"] == "Enrolment"
    assert (shown["certificates"], shown["revoked"]) == ([], [])


def test_explicit_tags_are_those_of_the_standard():
    assert explicit(4, NULL) == b"\xa4\x02\x05\x00"
