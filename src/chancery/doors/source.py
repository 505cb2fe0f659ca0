"""Where a request comes from: the peer, or what a proxy of ours says about it.

`X-Forwarded-For` grows to the right: each proxy adds the peer that it saw. So it is read from the right, past our own
proxies, to the first address that none of ours wrote; anything further left is the client's own word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

Network = IPv4Network | IPv6Network


class Source:
    """Puts the client's address in place of the proxy's, before anything reads it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request whose REMOTE_ADDR is the client."""
        trusted: Sequence[Network] = settings.TRUSTED_PROXIES
        if trusted:
            peer, told = request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", "")
            request.META["REMOTE_ADDR"] = client(peer, told, trusted)
        return self._next(request)


def client(peer: str, told: str, trusted: Sequence[Network]) -> str:
    """Return the address of the client: `peer`, or the last of `told` that no trusted proxy has."""
    found = _address(peer)
    if found is None:
        return peer
    for part in reversed(told.split(",") if told else []):
        said = _address(part)
        if not _within(found, trusted) or said is None:
            break
        found = said
    return str(found)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text)
    except ValueError:
        return None
    # A server that listens on both families shows IPv4 peers mapped into IPv6.
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _within(address: IPv4Address | IPv6Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
