"""Whatever comes back becomes an outcome or one of the engine's errors, and shows no password."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from chancery.protocols.est.settings import EstSettings
from chancery.protocols.est.simulator import PASSWORD, USER
from chancery.protocols.est.tests.stand import NOW, client_saying, request
from chancery.sandbox.der import certs_only
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sdk import (
    AuthorityError,
    Forbidden,
    Issued,
    Level,
    OutcomeUnknown,
    Pending,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
)
from tests.trying import examples

CA = EnrolmentCa(NOW)
REQUEST = request()
LEAF = CA.issue(x509.load_der_x509_csr(REQUEST.csr), NOW, NOW.replace(month=8))
GOOD = base64.b64encode(certs_only([LEAF]))
ABOVE = (200, base64.b64encode(certs_only([CA.root, CA.issuing])), {})
EMPTY = base64.b64encode(certs_only([]))
PASSWORD_IN_BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def submitted(status, body, headers=None, **more):
    client, door = client_saying(
        simpleenroll=(status, body, headers or {}), cacerts=ABOVE, csrattrs=(404, b"", {}), **more
    )
    return client.submit(REQUEST), door


def refused(status, body=b"", headers=None):
    with pytest.raises(AuthorityError) as caught:
        submitted(status, body, headers)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (200, b"", {}, OutcomeUnknown),
        (200, EMPTY, {}, OutcomeUnknown),
        (200, b"!!!", {}, OutcomeUnknown),
        (200, b"\x30\x80\xff\xff", {}, OutcomeUnknown),
        (200, base64.b64encode(b"\x30\x03\x02\x01\x01"), {}, OutcomeUnknown),
        (200, base64.b64encode(certs_only([LEAF]) + b"\0\0"), {}, OutcomeUnknown),
        (200, base64.b64encode(b"\x30" * 600_000), {}, OutcomeUnknown),
        (201, GOOD, {}, OutcomeUnknown),
        (302, b"", {"location": "https://elsewhere.example"}, Unreachable),
        (400, b"no such profile", {"content-type": "text/plain"}, RejectedByPolicy),
        (400, b"", {}, RejectedByPolicy),
        *(
            (status, b"late", {"content-type": "text/plain"}, OutcomeUnknown)
            for status in (402, 406, 407, 408, 409, 411, 412, 415, 417, 421, 423, 424, 425, 426, 428, 431, 451)
        ),
        (400, b"<HTML><body>Bad Request", {}, OutcomeUnknown),
        (403, b"not yours", {}, Forbidden),
        (404, b"", {}, Unreachable),
        (405, b"", {}, Unreachable),
        (410, b"moved away", {}, Unreachable),
        *((status, b"no", {"content-type": "text/plain"}, RejectedByPolicy) for status in (413, 422)),
        (500, b"oops", {}, OutcomeUnknown),
        (501, b"", {}, Unreachable),
        (503, b"", {"retry-after": "10"}, OutcomeUnknown),
    ],
)
def test_what_an_answer_to_an_order_means(status, body, headers, kind):
    error = refused(status, body, headers)
    assert type(error) is kind
    assert error.remedy
    assert error.bytes_sent


def test_an_answer_with_the_chain_asks_for_nothing_more():
    whole = base64.b64encode(certs_only([CA.root, LEAF, CA.issuing]))
    issued, door = submitted(200, whole)
    assert isinstance(issued, Issued)
    assert [path for _, path, _ in door.asked] == [".well-known/est/simpleenroll"]


def test_the_order_is_declared_as_an_act_and_questions_are_not():
    _, door = submitted(200, GOOD)
    assert [(method, bool(more.get("effect"))) for method, _, more in door.asked] == [("POST", True), ("GET", False)]
    headers = door.asked[0][2]["headers"]
    assert headers["Content-Type"] == "application/pkcs10"
    assert headers["Content-Transfer-Encoding"] == "base64"
    assert door.asked[0][2]["content"].endswith(b"\r\n")
    assert "headers" not in door.asked[1][2]


def test_the_body_can_be_sent_in_one_line():
    _, door = submitted(200, GOOD, settings=EstSettings(line_breaks=False, encoding_header=False))
    assert door.asked[0][2]["content"] == base64.b64encode(REQUEST.csr)
    assert "Content-Transfer-Encoding" not in door.asked[0][2]["headers"]


def test_a_chain_that_stays_incomplete_is_the_engines_to_judge():
    client, _ = client_saying(simpleenroll=(200, GOOD, {}), cacerts=(200, base64.b64encode(certs_only([CA.root])), {}))
    assert client.submit(REQUEST).chain == ()


def test_a_garbled_certificate_beside_the_leaf_is_passed_over():
    body = base64.b64encode(
        certs_only([LEAF]).replace(LEAF.public_bytes(Encoding.DER), LEAF.public_bytes(Encoding.DER))
    )
    assert isinstance(submitted(200, body)[0], Issued)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((500, b"", {}), Unreachable),
        ((200, b"<html>", {}), ProtocolViolation),
        ((200, base64.b64encode(b"\x30\x03\x31\x01\x00"), {}), ProtocolViolation),
        ((200, base64.b64encode(b"\x02\x01\x01"), {}), ProtocolViolation),
    ],
)
def test_a_question_that_is_answered_senselessly_changed_nothing(answer, kind):
    client, _ = client_saying(csrattrs=answer, cacerts=answer)
    for question in (client.csrattrs, client.cacerts):
        with pytest.raises(AuthorityError) as caught:
            question()
        assert type(caught.value) is kind
        assert not caught.value.bytes_sent
    assert [f.level for f in client.check()] == [Level.FAILED, Level.FAILED]


def test_nothing_said_is_nothing_wanted():
    client, _ = client_saying(csrattrs=(200, b"\r\n", {}))
    assert client.csrattrs() is None
    client, _ = client_saying(csrattrs=(200, base64.b64encode(b"\x30\x00"), {}))
    assert str(client.csrattrs()) == "nothing"


def test_a_missing_right_shows_as_such_in_the_diagnosis():
    client, _ = client_saying(csrattrs=(403, b"", {}), cacerts=ABOVE)
    assert [(f.stage, f.level) for f in client.check()] == [("rights", Level.FAILED), ("chain", Level.OK)]


def test_a_chain_without_root_is_told():
    body = base64.b64encode(certs_only([CA.issuing]))
    client, _ = client_saying(csrattrs=(404, b"", {}), cacerts=(200, body, {}))
    found = client.check()[-1]
    assert (found.level, found.code) == (Level.WARNING, "no_root")
    assert found.remedy


@settings(max_examples=examples(150), deadline=None)
@given(
    status=st.integers(200, 599),
    body=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=80).map(base64.b64encode),
        st.integers(0, len(GOOD)).map(lambda n: GOOD[:n]),
        st.just(f"Authorization: Basic {PASSWORD_IN_BASIC} {PASSWORD}".encode()),
    ),
    headers=st.dictionaries(
        st.sampled_from(["retry-after", "content-type", "www-authenticate", "location"]),
        st.text(max_size=30),
        max_size=3,
    ),
    state=st.one_of(st.none(), st.just({"v": 1, "operation": "simpleenroll"})),
)
def test_any_answer_at_all_is_an_outcome_or_an_error_and_shows_no_password(status, body, headers, state):
    client, _ = client_saying(
        simpleenroll=(status, body, headers), cacerts=(status, body, headers), csrattrs=(status, body, headers)
    )
    try:
        outcome = client.submit(REQUEST) if state is None else client.poll(state, REQUEST)
        assert isinstance(outcome, Issued | Pending)
        told = repr(outcome)
    except AuthorityError as error:
        told = repr(vars(error))
    assert PASSWORD not in told
    assert PASSWORD_IN_BASIC not in told


@pytest.mark.filterwarnings("ignore:Parsed a serial number")  # the flipped bit may be its sign
@pytest.mark.filterwarnings("ignore:Attribute's length:UserWarning")  # or name another attribute
@settings(max_examples=examples(60), deadline=None)
@given(st.integers(0, len(certs_only([LEAF])) - 1), st.integers(1, 255))
def test_a_flipped_bit_never_breaks_the_reading(place, flip):
    der = bytearray(certs_only([LEAF]))
    der[place] ^= flip
    try:
        outcome, _ = submitted(200, base64.b64encode(bytes(der)))
        assert isinstance(outcome, Issued)
    except AuthorityError as error:
        assert type(error) is OutcomeUnknown
