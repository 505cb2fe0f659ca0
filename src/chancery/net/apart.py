"""Runs a module of ours in a process of its own, for libraries that open sockets by themselves.

The process has an empty environment (no proxy, no settings), a deadline, and connects only to what the address policy
allows: every connection is judged right where it is opened, by the address that it really leads to.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from chancery.net.addresses import AddressPolicy

_DATAGRAMS = ("sendto", "sendmsg")


class Refused(OSError):
    """An address that is not allowed."""


def ask(module: str, asked: dict[str, Any], wait: float) -> dict[str, str]:
    """Return what the module answers on standard output: `kind` (ok, login, away or other) and `text`.

    `asked` goes to its standard input as JSON; `wait` is in seconds.
    """
    # -I: neither the environment nor the working directory decides what is imported.
    command = [sys.executable, "-I", "-m", module]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module; what was typed goes by standard input
            command, input=json.dumps(asked).encode(), capture_output=True, timeout=wait, check=False, env={}, cwd="/"
        )
    except subprocess.TimeoutExpired:
        return {"kind": "away", "text": f"no answer within {wait:g} s"}
    try:
        told = json.loads(done.stdout)
        return {"kind": str(told["kind"]), "text": str(told["text"])}
    except (ValueError, TypeError, KeyError):
        return {"kind": "other", "text": f"it ended with {done.returncode}"}


def guard(policy: AddressPolicy, *, datagrams: bool = False) -> list[str]:
    """Let this process connect only to what the policy allows; local sockets not at all.

    With `datagrams` what is sent without a connection is judged as well. Without, a library may ask this machine's resolver.

    The list that is returned grows by a sentence for each refusal, since libraries say no more than that it failed.
    """
    refusals: list[str] = []

    def judge(own: socket.socket, address: Any) -> None:
        inet = own.family in {socket.AF_INET, socket.AF_INET6}
        reason = policy.judge(str(address[0])) if inet else "it is no internet address"
        if reason:
            refusals.append(f"{address[0] if inet else 'a local socket'}: {reason}")
            raise Refused(refusals[-1])

    def connecting(name: str) -> Callable[..., Any]:
        real = getattr(socket.socket, name)

        def judged(own: socket.socket, address: Any) -> Any:
            judge(own, address)
            return real(own, address)

        return judged

    def sending(name: str) -> Callable[..., Any]:
        real = getattr(socket.socket, name)

        def judged(own: socket.socket, *given: Any) -> Any:
            # The address stands last, if there is one; a socket that is connected was judged when it was.
            if given and isinstance(given[-1], tuple):
                judge(own, given[-1])
            return real(own, *given)

        return judged

    for name in ("connect", "connect_ex"):
        setattr(socket.socket, name, connecting(name))
    for name in _DATAGRAMS if datagrams else ():
        setattr(socket.socket, name, sending(name))
    return refusals
