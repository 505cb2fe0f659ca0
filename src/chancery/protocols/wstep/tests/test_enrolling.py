"""Orders through the simulated services: issued, approved, denied, and how each way to log in is asked for."""

import json
from datetime import timedelta

import pytest

from chancery.core import keys
from chancery.core.certificate import Expected, check_issued
from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.protocols.wstep.settings import WstepCredentials
from chancery.protocols.wstep.simulator import PASSWORD, USER, build
from chancery.protocols.wstep.tests.stand import NOW, Stand, csr_naming, request, saying
from chancery.sandbox.der import SEQUENCE, oid, tlv
from chancery.sdk import (
    AuthFailed,
    Forbidden,
    HttpDoor,
    Issued,
    NotFound,
    OutcomeUnknown,
    Pending,
    PendingKind,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
)


@pytest.fixture(scope="module")
def running():
    clock = ManualClock(NOW)
    with build(clock=clock) as simulator:
        yield simulator, clock


@pytest.fixture
def stand(running):
    made = Stand(*running)
    yield made
    made.close()
    made.simulator.dials.reset()


def checked(issued, asked):
    return check_issued(issued.leaf, issued.chain, Expected(asked.spki_sha256, asked.names, NOW))


@pytest.mark.parametrize("login", ["UsernamePassword", "Kerberos", "Certificate"])
def test_each_address_is_asked_in_its_own_way(stand, login):
    credentials = WstepCredentials(USER, Secret(PASSWORD)) if login == "UsernamePassword" else WstepCredentials()
    asked = request()
    issued = stand.client(credentials, login=login).submit(asked)
    assert isinstance(issued, Issued)
    assert len(issued.chain) == 2
    checked(issued, asked)
    assert issued.reference.isdigit()


@pytest.mark.parametrize("dials", [{"chain": "shuffled"}, {"language": "de"}])
def test_what_is_issued_is_told_by_its_shape(stand, dials):
    stand.dial(**dials)
    issued = stand.client().submit(asked := request())
    checked(issued, asked)


def test_a_certificate_without_its_chain_counts_all_the_same(stand):
    stand.dial(bare=True)
    issued = stand.client().submit(request())
    assert isinstance(issued, Issued)
    assert issued.chain == ()


def test_a_request_waits_for_its_manager_over_restarts(stand):
    asked, client = request(), stand.client(template="ApprovedServer")
    stand.dial(language="de")
    first = client.submit(asked)
    assert isinstance(first, Pending)
    assert first.kind is PendingKind.APPROVAL
    assert "Zur Bearbeitung angenommen" in first.text
    waits, outcome = [], first
    for _ in range(5):
        waits.append(outcome.next_check)
        outcome = stand.client().poll(json.loads(json.dumps(outcome.state)), asked)
    assert waits == [timedelta(minutes=m) for m in (1, 2, 5, 15, 60)]
    found = stand.client().adopt(first.reference, asked)
    assert isinstance(found.outcome, Pending)
    assert "waits" in found.evidence
    _door(stand, "/approve")
    issued = stand.client().poll(outcome.state, asked)
    checked(issued, asked)
    assert issued.reference == first.reference
    assert isinstance(stand.client().adopt(first.reference, asked).outcome, Issued)
    with pytest.raises(RejectedByPolicy, match="another key"):
        stand.client().adopt(first.reference, request(key=_other()))


def _other():
    return keys.generate("EC-P256")


def _door(stand, path):
    control = HttpDoor(stand.simulator.control, clock=stand.clock, policy=stand.doors[-1].policy)
    stand.doors.append(control)
    assert control.post(path).json()["decided"] >= 1


def test_a_denial_is_the_end_with_the_cas_code_and_number(stand):
    client, asked = stand.client(template="ApprovedServer"), request()
    first = client.submit(asked)
    _door(stand, "/refuse")
    with pytest.raises(RejectedByPolicy) as refused:
        client.poll(first.state, asked)
    assert refused.value.code == "0x80094014"
    assert f"number {first.reference}" in refused.value.message


@pytest.mark.parametrize(
    ("template", "code"),
    [
        ("NoSuchTemplate", "0x80094800"),
        ("Retired", "0x80094800"),
        ("ForAdmins", "0x80094012"),
        ("LargeKeys", "0x80094811"),
        ("Archived", "0x80094804"),
        ("Agent", "0x80094809"),
        ("", "0x80094801"),
    ],
)
def test_what_the_policy_module_refuses_is_final(stand, template, code):
    with pytest.raises(RejectedByPolicy) as refused:
        stand.client(template=template).submit(request())
    assert refused.value.code == code
    assert refused.value.remedy


NAMED = {
    "by name, BMPString": ("1.3.6.1.4.1.311.20.2", tlv(0x1E, "WebServer30".encode("utf-16-be"))),
    "by name, UTF8String": ("1.3.6.1.4.1.311.20.2", tlv(0x0C, b"WebServer30")),
    "by OID": (
        "1.3.6.1.4.1.311.21.7",
        tlv(SEQUENCE, oid("1.3.6.1.4.1.311.21.8.1174692.16553431.7109785.10462799.12101391.197.1"), b"\x02\x01\x64"),
    ),
}


@pytest.mark.parametrize("how", NAMED)
def test_the_request_itself_may_name_the_template(stand, how):
    asked = request(csr=csr_naming(*NAMED[how]))
    assert isinstance(stand.client(template="").submit(asked), Issued)
    assert isinstance(stand.client(template="webserver30").submit(asked), Issued)
    with pytest.raises(RejectedByPolicy) as refused:
        stand.client(template="LargeKeys").submit(asked)
    assert refused.value.code == "0x80094802"


def test_a_request_that_cannot_be_read_is_refused(stand):
    with pytest.raises(RejectedByPolicy) as refused:
        stand.client().submit(request(csr=b"\x30\x03\x02\x01\x00"))
    assert refused.value.code == "0x8009310B"


def test_an_unknown_number_is_not_found(stand):
    client = stand.client()
    with pytest.raises(NotFound) as unknown:
        client.adopt("4000000000", request())
    assert unknown.value.code == "0x80094004"
    for text in ("", "abc", "-3", "0", "99999999999", "١٢"):
        with pytest.raises(NotFound, match="no request number"):
            client.adopt(text, request())


@pytest.mark.parametrize(
    ("dials", "act", "poll"),
    [
        ({"internal_fault": True}, OutcomeUnknown, ProtocolViolation),
        ({"other_message": True}, OutcomeUnknown, ProtocolViolation),
        ({"fault_code": "800706BA"}, Unreachable, None),
        ({"fault_code": "8007000E"}, OutcomeUnknown, None),
        ({"fault_code": "8007000D"}, OutcomeUnknown, None),
        ({"fault_code": "8007000D", "fault_denies": True}, RejectedByPolicy, None),
        ({"fault_code": "80070005"}, Forbidden, None),
        ({"fault_code": "8009030C"}, AuthFailed, None),
        ({"other_number": True}, None, ProtocolViolation),
    ],
    ids=str,
)
def test_what_goes_wrong_behind_the_service_is_told_apart(stand, dials, act, poll):
    client = stand.client(template="ApprovedServer")
    waiting = client.submit(asked := request())
    stand.dial(**dials)
    if act is not None:
        with pytest.raises(act):
            client.submit(asked)
    if poll is not None:
        with pytest.raises(poll):
            client.poll(waiting.state, asked)


@pytest.mark.parametrize("login", ["UsernamePassword", "Kerberos"])
def test_a_refused_login_says_what_to_do(stand, login):
    stand.dial(refuse_key=True)
    with pytest.raises(AuthFailed) as refused:
        stand.client(login=login).submit(request())
    told = f"{refused.value} {refused.value.text} {refused.value.remedy}"
    assert PASSWORD not in told
    assert "clock" in told if login == "UsernamePassword" else "Negotiate" in told


def test_a_message_is_good_for_five_minutes(stand):
    class Late:
        def now(self):
            return NOW + timedelta(hours=1)

    client = stand.client()
    client._talk._clock = Late()
    with pytest.raises(AuthFailed) as refused:
        client.submit(request())
    assert "clock" in refused.value.remedy


@pytest.mark.parametrize("value", ["secret\x00word", "pass\x1fword"])
def test_a_password_that_no_message_can_carry_is_said_so_before_anything_is_sent(stand, value):
    client = stand.client(WstepCredentials("svc", Secret(value)))
    with pytest.raises(AuthFailed) as refused:
        client.submit(request())
    assert refused.value.bytes_sent is False
    assert value not in str(refused.value)


def test_a_password_full_of_markup_arrives_as_it_is(running):
    odd = """a<b>&"c'd]]>"""
    with build(clock=running[1], user="o'neil&co", password=odd) as simulator:
        stand = Stand(simulator, running[1])
        assert isinstance(stand.client(WstepCredentials("o'neil&co", Secret(odd))).submit(request()), Issued)
        stand.close()


def test_a_message_names_its_service_and_is_declared_an_act_where_it_is_one():
    client, door = saying(200, b"")
    for call in (lambda: client.submit(request()), lambda: client.adopt("7", request()), client.policies):
        with pytest.raises((OutcomeUnknown, ProtocolViolation)):
            call()
    (first, act), (_, look), (_, policies) = door.asked
    assert first == "https://ca.example.com/CA_CES/service.svc/CES"
    assert f">{first}</a:To>".encode() in act["content"]
    assert [act["effect"], look["effect"], policies["effect"]] == [True, False, False]
    assert act["foreign"] is False
    assert b"QueryTokenStatus" in look["content"]
    assert policies["max_bytes"] > act["max_bytes"]


def test_a_service_on_another_host_is_asked_there():
    client, door = saying(200, b"", policy="https://cep.example.com/CEP")
    with pytest.raises(ProtocolViolation):
        client.policies()
    assert door.asked[0][0] == "https://cep.example.com/CEP"
    assert door.asked[0][1]["foreign"] is True


@pytest.mark.parametrize(
    "state", [{}, {"request": "5"}, {"request": True}, {"request": -1}, {"request": 5, "looks": "1"}]
)
def test_a_stored_state_of_somebody_else_is_refused(state):
    client, door = saying(200, b"")
    with pytest.raises(ProtocolViolation, match="progress"):
        client.poll({"v": 1, **state}, request())
    assert door.asked == []


def test_without_a_policy_service_policies_are_not_asked_for():
    client, door = saying(200, b"", policy="")
    with pytest.raises(Unreachable, match="No policy service"):
        client.policies()
    assert door.asked == []
