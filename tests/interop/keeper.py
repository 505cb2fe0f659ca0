"""Runs inside a network namespace of its own: `keeper.py SOCKET PORT[,PORT...] COMMAND...`.

Starts the command, which serves TCP on the port (on every interface, but here there is only loopback), and passes what
comes through the Unix socket on to it. The socket is a file, so it can be reached from outside the namespace. Further ports
have sockets of their own, `SOCKET.PORT`.
"""

import contextlib
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path


def main(path, ports, command):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        for place, port in enumerate(ports):
            _wait(port, server)
            listening = socket.socket(socket.AF_UNIX)
            listening.bind(f"{path}.{port}" if place else path)
            listening.listen()
            threading.Thread(target=_accept, args=(listening, port), daemon=True).start()
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        server.kill()
        server.wait()


def _wait(port, server):
    """Wait until the command listens: to try a connection would keep its one place busy for a second."""
    for _ in range(500):
        lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()]
        if any(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines):
            return
        if server.poll() is not None:
            sys.exit(f"it ended with {server.returncode}")
        time.sleep(0.01)
    sys.exit("it does not listen")


def _accept(listening, port):
    while True:
        inside, _ = listening.accept()
        outside = socket.create_connection(("127.0.0.1", port))
        for one, other in ((inside, outside), (outside, inside)):
            threading.Thread(target=_pump, args=(one, other), daemon=True).start()


def _pump(source, sink):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    main(sys.argv[1], [int(port) for port in sys.argv[2].split(",")], sys.argv[3:])
