"""An empty network of the test's own, in which every address leads back to this machine and every packet is seen.

Linux gives a thread a network of its own (network_namespaces(7)); there all addresses are made local ones, so whatever the
code under test connects to really answers, and a packet socket (packet(7)) sees whether it did.
"""

import ctypes
import shutil
import socket
import struct
import subprocess
from collections import Counter
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

_NEW_NETWORK = 0x40000000
_EVERY_PROTOCOL = 0x0003
_IPV4, _IPV6 = 0x0800, 0x86DD
_FORCED_BUFFER, _BUFFER = 33, 1 << 25
_HOUSEKEEPING = frozenset({1, 2, 58})
"""ICMP, IGMP and ICMPv6: what the kernel says by itself."""
_PORTS = {6, 17}
_DNS = 53


@contextmanager
def empty():
    """Enter an empty network for the time of the block; yields what sees its packets. Skips where that is not possible."""
    if shutil.which("ip") is None:
        pytest.skip("iproute2 is not installed")
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home:
        if libc.unshare(_NEW_NETWORK):
            pytest.skip("only root may make a network namespace")
        try:
            for line in ("link set lo up", "route add local default dev lo", "-6 route add local default dev lo"):
                subprocess.run(["ip", *line.split()], check=True)
            with Watch() as watch:
                yield watch
        finally:
            assert libc.setns(home.fileno(), _NEW_NETWORK) == 0


class Watch:
    """Sees every packet that is sent. `known` are addresses that may be spoken to; the machine's name servers are left out."""

    def __init__(self):
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
        self._socket.setsockopt(socket.SOL_SOCKET, _FORCED_BUFFER, _BUFFER)
        self._socket.setblocking(False)
        self.servers = set(name_servers())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()

    def seen(self, known=()):
        """Return how many packets went between which addresses since the last look, but for those with `known` ones."""
        found = Counter()
        while True:
            try:
                raw, (_, protocol, direction, *_) = self._socket.recvfrom(200)
            except BlockingIOError:
                return found
            if direction != socket.PACKET_OUTGOING:
                continue
            packet = read(protocol, raw)
            if packet is not None and not self._harmless(packet, known):
                found[packet] += 1

    def _harmless(self, packet, known):
        source, source_port, target, target_port = packet
        if {source, target} & set(known):
            return True
        asked = (target, target_port) if target_port == _DNS else (source, source_port)
        return asked[0] in self.servers and asked[1] == _DNS


def read(protocol, raw):
    """Return source, its port, target and its port; None for what the kernel says by itself."""
    if protocol == _IPV4:
        kind, ends, rest = raw[9], (raw[12:16], raw[16:20]), raw[(raw[0] & 15) * 4 :]
    elif protocol == _IPV6:
        kind, ends, rest = raw[6], (raw[8:24], raw[24:40]), raw[40:]
    else:
        return None
    if kind in _HOUSEKEEPING:
        return None
    ports = struct.unpack("!HH", rest[:4]) if kind in _PORTS else (0, 0)
    return str(ip_address(ends[0])), ports[0], str(ip_address(ends[1])), ports[1]


def name_servers():
    """Return the name servers that this machine's C library asks."""
    lines = (
        Path("/etc/resolv.conf").read_text(encoding="ascii").splitlines() if Path("/etc/resolv.conf").exists() else []
    )
    named = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    return named or ["127.0.0.1"]
