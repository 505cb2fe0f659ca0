"""The database of a Windows CA keeps the rules of MS-CSRA."""

from datetime import UTC, datetime, timedelta

import pytest

from chancery.core import keys
from chancery.core.clock import ManualClock
from chancery.core.csr import build
from chancery.core.names import parse_name
from chancery.sandbox.certsrv import HELD, RELEASE, Database, Refused, State
from chancery.sandbox.dials import Dials
from chancery.sandbox.enrolment import EnrolmentCa
from chancery.sandbox.ledger import Ledger

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
CSR = build(keys.generate("EC-P256"), [parse_name("www.example.com")], "www.example.com")


@pytest.fixture
def database():
    clock = ManualClock(NOW)
    made = Database(EnrolmentCa(NOW), Ledger(), Dials(), clock)
    made.clock = clock
    return made


def code_of(call, *values):
    with pytest.raises(Refused) as refused:
        call(*values)
    return refused.value.code


def test_a_serial_is_compared_letter_by_letter(database):
    row = database.take(CSR, "WebServer30", "EXAMPLE\\svc")
    assert len(row.serial) % 2 == 0
    assert database.by_serial(row.serial) is row
    assert database.by_serial("00" + row.serial) is None
    assert code_of(database.revoke, row.serial.upper() + "X", 0, NOW) == 0x80070057


def test_a_revocation_is_overwritten_a_hold_is_not_put_on_it(database):
    serial = database.take(CSR, "WebServer30", "x").serial
    for reason in (7, 9, 10):
        assert code_of(database.revoke, serial, reason, NOW) == 0x80070057
    assert code_of(database.revoke, serial, RELEASE, NOW) == 0x8007000D
    database.revoke(serial, HELD, NOW)
    assert database.revoke(serial, RELEASE, NOW).state is State.ISSUED
    database.revoke(serial, 4, NOW)
    assert database.revoke(serial, 1, NOW + timedelta(days=1)).reason == 1
    assert code_of(database.revoke, serial, HELD, NOW) == 0x8007000D


def test_a_manager_decides_about_pending_requests_only(database):
    issued = database.take(CSR, "WebServer30", "x").number
    assert code_of(database.deny, issued) == 0x80094003
    assert code_of(database.resubmit, issued) == 0x80094003
    waiting = database.take(CSR, "ApprovedServer", "x", "cdc:b\r\nour-own: 4711")
    assert waiting.serial == ""
    assert waiting.der == b""
    assert database.resubmit(waiting.number).state is State.ISSUED
    assert code_of(database.row, 1) == 0x80094004
    other = database.take(CSR, "ApprovedServer", "x").number
    database.deny(other)
    assert code_of(database.resubmit, other) == 0x80094003
    assert database._ledger.orders_by_reference()["4711"] == 1


def test_what_was_held_is_issued_when_its_time_has_come(database):
    database._dials.set(issue_delay=60.0)
    row = database.take(CSR, "WebServer30", "x")
    assert row.state is State.PENDING
    database.clock.advance(timedelta(seconds=61))
    assert [r.state for r in database.rows()] == [State.ISSUED]
