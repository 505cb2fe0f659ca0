"""A session of `requests` for libraries that speak through one: its connections go through the guard, as all of ours do.

No redirects, no proxies from the environment, no cookies kept, ten seconds for a whole call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests
from requests.adapters import BaseAdapter

from chancery.net.addresses import AddressPolicy
from chancery.net.progress import Failed
from chancery.net.transport import Call, Outgoing
from chancery.net.url import parse_url

NoAnswer = requests.RequestException
"""What a session raises where nothing trustworthy comes back."""
_SECONDS, _MOST = 10.0, 2_000_000


class Guarded(BaseAdapter):
    """Sends what `requests` has made ready, to addresses that are allowed; http only to this very machine."""

    def __init__(self, networks: Sequence[str]) -> None:
        super().__init__()
        self._policy = AddressPolicy(tuple(networks))

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Send once; raises `requests.ConnectionError` where nothing trustworthy comes back."""
        try:
            url = parse_url(request.url or "")
        except ValueError as error:
            raise requests.exceptions.InvalidURL(str(error)) from None
        if url.scheme != "https" and not self._policy.allows_loopback(url.host):
            raise requests.exceptions.InvalidURL("only https is spoken with other machines")
        given = request.body or b""
        body = given if isinstance(given, bytes) else str(given).encode()
        # Not compressed: what comes back is given on as it is.
        wanted = {**request.headers, "Host": url.authority, "Accept-Encoding": "identity"}
        headers = tuple((name.encode(), str(value).encode()) for name, value in wanted.items())
        call = Call(request.method or "GET", url, headers, body, _SECONDS, _MOST, once=True)
        try:
            reply = Outgoing(self._policy).send(call)
        except Failed as error:
            raise requests.ConnectionError(str(error)) from None
        response = requests.Response()
        response.status_code, response._content, response.url = reply.status, reply.body, str(request.url)
        response.headers.update(reply.headers)
        response.request = request
        return response

    def close(self) -> None:
        """Keep nothing, so there is nothing to close."""


def session(networks: Sequence[str]) -> requests.Session:
    """Return a session that reaches public addresses, and those inside that `networks` open."""
    made = requests.Session()
    made.trust_env, made.max_redirects = False, 0
    for scheme in ("https://", "http://"):
        made.mount(scheme, Guarded(networks))
    return made
