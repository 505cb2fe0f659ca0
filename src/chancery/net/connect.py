"""The guarded way out: resolve once, judge every address, connect to the very one that was judged."""

from __future__ import annotations

import queue
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

import certifi
import httpcore
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chancery.core.clock import SYSTEM_CLOCK
from chancery.net.addresses import LOCALHOST, AddressPolicy
from chancery.net.identity import ClientIdentity, present
from chancery.net.progress import Cause, Failed, Progress, TlsNotes

Resolver = Callable[[str, int], list[str]]
"""Host and port → addresses. Raises `OSError` where the name has none."""


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a host, in the resolver's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard(httpcore.NetworkBackend):
    """Opens connections, only to addresses that the policy allows. Shared by threads.

    `current` returns the progress of the calling thread's call. `layers` is the number of TLS layers that stand
    between a new connection and the first byte of a request: 0 where we speak to the CA itself, 1 through a proxy,
    2 through a proxy that itself speaks TLS. `pins` are SHA-256 of public keys (SPKI, hex) for `pinned_host`; `own` are
    the TLS settings that show our own certificate, to `pinned_host` alone: neither to a proxy nor where a link leads.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        current: Callable[[], Progress],
        *,
        resolver: Resolver = resolve,
        layers: int = 0,
        pins: frozenset[str] = frozenset(),
        pinned_host: str = "",
        own: ssl.SSLContext | None = None,
    ) -> None:
        self.policy, self.current, self._resolver, self._layers = policy, current, resolver, layers
        self.pins, self.pinned_host, self.own = pins, pinned_host, own
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve `host` once, refuse unless every address is allowed, connect to the first that answers."""
        del timeout, local_address, socket_options  # the call's own deadline counts
        progress = self.current()
        if progress.stays:
            raise Failed(Cause.PARTED, "the server closed the connection after the call before this one", progress)
        progress.connected, progress.stage = True, "name"
        progress.addresses = self._addresses(host, port, progress)
        for address in progress.addresses:
            reason = self.policy.judge(address)
            if reason:
                raise Failed(Cause.REFUSED, reason, progress)
        progress.stage = "tcp"
        return _Watched(self._first_that_answers(port, progress), self, self._layers)

    def _addresses(self, host: str, port: int, progress: Progress) -> list[str]:
        if host == "localhost":
            return [a for a in LOCALHOST if not self.policy.judge(a)] or [LOCALHOST[0]]
        try:
            return [str(ip_address(host))]
        except ValueError:
            pass
        try:
            found = _within(remaining(progress), self._resolver, host, port)
        except OSError as error:
            raise Failed(Cause.NO_NAME, f"the name {host!r} cannot be resolved: {error}", progress) from None
        if not found:
            raise Failed(Cause.NO_NAME, f"the name {host!r} has no address", progress)
        return found

    def _first_that_answers(self, port: int, progress: Progress) -> httpcore.NetworkStream:
        tried = []
        for left, address in zip(range(len(progress.addresses), 0, -1), progress.addresses, strict=True):
            try:
                # The time left is shared out, so that a dead first address does not use up the second one's.
                stream = self._plain.connect_tcp(address, port, remaining(progress) / left, None, [])
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                tried.append(f"{address} port {port}: {error}")
            else:
                progress.peer = f"{address} port {port}"
                return stream
        raise Failed(Cause.NO_CONNECTION, "; ".join(tried), progress)


class _Watched(httpcore.NetworkStream):
    """Keeps the deadline, notes the stage, and asks leave before the first byte of a request goes out."""

    def __init__(self, stream: httpcore.NetworkStream, guard: Guard, layers: int) -> None:
        self._stream, self._guard, self._layers = stream, guard, layers

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        progress = self._guard.current()
        data = self._stream.read(max_bytes, remaining(progress))
        if data and self._layers <= 0:
            progress.stage = "response"
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        progress = self._guard.current()
        if self._layers <= 0 and not progress.sent:
            if progress.before_send is not None:
                progress.before_send()
            remaining(progress)  # leave may have taken long; then nothing goes out any more
            progress.stage, progress.sent = "request", True
        self._stream.write(buffer, remaining(progress))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        del timeout
        progress = self._guard.current()
        progress.stage = "tls"
        at_home = self._layers <= 1 and server_hostname == self._guard.pinned_host
        context = self._guard.own if at_home and self._guard.own is not None else ssl_context
        try:
            stream = self._stream.start_tls(context, server_hostname, remaining(progress))
        except httpcore.ConnectTimeout:
            raise Failed(Cause.TIMEOUT, "the TLS handshake took too long", progress) from None
        except (httpcore.ConnectError, OSError) as error:
            raise Failed(*tls_fault(error), progress) from None
        progress.tls = _notes(stream)
        self._check_pin(stream, server_hostname, progress)
        return _Watched(stream, self._guard, self._layers - 1)

    def _check_pin(self, stream: httpcore.NetworkStream, host: str | None, progress: Progress) -> None:
        if not self._guard.pins or host != self._guard.pinned_host or progress.tls is None:
            return
        found = spki_sha256(progress.tls.certificate)
        if found not in self._guard.pins:
            stream.close()
            raise Failed(Cause.TLS_PIN, f"the server's public key (SHA-256 {found}) is not the pinned one", progress)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def remaining(progress: Progress) -> float:
    """Return the seconds until the call's deadline; raises httpcore's timeout where none are left.

    Sockets wait in real time, so this is the machine's clock and no injected one.
    """
    left = progress.deadline - SYSTEM_CLOCK.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for the call is over")
    return left


def _within(seconds: float, resolver: Resolver, host: str, port: int) -> list[str]:
    """Resolve, but wait no longer than this: the system's resolver cannot be interrupted, only left behind."""
    box: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look() -> None:
        try:
            box.put(resolver(host, port))
        except Exception as error:  # handed over to the thread that waits
            box.put(error)

    threading.Thread(target=look, name="resolve", daemon=True).start()
    try:
        found = box.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError("the name servers do not answer") from None
    if isinstance(found, Exception):
        raise found
    return found


def _notes(stream: httpcore.NetworkStream) -> TlsNotes:
    tls = stream.get_extra_info("ssl_object")
    return TlsNotes(tls.version(), tls.cipher()[0], tls.getpeercert(True))


def spki_sha256(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's public key (SubjectPublicKeyInfo, RFC 7469 section 2.4), lower-case hex."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


_VERIFY_CODES = {
    9: Cause.TLS_NOT_YET_VALID,
    10: Cause.TLS_EXPIRED,
    **dict.fromkeys((2, 18, 19, 20, 21, 27), Cause.TLS_UNKNOWN_ISSUER),
    **dict.fromkeys((62, 64), Cause.TLS_WRONG_NAME),
}
"""OpenSSL's verification results (x509_vfy.h)."""


_ALERTS = re.compile(
    r"ALERT_(?:CERTIFICATE_(?:REQUIRED|REVOKED|EXPIRED|UNKNOWN)|(?:BAD|UNSUPPORTED)_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)$"
)
"""Alerts by which a server says that it does not take the client's certificate (RFC 8446 section 6.2)."""


def refuses_us(error: BaseException) -> bool:
    """Say whether an error is the server's alert about our certificate, or about our having none.

    Whatever was sent behind the handshake was then read by nobody: in TLS 1.3 the alert comes after our first bytes.
    """
    # The library underneath hands its cause over as an argument, and cuts the link to it.
    found = [one for one in (error, error.__cause__, *error.args) if isinstance(one, ssl.SSLError)]
    return any(_ALERTS.search(one.reason or "") for one in found)


def tls_fault(error: Exception) -> tuple[Cause, str]:
    """Return what went wrong in a handshake, from the error or the one that it was made from."""
    inner = error.__cause__ or error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(inner.verify_code, Cause.TLS), inner.verify_message
    cause = Cause.TLS_CLIENT if refuses_us(error) else Cause.TLS
    return cause, str(inner) or type(inner).__name__


def own_context(trust_pem: str | None, identity: ClientIdentity) -> ssl.SSLContext:
    """Return the TLS settings of `tls_context`, showing our own certificate to whoever asks; kept by nobody else."""
    context = _context(trust_pem)
    present(context, identity)
    return context


@lru_cache(maxsize=64)
def tls_context(trust_pem: str | None) -> ssl.SSLContext:
    """Return the TLS settings: 1.2 at least, always verified; own trust only where given, else public roots.

    An own bundle may hold a root, an issuing CA, or the server's certificate itself: what it holds is trusted.
    Raises `ValueError` for a bundle without a readable certificate.
    """
    return _context(trust_pem)


def _context(trust_pem: str | None) -> ssl.SSLContext:
    if not trust_pem:
        context = ssl.create_default_context(cafile=certifi.where())
    else:
        try:
            context = ssl.create_default_context(cadata=trust_pem)
        except (ssl.SSLError, ValueError, TypeError) as error:  # TypeError: not ASCII
            raise ValueError(f"the trust bundle holds no readable PEM certificate: {error}") from None
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
