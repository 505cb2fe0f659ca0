"""How V2 says no: RFC 7807, with the EMS code inside its detail."""

from __future__ import annotations

import json
from typing import Any

from chancery.sandbox.frame import Reply

_TITLES = {
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 409: "Conflict", 422: "Unprocessable Entity", 429: "Too Many Requests", 501: "Not Implemented",
}  # fmt: skip


class Refusal(Exception):
    """Raised by a handler; the service turns it into the documented error body."""

    def __init__(self, status: int, detail: str, code: str = "", *, kind: str = "about:blank", **more: Any) -> None:
        super().__init__(detail)
        self.status, self.more, self.kind = status, more, kind
        self.detail = f"[{code}] {detail}" if code else detail
        self.headers: dict[str, str] = {}

    def reply(self, path: str) -> Reply:
        """Return the answer."""
        body = {"type": self.kind, "title": _TITLES[self.status], "status": self.status, "detail": self.detail}
        whole = {**body, "instance": path, **self.more}
        return Reply(self.status, json.dumps(whole).encode(), "application/problem+json", headers=dict(self.headers))


def missing(field: str, message: str = "must not be blank") -> Refusal:
    """Return the 400 for a field that is strictly mandatory."""
    return Refusal(400, "Validation failed", errors=[{"field": field, "message": message}])


def unknown(what: str) -> Refusal:
    """Return the 404."""
    return Refusal(404, f"{what} not found.")


def wrong_state(text: str) -> Refusal:
    """Return the 422 of an operation that the order's state does not support."""
    return Refusal(422, text, "EMS-1165")


def throttled(seconds: str) -> Refusal:
    """Return the 429."""
    made = Refusal(429, "Rate limit exceeded.")
    made.headers = {"Retry-After": seconds} if seconds else {}
    return made
