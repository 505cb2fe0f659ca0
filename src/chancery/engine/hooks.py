"""Tells programs what happened: reads under a lease, sends on a thread of its own, records how far it got."""

from __future__ import annotations

from chancery import __version__
from chancery.apps.shared.action import current_clock
from chancery.apps.webhooks import following
from chancery.apps.webhooks.following import Batch, Message
from chancery.core import webhook
from chancery.core.errors import ChanceryError
from chancery.net.addresses import AddressPolicy
from chancery.net.progress import Failed
from chancery.net.transport import Call, Outgoing
from chancery.net.url import parse_url

TIMEOUT = 10.0
"""Seconds for each message, from the name to the last byte of the answer."""
_MOST_ANSWER = 64 * 1024
_AGENT = f"Chancery/{__version__}"


def tell() -> bool:
    """Tell one webhook that is due what it is to be told; says whether another may be due."""
    now, until = current_clock().now(), current_clock().monotonic() + following.TURN
    row = following.claim(now)
    if row is None:
        return False
    try:
        found = following.batch(row, now)
    except ChanceryError as error:
        # Its secret cannot be opened; the others' can.
        nothing = Batch(row, row.fence, (), row.position)  # type: ignore[arg-type]  # claimed: it has a fence
        following.record(nothing, 0, f"{error} {error.remedy}".strip(), now)
        return True
    sent, trouble = _send(found, until)
    following.record(found, sent, trouble, current_clock().now())
    return True


def _send(found: Batch, until: float) -> tuple[int, str]:
    """Send in order, up to the first that is not taken; returns how many were, and why the next was not.

    From `until` on, by the steady clock, what is left waits for its next turn: a slow receiver outlives no lease, and keeps
    no other one waiting for long. One message goes in any case.
    """
    if not found.messages:
        return 0, ""
    way = Outgoing(AddressPolicy(tuple(found.row.allowed_networks)))
    try:
        for n, message in enumerate(found.messages):
            if n and current_clock().monotonic() >= until:
                return n, ""
            error = _post(way, found, message)
            if error:
                return n, error
    finally:
        way.close()
    return len(found.messages), ""


def _post(way: Outgoing, found: Batch, message: Message) -> str:
    signed = webhook.headers(found.secrets, message.ident, current_clock().now(), message.body)
    url = parse_url(found.row.url)
    headers = {"Host": url.authority, "User-Agent": _AGENT, "Content-Length": str(len(message.body)), **signed}
    sent = tuple((name.encode(), value.encode()) for name, value in headers.items())
    try:
        reply = way.send(Call("POST", url, sent, message.body, TIMEOUT, _MOST_ANSWER))
    except Failed as error:
        return f"It could not be reached: {error}."
    if 200 <= reply.status < 300:
        return ""
    # Not followed: the message would go where nobody allowed it to.
    return (
        f"It answered {reply.status}{' (a redirection, which is not followed)' if 300 <= reply.status < 400 else ''}."
    )
