"""TLS in front of a simulator: EST is spoken over nothing else."""

import socket
import ssl
import threading
from contextlib import contextmanager

from chancery.net.tests.serving import make


@contextmanager
def tls_front(port, folder, clients=None):
    """Pass connections on to a loopback port until the end of the block; gives port and root (PEM) of the front.

    With `clients` (PEM) only those come in who show a certificate from there.
    """
    root = make("Front root", ca=True)
    context = make("localhost", "127.0.0.1", issuer=root).serving(folder)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=clients)
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_accept, args=(listener, context, port), daemon=True).start()
    try:
        yield listener.getsockname()[1], root.pem
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener, context, port):
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_carry, args=(plain, context, port), daemon=True).start()


def _carry(plain, context, port):
    try:
        with (
            context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection(("127.0.0.1", port)) as onward,
        ):
            back = threading.Thread(target=_pipe, args=(onward, client), daemon=True)
            back.start()
            _pipe(client, onward)
            back.join(10)
    except OSError:
        pass


def _pipe(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
