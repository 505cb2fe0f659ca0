"""Loopback servers that do as a test tells them, and certificates made on the spot."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chancery.net.addresses import AddressPolicy
from chancery.net.connect import spki_sha256

LOOPBACK = AddressPolicy(("127.0.0.0/8",))
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Handler = Callable[[bytes, socket.socket, int], bytes | None]
"""Request, connection, number of the request on it (from 1) → answer, or None to close."""


def to_loopback(host: str, port: int) -> list[str]:
    """Resolve every name to this machine."""
    return ["127.0.0.1"]


class Server:
    """Serves `handler` on loopback until the end of the with block; keeps what it was sent."""

    def __init__(self, handler: Handler | bytes = OK, tls: ssl.SSLContext | None = None) -> None:
        self.handler: Handler = handler if callable(handler) else lambda *_: handler
        self.tls = tls
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()
        for thread in self._threads:
            thread.join(5)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(conn)
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            self._start(self._serve, conn)

    def _serve(self, conn: socket.socket) -> None:
        try:
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
                self._open.append(conn)
            self._talk(conn)
        except OSError:
            pass
        finally:
            conn.close()

    def _talk(self, conn: socket.socket) -> None:
        number = 0
        while request := read_request(conn):
            number += 1
            self.requests.append(request)
            answer = self.handler(request, conn, number)
            if answer is None:
                return
            conn.sendall(answer)


def read_request(conn: socket.socket) -> bytes:
    """Return one whole request, or b'' at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = conn.recv(65536)
        if not part:
            return data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    while lengths and len(body) < lengths[0]:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


def proxying(ports: dict[bytes, int], refusal: bytes = b"") -> Handler:
    """Return a handler that tunnels CONNECT requests for these targets to loopback ports."""

    def handle(request: bytes, conn: socket.socket, number: int) -> bytes | None:
        if refusal:
            return refusal
        target = request.split(b" ")[1]
        with socket.create_connection(("127.0.0.1", ports[target])) as onward:
            conn.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pipe, args=(onward, conn), daemon=True)
            back.start()
            _pipe(conn, onward)
            back.join(5)
        return None

    return handle


def _pipe(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@dataclass
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def pin(self) -> str:
        return spki_sha256(self.certificate.public_bytes(Encoding.DER))

    def serving(self, folder: Path) -> ssl.SSLContext:
        """Return the server's side of TLS with this certificate."""
        file = folder / f"{self.pin}.pem"
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        file.write_text(key + self.pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def make(
    *names: str,
    issuer: Made | None = None,
    days: tuple[float, float] = (-1, 90),
    ca: bool = False,
) -> Made:
    """Make a certificate for names (or addresses), valid between two days from now; self-signed without an issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if not ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
    signing = issuer.key if issuer else key
    return Made(builder.sign(signing, hashes.SHA256()), key)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
