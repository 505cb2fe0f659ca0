"""The unsigned part of SCEP: what the CA can do, who is who, and how messages travel (RFC 8894 sections 3.5 and 4)."""

from __future__ import annotations

import base64
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from chancery.core.clock import Clock
from chancery.protocols.cms import Unreadable
from chancery.protocols.scep import roster
from chancery.protocols.scep.capabilities import Capabilities
from chancery.protocols.scep.failures import refusal, senseless
from chancery.protocols.scep.roster import Roster
from chancery.protocols.scep.settings import ScepSettings
from chancery.sdk.answer import Answer
from chancery.sdk.http import HttpDoor

_FRESH = timedelta(hours=1)
_LARGEST = 512 * 1024


@dataclass(frozen=True, slots=True)
class Known:
    """What the CA said of itself, and when."""

    capabilities: Capabilities
    roster: Roster
    at: datetime


class Service:
    """One SCEP service. Safe to share between threads; what it knows of the CA is asked again after an hour."""

    def __init__(self, door: HttpDoor, settings: ScepSettings, clock: Clock) -> None:
        self._door, self._settings, self._clock = door, settings, clock
        self._known: Known | None = None
        self._lock = threading.Lock()

    def known(self) -> Known:
        """Return what the CA says of itself, by reading; raises the SDK's errors, with nothing done at the CA."""
        now = self._clock.now()
        with self._lock:
            found = self._known
        if found is None or now - found.at >= _FRESH:
            found = Known(self.capabilities(), self.roster(), now)
            with self._lock:
                self._known = found
        return found

    def forget(self) -> None:
        """Ask the CA again next time: its certificates may have been renewed."""
        with self._lock:
            self._known = None

    def capabilities(self) -> Capabilities:
        """Return GetCACaps' answer, or what the settings put in its place."""
        if self._settings.capabilities:
            return Capabilities.of(self._settings.capabilities)
        answer = self._get("GetCACaps")
        if answer.status != 200:
            raise refusal(answer)
        if _is_page(answer):
            raise senseless(answer, "The server answers GetCACaps with something else than a list of capabilities.")
        return Capabilities.read(answer.body[:_LARGEST].decode("ascii", "replace"))

    def roster(self) -> Roster:
        """Return GetCACert's answer."""
        answer = self._get("GetCACert")
        if answer.status != 200:
            raise refusal(answer)
        try:
            return roster.read(answer.body, self._settings.fingerprint)
        except Unreadable as error:
            raise senseless(answer, f"The CA's certificates (GetCACert) cannot be used: {error}.") from None

    def send(self, message: bytes, *, post: bool, effect: bool) -> Answer:
        """Send a pkiMessage by POST, or by GET where the CA takes nothing else (RFC 8894 section 4.1)."""
        if post:
            headers = {"Content-Type": "application/x-pki-message"}
            path = self._path("?operation=PKIOperation")
            answer = self._door.post(path, content=message, headers=headers, effect=effect, max_bytes=_LARGEST)
        else:
            said = {"operation": "PKIOperation", "message": base64.b64encode(message).decode()}
            answer = self._door.get(self._path(""), params=said, effect=effect, max_bytes=_LARGEST)
        if answer.status != 200:
            raise refusal(answer)
        return answer

    def _get(self, operation: str) -> Answer:
        name = {"message": self._settings.ca_name} if self._settings.ca_name else {}
        return self._door.get(self._path(""), params={"operation": operation, **name}, max_bytes=_LARGEST)

    def _path(self, query: str) -> str:
        return self._settings.path.strip("/") + query


def _is_page(answer: Answer) -> bool:
    text = answer.body[:1000].strip()
    return not text.isascii() or text[:1] in {b"<", b"{", b"[", b'"', b"\0"} or text == b"null"
