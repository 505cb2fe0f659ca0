"""A manager of the CA, at the simulator's control door: approves, denies, revokes; and an administrator, who renews the CA."""

from __future__ import annotations

from typing import Any

from chancery.authorities.adcs.simulator import numbers
from chancery.authorities.adcs.simulator.database import Database, Row, State
from chancery.authorities.adcs.simulator.issuing import Issuer
from chancery.authorities.adcs.simulator.policy import Policy
from chancery.authorities.adcs.simulator.words import ENGLISH
from chancery.protocols.negotiate.simulator.access import DOMAIN
from chancery.sandbox.clock import ShiftedClock
from chancery.sandbox.frame import Asked, Handler, Reply, json_reply

_WHO = f"{DOMAIN}\\camanager"


class Manager:
    """`{"request": id}` names one row; without it all that wait are meant. The answer lists the rows that were changed."""

    def __init__(self, database: Database, issuer: Issuer, policy: Policy, clock: ShiftedClock) -> None:
        self._database, self._issuer, self._policy, self._clock = database, issuer, policy, clock

    def doors(self) -> dict[tuple[str, str], Handler]:
        """Return the control requests."""
        return {
            ("POST", "/approve"): lambda asked: self._each(asked, self.approve),
            ("POST", "/deny"): lambda asked: self._each(asked, self.deny),
            ("POST", "/revoke"): lambda asked: self._each(asked, self.revoke),
            ("POST", "/renew"): self._renew,
        }

    def _each(self, asked: Asked, act: Any) -> Reply:
        wanted = (asked.json() or {}).get("request")
        rows = [self._database.rows[wanted]] if wanted in self._database.rows else []
        if wanted is None:
            rows = self._database.waiting()
        return json_reply({"requests": [row.number for row in rows if act(row)]})

    def approve(self, row: Row) -> bool:
        """Resubmit a pending row, which issues it."""
        if row.state is State.PENDING:
            self._policy.issue(row)
        return row.state is State.ISSUED

    def deny(self, row: Row) -> bool:
        """Deny a pending row."""
        if row.state is not State.PENDING:
            return False
        row.state, row.code, row.due = State.DENIED, numbers.ADMIN_DENIED, None
        row.message = ENGLISH["by_manager"].format(who=_WHO)
        return True

    def revoke(self, row: Row) -> bool:
        """Revoke an issued row; the CRL has it from now on."""
        if row.state is not State.ISSUED or row.certificate is None:
            return False
        self._issuer.revoke(row.certificate, self._clock.now())
        row.state = State.REVOKED
        return True

    def _renew(self, asked: Asked) -> Reply:
        del asked
        self._issuer.renew(self._clock.now())
        return json_reply({"renewals": len(self._issuer.renewals) - 1})
