"""One kept-alive HTTP/1.1 connection that costs little: what is measured shares the processors with whoever measures."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from bench.acme_client import Answer

_MOST = 1 << 16


class Line:
    """Sends a request and reads its answer, whose length it must say (RFC 9112 section 6.3)."""

    def __init__(self, address: str) -> None:
        self._host = address
        host, _, port = address.partition(":")
        self._where = (host, int(port))
        self._socket: socket.socket | None = None

    def send(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        """Return the answer to one request."""
        told = {"Host": self._host, **headers, **({"Content-Length": str(len(body))} if body is not None else {})}
        lines = [f"{method} {urlsplit(url).path} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items()), "", ""]
        self._open().sendall("\r\n".join(lines).encode() + (body or b""))
        return self._answer(method)

    def close(self) -> None:
        """End the connection; the next request makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(self._where, timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _answer(self, method: str) -> Answer:
        raw = b""
        while (end := raw.find(b"\r\n\r\n")) < 0:
            raw += self._more()
        first, *rest = raw[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
        status, body = int(first.split(" ", 2)[1]), raw[end + 4 :]
        if method == "HEAD" or status == 204:
            return Answer(status, headers, b"")
        while len(body) < int(headers["content-length"]):
            body += self._more()
        return Answer(status, headers, body)

    def _more(self) -> bytes:
        found = self._open().recv(_MOST)
        if not found:
            msg = "the server has ended the connection"
            raise ConnectionError(msg)
        return found
