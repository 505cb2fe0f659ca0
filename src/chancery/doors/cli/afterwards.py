"""What host commands do and say once a database was put back from a backup."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chancery.doors.cli import ready

if TYPE_CHECKING:
    from chancery.apps.orders.restoring import PutBack

SAME_ACCOUNTS = "No connector was given another address or credential since the backup: what a CA's search does not find was not sent."
NEXT = (
    "Look at what is listed as unknown, pull each CA's inventory and compare it, then activate the connectors: nothing is ordered "
    "before that."
)


def put_back(*, same_accounts: bool) -> tuple[str, PutBack]:
    """Begin a new origin of checkpoints and have everything looked for first; Django is set up. Returns origin and counts."""
    from chancery.apps.audit import keeping
    from chancery.apps.orders import restoring
    from chancery.apps.shared.actor import host_actor

    actor = host_actor(ready.operator())
    # First: the newest entry of the backup says from when on nothing is known.
    found = restoring.put_back(actor, same_accounts=same_accounts)
    return keeping.restored(actor), found


def sentence(found: PutBack) -> str:
    """Say what was done."""
    text = (
        f"What was sent to CAs after {found.since:%Y-%m-%d %H:%M} UTC is not known here. {found.connectors} connectors were switched "
        f"off, and {found.searched} orders that may have been sent since are searched for at their CAs."
    )
    return f"{text} {found.held} more are, once they are approved." if found.held else text
