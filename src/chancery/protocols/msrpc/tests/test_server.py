"""The server refuses calls that the documents do not have; asked with calls made by hand."""

import json
import struct
from datetime import UTC, datetime
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from chancery.core.clock import ManualClock
from chancery.protocols.msrpc.activation import ACTIVATOR, make, orpc_this
from chancery.protocols.msrpc.calls import ADMIN, ADMIN_2, ADMIN_CLASS, ICPR, REQUEST, REQUEST_2, REQUEST_CLASS
from chancery.protocols.msrpc.endpoints import port_of
from chancery.protocols.msrpc.ndr import Reader, Writer
from chancery.protocols.msrpc.security import Security
from chancery.protocols.msrpc.simulator import CA_NAME, MANAGER, build
from chancery.protocols.msrpc.simulator.activator import MAPPER
from chancery.protocols.msrpc.tests.stand import Stand, account, channel
from chancery.protocols.wstep.tests.stand import request
from chancery.sdk import AuthorityError, Pending

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def stand():
    clock = ManualClock(NOW)
    with build(clock=clock) as simulator:
        yield Stand(simulator, clock)


@pytest.fixture(autouse=True)
def reset(stand):
    yield
    stand.simulator.dials.reset()


def opened(stand, interface, *, port=None, who=MANAGER):
    made = channel(port or stand.simulator._service_port)
    made.open(interface, Security(account(who), "127.0.0.1") if who else None)
    return made


def asked(stand, interface, opnum, stub, *, clsid="", who=MANAGER, port=None):
    target = None
    if clsid:
        security = Security(account(who), "127.0.0.1")
        wire = channel(0).wire
        target = make(clsid, interface[0], wire, "127.0.0.1", stand.simulator.port, security, lambda r: r).ipid
    made = opened(stand, interface, who=who, port=port)
    try:
        return made.call(opnum, stub, target=target)
    finally:
        made.close()


def ours():
    return orpc_this().string(CA_NAME)


ODD = {
    "ICPR, another method": (ICPR, "", 1, b""),
    "ICPR, cut off": (ICPR, "", 0, b"\0" * 5),
    "a string without its end": (ICPR, "", 0, struct.pack("<IIIII", 0x100, 1, 2, 0, 2) + b"x\0y\0"),
    "a blob of two lengths": (ICPR, "", 0, Writer().u32(0).string(CA_NAME).u32(0, 9, 1, 4).raw(b"abcd").data()),
    "request, another method": (REQUEST, REQUEST_CLASS, 4, b""),
    "property, another method": (REQUEST_2, REQUEST_CLASS, 6, b""),
    "admin, another method": (ADMIN, ADMIN_CLASS, 17, b""),
    "roles, another method": (ADMIN_2, ADMIN_CLASS, 31, b""),
    "an old version of DCOM": (ADMIN, ADMIN_CLASS, 6, bytes(32)),
    "extensions that nobody has": (ADMIN, ADMIN_CLASS, 6, struct.pack("<HHII", 5, 7, 0, 0) + bytes(16) + b"\1\0\0\0"),
    "a view of two lengths": (ADMIN, ADMIN_CLASS, 14, ours().u32(1, 2).data()),
    "a condition without its value": (ADMIN, ADMIN_CLASS, 14, ours().u32(1, 1, 4096, 1, 0, 0, 4).data()),
    "columns of two lengths": (ADMIN, ADMIN_CLASS, 14, ours().u32(0, 0, 1, 2).data()),
}


@pytest.mark.parametrize("what", ODD)
def test_calls_that_cannot_be_read_are_faults(stand, what):
    interface, clsid, opnum, stub = ODD[what]
    with pytest.raises((AuthorityError, TypeError)):
        asked(stand, interface, opnum, stub, clsid=clsid)


@pytest.mark.parametrize(
    ("interface", "opnum", "stub", "who"),
    [
        ((MAPPER, 3), 4, b"", ""),
        ((MAPPER, 3), 3, struct.pack("<II", 0, 0), ""),
        (ACTIVATOR, 3, b"", MANAGER),
        (ACTIVATOR, 4, orpc_this().u32(1).data(), MANAGER),
        (ACTIVATOR, 4, orpc_this().u32(0, 1, 60, 60).raw(bytes(60)).data(), MANAGER),
        (ACTIVATOR, 4, b"", ""),
    ],
    ids=["method", "tower", "activation", "outer", "reference", "login"],
)
def test_the_doorway_refuses_what_it_does_not_have(stand, interface, opnum, stub, who):
    with pytest.raises((AuthorityError, TypeError)):
        asked(stand, interface, opnum, stub, who=who, port=stand.simulator.port)


def test_an_object_is_served_by_its_own_interface_alone(stand):
    with pytest.raises(AuthorityError):
        asked(stand, ADMIN, 6, ours().u32(1).data())
    with pytest.raises(AuthorityError):
        port_of(ADMIN, channel(0).wire, "127.0.0.1", stand.simulator.port, lambda r: r)
    with pytest.raises(AuthorityError):
        opened(stand, ("11111111-2222-3333-4444-555555555555", 0))


def code_of(answer):
    return int.from_bytes(answer[-4:], "little")


@pytest.mark.parametrize(
    ("opnum", "more", "code"),
    [
        (15, (1, 5), 0x8000FFFF),
        (16, (), 0x8000FFFF),
        (11, (0, 0), 0x80070057),
        (5, (4_000_000_000,), 0),
        (6, (4_000_000_000,), 0x80094004),
    ],
)
def test_what_the_documents_want_refused_is_refused_with_their_codes(stand, opnum, more, code):
    answer = asked(stand, ADMIN, opnum, ours().u32(*more).data(), clsid=ADMIN_CLASS)
    assert code_of(answer) == code


def test_rules_of_revocation_hold(stand):
    issued = stand.client().submit(request())
    serial = stand.simulator.database.row(int(issued.reference)).serial
    stub = ours().string(serial).u32(7).moment(NOW).data()
    assert code_of(asked(stand, ADMIN, 10, stub, clsid=ADMIN_CLASS)) == 0x80070057
    stand.dial(rights=0x200)
    assert code_of(asked(stand, ADMIN, 10, stub, clsid=ADMIN_CLASS)) == 0x80070005


def test_attributes_must_end_with_the_nul_that_their_length_counts(stand):
    stub = Writer().u32(0x100).string(CA_NAME).u32(0).blob("a:b".encode("utf-16-le")).blob(b"x").data()
    assert code_of(asked(stand, ICPR, 0, stub)) == 0x80070057
    stub = Writer().u32(0x300).string(CA_NAME).u32(0).blob(b"\0\0").blob(b"x").data()
    assert code_of(asked(stand, ICPR, 0, stub)) == 0x80070057


def test_properties_that_a_ca_does_not_have_are_refused(stand):
    for which in ((0x99, 0, 4), (0x0D, 7, 3)):
        answer = asked(stand, REQUEST_2, 7, ours().u32(*which).data(), clsid=REQUEST_CLASS)
        assert code_of(answer) == 0x80070057
    answer = asked(stand, REQUEST_2, 7, orpc_this().string("Another").u32(6, 0, 4).data(), clsid=REQUEST_CLASS)
    assert code_of(answer) == 0x80070057


@pytest.mark.parametrize(
    ("column", "seek", "value", "found"),
    [
        (0x1010, 1, "EXAMPLE\\svc-chancery\0".encode("utf-16-le"), True),
        (0x1010, 1, "nobody\0".encode("utf-16-le"), False),
        (0x100E, 8, struct.pack("<Q", 1), False),
        (0x1000, 2, struct.pack("<I", 1), False),
    ],
)
def test_views_keep_their_conditions(stand, column, seek, value, found):
    stand.client().submit(request())
    made = ours().u32(1, 1).u32(column, seek, 2).pointer().u32(len(value)).array(value)
    stub = made.u32(1, 1, 0x1000).u32(1, 5).data()
    read = Reader(asked(stand, ADMIN, 14, stub, clsid=ADMIN_CLASS))
    read.take(8)
    assert (read.u32() > 0) is found


def test_a_weak_login_is_refused_at_once(stand):
    with pytest.raises(AuthorityError):
        made = channel(stand.simulator._service_port)
        weak = Security(account(), "127.0.0.1")
        weak.trailer = lambda padding=0: struct.pack("<BBBBI", 10, 2, padding, 0, 1)
        made.open(ICPR, weak)


def test_the_control_door_decides_and_shows(stand):
    parts = urlsplit(stand.simulator.control)

    def control(method, path):
        connection = HTTPConnection(parts.hostname, parts.port, timeout=5)
        connection.request(method, path)
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found

    client = stand.client(template="ApprovedServer")
    first, second = client.submit(request()), request()
    assert isinstance(first, Pending)
    assert control("POST", "/approve")["decided"] == 1
    waits = client.submit(second)
    assert control("POST", "/refuse")["decided"] == 1
    states = {r["number"]: r["state"] for r in control("GET", "/state")["requests"]}
    assert (states[int(first.reference)], states[int(waits.reference)]) == (20, 31)
    assert stand.simulator.url.endswith(str(stand.simulator.port))
    assert stand.simulator._answer(None).status == 404
