"""Answers that somebody else wrote: bombs, pages, other namespaces, faults without a reason, other numbers."""

import base64

import pytest

from chancery.protocols.wstep.document import Malformed, read
from chancery.protocols.wstep.tests.stand import answered, detail, envelope, fault, request, saying
from chancery.sdk import (
    AuthFailed,
    Forbidden,
    Issued,
    NotFound,
    OutcomeUnknown,
    Pending,
    ProtocolViolation,
    RejectedByPolicy,
    Throttled,
    Unreachable,
)

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope'><s:Body>&b;</s:Body></s:Envelope>"
)
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>'
WHERE = '<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1:9/">]><x>&e;</x>'


@pytest.mark.parametrize("bomb", [LAUGHS, OUTSIDE, WHERE, "<!DOCTYPE x><x/>"])
def test_a_document_type_is_refused_before_anything_of_it_is_read(bomb):
    for encoding in ("utf-8", "utf-16"):
        with pytest.raises(Malformed, match="document type"):
            read(bomb.encode(encoding))
    client, _ = saying(200, bomb)
    with pytest.raises(OutcomeUnknown):
        client.submit(request())
    with pytest.raises(ProtocolViolation):
        client.policies()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<a>",
        b"<a></b>",
        b"&undeclared;",
        b"<a>&undeclared;</a>",
        b"<a>\xff</a>",
        b"<a/><b/>",
        b"<x:a/>",
        b"<a b='1' b='2'/>",
        b"{}",
    ],
)
def test_what_is_no_xml_is_said_so(text):
    with pytest.raises(Malformed):
        read(text)


def test_too_deep_and_too_many_is_cut_short():
    with pytest.raises(Malformed, match="deeper"):
        read(b"<a>" * 60 + b"</a>" * 60)
    with pytest.raises(Malformed, match="more elements"):
        read(b"<a>" + b"<b/>" * 100_001 + b"</a>")


def test_comments_and_instructions_are_no_content():
    found = read(b"<?x y?><a><!-- 1 -->89<!-- 2 -->0<?z?></a>")
    assert found.text == "890"


PAGES = [
    (200, "<html><body>Login</body></html>", OutcomeUnknown, ProtocolViolation),
    (500, "<HTML>Runtime Error</HTML>", OutcomeUnknown, Unreachable),
    (200, "<html><br>Login", OutcomeUnknown, ProtocolViolation),
    (503, "<html>Maintenance", OutcomeUnknown, Unreachable),
    (404, "<html>404", Unreachable, Unreachable),
    (302, "", Unreachable, Unreachable),
    (401, "<html>401 - Unauthorized", AuthFailed, AuthFailed),
    (403, "<html>403", Forbidden, Forbidden),
    (429, "<html>", Throttled, Throttled),
    (418, "<html>", OutcomeUnknown, ProtocolViolation),
]


@pytest.mark.parametrize(("status", "body", "act", "look"), PAGES)
def test_a_page_in_the_place_of_a_message_is_told_by_its_status(status, body, act, look):
    client, _ = saying(status, body, {"content-type": "text/html"})
    with pytest.raises(act) as refused:
        client.submit(request())
    assert refused.value.remedy or status == 429
    with pytest.raises(look):
        client.adopt("7", request())


SENSELESS = {
    "another root": "<Envelope/>",
    "SOAP 1.1": '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><x/></s:Body></s:Envelope>',
    "empty body": envelope(""),
    "two bodies": envelope("<x/><y/>"),
    "another answer": envelope("<x/>"),
    "another message": envelope("<x/>", "<a:RelatesTo>urn:uuid:0</a:RelatesTo>"),
    "another namespace": answered("").replace("ws-sx/ws-trust/200512", "ws-sx/ws-trust/200302"),
    "no number and no certificate": answered("", ""),
    "a number that is none": answered("", "<RequestID>NaN</RequestID>"),
    "a number from elsewhere": answered("", "<RequestID xmlns='urn:x'>89</RequestID>"),
    "a token without a number that is no Base64": answered(
        "<RequestedSecurityToken><w:BinarySecurityToken ValueType='http://docs.oasis-open.org/wss/2004/01/"
        "oasis-200401-wss-x509-token-profile-1.0#X509v3' xmlns:w='http://docs.oasis-open.org/wss/2004/01/"
        "oasis-200401-wss-wssecurity-secext-1.0.xsd'>%%%</w:BinarySecurityToken></RequestedSecurityToken>",
        "",
    ),
}


@pytest.mark.parametrize("what", SENSELESS)
def test_an_answer_that_is_none_leaves_an_act_open_and_says_nothing_of_a_look(what):
    client, _ = saying(200, SENSELESS[what])
    with pytest.raises(OutcomeUnknown):
        client.submit(request())
    with pytest.raises(ProtocolViolation):
        client.poll({"v": 1, "request": 89, "looks": 0}, request())


def test_an_answer_with_a_status_of_failure_and_no_fault_is_not_believed():
    client, _ = saying(500, answered(""))
    with pytest.raises(OutcomeUnknown, match="no fault"):
        client.submit(request())


def _token(content):
    kind = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
    space = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    return (
        f"<RequestedSecurityToken><w:BinarySecurityToken ValueType='{kind}' xmlns:w='{space}'>{content}"
        "</w:BinarySecurityToken></RequestedSecurityToken>"
    )


def test_a_certificate_that_cannot_be_read_is_asked_for_again_by_its_number():
    client, _ = saying(200, answered(_token("%%%")))
    outcome = client.submit(request())
    assert isinstance(outcome, Pending)
    assert outcome.state["request"] == 89


def test_what_is_no_certificate_reaches_the_engine_which_keeps_it_from_everybody():
    client, _ = saying(200, answered(_token(base64.b64encode(b"nonsense").decode())))
    outcome = client.submit(request())
    assert isinstance(outcome, Issued)
    assert outcome.leaf == b"nonsense"
    assert outcome.reference == "89"


def test_a_chain_that_cannot_be_read_costs_no_certificate():
    space = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
    for broken in ("%%%", "MAA="):
        whole = f"<w:BinarySecurityToken xmlns:w='{space}'>{broken}</w:BinarySecurityToken>"
        client, _ = saying(200, answered(whole + _token("MAA=")))
        assert client.submit(request()).chain == ()


def test_a_ca_certificate_in_the_place_of_ours_is_not_ours(ca_der):
    client, _ = saying(200, answered(_token(base64.b64encode(ca_der).decode())))
    with pytest.raises(OutcomeUnknown, match="certificate of a CA"):
        client.submit(request())


@pytest.fixture(scope="module")
def ca_der():
    from cryptography.hazmat.primitives.serialization import Encoding

    from chancery.protocols.wstep.tests.stand import NOW
    from chancery.sandbox.enrolment import EnrolmentCa

    return EnrolmentCa(NOW).root.public_bytes(Encoding.DER)


SUB = "<s:Value>s:Sender</s:Value><s:Subcode><s:Value>{}</s:Value></s:Subcode>"
FAULTS = {
    "denied": (fault(detail()), RejectedByPolicy, "0x80094014"),
    "no detail": (fault(), OutcomeUnknown, "Receiver"),
    "no code at all": (envelope("<s:Fault/>"), OutcomeUnknown, "500"),
    "a detail of nothing": (fault(detail("", "", "")), OutcomeUnknown, "Receiver"),
    "a code that is no number": (fault(detail("0x80094014")), OutcomeUnknown, "Receiver"),
    "a code too long": (fault(detail("-" + "9" * 40)), OutcomeUnknown, "Receiver"),
    "failed, not denied": (fault(detail("-2147024882", "false")), OutcomeUnknown, "0x8007000E"),
    "another word for denied": (fault(detail("-2147024882", "maybe")), OutcomeUnknown, "0x8007000E"),
    "unsigned": (fault(detail("2148089876")), RejectedByPolicy, "0x80094014"),
    "login": (fault("", SUB.format("o:InvalidSecurity")), AuthFailed, "InvalidSecurity"),
    "right": (fault("", SUB.format("a:AccessDenied")), Forbidden, "AccessDenied"),
    "place": (fault("", SUB.format("a:ActionNotSupported")), Unreachable, "ActionNotSupported"),
    "unknown number": (fault(detail("-2146877436", "false")), NotFound, "0x80094004"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_is_told_by_its_codes_never_by_its_words(what):
    body, kind, code = FAULTS[what]
    client, _ = saying(500, body)
    with pytest.raises(kind) as refused:
        client.submit(request())
    assert refused.value.code == code


def test_a_fault_that_echoes_the_password_shows_none():
    client, door = saying(500, "")
    word = door.learnt[0].reveal()
    door.given = (500, fault(detail(), text=f"for {word}").encode(), {})
    with pytest.raises(RejectedByPolicy) as refused:
        client.submit(request())
    assert word not in f"{refused.value} {refused.value.text}"
    assert word not in repr(door.learnt)


def test_codes_that_nest_without_end_are_cut_short():
    deep = "<s:Value>a:b</s:Value>"
    for _ in range(12):
        deep = f"<s:Value>a:x</s:Value><s:Subcode>{deep}</s:Subcode>"
    client, _ = saying(500, fault("", deep))
    with pytest.raises(OutcomeUnknown) as refused:
        client.submit(request())
    assert refused.value.code == "x"
