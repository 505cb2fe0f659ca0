"""HTTP/1.1 over guarded connections: no redirects, no environment proxies, no cookies, a deadline for the whole call.

The library underneath is httpcore, given a target that was parsed once; there is no second URL parser whose reading
could differ from the one that was checked.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from ipaddress import ip_address

import httpcore

from chancery.core.clock import SYSTEM_CLOCK
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import Guard, Resolver, own_context, refuses_us, resolve, tls_context
from chancery.net.identity import ClientIdentity
from chancery.net.kept import KEEP_ALIVE, Kept
from chancery.net.progress import Cause, Failed, Progress
from chancery.net.url import Url

_BROKEN = (httpcore.NetworkError, httpcore.ProtocolError)
_FAULTS = (*_BROKEN, httpcore.TimeoutException, httpcore.ProxyError)


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `once` marks what must not be sent twice: a connection of its own, and no second try.

    `timeout` is in seconds and covers everything from the name to the last byte; `max_bytes` bounds the answer's body.
    """

    method: str
    url: Url
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes
    timeout: float
    max_bytes: int
    once: bool = False
    before_send: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (lower-case names, repeated ones joined by comma), body, and how the call went."""

    status: int
    headers: dict[str, str]
    body: bytes
    progress: Progress


class Connection:
    """One connection, for calls that belong together, as a login by NTLM and what follows it (MS-NLMP section 1.5).

    It is opened by the first call. If the server closes it, the next call fails with nothing sent, instead of going out
    over another one. `certificate` is the server's (DER), as soon as a call has shown it. For one thread.
    """

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self.pool = pool
        self.begun = False
        self.certificate: bytes | None = None

    def note(self, progress: Progress) -> None:
        """Keep what a call over this connection showed."""
        self.begun = self.begun or progress.connected
        if progress.tls is not None:
            self.certificate = progress.tls.certificate


class Outgoing:
    """The connections to one place, under one policy and one trust. Safe to share between threads.

    `identity` is our own certificate, shown to `pinned_host` alone. Raises `ValueError` where it cannot be used.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        trust_pem: str | None = None,
        proxy: Url | None = None,
        pins: frozenset[str] = frozenset(),
        pinned_host: str = "",
        identity: ClientIdentity | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        self._policy, self._proxy = policy, proxy
        self._mine = threading.local()
        layers = 0 if proxy is None else 1 + (proxy.scheme == "https")
        own = own_context(trust_pem, identity) if identity is not None else None
        guard = Guard(
            policy, self._progress, resolver=resolver, layers=layers, pins=pins, pinned_host=pinned_host, own=own
        )
        self._pool = partial(_pool, guard, tls_context(trust_pem), proxy)
        self._kept = Kept(partial(self._pool, keep=1))

    def _progress(self) -> Progress:
        progress: Progress = self._mine.progress
        return progress

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Give one connection, to be closed at the end of the block."""
        pool = self._pool(keep=1)
        try:
            yield Connection(pool)
        finally:
            pool.close()

    def send(self, call: Call, over: Connection | None = None) -> Reply:
        """Send once; raises `Failed`. An exception of the call's `before_send` comes out as it is, nothing sent.

        A call that is not `once` is sent a second time if a kept connection turns out to be closed; not so a call `over`
        a connection of its own.
        """
        progress = Progress(SYSTEM_CLOCK.monotonic() + call.timeout, call.before_send)
        self._check_tunnel(call.url, progress)
        if over is not None:
            return self._send_over(over, call, progress)
        try:
            return self._alone(call, progress) if call.once else self._over_kept(call, progress)
        except _BROKEN as error:
            if progress.connected or progress.stage == "response":
                raise _failed(error, progress) from None
        except _FAULTS as error:
            raise _failed(error, progress) from None
        again = Progress(progress.deadline, call.before_send)
        try:
            return self._alone(call, again)
        except _FAULTS as error:
            raise _failed(error, again) from None

    def _over_kept(self, call: Call, progress: Progress) -> Reply:
        with self._kept.one(call.url) as pool:
            return self._exchange(pool, call, progress)

    def _alone(self, call: Call, progress: Progress) -> Reply:
        # What must not be sent twice never goes over a connection that was kept alive: the server may have closed it
        # already, and then nobody could say whether it read the request.
        asked = replace(call, headers=(*call.headers, (b"Connection", b"close")))
        with self._pool(keep=0) as pool:
            return self._exchange(pool, asked, progress)

    def _send_over(self, over: Connection, call: Call, progress: Progress) -> Reply:
        progress.stays = over.begun
        try:
            return self._exchange(over.pool, call, progress)
        except _FAULTS as error:
            raise _failed(error, progress) from None
        finally:
            over.note(progress)

    def _check_tunnel(self, url: Url, progress: Progress) -> None:
        """Judge a target behind a proxy as far as it can be seen: the proxy resolves the names."""
        if self._proxy is None:
            return
        if url.scheme != "https" or url.host == "localhost":
            raise Failed(Cause.REFUSED, "through a proxy, only https to other machines is spoken", progress)
        try:
            address = str(ip_address(url.host))
        except ValueError:
            return
        reason = self._policy.judge(address)
        if reason:
            raise Failed(Cause.REFUSED, reason, progress)

    def _exchange(self, pool: httpcore.ConnectionPool, call: Call, progress: Progress) -> Reply:
        self._mine.progress = progress
        url = call.url
        request = httpcore.Request(
            call.method,
            httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target),
            headers=list(call.headers),
            content=call.content,
            # A pool of one is never waited for, but where the library holds on to a tunnel that came to nothing.
            extensions={"timeout": {"pool": max(0.0, progress.deadline - SYSTEM_CLOCK.monotonic())}},
        )
        response = pool.handle_request(request)
        try:
            headers = _headers(response.headers)
            return Reply(response.status, headers, _body(response, headers, call.max_bytes, progress), progress)
        finally:
            response.close()

    def close(self) -> None:
        """Close the connections that are kept alive."""
        self._kept.close()


def _pool(guard: Guard, context: ssl.SSLContext, proxy: Url | None, *, keep: int) -> httpcore.ConnectionPool:
    """Return a pool of one connection, to be kept between calls or not."""
    if proxy is None:
        return httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=1,
            max_keepalive_connections=keep,
            keepalive_expiry=KEEP_ALIVE,
            network_backend=guard,
        )
    return httpcore.HTTPProxy(
        httpcore.URL(scheme=proxy.scheme, host=proxy.host, port=proxy.port, target="/"),
        ssl_context=context,
        proxy_ssl_context=context if proxy.scheme == "https" else None,
        max_connections=1,
        max_keepalive_connections=keep,
        keepalive_expiry=KEEP_ALIVE,
        network_backend=guard,
    )


def _headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _body(response: httpcore.Response, headers: dict[str, str], most: int, progress: Progress) -> bytes:
    if headers.get("content-encoding", "identity").lower() != "identity":
        # A small compressed answer may unpack to gigabytes, so compression is declined, and refused where it comes.
        raise Failed(Cause.ENCODED, "the answer is compressed although that was declined", progress)
    body = bytearray()
    for part in response.iter_stream():
        body += part
        if len(body) > most:
            raise Failed(Cause.TOO_LARGE, f"the answer is larger than {most} bytes", progress)
    return bytes(body)


def _failed(error: Exception, progress: Progress) -> Failed:
    text = str(error) or type(error).__name__
    if progress.stage == "request" and refuses_us(error):
        progress.stage, progress.sent = "tls", False
        return Failed(Cause.TLS_CLIENT, text, progress)
    if isinstance(error, httpcore.ProxyError):
        return Failed(Cause.PROXY, f"the proxy answered: {text}", progress)
    if isinstance(error, httpcore.TimeoutException):
        return Failed(Cause.TIMEOUT, text, progress)
    return Failed(Cause.BROKEN, text, progress)
