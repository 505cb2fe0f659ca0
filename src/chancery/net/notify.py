"""Sends a message to whatever service an address names, through the library that knows them, in a process apart.

Addresses are those of apprise (`slack://…`, `mailtos://…`, `json://host/path`); they hold tokens and passwords.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from chancery.core.secret import Secret
from chancery.net import apart
from chancery.net.redact import register, scrub

_MODULE = "chancery.net.notify_process"
_WAIT = 30.0
"""Seconds for one message, or for a look at an address."""
_PARTS = re.compile(r"[^/@:?&=,#\s]{6,}")
"""What of an address may be a token; a scheme is none, and a word that short hides nothing."""
_SCHEME = re.compile(r"([a-z0-9]{2,32})://.")


def scheme(url: Secret) -> str:
    """Return the scheme of an address, which names the service; '' for what is no address."""
    found = _SCHEME.match(url.reveal().strip().lower())
    return found.group(1) if found else ""


def send(url: Secret, title: str, body: str, networks: Sequence[str]) -> str:
    """Send, and return '' or, in a sentence without anything of the address, why it did not go."""
    return _ask({"act": "send", "title": title, "body": body}, url, networks)


def check(url: Secret) -> str:
    """Return '' for an address that the library understands, or why it does not; connects to nothing."""
    return _ask({"act": "check", "title": "", "body": ""}, url, ())


def _ask(asked: dict[str, str], url: Secret, networks: Sequence[str]) -> str:
    secrets = secrets_of(url)
    register(secrets)
    told = apart.ask(_MODULE, {**asked, "url": url.reveal().strip(), "networks": list(networks)}, _WAIT)
    if told["kind"] == "ok":
        return ""
    if told["kind"] == "guard":
        # What it says is an address that was connected to, and so no token.
        reason = scrub(told["text"], (url,)).replace("connector", "channel")
        return f"It leads where this channel may not: {reason}. Add the network to the channel, if that is right."
    return scrub(told["text"], secrets) or "The service did not take it."


def secrets_of(url: Secret) -> tuple[Secret, ...]:
    """Return an address and its parts, of which each may be a token."""
    text = url.reveal().strip()
    return (url, *(Secret(part) for part in dict.fromkeys(_PARTS.findall(text.partition("://")[2]))))
