"""The domain's side of NTLM refuses what MS-NLMP has it refuse."""

import struct

import pytest
import spnego

from chancery.protocols.msrpc.simulator.acceptor import Acceptor, Refused
from chancery.protocols.msrpc.simulator.md4 import md4

ACCOUNTS = {"EXAMPLE\\svc": "a password: with everything"}


def test_md4_is_that_of_the_rfc():
    assert md4(b"").hex() == "31d6cfe0d16ae931b73c59d7e0c089c0"
    assert md4(b"12345678901234567890" * 4).hex() == "e33b4ddc9c38f2199c3e7b164fcc0536"


def client(password=ACCOUNTS["EXAMPLE\\svc"], user="EXAMPLE\\svc"):
    options = spnego.NegotiateOptions.use_ntlm
    return spnego.client(user, password, hostname="ca", service="host", protocol="ntlm", options=options)


def answered(acceptor, who):
    return who.step(acceptor.step(who.step()))


def test_packets_are_opened_once_and_unchanged():
    acceptor, who = Acceptor(ACCOUNTS), client()
    assert acceptor.step(answered(acceptor, who)) == b""
    assert acceptor.account == "EXAMPLE\\svc"
    sealed, verifier = acceptor.seal(b"head", b"body", b"tail")
    from spnego.iov import BufferType as Kind

    parts = [(Kind.sign_only, b"head"), sealed, (Kind.sign_only, b"tail"), (Kind.header, verifier)]
    assert who.unwrap_iov(parts).buffers[1].data == b"body"
    made = who.wrap_iov([(Kind.sign_only, b"head"), b"body", (Kind.sign_only, b"tail"), Kind.header], encrypt=True)
    with pytest.raises(Refused, match="changed"):
        acceptor.open(b"HEAD", made.buffers[1].data, b"tail", made.buffers[3].data)


@pytest.mark.parametrize("who", [client("wrong"), client(user="EXAMPLE\\nobody"), client(user="svc")])
def test_strangers_are_refused(who):
    acceptor = Acceptor(ACCOUNTS)
    with pytest.raises(Refused):
        acceptor.step(answered(acceptor, who))


def test_messages_that_were_changed_on_the_way_are_refused():
    acceptor, who = Acceptor(ACCOUNTS), client()
    token = answered(acceptor, who)
    acceptor._negotiate += b"\0"
    with pytest.raises(Refused, match="changed on the way"):
        acceptor.step(token)


@pytest.mark.parametrize(
    "token",
    [b"", b"NTLMSSP\0", b"NTLMSSP\0" + struct.pack("<II", 3, 0), b"NTLMSSP\0" + struct.pack("<II", 1, 0x1)],
)
def test_what_is_no_login_is_refused(token):
    with pytest.raises(Refused):
        Acceptor(ACCOUNTS).step(token)
