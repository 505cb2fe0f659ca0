"""Orders and management at the simulated CA, by both interfaces of enrolment."""

import json
from datetime import timedelta

import pytest
from cryptography import x509

from chancery.core import keys
from chancery.core.clock import ManualClock
from chancery.core.csr import build as build_csr
from chancery.core.names import parse_name
from chancery.core.order import RevocationReason
from chancery.core.secret import Secret
from chancery.net import redact
from chancery.protocols.msrpc import listing, managing, views
from chancery.protocols.msrpc.managing import Kept
from chancery.protocols.msrpc.rows import Disposition
from chancery.protocols.msrpc.settings import EnrollBy
from chancery.protocols.msrpc.simulator import PASSWORD, build
from chancery.protocols.msrpc.tests.stand import BOTH, Stand, account, nobody
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.protocols.wstep.tests.stand import KEY, NOW, request
from chancery.sdk import (
    Absence,
    AlreadyDone,
    AuthFailed,
    AuthorityError,
    Forbidden,
    Found,
    Issued,
    Level,
    NotFound,
    OutcomeUnknown,
    Pending,
    ProtocolViolation,
    RejectedByPolicy,
    Target,
    Unreachable,
)


@pytest.fixture(scope="module")
def running():
    clock = ManualClock(NOW)
    with build(clock=clock) as simulator:
        yield Stand(simulator, clock)


@pytest.fixture
def stand(running):
    yield running
    running.simulator.dials.reset()
    running.simulator.up()


def target(issued):
    number = x509.load_der_x509_certificate(issued.leaf).serial_number
    return Target(issued.leaf, f"{number:x}", issued.reference)


@pytest.mark.parametrize("by", BOTH)
def test_a_request_waits_for_its_manager_and_is_approved(stand, by):
    client, asked = stand.client(template="ApprovedServer", enroll_by=by), request()
    first = client.submit(asked)
    assert isinstance(first, Pending)
    again = stand.client(enroll_by=by).poll(json.loads(json.dumps(first.state)), asked)
    assert again.next_check > first.next_check
    assert isinstance(client.adopt(first.reference, asked).outcome, Pending)
    client.release(first.state)
    issued = client.poll(again.state, asked)
    assert isinstance(issued, Issued)
    assert len(issued.chain) == 2
    with pytest.raises(RejectedByPolicy, match="another key"):
        client.adopt(first.reference, request(key=keys.generate("EC-P256")))
    with pytest.raises(AlreadyDone):
        client.release(first.state)


@pytest.mark.parametrize("by", BOTH)
def test_a_denied_request_ends_with_the_cas_code(stand, by):
    client, asked = stand.client(template="ApprovedServer", enroll_by=by), request()
    first = client.submit(asked)
    client.cancel(first.state)
    with pytest.raises(AlreadyDone):
        client.cancel(first.state)
    with pytest.raises(RejectedByPolicy) as refused:
        client.poll(first.state, asked)
    assert refused.value.code == "0x80094014"
    with pytest.raises(RejectedByPolicy):
        client.find(asked, NOW - timedelta(days=1))
    with pytest.raises(NotFound):
        client.cancel({"v": 1, "request": 4_000_000_000, "looks": 0})


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize(
    ("template", "code"), [("NoSuch", "0x80094800"), ("ForAdmins", "0x80094012"), ("", "0x80094801")]
)
def test_what_the_policy_module_refuses_is_final(stand, by, template, code):
    with pytest.raises(RejectedByPolicy) as refused:
        stand.client(template=template, enroll_by=by).submit(request())
    assert refused.value.code == code


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize(
    ("disposition", "kind"),
    [
        (2, RejectedByPolicy),
        (6, RejectedByPolicy),
        (0, OutcomeUnknown),
        (7, OutcomeUnknown),
        (0x80092013, Unreachable),
        (0x80070005, Forbidden),
        (3, OutcomeUnknown),
    ],
)
def test_every_disposition_has_one_meaning(stand, by, disposition, kind):
    stand.dial(disposition=disposition, needs_approval=disposition == 3)
    with pytest.raises(kind) as refused:
        stand.client(enroll_by=by).submit(request())
    if disposition == 0x80092013:
        assert "under number" in refused.value.message


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize(
    ("code", "kind"), [("80070057", RejectedByPolicy), ("8009400F", Unreachable), ("80004005", OutcomeUnknown)]
)
def test_a_code_without_a_row_is_told_by_its_number(stand, by, code, kind):
    stand.dial(code=code)
    with pytest.raises(kind):
        stand.client(enroll_by=by).submit(request())


def test_large_requests_and_answers_travel_in_pieces(stand):
    stand.dial(tiny_fragments=True)
    names = [parse_name(f"a-rather-long-name-number-{n}.example.com") for n in range(200)]
    asked = request(csr=build_csr(KEY, names, "www.example.com"))
    assert len(asked.csr) > 6000
    assert isinstance(stand.client().submit(asked), Issued)


# Revocation -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("signed", [False, True])
def test_a_certificate_is_revoked_once_under_the_serial_as_the_ca_writes_it(stand, signed):
    stand.dial(signed_serials=signed)
    client = stand.client()
    issued = client.submit(request())
    assert client.revoke(target(issued), RevocationReason.SUPERSEDED).text
    with pytest.raises(AlreadyDone, match="reason 4"):
        client.revoke(target(issued), RevocationReason.KEY_COMPROMISE)
    row = stand.simulator.database.row(int(issued.reference))
    assert (row.reason, row.revoked) == (4, stand.clock.now())
    with pytest.raises(RejectedByPolicy, match="revoked since"):
        client.poll({"v": 1, "request": row.number, "looks": 0}, request())


def test_a_serial_goes_out_with_an_even_number_of_digits_then_with_its_sign_byte(stand, monkeypatch):
    asked, database = [], stand.simulator.database
    by_serial = database.by_serial
    monkeypatch.setattr(database, "by_serial", lambda serial: asked.append(serial) or by_serial(serial))
    with pytest.raises(NotFound):
        stand.client().revoke(Target(b"", "0xABC", ""), RevocationReason.UNSPECIFIED)
    assert asked == ["0abc", "000abc"]


def test_a_reason_that_the_ca_does_not_take_is_refused_before_anything_is_sent(stand):
    before = len(stand.simulator.ledger.lines())
    with pytest.raises(RejectedByPolicy, match="privilegeWithdrawn") as refused:
        stand.client().revoke(Target(b"", "ab", ""), RevocationReason.PRIVILEGE_WITHDRAWN)
    assert refused.value.bytes_sent is False
    assert len(stand.simulator.ledger.lines()) == before


def test_who_may_not_manage_is_told_so(stand):
    issued = stand.client().submit(request())
    stand.dial(rights=0x200)
    for act in (
        lambda c: c.revoke(target(issued), RevocationReason.UNSPECIFIED),
        lambda c: c.cancel({"v": 1, "request": 1, "looks": 0}),
        lambda c: c.release({"v": 1, "request": 1, "looks": 0}),
        lambda c: c.rows(0, 10),
        lambda c: c.find(request(), NOW),
    ):
        with pytest.raises(Forbidden):
            act(stand.client())
        with pytest.raises(Forbidden, match="no account that manages"):
            act(stand.client(managing=False))


# Search and inventory -------------------------------------------------------------------------------


def test_a_lost_order_is_found_by_its_reference_or_its_bytes(stand):
    for send_reference in (True, False):
        client, asked = stand.client(send_reference=send_reference), request()
        stand.dial(fail_after=1.0)
        with pytest.raises(OutcomeUnknown):
            client.submit(asked)
        stand.simulator.dials.reset()
        found = client.find(asked, NOW - timedelta(days=1))
        assert isinstance(found, Found)
        assert isinstance(found.outcome, Issued)
        assert len(found.outcome.chain) == 2
        assert "svc-chancery" in found.evidence


def test_the_same_request_under_another_reference_is_another_order(stand):
    client, asked = stand.client(), request("twice.example.com")
    client.submit(asked)
    other = request("twice.example.com", csr=asked.csr)
    absent = client.find(other, NOW - timedelta(days=1))
    assert isinstance(absent, Absence)
    assert "none is this one" in absent.evidence


def test_what_was_found_tells_how_it_stands(stand):
    client, waits, gone = stand.client(template="ApprovedServer"), request(), request()
    client.submit(waits)
    assert isinstance(client.find(waits, NOW - timedelta(days=1)).outcome, Pending)
    issued = stand.client().submit(gone)
    client.revoke(target(issued), RevocationReason.UNSPECIFIED)
    with pytest.raises(RejectedByPolicy, match="revoked since"):
        client.find(gone, NOW - timedelta(days=1))


def test_a_chain_that_cannot_be_had_just_now_costs_nothing(stand, monkeypatch):
    client, asked = stand.client(), request()
    client.submit(asked)

    def away():
        raise Unreachable("away")

    monkeypatch.setattr(client, "certificates", away)
    assert client.find(asked, NOW - timedelta(days=1)).outcome.chain == ()


def test_everything_is_listed_bit_by_bit_in_order(stand):
    client = stand.client()
    for _ in range(4):
        client.submit(request())
    issued = client.submit(request())
    client.revoke(target(issued), RevocationReason.KEY_COMPROMISE)
    seen, after = [], 0
    while rows := client.rows(after, 3):
        assert len(rows) <= 3
        seen += rows
        after = rows[-1].number
    numbers = [row.number for row in seen]
    assert numbers == sorted(numbers) == [row.number for row in stand.simulator.database.rows()]
    last = next(row for row in seen if row.number == int(issued.reference))
    assert (last.disposition, last.reason, last.requester) == (Disposition.REVOKED, 1, "EXAMPLE\\svc-chancery")
    assert last.certificate == issued.leaf
    assert last.serial == target(issued).serial.zfill(len(last.serial))
    assert last.common_name == "www.example.com"
    assert last.template.endswith(".197.1")
    assert last.not_after == x509.load_der_x509_certificate(issued.leaf).not_valid_after_utc
    assert last.revoked == stand.clock.now()


def test_the_inventory_has_what_was_issued_and_nothing_else(stand, monkeypatch):
    monkeypatch.setattr(listing, "ROWS", 3)
    client, waits = stand.client(), stand.client(template="ApprovedServer")
    first, last = client.submit(request()), client.submit(request())
    waiting = waits.submit(request())
    denied = waits.submit(request())
    waits.cancel(denied.state)
    client.revoke(target(first), RevocationReason.KEY_COMPROMISE)
    stand.simulator.database.revoke(stand.simulator.database.row(int(last.reference)).serial, 6, stand.clock.now())
    entries, cursor, parts = {}, None, 0
    while parts == 0 or cursor is not None:
        page = stand.client().inventory(json.loads(json.dumps(cursor)))
        entries |= {entry.reference: entry for entry in page.entries}
        cursor, parts = page.cursor, parts + 1
    assert parts > 2
    assert not {waiting.reference, denied.reference} & set(entries)
    stored = {str(row.number) for row in stand.simulator.database.rows() if row.certificate}
    assert set(entries) == stored
    told = entries[first.reference]
    assert (told.state, told.revoked_at, told.text) == ("revoked", stand.clock.now(), "disposition 21, reason 1")
    assert entries[last.reference].text.endswith("on hold")
    assert (told.certificate, told.chain) == (first.leaf, first.chain)
    assert client.fetch(first.reference) == Issued(first.leaf, first.chain, first.reference)
    for nothing in (waiting.reference, "4000000000", "no number"):
        with pytest.raises(NotFound):
            client.fetch(nothing)


@pytest.mark.parametrize("cursor", [{"v": 1}, {"v": 1, "after": "3"}, {"after": True}, {"after": -1}, {"after": 2**40}])
def test_a_place_in_the_list_that_is_none_is_refused(stand, cursor):
    with pytest.raises(ProtocolViolation, match="none of this CA's"):
        stand.client().inventory(cursor)


def kept(number, disposition=Disposition.ISSUED, **more):
    return Kept(number, disposition, **more)


def test_rows_of_a_ca_that_are_not_as_they_should_be():
    def read(*rows, after=1):
        return listing.page({"v": 1, "after": after}, lambda number, most: list(rows), tuple)

    bare, strange = read(kept(5, serial="0a"), kept(6, 44, serial="0b")).entries
    assert (bare.state, bare.serial, bare.certificate, bare.chain) == ("valid", "0a", b"", ())
    assert (strange.state, strange.text) == ("unknown", "disposition 44")
    assert read(kept(7, Disposition.CA_CERTIFICATE), kept(9, Disposition.FOREIGN)).cursor == {"v": 1, "after": 9}
    with pytest.raises(ProtocolViolation, match="neither certificate nor serial"):
        read(kept(5))
    with pytest.raises(ProtocolViolation, match="again and again"):
        read(kept(5, serial="0a"), after=5)


@pytest.mark.parametrize(
    "dial", [{"forge": True}, {"half_body": 1.0}, {"broken_view": True}, {"cut_view": True}], ids=str
)
def test_a_list_that_cannot_be_read_is_never_taken_for_its_end(stand, dial):
    stand.client().submit(request())
    stand.dial(**dial)
    with pytest.raises(AuthorityError):
        stand.client().inventory(None)


def test_more_rows_than_fit_a_page_are_read_page_by_page(stand, monkeypatch):
    monkeypatch.setattr(views, "_PAGE", 2)
    client, asked = stand.client(), request()
    client.submit(asked)
    for _ in range(4):
        client.submit(request())
    assert isinstance(client.find(asked, NOW - timedelta(days=1)), Found)
    monkeypatch.setattr(views, "_MOST_PAGES", 1)
    with pytest.raises(ProtocolViolation, match="does not come to an end"):
        client.find(asked, NOW - timedelta(days=1))


@pytest.mark.parametrize("dial", ["from_zero", "lenient_zero"])
def test_no_row_is_missed_however_the_ca_counts_them(stand, monkeypatch, dial):
    monkeypatch.setattr(views, "_PAGE", 2)
    stand.dial(**{dial: True})
    stand.advance(days=2)
    client, asked = stand.client(), request(f"{dial}.example.com".replace("_", "-"))
    client.submit(asked)
    assert isinstance(client.find(asked, stand.clock.now()), Found)
    for _ in range(4):
        client.submit(request())
    assert isinstance(client.find(asked, stand.clock.now()), Found)
    every = [row.number for row in client.rows(0, 5000)]
    assert every == [row.number for row in stand.simulator.database.rows()]


def test_a_ca_without_any_row_is_no_error():
    clock = ManualClock(NOW)
    with build(clock=clock) as simulator:
        stand = Stand(simulator, clock)
        stand.dial(from_zero=True)
        assert stand.client().rows(0, 10) == []
        assert isinstance(stand.client().find(request(), NOW), Absence)


def test_a_search_that_does_not_reach_its_end_is_no_absence(stand, monkeypatch):
    monkeypatch.setattr(managing, "_FOUND_AT_MOST", 2)
    client = stand.client()
    for _ in range(3):
        client.submit(request())
    with pytest.raises(OutcomeUnknown, match="not all were read"):
        client.find(request("elsewhere.example.com"), NOW - timedelta(days=1))


def test_columns_are_asked_for_by_name_as_older_servers_number_them_otherwise(stand):
    stand.dial(old_columns=True)
    issued = stand.client().submit(request())
    (row,) = [r for r in stand.client().rows(0, 5000) if r.number == int(issued.reference)]
    assert row.serial


def test_a_view_whose_rows_lead_out_of_themselves_is_not_believed(stand):
    stand.client().submit(request())
    stand.dial(broken_view=True)
    with pytest.raises(ProtocolViolation, match="outside of its row"):
        stand.client().rows(0, 10)


# Logins, diagnosis, being away ----------------------------------------------------------------------


def test_the_diagnosis_of_a_good_connector_is_all_well(stand):
    found = [*stand.client().reach(), *stand.client().check()]
    stages = ("name", "tcp", "login", "rights", "rights", "product", "chain")
    assert [(f.stage, f.level) for f in found] == [(s, Level.OK) for s in stages]
    assert found[1].evidence.count("127.0.0.1 port ") == 2


@pytest.mark.parametrize(
    ("dials", "settings", "code", "level"),
    [
        ({}, {"managing": False}, "no_manager", Level.SKIPPED),
        ({"rights": 0x100}, {}, "no_officer", Level.WARNING),
        ({"edit_flags": 0x15014E}, {}, "esc6", Level.WARNING),
        ({"edit_flags": -1}, {}, "switches_unseen", Level.SKIPPED),
        ({"rights": 0x200}, {}, "switches_unseen", Level.SKIPPED),
        ({}, {"template": "NoSuch"}, "unknown_template", Level.FAILED),
        ({}, {"template": ""}, "no_template", Level.SKIPPED),
        ({"chain": "missing"}, {}, "no_root", Level.WARNING),
        ({"code": "80070057"}, {}, "0x80070057", Level.FAILED),
        ({}, {"ca": "Another CA"}, "0x80070057", Level.FAILED),
        ({"no_activation": True}, {}, "0x80070005", Level.FAILED),
        ({"no_service": True}, {}, "0x80040154", Level.FAILED),
    ],
    ids=str,
)
def test_the_diagnosis_says_what_is_wrong_and_what_to_do(stand, dials, settings, code, level):
    stand.dial(**dials)
    found = {f.code: f for f in stand.client(**settings).check()}
    assert found[code].level is level
    assert found[code].remedy or level is Level.SKIPPED


def test_a_ca_that_is_not_there_is_no_refused_login(stand):
    """The engine would look for it too rarely, and the page would send people after the password."""
    stand.dial(no_icpr=True)
    name, off = stand.client().reach()
    assert (name.level, off.stage, off.level) == (Level.OK, "tcp", Level.FAILED)
    assert "does not offer this interface" in off.message
    assert "IF_NORPCICERTREQUEST" in off.remedy
    assert {f.level for f in stand.client(enroll_by=EnrollBy.DCOM).reach()} == {Level.OK}
    with pytest.raises(Unreachable, match="does not offer this interface"):
        stand.client().check()
    stand.simulator.down()
    name, down = stand.client().reach()
    assert (name.level, down.stage, down.code) == (Level.OK, "tcp", "no_connection")
    assert "49152" in down.remedy


def test_a_name_that_nobody_knows_fails_at_the_name(stand):
    name, tcp = stand.client(host="ca01.example.invalid", resolver=nobody).reach()
    assert (name.stage, name.level, name.code) == ("name", Level.FAILED, "no_name")
    assert (tcp.stage, tcp.level) == ("tcp", Level.SKIPPED)
    assert "DNS" in name.remedy


def test_a_firewall_before_the_ports_behind_the_mapper_is_told_apart(stand):
    """The most frequent fault with RPC: 135 is open, and the ports that the mapper names are not."""
    service = stand.simulator._service
    stand.simulator._service = None
    service.end()
    try:
        name, tcp = stand.client().reach()
    finally:
        stand.simulator.down()
        stand.simulator.up()
    assert (name.level, tcp.stage, tcp.code) == (Level.OK, "tcp", "no_connection")
    assert f"the CA's own port {stand.simulator._service_port}" in tcp.message
    assert "49152" in tcp.remedy


def test_the_ca_says_its_name_and_its_templates(stand):
    client = stand.client()
    assert client.name() == "Sandbox Issuing CA"
    told = client.templates()
    assert told["WebServer"] == ""
    assert told["WebServer30"].startswith("1.3.6.1.4.1.311.21.8.")
    assert "Retired" not in told


@pytest.mark.parametrize("by", BOTH)
@pytest.mark.parametrize(
    "who", [account(password="wrong"), account("EXAMPLE\\nobody"), account("", "")], ids=["password", "user", "nobody"]
)
def test_a_refused_login_stops_nothing_for_good(stand, by, who):
    with pytest.raises(AuthFailed) as refused:
        stand.client(enroll=who, enroll_by=by).submit(request())
    assert refused.value.remedy
    assert PASSWORD not in str(refused.value)
    assert refused.value.bytes_sent is False


@pytest.mark.parametrize("way", [Way.BASIC, Way.CERTIFICATE])
def test_a_login_that_rpc_does_not_have_is_said_so(stand, way):
    who = Credentials(way, "svc", Secret("word"))
    with pytest.raises(AuthFailed, match="no login by"):
        stand.client(enroll=who, enroll_by=EnrollBy.DCOM).submit(request())


def test_nothing_leaves_for_an_act_without_leave(stand):
    class Halt(Exception):
        pass

    def refuse():
        raise Halt

    before = len(stand.simulator.ledger.lines())
    with pytest.raises(Halt):
        stand.client(before_send=refuse).submit(request())
    assert len(stand.simulator.ledger.lines()) == before
    assert stand.client(before_send=refuse).check()


@pytest.mark.parametrize(
    ("dials", "kind"),
    [
        ({"forge": True}, OutcomeUnknown),
        ({"unsealed": True}, OutcomeUnknown),
        ({"other_call": True}, OutcomeUnknown),
        ({"half_body": 1.0}, OutcomeUnknown),
        ({"error_after": 1.0}, OutcomeUnknown),
        ({"fault": "1C010003"}, Unreachable),
        ({"fault": "721"}, AuthFailed),
        ({"fault": "6F7"}, OutcomeUnknown),
        ({"throttle": True}, Unreachable),
    ],
    ids=str,
)
def test_an_answer_that_is_not_sealed_by_the_server_says_nothing_about_an_act(stand, dials, kind):
    stand.dial(**dials)
    with pytest.raises(kind):
        stand.client().submit(request())


@pytest.mark.parametrize(
    ("dials", "kind"), [({"forge": True}, ProtocolViolation), ({"half_body": 1.0}, Unreachable)], ids=str
)
def test_an_answer_to_a_look_is_asked_for_again(stand, dials, kind):
    client = stand.client(template="ApprovedServer")
    first = client.submit(asked := request())
    stand.dial(**dials)
    with pytest.raises(kind):
        client.poll(first.state, asked)


def test_the_accounts_are_known_to_the_log_filter(stand):
    stand.client()
    assert PASSWORD in redact._known
