"""One message to a syslog daemon (RFC 5424): over its socket on this machine, UDP (RFC 5426) or TCP (RFC 6587)."""

from __future__ import annotations

import os
import socket
from datetime import datetime
from urllib.parse import urlsplit

_FACILITY_AUDIT, _NOTICE = 13, 5
_TIMEOUT = 5.0
_PORT = 514


def send(address: str, at: datetime, kind: str, text: str) -> None:
    """Send `text`, one line, to `syslog:///dev/log`, `syslog+udp://host:port` or `syslog+tcp://host:port`.

    Raises `OSError` where it cannot be handed over; over UDP nobody says whether it arrived.
    """
    raw = message(at, socket.gethostname(), os.getpid(), kind, text)
    parts = urlsplit(address)
    if parts.scheme == "syslog":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as local:
            local.settimeout(_TIMEOUT)
            local.connect(parts.path)
            local.send(raw)
        return
    where = (parts.hostname or "", parts.port or _PORT)
    if parts.scheme == "syslog+tcp":
        with socket.create_connection(where, _TIMEOUT) as stream:
            stream.sendall(b"%d %s" % (len(raw), raw))
        return
    family, kind_, protocol, _, found = socket.getaddrinfo(*where, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind_, protocol) as datagram:
        datagram.sendto(raw, found)


def message(at: datetime, host: str, pid: int, kind: str, text: str) -> bytes:
    """Return a message as RFC 5424 writes it, with the facility *log audit* and the severity *notice*."""
    stamp = at.isoformat(timespec="microseconds")
    return f"<{_FACILITY_AUDIT * 8 + _NOTICE}>1 {stamp} {host} chancery {pid} {kind} - {text}".encode()
