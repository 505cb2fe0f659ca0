"""Bodies of ten megabytes, many at once, at a real server: each is refused before it is read, and memory stays what it was."""

import socket
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from chancery.apps.accounts import actions, queries
from chancery.apps.accounts.models import User
from chancery.net.listening import free_port
from tests.chaos.stand import START, until

pytestmark = pytest.mark.django_db(transaction=True)
PIECE = b'{"profile": "Internal", "csr": "' + b"A" * (2**20 - 64) + b'"}'
PIECES = 10
MOST_MIB = 300
WAYS = (
    ("/api/v1/orders", "application/json", "length"),
    ("/api/v1/orders", "application/json", "chunked"),
    ("/orders/new", "application/x-www-form-urlencoded", "length"),
    ("/orders/new", "application/x-www-form-urlencoded", "chunked"),
    ("/login", "multipart/form-data; boundary=b", "length"),
    ("/login", "multipart/form-data; boundary=b", "chunked"),
    ("/acme/new-account", "application/jose+json", "length"),
    ("/acme/new-account", "application/jose+json", "chunked"),
    ("/api/bot/enrol", "application/json", "length"),
    ("/api/bot/poll", "application/json", "chunked"),
)
"""Address, kind and framing: a declared length, or pieces of which only the end says how many there were."""


def peak(process):
    """Return the most memory (MiB) that a server's processes have had, added up."""
    found = 0
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if (
                entry.name.isdigit()
                and int(entry.joinpath("stat").read_text().rpartition(")")[2].split()[2]) == process.pid
            ):
                line = next(one for one in entry.joinpath("status").read_text().splitlines() if one.startswith("VmHWM"))
                found += int(line.split()[1])
    return found / 1024


def upload(port, token, path, kind, framing):
    """Send one body as fast as it is taken; return the status, '' where the line was cut before one came."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        told = "Transfer-Encoding: chunked" if framing == "chunked" else f"Content-Length: {len(PIECE) * PIECES}"
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        line.sendall(f"{head}Content-Type: {kind}\r\n{told}\r\nConnection: close\r\n\r\n".encode())
        with suppress(OSError):
            for _ in range(PIECES):
                line.sendall(f"{len(PIECE):x}\r\n".encode() + PIECE + b"\r\n" if framing == "chunked" else PIECE)
            line.sendall(b"0\r\n\r\n" if framing == "chunked" else b"")
        with suppress(OSError):
            return line.makefile("rb").readline().decode().split(" ")[1:2]
    return []


@pytest.mark.parametrize("number", [40, pytest.param(1000, marks=pytest.mark.long)])
def test_many_huge_bodies_at_once_cost_little(stand, cast, local, number, say, result, monkeypatch):
    port = free_port()
    monkeypatch.setenv("CHANCERY_ACME_URL", "https://chancery.example/acme")
    server = stand.start("serve", "--listen", f"127.0.0.1:{port}")
    _, token = actions.create_token(queries.actor_of(User.objects.get(username="rob"), how="session"), "uploads")
    until(lambda: upload_small(port, token) == ["422"], START, "the server does not answer")
    before, answers = peak(server), []

    def send(way):
        answers.append(upload(port, token, *way)[:1])

    threads = [threading.Thread(target=send, args=(WAYS[n % len(WAYS)],)) for n in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    after = peak(server)
    assert len(answers) == number
    refused = Counter(status for answer in answers for status in answer)
    assert set(refused) <= {"413", "403", "401"}, refused
    assert refused["413"]
    assert upload_small(port, token) == ["422"]
    assert after < MOST_MIB
    told = ", ".join(f"{refused[status]} × {status}" for status in sorted(refused))
    unit = (
        f"MiB of memory at most in the server during {number} uploads of 10 MB at once, in {len(WAYS)} ways at its four doors, "
        f"{before:.0f} before; none was accepted ({told}, the other lines were cut unread)"
    )
    say(f"huge bodies: {after:.0f} {unit}")
    result("R19", round(after), unit)


def upload_small(port, token):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=60) as line:
        head = f"POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        line.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        return line.makefile("rb").readline().decode().split(" ")[1:2]
    return []
