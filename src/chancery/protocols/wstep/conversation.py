"""One message to a web service, and its answer."""

from __future__ import annotations

import uuid
from typing import Any, Protocol

from chancery.core.clock import Clock
from chancery.core.secret import Secret
from chancery.protocols.hresult import Explain, plainly
from chancery.protocols.wstep.document import Element, Malformed, named, read
from chancery.protocols.wstep.envelope import Message
from chancery.protocols.wstep.faults import Fault, refused, senseless, unanswered
from chancery.protocols.wstep.names import ADDRESSING, SOAP
from chancery.protocols.wstep.settings import WstepCredentials
from chancery.sdk.answer import Answer

_KIND = "application/soap+xml; charset=utf-8"
_WHOLE = {200, 400, 500}
"""Statuses that SOAP messages come with (SOAP 1.2 part 2 section 7.5): an answer, or a fault of either side."""
LARGEST = 8 * 1024 * 1024
"""Bytes of an answer with policies; what a CA says of one request is far smaller, and held to `MAX_TOKEN`."""
MAX_TOKEN = 1024 * 1024


class Door(Protocol):
    """What of an `HttpDoor` is used; one that logs in over HTTP on the way is as good."""

    @property
    def base_url(self) -> str:
        """Return what paths are joined to."""

    def learn(self, secret: Secret) -> None:
        """Keep a secret out of texts."""

    def post(self, path: str, **more: Any) -> Answer:
        """Send a POST, as `HttpDoor.request` does."""


class Conversation:
    """Speaks SOAP over one door, as one user."""

    def __init__(self, door: Door, credentials: WstepCredentials, clock: Clock, explain: Explain = plainly) -> None:
        self._door, self._credentials, self._clock, self._explain = door, credentials, clock, explain
        if credentials.password:
            door.learn(credentials.password)

    def ask(
        self, place: str, action: str, body: str, *, effect: bool = False, max_bytes: int = MAX_TOKEN
    ) -> tuple[Element, Answer]:
        """Send a message and return the element inside the answer's body, and the answer.

        `place` is a path below the door's base URL, or a URL. Raises the error for a fault, for an answer that is no SOAP
        message, and for one to another message than ours.
        """
        to = place if "://" in place else f"{self._door.base_url}/{place.strip('/')}"
        message = Message(action, f"urn:uuid:{uuid.uuid4()}", to, body)
        content = message.text(self._credentials, self._clock.now())
        headers = {"Content-Type": _KIND}
        answer = self._door.post(
            to, content=content, headers=headers, effect=effect, foreign="://" in place, max_bytes=max_bytes
        )
        return self._inside(answer, message), answer

    def _inside(self, answer: Answer, message: Message) -> Element:
        if answer.status not in _WHOLE:
            raise unanswered(answer)
        try:
            envelope = read(answer.body)
        except Malformed as error:
            if _is_page(answer):
                raise unanswered(answer) from None
            raise senseless(answer, f"The answer cannot be read: {error}.") from None
        inside = envelope.find(named(SOAP, "Body")) if envelope.name == named(SOAP, "Envelope") else None
        if inside is None or len(inside.children) != 1:
            raise unanswered(answer)
        _for_us(envelope, message, answer)
        found = inside.children[0]
        if found.name == named(SOAP, "Fault"):
            raise refused(answer, Fault.read(found), self._explain)
        if answer.status != 200:
            raise senseless(answer, f"The service answered {answer.status}, and yet with no fault.")
        return found


def _for_us(envelope: Element, message: Message, answer: Answer) -> None:
    """Refuse an answer that names another message. A fault may name none: it can come before the message was read."""
    relates = envelope.value(named(SOAP, "Header"), named(ADDRESSING, "RelatesTo"))
    if relates and relates != message.number:
        raise senseless(answer, "The answer belongs to another message than the one that was sent.")


def _is_page(answer: Answer) -> bool:
    return "html" in answer.headers.get("content-type", "").lower() or b"<html" in answer.body[:1000].lower()
