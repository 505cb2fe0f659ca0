"""Packets and data that somebody else wrote."""

import struct
from datetime import UTC, datetime

import pytest

from chancery.net.addresses import AddressPolicy
from chancery.protocols.hresult import plainly
from chancery.protocols.msrpc import rows
from chancery.protocols.msrpc.activation import _made, _port_in, skip_that
from chancery.protocols.msrpc.calls import ICPR
from chancery.protocols.msrpc.channel import Wire
from chancery.protocols.msrpc.endpoints import port_of
from chancery.protocols.msrpc.ndr import Malformed, Reader, Writer, filetime, moment
from chancery.protocols.msrpc.tests.stand import LOOPBACK, bind_ack, channel, packet, saying
from chancery.sdk import AuthFailed, Forbidden, OutcomeUnknown, ProtocolViolation, Unreachable

PLAIN = ("11111111-2222-3333-4444-555555555555", 1)


def opened(port, **more):
    made = channel(port, **more)
    try:
        made.open(PLAIN, None)
    except BaseException:
        made.close()
        raise
    return made


REFUSED_BINDS = {
    "not offered": (packet(12, bind_ack(result=2, reason=1)), Unreachable),
    "nak": (packet(13, struct.pack("<HB", 8, 0)), Unreachable),
    "fault, no such interface": (packet(3, struct.pack("<IHBBII", 0, 0, 0, 0, 0x1C010003, 0)), Unreachable),
    "fault, access denied": (packet(3, struct.pack("<IHBBII", 0, 0, 0, 0, 5, 0)), AuthFailed),
    "two interfaces": (packet(12, bind_ack(count=2)), ProtocolViolation),
    "another type": (packet(2, bytes(8)), ProtocolViolation),
    "another protocol": (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolViolation),
    "big-endian": (packet(12, bind_ack(), order=0), ProtocolViolation),
    "shorter than its header": (packet(12, b"", size=8), ProtocolViolation),
    "cut off": (packet(12, bind_ack()[:9]), ProtocolViolation),
    "a verifier longer than the packet": (
        struct.pack("<BBBBIHHI", 5, 0, 12, 3, 0x10, 40, 200, 1) + bytes(24),
        ProtocolViolation,
    ),
    "nothing": (b"", Unreachable),
}


@pytest.mark.parametrize("what", REFUSED_BINDS)
def test_what_is_no_bind_ack_is_told_apart(what):
    answer, kind = REFUSED_BINDS[what]
    with saying(answer) as port, pytest.raises(kind) as refused:
        opened(port, timeout=1.0)
    assert refused.value.bytes_sent is False


CALLS = {
    "another call": packet(2, bytes(16), call=9),
    "another type": packet(12, bytes(16), call=2),
    "an unknown fault": packet(3, struct.pack("<IHBBII", 0, 0, 0, 0, 0x1C00001D, 0), call=2),
    "cut off": packet(2, bytes(16), call=2)[:20],
    "nothing": b"",
}


@pytest.mark.parametrize("what", CALLS)
def test_after_an_act_an_answer_that_is_none_leaves_it_open(what):
    for effect, kinds in ((True, OutcomeUnknown), (False, (ProtocolViolation, Unreachable))):
        with saying(packet(12, bind_ack()), CALLS[what]) as port:
            made = opened(port)
            with pytest.raises(kinds) as refused:
                made.call(0, b"", effect=effect)
            assert refused.value.bytes_sent is effect
            made.close()
            made.close()


def test_an_answer_that_never_comes_is_waited_for_no_longer_than_said():
    with saying(packet(12, bind_ack()), keep=True) as port:
        made = opened(port, timeout=0.2)
        with pytest.raises(OutcomeUnknown, match="in time"):
            made.call(0, b"", effect=True)
        made.close()
    with saying(packet(12, bind_ack()), keep=True) as port:
        made = opened(port, timeout=0.2)
        with pytest.raises(Unreachable, match="in time"):
            made.call(0, b"")
        made.close()


def test_an_endless_answer_is_cut_short():
    piece = packet(2, bytes(8 + 60_000), call=2, flags=0)
    with saying(packet(12, bind_ack()), piece * 300) as port:
        made = opened(port, timeout=10)
        with pytest.raises(ProtocolViolation, match="longer than"):
            made.call(0, b"")
        made.close()


def test_a_host_that_may_not_be_reached_is_not_connected_to():
    for host, policy in (("127.0.0.1", AddressPolicy()), ("169.254.169.254", LOOPBACK)):
        with pytest.raises(Unreachable) as refused:
            channel(1, policy=policy, host=host).open(PLAIN, None)
        assert refused.value.code == "refused"
    asked = []
    with pytest.raises(Unreachable) as refused:
        made = channel(
            1, host="ca.example.com", resolver=lambda host, port: asked.append(host) or ["10.0.0.1", "127.0.0.1"]
        )
        made.open(PLAIN, None)
    assert refused.value.code == "refused"
    assert asked == ["ca.example.com"]


def test_a_port_at_which_nobody_listens_is_unreachable():
    with pytest.raises(Unreachable) as refused:
        opened(1)
    assert refused.value.code == "no_connection"
    assert "135" in refused.value.remedy


# The endpoint mapper --------------------------------------------------------------------------------


def towers(*, count=1, room=None, size=None, ports=(50_000,), status=0):
    floors = [b"\x13\0" + bytes(19) + b"\2\0\0\0"] * 3
    floors += [b"\1\0\x07\2\0" + struct.pack(">H", port) for port in ports]
    tower = struct.pack("<H", len(floors)) + b"".join(floors)
    room, size = len(tower) if room is None else room, len(tower) if size is None else size
    made = struct.pack("<II", room, size) + tower
    found = struct.pack("<IIII", count, 4, 0, count) + struct.pack("<I", 3) * min(count, 4) + made
    return bytes(8) + bytes(20) + found + bytes(-len(found) % 4) + struct.pack("<I", status)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (towers(ports=()), Unreachable),
        (towers(ports=(0,), status=0x16C9A0D6), Unreachable),
        (towers(count=9), ProtocolViolation),
        (towers(size=5000), ProtocolViolation),
        (towers(room=500_000), ProtocolViolation),
        (bytes(12), ProtocolViolation),
    ],
)
def test_an_endpoint_mapper_that_tells_no_port(answer, kind):
    with saying(packet(12, bind_ack()), packet(2, answer, call=2)) as port, pytest.raises(kind):
        port_of(ICPR, Wire(LOOPBACK, timeout=2.0), "127.0.0.1", port, plainly)


def test_an_endpoint_mapper_tells_a_port():
    with saying(packet(12, bind_ack()), packet(2, towers(), call=2)) as port:
        assert port_of(ICPR, Wire(LOOPBACK, timeout=2.0), "127.0.0.1", port, plainly) == 50_000


# Data -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "content"),
    [
        (lambda r: r.u32(), b"\0\0"),
        (lambda r: r.take(-1), b"\0"),
        (lambda r: r.array(), struct.pack("<I", 99)),
        (lambda r: r.blob(), struct.pack("<IIII", 9, 1, 4, 0)),
        (lambda r: r.string(), struct.pack("<IIII", 1, 1 << 30, 0, 1 << 30)),
        (lambda r: r.string(), struct.pack("<IIII", 1, 4, 2, 4) + bytes(8)),
    ],
)
def test_data_that_leads_out_of_itself_is_malformed(act, content):
    with pytest.raises(Malformed):
        act(Reader(content))


def test_data_comes_back_as_it_was_written():
    made = Writer().string("Zoë").string(None).blob(b"abc").blob(b"").u16(7).u64(1 << 40).uuid(PLAIN[0]).u32(-1)
    read = Reader(made.data())
    assert (read.string(), read.string(), read.blob(), read.blob()) == ("Zoë", None, b"abc", b"")
    assert (read.u16(), read.u64(), read.uuid(), read.u32(), read.rest()) == (7, 1 << 40, PLAIN[0], 0xFFFFFFFF, b"")


def test_moments_that_no_calendar_has_are_none():
    when = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert moment(filetime(when)) == when
    assert moment(0) is None
    assert moment(2**64 - 1) is None


def row(*values, number=7, size=None, count=None):
    heads, content, at = b"", b"", 12 + 16 * len(values)
    for kind, index, value in values:
        heads += struct.pack("<IIII", kind, index, at + len(content), len(value))
        content += value
    whole = 12 + len(heads) + len(content) if size is None else size
    return struct.pack("<III", number, len(values) if count is None else count, whole) + heads + content


NAMES = {1: "a", 2: "b"}


def test_rows_are_read_by_name_up_to_the_end_marker():
    blob = row((1, 1, b"\7\0\0\0"), (4 | 0x10000, 2, "x\0".encode("utf-16-le")), (3, 99, b"unasked"))
    assert rows.rows(blob, NAMES) == ([{"a": 7, "b": "x"}], False)
    marker = struct.pack("<III", 1, 1 ^ 0xFFFFFFFF, 12)
    assert rows.rows(blob + marker, NAMES) == ([{"a": 7, "b": "x"}], True)
    assert rows.rows(row((3, 1, b"")), NAMES) == ([{"a": None}], False)


@pytest.mark.parametrize(
    "blob",
    [
        b"\0" * 5,
        row((3, 1, b"x"), size=9999),
        row((3, 1, b"x"), count=65),
        row((3, 1, b"x"), size=12),
        row((1, 1, b"xyz")),
        row((2, 1, b"xyz")),
        row((9, 1, b"xyz")),
        struct.pack("<III", 7, 1, 29) + struct.pack("<IIII", 3, 1, 20, 40) + b"x",
    ],
)
def test_rows_that_lead_out_of_themselves_are_malformed(blob):
    with pytest.raises(Malformed):
        rows.rows(blob, NAMES)


def test_a_list_of_columns_that_lies_is_malformed():
    name = "Disposition\0".encode("utf-16-le")
    assert rows.columns(struct.pack("<IIIII", 1, 9, 0, 20, 20) + name, 1) == {"Disposition": 9}
    for blob, count in ((b"", 1), (struct.pack("<IIIII", 1, 9, 0, 5000, 20), 1), (bytes(30), 2)):
        with pytest.raises(Malformed):
            rows.columns(blob, count)


def test_extensions_of_an_answer_are_skipped():
    extent = struct.pack("<I", 8) + bytes(16) + struct.pack("<I", 8) + bytes(8)
    made = struct.pack("<II", 0, 1) + struct.pack("<III", 1, 0, 1) + struct.pack("<III", 2, 5, 0) + extent
    read = Reader(made + b"\x2a\0\0\0")
    skip_that(read)
    assert read.u32() == 42
    read = Reader(struct.pack("<II", 0, 1) + struct.pack("<III", 0, 0, 0) + b"\x2a\0\0\0")
    skip_that(read)
    assert read.u32() == 42


@pytest.mark.parametrize(
    "content",
    [
        bytes(8) + struct.pack("<II", 0, 0),
        bytes(8) + struct.pack("<III", 1, 16, 16) + bytes(16),
        bytes(8) + struct.pack("<III", 1, 4, 4) + b"MEOW",
    ],
)
def test_an_object_that_was_not_made_is_told(content):
    with pytest.raises(Malformed):
        _made(Reader(content), "ca")


def test_an_object_that_may_not_be_made_is_forbidden():
    with pytest.raises(Forbidden) as refused:
        _made(Reader(bytes(8) + struct.pack("<II", 0, 0x80070005)), "ca")
    assert "DCOM Access" in refused.value.remedy


@pytest.mark.parametrize(
    ("words", "port"),
    [
        ([7, *map(ord, "CA[49670]"), 0, 0], 49670),
        ([31, *map(ord, "x[1]"), 0, 7, *map(ord, "CA[5]"), 0, 0], 5),
        ([7, *map(ord, "CA"), 0, 0], None),
        ([7, *map(ord, "CA[99999]"), 0, 0], None),
        ([7, *map(ord, "CA[5]")], 5),
        ([0], None),
    ],
)
def test_the_port_of_an_object_is_that_of_its_first_binding_over_tcp(words, port):
    made = struct.pack("<IIQI", 0, 1, 7, 1) + bytes(24) + struct.pack("<IHH", len(words), len(words), len(words))
    made += struct.pack(f"<{len(words)}H", *words)
    if port is None:
        with pytest.raises(Malformed):
            _port_in(Reader(made))
    else:
        assert _port_in(Reader(made)) == port
    for broken in (struct.pack("<II", 0, 0), struct.pack("<IIQI", 0, 1, 7, 0) + bytes(24)):
        with pytest.raises(Malformed):
            _port_in(Reader(broken))
