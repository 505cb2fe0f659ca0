"""dns-persist-01 (draft): a standing TXT record that names the CA and the account; a person puts it there once.

Source: the draft's working text of November 2025. Chancery holds no DNS credential for it: it shows the record, and
looks whether it is there. Whoever has the account key then controls the domain towards that CA.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from chancery.core.clock import Clock
from chancery.protocols.acme.solving.base import Task
from chancery.protocols.acme.solving.lookup import Lookup
from chancery.sdk.errors import ValidationFailed
from chancery.sdk.outcome import HttpAnswer

_LABEL = "_validation-persist"
_MOST_ISSUERS = 10
_MOST_TOLD = 5


class PersistSolver:
    """Shows which record to put, and sees whether it is there."""

    type = "dns-persist-01"
    local = True
    waits_for_people = True

    def __init__(self, lookup: Lookup, clock: Clock) -> None:
        self._lookup, self._clock = lookup, clock

    def present(self, tasks: Sequence[Task]) -> tuple[HttpAnswer, ...]:
        """Put nothing anywhere; raises `ValidationFailed` where the CA names no issuer, or too many."""
        for task in tasks:
            if not 0 < len(task.issuers) <= _MOST_ISSUERS:
                raise ValidationFailed(
                    f"The CA's challenge for {task.name} names {len(task.issuers)} issuers, from 1 to 10 are allowed.",
                    code="issuers",
                    bytes_sent=False,
                    remedy="Choose another challenge in the connector's settings.",
                )
        return ()

    def missing(self, tasks: Sequence[Task]) -> Sequence[str]:
        """Return, for each record, of five at most, that is not there, what to put where."""
        return list(islice(filter(None, map(self._missing, tasks)), _MOST_TOLD))

    def _missing(self, task: Task) -> str:
        name = f"{_LABEL}.{task.name}"
        if not self._lookup.missing(name, lambda text: self._fits(text, task)):
            return ""
        wide = "; policy=wildcard" if task.wildcard else ""
        return f'Put a TXT record at {name} with the value "{task.issuers[0]}; accounturi={task.account}{wide}".'

    def _fits(self, text: str, task: Task) -> bool:
        issuer, *rest = (part.strip() for part in text.split(";"))
        fields = {name.strip().lower(): value.strip() for name, _, value in (part.partition("=") for part in rest)}
        until = fields.get("persistuntil", "")
        if until and not (until.isascii() and until.isdigit() and int(until[:15]) > self._clock.now().timestamp()):
            return False
        wide = fields.get("policy", "").lower() == "wildcard"
        same = issuer.rstrip(".").lower() in {one.rstrip(".").lower() for one in task.issuers}
        return same and fields.get("accounturi") == task.account and (wide or not task.wildcard)

    def clean(self, tasks: Sequence[Task]) -> None:
        """Leave the record: it is a standing one."""

    def trouble(self) -> tuple[str, str] | None:
        """Return what is wrong with the servers to ask."""
        return self._lookup.trouble()
