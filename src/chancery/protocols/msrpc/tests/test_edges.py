"""What is left: logins that go on for ever, signatures without headers, answers without a certificate."""

import struct

import pytest

from chancery.core.clock import ManualClock
from chancery.core.secret import Secret
from chancery.protocols.hresult import Refusal, plainly
from chancery.protocols.msrpc import activation, security
from chancery.protocols.msrpc.calls import Answered
from chancery.protocols.msrpc.channel import Channel, Wire
from chancery.protocols.msrpc.client import MsrpcClient
from chancery.protocols.msrpc.enrolment import outcome
from chancery.protocols.msrpc.managing import Manager
from chancery.protocols.msrpc.ndr import Malformed, Reader
from chancery.protocols.msrpc.security import Forged, Security
from chancery.protocols.msrpc.settings import MsrpcCredentials, MsrpcSettings
from chancery.protocols.msrpc.tests.stand import LOOPBACK, account, bind_ack, channel, packet, saying
from chancery.protocols.negotiate import tokens
from chancery.protocols.negotiate.settings import Credentials, Way
from chancery.protocols.waiting import Waiting
from chancery.protocols.wstep.tests.stand import NOW, request
from chancery.sdk import (
    AuthFailed,
    Issued,
    NotFound,
    OutcomeUnknown,
    Pending,
    ProtocolViolation,
    RejectedByPolicy,
    Unreachable,
)

SETTINGS = MsrpcSettings("127.0.0.1", "CA")


def client():
    return MsrpcClient(Wire(LOOPBACK), SETTINGS, MsrpcCredentials(account()), ManualClock(NOW))


class Endless:
    """A login that is never over."""

    complete = False

    def step(self, given=None):
        return b"token"

    def trailer(self, padding=0):
        return struct.pack("<BBBBI", 10, 6, padding, 0, 1)

    def agree(self, *, header_signing):
        self.signs = header_signing


def test_a_login_without_end_is_given_up():
    answers = [packet(kind, bind_ack(), trailer=bytes(8), auth=b"more") for kind in (12, *[15] * 6)]
    with saying(*answers) as port:
        made = channel(port)
        with pytest.raises(ProtocolViolation, match="come to an end"):
            made.open(("11111111-2222-3333-4444-555555555555", 1), Endless())
        made.close()


def test_a_server_that_does_not_answer_to_the_login_is_told_nothing_more():
    with saying(packet(12, bind_ack())) as port:
        made = channel(port)
        with pytest.raises(AuthFailed, match="does not answer to the login"):
            made.open(("11111111-2222-3333-4444-555555555555", 1), Endless())


def test_a_login_that_needs_no_last_word_sends_none():
    class Short(Endless):
        complete = True

        def step(self, given=None):
            return b"" if given else b"token"

    with saying(packet(12, bind_ack(), flags=7, trailer=bytes(8), auth=b"more")) as port:
        made = channel(port)
        made.open(("11111111-2222-3333-4444-555555555555", 1), Short())
        made.close()


def test_a_connection_that_breaks_while_sending_is_told(monkeypatch):
    import httpcore

    class Broken:
        def __init__(self, error):
            self.error = error

        def write(self, data):
            raise self.error

    for error, words in ((httpcore.WriteTimeout("late"), "in time"), (httpcore.WriteError("gone"), "broke")):
        with saying(packet(12, bind_ack()), keep=True) as port:
            made = channel(port)
            made.open(("11111111-2222-3333-4444-555555555555", 1), None)
            stream, made._stream = made._stream, Broken(error)
            with pytest.raises(OutcomeUnknown, match=words):
                made.call(0, b"", effect=True)
            with pytest.raises(Unreachable, match=words):
                made.call(0, b"")
            made._stream = stream
            made.close()


def test_reading_that_fails_is_told():
    import httpcore

    class Broken:
        def write(self, data):
            pass

        def read(self, count):
            raise httpcore.ReadError("gone")

        def close(self):
            pass

    with saying(packet(12, bind_ack()), keep=True) as port:
        made = channel(port)
        made.open(("11111111-2222-3333-4444-555555555555", 1), None)
        stream, made._stream = made._stream, Broken()
        with pytest.raises(OutcomeUnknown, match="broke"):
            made.call(0, b"", effect=True)
        made._stream = stream
        made.close()


# Logins ---------------------------------------------------------------------------------------------


class Recorded:
    """A context of the login library that keeps what it was asked for."""

    def __init__(self, **how):
        self.how = how

    def step(self, given):
        return b"t"


def test_kerberos_is_asked_for_the_ca_by_its_own_name(monkeypatch):
    made = []
    monkeypatch.setattr(tokens, "has_kerberos", lambda: True)
    monkeypatch.setattr(security.spnego, "client", lambda *who, **how: made.append((who, how)) or Recorded())
    who = Credentials(Way.KERBEROS, "svc@example.test", Secret("word"))
    Security(who, "ca01.example.test").step()
    Security(Credentials(Way.KERBEROS, "svc@example.test", Secret("word"), spn="host/other"), "ca01").step()
    (first, how), (_, named) = made
    assert (first[0].username, first[0].password) == ("svc@EXAMPLE.TEST", "word")
    assert (how["protocol"], how["service"], how["hostname"]) == ("kerberos", "host", "ca01.example.test")
    assert named["hostname"] == "other"


@pytest.mark.parametrize(
    ("who", "has", "code"),
    [
        (Credentials(Way.KERBEROS, "svc@example.test", Secret("word")), False, "kerberos_missing"),
        (Credentials(Way.KERBEROS, "FLAT\\svc", Secret("word")), True, "realm"),
        (Credentials(Way.KERBEROS, "svc@example.test", keytab=Secret("no Base64!")), True, "keytab"),
    ],
)
def test_what_kerberos_lacks_is_said_before_anything_is_sent(monkeypatch, who, has, code):
    monkeypatch.setattr(tokens, "has_kerberos", lambda: has)
    with pytest.raises(AuthFailed) as refused:
        Security(who, "ca").step()
    assert (refused.value.code, refused.value.bytes_sent) == (code, False)


def test_a_password_that_looks_like_a_hash_is_a_password(monkeypatch):
    made = []
    monkeypatch.setattr(security.spnego, "client", lambda *who, **how: made.append(who[0]) or Recorded())
    word = "aad3b435b51404eeaad3b435b51404ee:31d6cfe0d16ae931b73c59d7e0c089c0"
    Security(account(password=word), "ca").step()
    assert isinstance(made[0], security.spnego.Password)
    assert made[0].password == word


def test_without_header_signing_only_the_body_is_signed():
    class Context:
        def wrap_iov(self, parts, encrypt):
            self.parts = parts
            made = [type("B", (), {"type": p[0], "data": p[1]}) for p in parts[:-1]]
            made.append(type("B", (), {"type": parts[-1], "data": b"sig"}))
            return type("R", (), {"buffers": made})

        def unwrap_iov(self, parts):
            raise ValueError("no")

    made = Security(Credentials(Way.KERBEROS, "svc@example.test", Secret("word")), "ca")
    made._context = Context()
    assert made.seal(b"head", b"body", b"tail") == (b"body", b"sig")
    assert len(made._context.parts) == 2
    made.agree(header_signing=True)
    assert made.seal(b"head", b"body", b"tail") == (b"body", b"sig")
    assert len(made._context.parts) == 4
    with pytest.raises(Forged):
        made.unseal(b"head", b"body", b"tail", b"sig")


def test_a_login_library_that_fails_says_why(monkeypatch):
    def fail(*who, **how):
        raise RuntimeError("nothing works")

    monkeypatch.setattr(security.spnego, "client", fail)
    with pytest.raises(AuthFailed):
        Security(account(), "ca").step()


# Answers --------------------------------------------------------------------------------------------


def answered(**more):
    given = {"code": 0, "number": 7, "disposition": 3, "certificate": b"", "chain": b"", "message": "", **more}
    return Answered(**given)


def test_answers_that_say_nothing_leave_an_act_open():
    for one in (answered(), answered(chain=b"nonsense"), answered(disposition=5, number=0)):
        with pytest.raises(OutcomeUnknown):
            outcome(one, None, request(), plainly)
    with pytest.raises(ProtocolViolation):
        outcome(answered(), Waiting(7), request(), plainly)
    assert isinstance(outcome(answered(disposition=5), Waiting(7), request(), plainly), Pending)
    kept = outcome(answered(certificate=b"x"), None, request(), plainly)
    assert isinstance(kept, Issued)
    assert kept.reference == "7"


@pytest.mark.parametrize("field", ["code", "disposition"])
def test_a_look_that_fails_at_the_ca_ends_no_order_though_the_number_comes_back(field):
    """The number is the one that was asked for: it is no sign that the CA judged the request."""
    for code, kind in ((0xC8000713, ProtocolViolation), (0x800706BE, Unreachable), (0x80094012, RejectedByPolicy)):
        with pytest.raises(kind):
            outcome(answered(**{field: code}), Waiting(7), request(), plainly)
    with pytest.raises(RejectedByPolicy):
        outcome(answered(**{field: 0xA0001234}), None, request(), plainly)


def test_numbers_that_are_none_are_not_asked_for():
    for text in ("", "x", "0"):
        with pytest.raises(NotFound, match="no request number"):
            client().adopt(text, request())


def test_a_chain_of_the_ca_that_cannot_be_read_is_said_so(monkeypatch):
    made = client()
    monkeypatch.setattr(made, "_property", lambda *which, **how: b"nonsense")
    with pytest.raises(ProtocolViolation, match="chain"):
        made.certificates()


def test_a_property_that_is_refused_is_explained(monkeypatch):
    made = client()
    monkeypatch.setattr(made._session, "object", lambda *what: (0x80070005, b""))
    with pytest.raises(Exception) as refused:
        made.name()
    assert refused.value.code == "0x80070005"


def test_dispositions_of_a_resubmission(monkeypatch):
    manager = Manager(None, SETTINGS, ManualClock(NOW), plainly)
    for given, kind in (((0, 4), ProtocolViolation), ((0x80094003, 0), RejectedByPolicy)):
        monkeypatch.setattr(manager, "_admin", lambda act, given=given: given)
        with pytest.raises(kind):
            manager.resubmit(5)
    monkeypatch.setattr(manager, "_admin", lambda act: (0, 5))
    assert manager.resubmit(5) == 5


@pytest.mark.parametrize(
    ("code", "denied", "effect", "kind"),
    [
        (0x8009030C, None, True, AuthFailed),
        (0x12345678, True, True, RejectedByPolicy),
        (0x8000FFFF, None, True, OutcomeUnknown),
        (0x8000FFFF, False, False, ProtocolViolation),
        (0x800706BE, None, True, OutcomeUnknown),
        (0x800706BE, None, False, Unreachable),
        (0x800706BE, True, False, RejectedByPolicy),
        (0x80070057, None, True, RejectedByPolicy),
        (0x80070057, None, False, ProtocolViolation),
        (0x80070057, True, False, RejectedByPolicy),
        (0x8009310B, None, True, RejectedByPolicy),
        (0x8009310B, None, False, ProtocolViolation),
        (0x80092013, None, True, Unreachable),
        (0x80092013, True, True, Unreachable),
        (0x80092013, True, False, RejectedByPolicy),
        (0x80094004, None, False, NotFound),
        (0x80094004, None, True, OutcomeUnknown),
        (0x80094003, None, False, ProtocolViolation),
        (0x80094003, True, True, RejectedByPolicy),
    ],
)
def test_a_code_is_made_into_an_instruction(code, denied, effect, kind):
    assert isinstance(plainly(Refusal(code, "", denied, effect)), kind)


# Objects --------------------------------------------------------------------------------------------


def pointer(count=1, result=0, inner=1, signature=0x574F454D, kind=1):
    made = struct.pack("<IIII", count, 1, 2, 3) + struct.pack("<I", 1) + bytes(16)
    made += struct.pack("<II", 1, result) + struct.pack("<II", 1, inner) + struct.pack("<II", 68, 68)
    return made + struct.pack("<II", signature, kind) + bytes(16 + 8 + 16) + bytes(range(16)) + bytes(4)


def test_an_interface_is_read_out_of_the_properties():
    assert activation._pointer_in(Reader(pointer()), "ca") == "03020100-0504-0706-0809-0a0b0c0d0e0f"
    for broken in (pointer(count=2), pointer(inner=0), pointer(signature=1), pointer(kind=9)):
        with pytest.raises(Malformed):
            activation._pointer_in(Reader(broken), "ca")
    with pytest.raises(Unreachable):
        activation._pointer_in(Reader(pointer(result=0x80040154)), "ca")


def blob(count=1, classes=1, sizes=1, size=16):
    made = struct.pack("<II", 0x574F454D, 4) + bytes(16 + 16 + 8) + bytes(8) + bytes(16)
    made += struct.pack("<IIIII", 0, 0, 0, 2, count) + bytes(16 + 12) + struct.pack("<I", classes) + bytes(16 * classes)
    made += struct.pack("<I", sizes) + struct.pack("<I", size) * sizes
    return made + bytes(-len(made) % 8) + bytes(64)


def test_properties_of_an_answer_must_fit_themselves():
    assert list(activation._read_blob(Reader(blob())).values()) == [b""]
    for broken in (blob(count=11), blob(classes=2), blob(sizes=2), blob(size=900)):
        with pytest.raises(Malformed):
            activation._read_blob(Reader(broken))
    content = blob()
    whole = bytes(8) + struct.pack("<III", 1, len(content), len(content)) + content + bytes(-len(content) % 4)
    with pytest.raises(Malformed, match="where the object is"):
        activation._made(Reader(whole + bytes(4)), "ca")
    with pytest.raises(Unreachable):
        activation._made(Reader(whole + struct.pack("<I", 0x80040154)), "ca")


def test_an_answer_of_the_activator_that_makes_no_sense_is_said_so():
    with saying(packet(12, bind_ack()), packet(2, bytes(9), call=2)) as port:

        class Open(Channel):
            def open(self, interface, security):
                super().open(interface, None)

        original, activation.Channel = activation.Channel, Open
        try:
            with pytest.raises(ProtocolViolation):
                activation.make(
                    "0" * 8 + "-0000-0000-0000-" + "0" * 12,
                    "0" * 8 + "-0000-0000-0000-" + "0" * 12,
                    Wire(LOOPBACK, timeout=2),
                    "127.0.0.1",
                    port,
                    None,
                    plainly,
                )
        finally:
            activation.Channel = original
