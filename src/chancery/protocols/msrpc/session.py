"""Opens what a call needs: the enrolment interface, or an object of the CA, as one account; and closes it behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from chancery.protocols.hresult import Explain
from chancery.protocols.msrpc import faults
from chancery.protocols.msrpc.activation import make
from chancery.protocols.msrpc.calls import ICPR
from chancery.protocols.msrpc.channel import Channel, Wire
from chancery.protocols.msrpc.endpoints import port_of
from chancery.protocols.msrpc.ndr import Malformed
from chancery.protocols.msrpc.security import Security
from chancery.protocols.msrpc.settings import MsrpcSettings
from chancery.protocols.negotiate.settings import Credentials

T = TypeVar("T")


class Session:
    """Speaks to one CA as one account. Every conversation has connections of its own, so threads may share a session."""

    def __init__(self, wire: Wire, settings: MsrpcSettings, credentials: Credentials, explain: Explain) -> None:
        self._wire, self._settings, self._credentials, self._explain = wire, settings, credentials, explain

    def icpr(self, act: Callable[[Callable[..., bytes]], T]) -> T:
        """Do something with the enrolment interface of MS-ICPR."""
        port = port_of(ICPR, self._wire, self._settings.host, self._settings.port, self._explain)
        with self._channel(port, ICPR) as channel:
            return self._act(act, channel.call)

    def object(self, clsid: str, interface: tuple[str, int], act: Callable[[Callable[..., bytes]], T]) -> T:
        """Do something with a fresh object of a class."""
        host, port = self._settings.host, self._settings.port
        made = make(clsid, interface[0], self._wire, host, port, self._security(), self._explain)
        with self._channel(made.port, interface) as channel:
            return self._act(act, partial(channel.call, target=made.ipid))

    def _act(self, act: Callable[[Callable[..., bytes]], T], send: Callable[..., bytes]) -> T:
        """Read an answer; where an act cannot be understood, nobody knows what became of it."""
        acting = False

        def sending(opnum: int, stub: bytes, **more: Any) -> bytes:
            nonlocal acting
            acting = bool(more.get("effect", False))
            return send(opnum, stub, **more)

        try:
            return act(sending)
        except Malformed as error:
            raise faults.senseless(str(error), self._settings.host, acting=acting) from None

    @contextmanager
    def _channel(self, port: int, interface: tuple[str, int]) -> Iterator[Channel]:
        channel = Channel(self._wire, self._settings.host, port, self._explain)
        try:
            channel.open(interface, self._security())
            yield channel
        finally:
            channel.close()

    def _security(self) -> Security:
        return Security(self._credentials, self._settings.host)
