"""A port that somebody has is found out before anything listens there."""

import errno
import socket
from contextlib import contextmanager

import pytest

from chancery.net import listening


@contextmanager
def listener(*, shared):
    with socket.socket() as server:
        if shared:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.mark.parametrize("shared", [True, False])
def test_a_taken_port_is_found_out_even_where_it_could_be_shared(shared):
    with listener(shared=shared) as port:
        problem, remedy = listening.obstacle("127.0.0.1", port)
    assert "another program" in problem
    assert remedy
    assert listening.obstacle("127.0.0.1", port) is None


def test_what_a_closed_server_leaves_behind_is_no_obstacle():
    with listener(shared=False) as port, socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
    assert listening.obstacle("127.0.0.1", port) is None


def test_an_address_of_another_machine_is_none_of_ours():
    assert "no such address" in listening.obstacle("192.0.2.1", 8000)[0]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, None])
def test_other_reasons_are_told_too(monkeypatch, code):
    def refuse(self, address):
        raise OSError(code, "Input/output error") if code else OSError

    class Refusing(socket.socket):
        bind = refuse

    monkeypatch.setattr(listening.socket, "socket", Refusing)
    problem, remedy = listening.obstacle("127.0.0.1", 8000)
    assert problem
    assert remedy


def test_names_stand_for_addresses():
    assert listening.resolved("localhost") in {"127.0.0.1", "::1"}
    assert listening.resolved("[::1]") == "::1"
    with pytest.raises(OSError):
        listening.resolved("nowhere.invalid")


def test_a_free_port_is_free():
    assert listening.obstacle("127.0.0.1", listening.free_port()) is None
