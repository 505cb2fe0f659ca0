"""Enrolling at the simulated server: what is issued, what waits, and that nothing is doubled."""

import base64
import json

import pytest
from cryptography import x509

from chancery.core import keys
from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.protocols.est.settings import EstCredentials
from chancery.protocols.est.simulator import PASSWORD, build
from chancery.protocols.est.tests.stand import NOW, Stand, bare_csr, checked, request
from chancery.sdk import (
    AuthFailed,
    Issued,
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


def dropped(stand, path="simpleenroll"):
    """The next call is acted on, and its answer lost."""
    stand.dial(fail_next=1, fail_next_with="lose", fail_next_path=path)


# Issuing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["", "one_line", "der"])
@pytest.mark.parametrize("holds", ["", "chain", "ca_first"])
def test_the_certificate_is_found_whatever_comes_with_it_and_however_it_is_written(stand, form, holds):
    stand.dial(form=form, answer_holds=holds)
    asked = request()
    issued = stand.client().submit(asked)
    facts, chain = checked(issued, asked)
    assert [x509.load_der_x509_certificate(c).subject.rfc4514_string() for c in chain] == [
        "CN=Sandbox Issuing CA",
        "CN=Sandbox Root",
    ]
    assert issued.reference == facts.serial


@pytest.mark.parametrize("plain", [True, False])
def test_the_body_is_written_as_old_or_new_servers_like_it(stand, plain):
    asked = request()
    client = stand.client(line_breaks=not plain, encoding_header=not plain)
    assert isinstance(client.submit(asked), Issued)


def test_a_label_picks_the_service(stand):
    days = {
        label: checked(stand.client(label=label).submit(asked := request()), asked)[0].not_after
        for label in ("", "servers")
    }
    assert (days[""] - days["servers"]).days == 60
    with pytest.raises(Unreachable, match="404") as refused:
        stand.client(label="nobody").submit(request())
    assert "label" in refused.value.remedy


def test_a_renewal_goes_to_reenrol_only_where_the_settings_say_so(stand):
    client = stand.client(reenroll=True)
    client.submit(request())
    client.submit(request(previous="4711"))
    stand.client().submit(request(previous="4711"))
    details = [line.detail for line in stand.simulator.ledger.lines("order")]
    assert details == ["simpleenroll", "simplereenroll", "simpleenroll"]


def test_reenrolment_of_what_the_ca_does_not_know_is_refused(stand):
    with pytest.raises(RejectedByPolicy, match="No certificate with this subject"):
        stand.client(reenroll=True).submit(request(previous="4711"))


def test_a_certificate_is_not_lost_where_its_chain_cannot_be_had(stand):
    """It is kept in the progress, and only its chain is asked for again."""
    stand.dial(fail_next=1, fail_next_with="page", fail_next_path="cacerts")
    client, asked = stand.client(), request()
    pending = client.submit(asked)
    assert isinstance(pending, Pending)
    assert "chain" in pending.text
    stored = json.loads(json.dumps(pending.state))
    stand.dial(fail_next=1, fail_next_with="page", fail_next_path="cacerts")
    with pytest.raises(Unreachable, match="503"):
        client.poll(stored, asked)
    checked(stand.client().poll(stored, asked), asked)
    assert stand.kinds() == ["order", "certificate"]


def test_the_cas_certificates_are_asked_for_once(stand):
    client = stand.client()
    client.submit(request())
    stand.dial(chain="missing")
    asked = request()
    checked(client.submit(asked), asked)


# Waiting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wait", "seconds"), [("30", 30), ("Mon, 01 Jun 2026 12:02:00 GMT", 120), ("", 300), ("0", 1)])
def test_a_202_is_waited_for_as_long_as_it_says(stand, wait, seconds):
    stand.dial(needs_approval=True, wait=wait)
    pending = stand.client().submit(request())
    assert (pending.kind, pending.next_check.total_seconds()) == (PendingKind.APPROVAL, seconds)
    assert "An officer looks at it." in pending.text


def test_nothing_is_asked_before_the_time_is_over_and_then_the_same_bytes(stand):
    stand.dial(needs_approval=True)
    client, asked = stand.client(), request()
    pending = client.submit(asked)
    stand.simulator.down()
    stand.advance(29)
    again = client.poll(pending.state, asked)
    assert (again.state, again.next_check.total_seconds()) == (pending.state, 1)
    stand.simulator.up()
    stand.advance(1)
    still = client.poll(again.state, asked)
    assert still.next_check.total_seconds() == 30
    assert stand.kinds() == ["order"]


def test_what_an_officer_approves_is_issued_to_another_process(stand):
    stand.dial(needs_approval=True)
    asked = request()
    state = json.loads(json.dumps(stand.client().submit(asked).state))
    post(stand, "/approve")
    stand.advance(30)
    checked(stand.client().poll(state, asked), asked)
    assert stand.kinds() == ["order", "certificate"]


def test_what_an_officer_refuses_ends_in_the_officers_words(stand):
    stand.dial(needs_approval=True)
    client, asked = stand.client(), request()
    state = client.submit(asked).state
    post(stand, "/refuse")
    stand.advance(30)
    with pytest.raises(RejectedByPolicy, match="An officer refused the request"):
        client.poll(state, asked)


def post(stand, path):
    from chancery.sandbox.frame import Asked

    return stand.simulator.doors["POST", path](Asked("POST", path, {}, [], b""))


# Lost answers -----------------------------------------------------------------------------------------


def test_a_lost_answer_to_the_first_request_is_unknown(stand):
    dropped(stand)
    with pytest.raises(OutcomeUnknown) as lost:
        stand.client().submit(request())
    assert lost.value.bytes_sent
    assert stand.kinds() == ["order", "certificate"]


def test_sent_again_it_would_be_a_second_certificate_unless_the_server_remembers(stand):
    """Why nothing is sent again after a lost answer, and what `returns_original` stands for."""
    client, asked = stand.client(), request()
    first = client.submit(asked)
    assert client.submit(asked).leaf != first.leaf
    assert stand.kinds().count("certificate") == 2
    stand.dial(remembers=True)
    kept = client.submit(other := request())
    assert client.submit(other).leaf == kept.leaf
    assert stand.kinds().count("certificate") == 3


def test_a_lost_answer_to_a_poll_is_left_to_a_person(stand):
    stand.dial(issue_delay=10.0)
    client, asked = stand.client(), request()
    pending = client.submit(asked)
    stand.advance(30)
    dropped(stand)
    with pytest.raises(NotFound, match="might order a second certificate") as lost:
        client.poll(pending.state, asked)
    assert lost.value.remedy
    assert stand.kinds() == ["order", "certificate"]


def test_at_a_server_that_returns_the_original_a_lost_poll_is_asked_again(stand):
    stand.dial(issue_delay=10.0, remembers=True)
    client, asked = stand.client(returns_original=True), request()
    pending = client.submit(asked)
    stand.advance(30)
    dropped(stand)
    with pytest.raises(OutcomeUnknown):
        client.poll(pending.state, asked)
    checked(client.poll(pending.state, asked), asked)
    assert stand.kinds() == ["order", "certificate"]


def test_a_poll_that_could_not_be_sent_doubles_nothing_and_goes_on_waiting(stand):
    stand.dial(issue_delay=10.0)
    client, asked = stand.client(), request()
    pending = client.submit(asked)
    stand.advance(30)
    stand.simulator.down()
    with pytest.raises(Unreachable) as refused:
        client.poll(pending.state, asked)
    assert not refused.value.bytes_sent
    stand.simulator.up()
    checked(client.poll(pending.state, asked), asked)


def test_a_busy_server_is_asked_again(stand):
    stand.dial(issue_delay=10.0)
    client, asked = stand.client(), request()
    pending = client.submit(asked)
    stand.advance(30)
    stand.dial(fail_next=1, fail_next_with="page", fail_next_path="simpleenroll")
    with pytest.raises(Unreachable, match="503"):
        client.poll(pending.state, asked)
    checked(client.poll(pending.state, asked), asked)
    assert stand.kinds() == ["order", "certificate"]


def test_a_server_that_forgot_its_waiting_requests_takes_the_poll_for_a_new_one(stand):
    """Nothing can be done about that from here; the ledger shows it."""
    stand.dial(needs_approval=True)
    client, asked = stand.client(), request()
    pending = client.submit(asked)
    stand.dial(forgets=True)
    stand.advance(30)
    assert isinstance(client.poll(pending.state, asked), Pending)
    assert stand.kinds() == ["order", "order"]


# Refusals ---------------------------------------------------------------------------------------------


def test_a_refusal_in_plain_text_is_the_orders_end_and_hints_at_what_is_lacking(stand):
    stand.dial(reject=True, csrattrs="extensions")
    with pytest.raises(RejectedByPolicy, match="subject not permitted") as refused:
        stand.client().submit(request(csr=bare_csr()))
    assert "asks for keyUsage, subjectAltName, which this request does not have" in refused.value.remedy
    stand.dial(csrattrs="absent")
    with pytest.raises(RejectedByPolicy) as refused:
        stand.client().submit(request())
    assert "asks for" not in refused.value.remedy


def test_a_hint_that_cannot_be_had_hides_no_refusal(stand):
    stand.dial(reject=True, fail_next=1, fail_next_with="page", fail_next_path="csrattrs")
    with pytest.raises(RejectedByPolicy, match="subject not permitted"):
        stand.client().submit(request())


def test_a_refusal_as_a_web_page_ends_no_order(stand):
    stand.dial(reject=True, html_errors=True)
    with pytest.raises(OutcomeUnknown, match="400") as unknown:
        stand.client().submit(request())
    assert "subject not permitted" in unknown.value.text


def test_only_certificates_of_cas_are_no_answer(stand):
    stand.dial(answer_holds="only_ca")
    with pytest.raises(OutcomeUnknown, match="only certificates of CAs"):
        stand.client().submit(request())


def test_a_wrong_login_shows_no_password(stand):
    wrong = EstCredentials("ra-chancery", Secret("another-password"))
    with pytest.raises(AuthFailed) as refused:
        stand.client(wrong).submit(request())
    assert "another-password" not in str(vars(refused.value))
    assert "user name and password" in refused.value.remedy


def test_a_server_that_takes_digest_only_says_what_to_do(stand):
    stand.dial(digest_only=True, refuse_key=True)
    with pytest.raises(AuthFailed) as refused:
        stand.client().submit(request())
    assert "Digest only" in refused.value.remedy


def test_patience_is_the_cas_word(stand):
    stand.dial(throttle=True, retry_after="90")
    with pytest.raises(Throttled) as refused:
        stand.client().submit(request())
    assert (refused.value.until - NOW).total_seconds() == 90


def test_without_a_user_no_login_is_sent():
    clock = ManualClock(NOW)
    with build(clock=clock, user="") as simulator:
        stand = Stand(simulator, clock)
        client = stand.client(EstCredentials())
        assert isinstance(client.submit(request()), Issued)
        assert client.check()[0].level is Level.SKIPPED
        stand.close()


# Diagnosis --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dials", "codes"),
    [
        ({}, ["not_refused", "csrattrs", "ok"]),
        ({"csrattrs": "extensions"}, ["not_refused", "csrattrs", "ok"]),
        ({"csrattrs": "template"}, ["not_refused", "csrattrs", "ok"]),
        ({"csrattrs": "binding"}, ["not_refused", "binds_to_connection", "ok"]),
        ({"csrattrs": "none"}, ["not_refused", "no_csrattrs", "ok"]),
        ({"csrattrs": "absent"}, ["not_refused", "no_csrattrs", "ok"]),
        ({"refuse_key": True}, ["401", "ok"]),
    ],
)
def test_the_diagnosis_orders_nothing(stand, dials, codes):
    stand.dial(**dials)
    assert [f.code for f in stand.client().check()] == codes
    assert stand.kinds() == []


def test_what_the_ca_wants_is_read(stand):
    stand.dial(csrattrs="extensions")
    wanted = stand.client().csrattrs()
    assert wanted.extensions == ("2.5.29.15", "2.5.29.17")
    assert wanted.lacking(request().csr) == ("keyUsage",)
    assert not wanted.template
    assert str(wanted) == "keyUsage, subjectAltName"
    stand.dial(csrattrs="template")
    assert stand.client().csrattrs().template
    stand.dial(csrattrs="")
    assert str(stand.client().csrattrs()) == "an EC key, a signature by ECDSA with SHA-256"


# Progress ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"v": 1, "operation": "serverkeygen"},
        {"v": 1, "operation": "chain"},
        {"v": 1, "operation": "simpleenroll", "until": "tomorrow"},
        {"v": 1, "operation": "chain", "certificates": ["no base64!"]},
        {"v": 1, "operation": "chain", "certificates": 5},
    ],
)
def test_a_state_that_is_none_of_ours_sends_nothing(stand, state):
    with pytest.raises(ProtocolViolation) as refused:
        stand.client().poll(state, request())
    assert not refused.value.bytes_sent
    assert stand.kinds() == []


def test_a_kept_answer_without_a_certificate_for_the_request_is_a_persons_to_settle(stand):
    ca = stand.client().cacerts()[0]
    state = {"v": 1, "operation": "chain", "certificates": [base64.b64encode(ca).decode()]}
    with pytest.raises(NotFound):
        stand.client().poll(state, request())


def test_a_certificate_for_another_key_reaches_the_engine_for_quarantine(stand):
    stand.dial(wrong_key=True)
    asked = request(key=keys.generate("EC-P256"))
    issued = stand.client().submit(asked)
    assert x509.load_der_x509_certificate(issued.leaf).subject.rfc4514_string() == "CN=www.example.com"


def test_no_password_is_in_any_state(stand):
    stand.dial(needs_approval=True)
    told = repr(stand.client().submit(request()))
    assert PASSWORD not in told
    assert base64.b64encode(PASSWORD.encode()).decode()[2:-4] not in told
