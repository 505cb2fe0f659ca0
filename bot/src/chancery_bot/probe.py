"""Connects and looks which certificate is served: what proves a deployment."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl

from chancery_bot.clock import Clock
from chancery_bot.errors import Refused
from chancery_bot.targets.base import Endpoint

_SECONDS = 3.0
_BETWEEN = 0.1
_ANY_LABEL = "chancery-probe"
"""What is asked for where a name is a wildcard: that stands for any one label, and for the bare domain it does not."""
_IN_A_ROW = 5
"""Looks that must all find it: for a moment after a reload, workers of before and after answer side by side."""


def served(endpoint: Endpoint) -> str:
    """Return the SHA-256 of the certificate that is served, in hex; raises `OSError`.

    Nothing is sent over the connection and nothing of it is trusted: the fingerprint alone is looked at, so a chain that
    this host does not know is no obstacle.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((endpoint.host, endpoint.port), _SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=_asked(endpoint.server_name)) as secure,
    ):
        return hashlib.sha256(secure.getpeercert(binary_form=True) or b"").hexdigest()


def prove(endpoint: Endpoint, wanted: str, seconds: float, clock: Clock) -> str:
    """Return the fingerprint that is served once it is `wanted` ('': any) each time; raises `Refused` after `seconds`."""
    until, seen, row = clock.monotonic() + seconds, "", 0
    while True:
        try:
            found = served(endpoint)
        except (OSError, ValueError) as error:  # a name that TLS cannot ask for is the second
            seen, row = f"nothing answers TLS there: {error}", 0
        else:
            row = row + 1 if wanted in {"", found} else 0
            if row == _IN_A_ROW:
                return found
            seen = "it is served, but not each time" if row else f"another certificate is served, {found[:16]}…"
        if clock.monotonic() >= until:
            where = f"{endpoint.host}:{endpoint.port}"
            raise Refused(f"{where} does not serve it: {seen}.", "Look at the service's configuration and log.")
        clock.sleep(_BETWEEN)


def _asked(name: str) -> str | None:
    """Return a name for SNI; an address is none (RFC 6066 section 3)."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return (f"{_ANY_LABEL}{name[1:]}" if name.startswith("*.") else name) or None
    return None
