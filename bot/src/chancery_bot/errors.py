"""What ends a step: each says what is wrong and what to do."""

from __future__ import annotations

from pydantic import ValidationError


class Refused(Exception):
    """Something cannot be done; nothing was changed by the call that raises it."""

    def __init__(self, text: str, remedy: str = "") -> None:
        super().__init__(f"{text} {remedy}".strip())
        self.text, self.remedy = text, remedy


class Away(Exception):
    """The server does not answer now; what waits for it is kept and sent later."""


class Turned(Exception):
    """The server knows this bot no longer, or takes it for another; only a new enrolment helps."""


def words(error: Exception) -> str:
    """Return what an error says, with nothing of the input that it quotes: that may be a secret."""
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
