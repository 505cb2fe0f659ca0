"""A server of threads that stops at once: the base class's own loop looks for its end now and then only."""

from __future__ import annotations

import selectors
import socket
import socketserver
import sys
import threading
import traceback
from typing import Any


class StopsAtOnce(socketserver.ThreadingTCPServer):
    """Takes connections from its making to its end; who talks keeps its socket in `open`, so that the end drops it."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], talk: type[socketserver.BaseRequestHandler]) -> None:
        super().__init__(address, talk)
        self.port: int = self.server_address[1]
        self.open: set[socket.socket] = set()
        self.ended = False
        self._wake, self._woken = socket.socketpair()
        self._loop = threading.Thread(target=self._accept, daemon=True)

    def begin(self) -> None:
        """Take connections; called when the server has all that those who talk ask of it."""
        self._loop.start()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as ready:
            ready.register(self, selectors.EVENT_READ)
            ready.register(self._woken, selectors.EVENT_READ)
            while not self.ended:
                if any(key.fileobj is self for key, _ in ready.select()):
                    self._take()

    def _take(self) -> None:
        try:
            request, address = self.get_request()
        except OSError:
            return  # it went away before it was served
        self.process_request(request, address)

    def end(self) -> None:
        """Stop listening and drop every connection."""
        self.ended = True
        self._wake.send(b"!")
        self._loop.join()
        self.server_close()
        self._wake.close()
        self._woken.close()
        for connection in list(self.open):
            drop(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away, which is what the sandbox is for; a fault of ours must not look like one."""
        if not self.ended and not isinstance(sys.exception(), OSError):
            traceback.print_exc()


def drop(connection: socket.socket) -> None:
    """Close a connection at once."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()
