"""Whether a server may listen at an address, said before it tries."""

from __future__ import annotations

import errno
import socket

_REASONS = {
    errno.EADDRINUSE: ("another program listens there already", "Stop it, or choose another port."),
    errno.EACCES: ("this user may not listen there", "Choose a port above 1023, and put a proxy in front."),
    errno.EADDRNOTAVAIL: ("this machine has no such address", "Choose one that it has, or 0.0.0.0 for all of them."),
}
_OTHER = "Choose another address or port."


def resolved(address: str) -> str:
    """Return the IP address that a host name or address stands for; raises `OSError` for none."""
    found = socket.getaddrinfo(address.strip("[]"), None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return str(found[0][4][0])


def obstacle(address: str, port: int) -> tuple[str, str] | None:
    """Return why nothing can listen at an IP address, and what to do; None where it can.

    Asked without SO_REUSEPORT, with which two servers would share a port and each get some of the connections.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # What the last server left behind in TIME_WAIT is no obstacle; one that listens still is.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
            probe.listen(1)
        except OSError as error:
            return _REASONS.get(error.errno or 0, (error.strerror or "it cannot be used", _OTHER))
    return None


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port at which nothing listens at this moment."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
