"""How CertCentral says no: an HTTP status and `{"errors":[{"code","message"}]}` (B1.1)."""

from __future__ import annotations

from chancery.sandbox.frame import Reply, json_reply


class Refusal(Exception):
    """Raised by a handler; the service turns it into the documented error body."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    def reply(self) -> Reply:
        """Return the answer."""
        made = json_reply({"errors": [{"code": self.code, "message": self.message}]}, self.status)
        made.headers = self.headers
        return made


def bad_format() -> Refusal:
    """Return the refusal of a body that is no JSON object of the documented shape."""
    return Refusal(400, "bad_request_format", "The request body could not be parsed.")


def invalid(field: str, message: str) -> Refusal:
    """Return the refusal of one field's value."""
    return Refusal(400, f"invalid_value:{field}", message)


def missing(what: str = "", message: str = "The requested record could not be found.") -> Refusal:
    """Return the refusal for something that does not exist, or not for this key."""
    return Refusal(404, f"not_found|{what}" if what else "not_found", message)


def denied(detail: str = "missing_permission") -> Refusal:
    """Return the refusal for a missing right (or, with its detail, a bad key)."""
    return Refusal(403, f"access_denied|{detail}", f"Access denied due to {detail}.")


def throttled(retry_after: str = "") -> Refusal:
    """Return the refusal over the rate limit; documents promise no Retry-After, so it is sent only where asked for."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Refusal(429, "request_limit_exceeded", "Service unavailable, please limit request volume", headers)
