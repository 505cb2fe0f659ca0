"""Writes requests: SOAP 1.2 with WS-Addressing headers, and WS-Security ones where a user logs in by message."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from chancery.protocols.wstep.names import (
    ADDRESSING,
    ANONYMOUS,
    INSTANCE,
    PASSWORD_TYPE,
    SECURITY,
    SOAP,
    UTILITY,
)
from chancery.protocols.wstep.settings import WstepCredentials
from chancery.sdk.errors import AuthFailed

_LASTS = timedelta(minutes=5)
"""How long a message with a password is good (the specification's sample)."""
_UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 section 2.2 has no way to write."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request: `number` is its WS-Addressing MessageID, `to` the very URL that it is sent to."""

    action: str
    number: str
    to: str
    body: str

    def text(self, credentials: WstepCredentials, now: datetime) -> bytes:
        """Return the envelope in UTF-8."""
        security = _security(credentials, now) if credentials.user else ""
        return (
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:xsi="{INSTANCE}"><s:Header>'
            f'<a:Action s:mustUnderstand="1">{escaped(self.action)}</a:Action>'
            f"<a:MessageID>{escaped(self.number)}</a:MessageID>"
            f"<a:ReplyTo><a:Address>{ANONYMOUS}</a:Address></a:ReplyTo>"
            f'<a:To s:mustUnderstand="1">{escaped(self.to)}</a:To>'
            f"{security}</s:Header><s:Body>{self.body}</s:Body></s:Envelope>"
        ).encode()


def _security(credentials: WstepCredentials, now: datetime) -> str:
    """UsernameToken profile 1.0, and the Timestamp of WS-Security 1.0 section 10."""
    if _UNFIT.search(credentials.user) or _UNFIT.search(credentials.password.reveal()):
        raise AuthFailed(
            "User name or password holds a character that no XML message can carry.",
            code="credential",
            bytes_sent=False,
            remedy="Enter the credentials again; a control character was probably pasted with them.",
        )
    return (
        f'<o:Security xmlns:o="{SECURITY}" xmlns:u="{UTILITY}" s:mustUnderstand="1">'
        f'<u:Timestamp u:Id="_0"><u:Created>{_moment(now)}</u:Created>'
        f"<u:Expires>{_moment(now + _LASTS)}</u:Expires></u:Timestamp>"
        f'<o:UsernameToken u:Id="_1"><o:Username>{escaped(credentials.user)}</o:Username>'
        f'<o:Password Type="{PASSWORD_TYPE}">{escaped(credentials.password.reveal())}</o:Password>'
        "</o:UsernameToken></o:Security>"
    )


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def escaped(text: str) -> str:
    """Return text as content or attribute value; what XML cannot carry is left out.

    The form is the one by which secrets are found in echoes of a request.
    """
    return html.escape(_UNFIT.sub("", text))
