"""The guarded way out: resolve once, judge every address, connect to the one that was judged."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import Any

import certifi
import httpcore
import httpx

from chancery.net.addresses import AddressPolicy, parse_host

Resolver = Callable[[str, int], list[str]]


class Refused(Exception):
    """The guard does not allow this destination."""


class Stage(threading.local):
    """How far the call of this thread got, and whether a byte of the request has left."""

    name = "name"
    sent = False

    def reset(self, before_send: Callable[[], None] | None) -> None:
        """Start a call."""
        self.name, self.sent, self.before_send = "name", False, before_send


def resolve(host: str, port: int) -> list[str]:
    """Return every address of a host, in the resolver's order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore.NetworkBackend):
    """Connects only to addresses that the policy allows."""

    def __init__(self, policy: AddressPolicy, stage: Stage, resolver: Resolver = resolve) -> None:
        self._policy, self._stage, self._resolver = policy, stage, resolver
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
        self._stage.name = "name"
        try:
            parse_host(host)
        except ValueError as error:
            raise Refused(str(error)) from None
        try:
            addresses = self._resolver(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"the name {host!r} cannot be resolved: {error}") from None
        for address in addresses:
            reason = self._policy.judge(address)
            if reason:
                raise Refused(reason)
        self._stage.name = "tcp"
        stream = self._first(addresses, port, timeout, local_address, socket_options)
        return _Watched(stream, self._stage)

    def _first(
        self, addresses: list[str], port: int, timeout: float | None, local: str | None, options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        last: Exception = httpcore.ConnectError("the name has no address")
        for address in addresses:
            try:
                return self._plain.connect_tcp(address, port, timeout, local, options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                last = error
        raise last

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        """Refuse: CAs are not reached through files."""
        raise Refused("unix sockets are not used")

    def sleep(self, seconds: float) -> None:
        """Refuse: nothing here sleeps."""
        raise Refused("nothing sleeps")


class _Watched(httpcore.NetworkStream):
    """Notes the stage, and asks leave before the first byte of a request goes out."""

    def __init__(self, stream: httpcore.NetworkStream, stage: Stage) -> None:
        self._stream, self._stage = stream, stage

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data = self._stream.read(max_bytes, timeout)
        self._stage.name = "response"
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if buffer and not self._stage.sent:
            if self._stage.before_send is not None:
                self._stage.before_send()
            self._stage.name, self._stage.sent = "request", True
        self._stream.write(buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self._stage.name = "tls"
        return _Watched(self._stream.start_tls(ssl_context, server_hostname, timeout), self._stage)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def tls_context(trust_pem: str | None) -> ssl.SSLContext:
    """Return the TLS settings: 1.2 at least, always verified, own roots where given, else public ones."""
    if trust_pem:
        context = ssl.create_default_context(cadata=trust_pem)
    else:
        context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def transport(
    policy: AddressPolicy, stage: Stage, *, trust_pem: str | None, proxy: str | None, resolver: Resolver = resolve
) -> httpx.HTTPTransport:
    """Return an httpx transport whose every connection goes through the guard; it never retries."""
    made = httpx.HTTPTransport(verify=tls_context(trust_pem), retries=0, trust_env=False)
    backend = GuardedBackend(policy, stage, resolver)
    common = {"ssl_context": tls_context(trust_pem), "network_backend": backend, "retries": 0}
    limits = {"max_connections": 64, "max_keepalive_connections": 32, "keepalive_expiry": 5.0}
    if proxy:
        made._pool = httpcore.HTTPProxy(proxy_url=proxy, **common, **limits)  # type: ignore[arg-type]
    else:
        made._pool = httpcore.ConnectionPool(**common, **limits)  # type: ignore[arg-type]
    return made
