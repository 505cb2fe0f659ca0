"""Runs a command of `chancery` for a CA that is quick to settle with: `python -m tests.chaos.child worker`.

The simulated CA finds an order at once, so waiting a minute for its search, and two for a lease, would only make the
tests slow. `CHAOS` may name a boundary (see `boundaries.py`) as `at kind order signal`, `CHAOS_CLOCK` a file that says by
how many seconds the machine's clock is wrong; it is read at each look at the clock, so that it may jump under way.
"""

import multiprocessing
import os
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from chancery.core.clock import SYSTEM_CLOCK
from chancery.doors.cli.main import main

BUG = "bug-"
"""How a secret begins that cannot be sealed, and the part of an address at which nothing can be asked."""


class Jumping:
    """The machine's clock, wrong by what a file says; nothing where there is none."""

    def __init__(self, path):
        self._path = Path(path)

    def now(self):
        try:
            return SYSTEM_CLOCK.now() + timedelta(seconds=float(self._path.read_text()))
        except FileNotFoundError:
            return SYSTEM_CLOCK.now()

    def monotonic(self):
        return SYSTEM_CLOCK.monotonic()


def jump(path, seconds):
    """Set that file, so that no reader finds it half written."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(str(seconds))
    fresh.replace(path)


def hurry():
    from chancery.authorities.digicert import authority, following
    from chancery.authorities.local.authority import Local
    from chancery.engine import record

    lease = timedelta(seconds=float(os.environ["CHAOS_LEASE"]))
    soon = timedelta(seconds=0.3)
    digicert = authority.DigiCert
    digicert.facts = replace(digicert.facts, lease=lease, search_lag=soon, calls_per_second=500, burst=500)
    Local.facts = replace(Local.facts, lease=lease)
    assert authority.SOON == following.SOON
    assert record._MIN_WAIT
    authority.SOON = following.SOON = record._MIN_WAIT = soon


def careless():
    """Build in what an author may do wrong: what is raised, and why, has secrets in its text."""
    from chancery.apps.connectors import sealing
    from chancery.sdk.http import HttpDoor

    seal, request = sealing.seal, HttpDoor.request

    def cannot_seal(plain, **bound):
        if plain.startswith(BUG):
            raise RuntimeError(f"cannot seal {plain!r} {plain.encode()!r}")
        return seal(plain, **bound)

    def cannot_ask(door, method, path, **more):
        if f"/{BUG}" in door.base_url:
            values = [secret.reveal() for secret in door.secrets]
            try:
                raise KeyError(*values)
            except KeyError as error:
                raise RuntimeError(f"cannot ask with {values} {more}") from error
        return request(door, method, path, **more)

    sealing.seal, HttpDoor.request = cannot_seal, cannot_ask


def begin():
    """Make this process quick, and as wrong as its environment says."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "chancery.settings"
    django.setup()
    hurry()
    if os.environ.get("CHAOS_BUG"):
        careless()
    if os.environ.get("CHAOS_CLOCK"):
        from chancery.apps.shared.action import use_clock

        use_clock(Jumping(os.environ["CHAOS_CLOCK"]))


def be(command):
    """Be the command that the words are."""
    begin()
    if os.environ.get("CHAOS"):
        from tests.chaos.boundaries import Boundary

        at, kind, order, number = os.environ["CHAOS"].split()
        Boundary(at, kind, order, int(number)).install()
    sys.argv = ["chancery", *command]
    main()


if __name__ == "__mp_main__" and multiprocessing.current_process().name == "calls":
    # The process that calls for a worker: the same CA, the same clock.
    begin()

if __name__ == "__main__":
    be(sys.argv[1:])
