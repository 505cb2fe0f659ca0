"""Looks at what somebody shows who says that a name is theirs: a file over HTTP, a certificate over TLS.

Whose name it is, is only being found out; so no certificate is verified here, and nothing that is sent is secret. Addresses
are judged as everywhere, again for each redirect.
"""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from urllib.parse import urljoin

import httpcore

from chancery.core.clock import SYSTEM_CLOCK
from chancery.net.addresses import AddressPolicy
from chancery.net.connect import Guard, Resolver
from chancery.net.progress import Cause, Failed, Progress
from chancery.net.url import Url, parse_url

WAIT = 10.0
"""Seconds for all of it, redirects too."""
_MOST_HOPS, _MOST_BYTES = 10, 4096
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ALPN = "acme-tls/1"


def fetch(address: str, policy: AddressPolicy, resolver: Resolver, ports: frozenset[int]) -> tuple[int, bytes, str]:
    """Return status, content and final address of a page; redirects lead to `ports` alone. Raises `Failed`."""
    progress = Progress(SYSTEM_CLOCK.monotonic() + WAIT)
    guard = Guard(policy, lambda: progress, resolver=resolver)
    with httpcore.ConnectionPool(ssl_context=_anybody(), network_backend=guard, max_keepalive_connections=0) as pool:
        for _ in range(_MOST_HOPS + 1):
            url = _checked(address, ports, progress)
            status, location, content = _get(pool, url, progress)
            if status not in _REDIRECTS or not location:
                return status, content, str(url)
            address = urljoin(str(url), location)
    raise Failed(Cause.REFUSED, f"it redirects more than {_MOST_HOPS} times", progress)


def _checked(address: str, ports: frozenset[int], progress: Progress) -> Url:
    try:
        url = parse_url(address.partition("#")[0])
    except ValueError as error:
        raise Failed(Cause.REFUSED, f"it redirects to an address that cannot be used: {error}", progress) from None
    if url.port not in ports:
        told = ", ".join(map(str, sorted(ports)))
        raise Failed(Cause.REFUSED, f"it redirects to the port {url.port}; allowed are {told}", progress)
    return url


def _get(pool: httpcore.ConnectionPool, url: Url, progress: Progress) -> tuple[int, str, bytes]:
    headers = [(b"Host", url.authority.encode()), (b"User-Agent", b"chancery-acme"), (b"Accept", b"*/*")]
    where = httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target)
    try:
        with pool.stream("GET", where, headers=headers) as answer:
            content = b""
            for piece in answer.iter_stream():
                content += piece
                if len(content) > _MOST_BYTES:
                    break
            found = {name.lower(): value for name, value in answer.headers}
            return answer.status, found.get(b"location", b"").decode("latin-1"), content[:_MOST_BYTES]
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
        raise Failed(Cause.BROKEN, f"the answer broke off ({type(error).__name__})", progress) from None


def shown(host: str, port: int, policy: AddressPolicy, resolver: Resolver) -> tuple[bytes, str]:
    """Return the certificate (DER) that a host shows for `acme-tls/1`, and the protocol agreed on (RFC 8737 section 3).

    Raises `Failed`. For an address, the name asked for is its reverse one (RFC 8738 section 6).
    """
    progress = Progress(SYSTEM_CLOCK.monotonic() + WAIT)
    stream = Guard(policy, lambda: progress, resolver=resolver).connect_tcp(host, port)
    try:
        stream = stream.start_tls(_anybody([_ALPN]), _asked_for(host))
        agreed = stream.get_extra_info("ssl_object").selected_alpn_protocol() or ""
        return progress.tls.certificate if progress.tls is not None else b"", agreed
    finally:
        stream.close()


def _asked_for(host: str) -> str:
    try:
        return ip_address(host).reverse_pointer
    except ValueError:
        return host


def _anybody(protocols: list[str] | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocols:
        context.set_alpn_protocols(protocols)
    return context
