"""Passes TCP connections on: `python -m tests.chaos.forward HERE THERE ADDRESS`. Reads nothing of Chancery."""

import contextlib
import socket
import sys
import threading


class Forward:
    """Passes connections on. Plain HTTP is spoken on loopback alone, so each host reaches the CA at its own."""

    def __init__(self, listen, target):
        self._target = target
        self._listening = socket.create_server(listen, backlog=128)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                inside, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(inside,), daemon=True).start()

    def _serve(self, inside):
        with contextlib.suppress(OSError), inside, socket.create_connection(self._target) as outside:
            back = threading.Thread(target=self._pump, args=(outside, inside), daemon=True)
            back.start()
            self._pump(inside, outside)
            back.join()

    def _pump(self, source, target):
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self._listening.shutdown(socket.SHUT_RDWR)  # or whoever accepts goes on doing so
        self._listening.close()


if __name__ == "__main__":
    here, there, address = sys.argv[1:]
    Forward(("127.0.0.1", int(here)), (address, int(there)))
    threading.Event().wait()
