"""A manager of the CA, at the simulator's control door: approves, denies, revokes; and an administrator, who renews the CA."""

from __future__ import annotations

from collections.abc import Callable

from chancery.authorities.adcs.simulator.database import Database
from chancery.authorities.adcs.simulator.words import ENGLISH
from chancery.protocols.negotiate.simulator.access import DOMAIN
from chancery.sandbox.certsrv import Row, State
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply

_WHO = f"{DOMAIN}\\camanager"


class Manager:
    """`{"request": id}` names one row; without it all that wait are meant. The answer lists the rows that were changed."""

    def __init__(self, database: Database, clock: ShiftedClock) -> None:
        self._database, self._clock = database, clock

    def doors(self) -> dict[tuple[str, str], Handler]:
        """Return the control requests."""
        return {
            ("POST", "/approve"): lambda asked: self._each(asked, self.approve),
            ("POST", "/deny"): lambda asked: self._each(asked, self.deny),
            ("POST", "/revoke"): lambda asked: self._each(asked, self.revoke),
            ("POST", "/renew"): self._renew,
        }

    def _each(self, asked: Asked, act: Callable[[Row], bool]) -> Reply:
        wanted = (asked.json() or {}).get("request")
        rows = [
            row
            for row in self._database.rows()
            if row.number == wanted or (wanted is None and row.state is State.PENDING)
        ]
        return json_reply({"requests": [row.number for row in rows if act(row)]})

    def approve(self, row: Row) -> bool:
        """Resubmit a pending row, which issues it."""
        if row.state is State.PENDING:
            self._database.resubmit(row.number)
        return row.state is State.ISSUED

    def deny(self, row: Row) -> bool:
        """Deny a pending row."""
        if row.state is not State.PENDING:
            return False
        self._database.deny(row.number)
        row.message = ENGLISH["by_manager"].format(who=_WHO)
        return True

    def revoke(self, row: Row) -> bool:
        """Revoke an issued row; the CRL has it from now on."""
        if row.state is not State.ISSUED:
            return False
        self._database.revoke(row.serial, 0, self._clock.now())
        return True

    def _renew(self, asked: Asked) -> Reply:
        del asked
        return json_reply({"renewals": self._database.renew()})
