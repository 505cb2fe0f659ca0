"""http-01 (RFC 8555 section 8.3): Chancery answers at `http://<name>/.well-known/acme-challenge/<token>`.

Either the name leads to Chancery's own web server, or whatever answers for the name passes this one path on to it (a
proxy rule, or a redirect). What is answered is recorded with the order before the CA is told to look.
"""

from __future__ import annotations

from collections.abc import Sequence

from chancery.protocols.acme.solving.base import Task
from chancery.sdk.errors import ProtocolViolation
from chancery.sdk.outcome import HttpAnswer


class HttpSolver:
    """Hands what is to be answered to the engine; there is nothing else to do, and nothing to clean."""

    type = "http-01"
    local = True
    waits_for_people = False

    def present(self, tasks: Sequence[Task]) -> tuple[HttpAnswer, ...]:
        """Return the answers; raises `ProtocolViolation` for a token that is none."""
        try:
            return tuple(HttpAnswer(task.token, task.key_authorization) for task in tasks)
        except ValueError:
            raise ProtocolViolation(
                "The CA gave a token that cannot stand in an address.", code="token", stage="response", bytes_sent=False
            ) from None

    def missing(self, tasks: Sequence[Task]) -> Sequence[str]:
        """Return nothing: what the engine recorded is answered from then on."""
        return ()

    def clean(self, tasks: Sequence[Task]) -> None:
        """Do nothing: the engine takes the answers away with the order's end."""

    def trouble(self) -> None:
        """Return nothing: whether a name leads here shows only when the CA looks."""
