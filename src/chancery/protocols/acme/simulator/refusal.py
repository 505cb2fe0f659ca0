"""Problem documents (RFC 7807) as the CA sends them (RFC 8555 section 6.7)."""

from __future__ import annotations

import json
from typing import Any

from chancery.sandbox.frame import Reply

_SPACE = "urn:ietf:params:acme:error:"


class Refusal(Exception):
    """A no, with its type, the sentence for people, status and headers; `more` goes into the document as it is."""

    def __init__(
        self, kind: str, detail: str, status: int = 400, *, headers: dict[str, str] | None = None, **more: Any
    ) -> None:
        super().__init__(detail)
        self.document = {"type": f"{_SPACE}{kind}", "detail": detail, "status": status, **more}
        self.status, self.headers = status, headers or {}

    def reply(self) -> Reply:
        """Return the answer."""
        body = json.dumps(self.document).encode()
        return Reply(self.status, body, "application/problem+json", headers=dict(self.headers))


def malformed(detail: str, status: int = 400) -> Refusal:
    """Return the refusal of a request that breaks the protocol."""
    return Refusal("malformed", detail, status)


def unauthorized(detail: str) -> Refusal:
    """Return the refusal of what an account may not do."""
    return Refusal("unauthorized", detail, 403)


def missing(what: str) -> Refusal:
    """Return the refusal of what is not there."""
    return Refusal("malformed", f"There is no such {what}.", 404)
