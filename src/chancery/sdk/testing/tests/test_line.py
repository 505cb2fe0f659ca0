"""The line drops what it carries, whatever state that is in."""

import socket

from chancery.sdk.testing.line import Line


def test_a_line_that_goes_down_drops_every_connection_though_others_are_gone_already():
    line = Line("http://127.0.0.1:9", None)
    closed, unconnected = socket.socket(), socket.socket()
    ours, theirs = socket.socketpair()
    with unconnected, ours, theirs:
        closed.close()
        line._server.open.update([closed, unconnected, ours])
        line.down()
        theirs.settimeout(5)
        assert theirs.recv(1) == b""
