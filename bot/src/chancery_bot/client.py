"""The bot's side of the wire: signs each request, reads each answer."""

from __future__ import annotations

import json
import secrets
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from chancery_bot import wire
from chancery_bot.clock import Clock
from chancery_bot.errors import Away, Refused, Turned
from chancery_bot.state import Identity, State
from chancery_bot.web import Answer, call, usable

M = TypeVar("M", bound=wire.Message)
_BUSY = 500
_UNSURE = {408, 425, 429}


class Client:
    """Speaks to one server as one bot."""

    def __init__(self, state: State, clock: Clock, machine: str) -> None:
        self._state, self._clock, self._machine = state, clock, machine
        self._offset = 0.0

    def enrol(self, server: str, token: str, host: wire.Host, trust: str = "") -> Identity:
        """Give the token and the public key; from then on the bot is who the server says."""
        address = usable(server)
        key = self._state.own_key(make=True)
        body = wire.Enrol(token=token.strip(), public_key=wire.public_text(key), host=host)
        found = self._send(Identity(address, "", "", trust), "enrol", body, wire.Enrolled)
        identity = Identity(address, str(found.bot), found.name, trust)
        self._state.enrolled(identity)
        return identity

    def ask(self, what: str, body: wire.Message, answer: type[M]) -> M:
        """Send a message and return the answer; raises `Away`, `Turned`, `Refused`."""
        return self._send(self._state.identity(), what, body, answer)

    def _send(self, who: Identity, what: str, body: wire.Message, answer: type[M]) -> M:
        raw = wire.write(body)
        found = self._post(who, what, raw)
        if found.status == 401 and _code(found) == "clock":
            self._follow(found.headers.get("date", ""))
            found = self._post(who, what, raw)
        if found.status != 200:
            raise _refusal(found)
        try:
            return wire.read(answer, found.body)[0]
        except wire.WireError as error:
            raise Away(f"{who.server} answers in words that are not Chancery's: {error}") from None

    def _post(self, who: Identity, what: str, raw: bytes) -> Answer:
        path = f"{wire.PREFIX}/{what}"
        time = int(self._clock.now().timestamp() + self._offset)
        signed = wire.Signed(who.bot, self._machine, time, secrets.token_urlsafe(18), b"")
        header = wire.authorization(self._state.own_key(), "POST", path, raw, signed)
        headers = {"Authorization": header, "Content-Type": "application/json", "Accept": "application/json"}
        return call(who.server + path, "POST", raw, headers, who.trust)

    def _follow(self, date: str) -> None:
        """Sign by the server's clock where this host's differs too much."""
        try:
            self._offset = parsedate_to_datetime(date).timestamp() - self._clock.now().timestamp()
        except (TypeError, ValueError):
            self._offset = 0.0


def _problem(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _code(answer: Answer) -> str:
    return str(_problem(answer).get("code", ""))


def _refusal(answer: Answer) -> Exception:
    said = _problem(answer)
    text, remedy = str(said.get("detail", "")), str(said.get("remedy", ""))
    if not said or answer.status >= _BUSY or answer.status in _UNSURE:
        return Away(f"The server answers {answer.status}. {text}".strip())
    if answer.status in {401, 403}:
        return Turned(f"{text} {remedy}".strip())
    return Refused(text or f"The server answers {answer.status}.", remedy)
