"""Clients at the simulated CA, and a server that says what the test wants."""

import socket
import struct
import threading
from contextlib import contextmanager
from datetime import timedelta

from chancery.core.secret import Secret
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import resolve
from chancery.protocols.hresult import plainly
from chancery.protocols.msrpc.channel import Channel, Wire
from chancery.protocols.msrpc.client import MsrpcClient
from chancery.protocols.msrpc.settings import EnrollBy, MsrpcCredentials, MsrpcSettings
from chancery.protocols.msrpc.simulator import CA_NAME, MANAGER, PASSWORD, USER
from chancery.protocols.negotiate.settings import Credentials, Way

LOOPBACK = AddressPolicy(("127.0.0.0/8",))
BOTH = (EnrollBy.ICPR, EnrollBy.DCOM)


def nobody(host, port):
    raise OSError(f"no such host as {host}, port {port}")


def account(name=USER, password=PASSWORD, way=Way.NTLM):
    return Credentials(way, name, Secret(password))


class Stand:
    """A running simulator and clients to it, by one clock."""

    def __init__(self, simulator, clock):
        self.simulator, self.clock = simulator, clock

    def client(
        self, *, enroll=None, manage=None, managing=True, before_send=None, timeout=5.0, resolver=resolve, **settings
    ):
        given = {"host": "127.0.0.1", "ca": CA_NAME, "template": "WebServer30", "port": self.simulator.port, **settings}
        manager = (manage or account(MANAGER)) if managing else None
        credentials = MsrpcCredentials(enroll or account(), manager)
        wire = Wire(LOOPBACK, timeout=timeout, before_send=before_send, resolver=resolver)
        return MsrpcClient(wire, MsrpcSettings(**given), credentials, self.clock)

    def dial(self, **dials):
        self.simulator.dials.set(**dials)

    def advance(self, **span):
        self.clock.advance(timedelta(**span))


def packet(kind, body, *, call=1, flags=3, auth=b"", trailer=b"", version=5, order=0x10, size=None):
    length = 16 + len(body) + len(trailer) + len(auth) if size is None else size
    head = struct.pack("<BBBBIHHI", version, 0, kind, flags, order, length, len(auth), call)
    return head + body + trailer + auth


def bind_ack(*, result=0, reason=0, count=1, largest=5840):
    made = struct.pack("<HHI", 5840, largest, 7) + b"\x04\x00135\x00" + b"\0\0" + bytes([count, 0, 0, 0])
    return made + struct.pack("<HH", result, reason) + bytes(20)


@contextmanager
def saying(*answers, keep=False):
    """Serve one connection: each answer is sent for one packet that comes in; then it is closed, or kept in silence."""
    server, waiting = socket.create_server(("127.0.0.1", 0)), threading.Event()
    if not keep:
        waiting.set()

    def serve():
        connection, _ = server.accept()
        with connection:
            try:
                for answer in answers:
                    if connection.recv(65536):
                        connection.sendall(answer)
                waiting.wait(5)
            except OSError:
                return  # the client went away, as it may

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        waiting.set()
        server.close()
        thread.join(5)


def channel(port, *, timeout=2.0, policy=LOOPBACK, host="127.0.0.1", **more):
    return Channel(Wire(policy, timeout=timeout, **more), host, port, plainly)
