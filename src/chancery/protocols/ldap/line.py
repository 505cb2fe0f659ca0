"""One connection to a directory: guarded, protected, bounded in time and size."""

from __future__ import annotations

import ssl

import httpcore

from chancery.core.clock import SYSTEM_CLOCK
from chancery.net.connect import Guard, tls_context
from chancery.net.progress import Failed, Progress
from chancery.protocols.ldap import faults
from chancery.protocols.ldap.login import Negotiation
from chancery.protocols.ldap.messages import Malformed, Received, read
from chancery.protocols.ldap.settings import LdapSettings, LdapWire
from chancery.sdk.errors import Unreachable

LARGEST = 16 * 1024 * 1024
_READ = 65_536
_SEQUENCE = 0x30
_TIMEOUTS = (httpcore.TimeoutException,)
_BREAKS = (httpcore.NetworkError, httpcore.ProtocolError, OSError)


class Line:
    """Call `open`, `secure` where TLS is to begin, `log_in` with a login that is over, then `send` and `receive`."""

    def __init__(self, wire: LdapWire, settings: LdapSettings) -> None:
        self._wire, self._settings, self.host = wire, settings, settings.host
        self._progress = Progress(SYSTEM_CLOCK.monotonic() + wire.timeout)
        self._stream: httpcore.NetworkStream | None = None
        self._login: Negotiation | None = None
        self._buffer = bytearray()

    def open(self) -> None:
        """Connect."""
        layers = 1 if self._settings.protection.tls else 0
        guard = Guard(self._wire.policy, lambda: self._progress, resolver=self._wire.resolver, layers=layers)
        port = self._settings.port or self._settings.protection.port
        try:
            self._stream = guard.connect_tcp(self.host, port)
        except Failed as failed:
            raise faults.broken(failed, self.host) from None

    def secure(self) -> bytes:
        """Begin TLS, verified; return the server's certificate (DER)."""
        try:
            self._stream = self._there().start_tls(self._context(), self.host, None)
        except Failed as failed:
            raise faults.broken(failed, self.host) from None
        except _TIMEOUTS:
            raise faults.late(self.host) from None
        return self._progress.tls.certificate if self._progress.tls else b""

    def _context(self) -> ssl.SSLContext:
        try:
            return tls_context(self._settings.trust_pem or None)
        except ValueError as error:
            raise Unreachable(
                f"Directory {self.host}: The trust bundle cannot be read: {error}",
                code="trust_bundle",
                stage="tls",
                bytes_sent=False,
                remedy="Paste the root of the domain controller's certificate as PEM.",
            ) from None

    def log_in(self, login: Negotiation) -> None:
        """Seal and open what follows by a login, where it does that."""
        self._login = login

    def send(self, message: bytes) -> None:
        """Send a message."""
        try:
            self._there().write(self._login.seal(message) if self._login else message)
        except _TIMEOUTS:
            raise faults.late(self.host) from None
        except _BREAKS as error:
            raise faults.broken(error, self.host) from None

    def receive(self) -> Received:
        """Return the next message; raises `ProtocolViolation` for what is none."""
        try:
            while True:
                size = _whole(self._buffer)
                if size and len(self._buffer) >= size:
                    content = bytes(self._buffer[:size])
                    del self._buffer[:size]
                    return read(content)
                self._buffer += self._more()
        except Malformed as error:
            raise faults.senseless(str(error), self.host) from None

    def _more(self) -> bytes:
        if self._login is None or not self._login.seals:
            return self._some(_READ)
        size = int.from_bytes(self._exactly(4), "big")
        if size > LARGEST:
            raise Malformed(f"a sealed part of {size} bytes")
        return self._login.open(self._exactly(size))

    def _exactly(self, count: int) -> bytes:
        found = bytearray()
        while len(found) < count:
            found += self._some(count - len(found))
        return bytes(found)

    def _some(self, most: int) -> bytes:
        try:
            data = self._there().read(most)
        except _TIMEOUTS:
            raise faults.late(self.host) from None
        except _BREAKS as error:
            raise faults.broken(error, self.host) from None
        if not data:
            raise faults.broken(ConnectionError("the directory closed the connection"), self.host)
        return data

    def _there(self) -> httpcore.NetworkStream:
        if self._stream is None:
            raise RuntimeError("the line is not open")
        return self._stream

    def close(self) -> None:
        """Close the connection: a session may end at any time without a farewell (RFC 4511 section 5.3)."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _whole(buffer: bytearray) -> int:
    """Return how many bytes the first message takes; 0 while that cannot be said yet."""
    if len(buffer) < 2:
        return 0
    if buffer[0] != _SEQUENCE:
        raise Malformed("it does not begin as a message of LDAP")
    size = buffer[1]
    if size < 0x80:
        return 2 + size
    octets = size & 0x7F
    if not 1 <= octets <= 4:
        raise Malformed("a message of no definite length")
    if len(buffer) < 2 + octets:
        return 0
    length = int.from_bytes(buffer[2 : 2 + octets], "big")
    if length > LARGEST:
        raise Malformed(f"a message of {length} bytes")
    return 2 + octets + length
